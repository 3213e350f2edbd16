package query_test

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/query/syntax"
)

var naiveNumeral = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)

// naiveNumber returns the number that a value reads as.
func naiveNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		if naiveNumeral.MatchString(v) {
			number, err := strconv.ParseFloat(v, 64)
			return number, err == nil
		}
	}
	return 0, false
}

func naiveMoment(v any) (moment, bool) {
	switch v := v.(type) {
	case moment:
		return v, true
	case string:
		for _, form := range []string{time.RFC3339Nano, time.DateOnly} {
			if t, err := time.Parse(form, v); err == nil {
				return moment(t.UnixNano()), true
			}
		}
	}
	return 0, false
}

func finite(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}

func naiveArithmetic(op string, x, y any) any {
	a, okA := x.(moment)
	b, okB := y.(moment)
	if okA || okB {
		if op == "-" && okA && okB {
			return float64(a-b) / 1e9
		}
		if number, ok := naiveNumber(y); ok && okA && (op == "+" || op == "-") {
			return a + moment(map[string]float64{"+": 1, "-": -1}[op]*math.Round(number*1e9))
		}
		if number, ok := naiveNumber(x); ok && okB && op == "+" {
			return b + moment(math.Round(number*1e9))
		}
		return nil
	}
	p, okP := naiveNumber(x)
	q, okQ := naiveNumber(y)
	if !okP || !okQ {
		return nil
	}
	switch op {
	case "+":
		return finite(p + q)
	case "-":
		return finite(p - q)
	case "*":
		return finite(p * q)
	case "/":
		return finite(p / q)
	}
	return finite(math.Mod(p, q))
}

// naiveCompare orders two values of an expression; ok is false if it cannot.
func naiveCompare(x, y any, level bool) (order int, ok bool) {
	if x == nil || y == nil {
		return 0, false
	}
	less := func(a, b float64) int {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	if level && naiveRank(textOf(x)) > 0 && naiveRank(textOf(y)) > 0 {
		return less(naiveRank(textOf(x)), naiveRank(textOf(y))), true
	}
	_, timeX := x.(moment)
	_, timeY := y.(moment)
	if timeX || timeY {
		a, okA := naiveMoment(x)
		b, okB := naiveMoment(y)
		return less(float64(a-b), 0), okA && okB
	}
	a, okA := naiveNumber(x)
	b, okB := naiveNumber(y)
	if okA && okB {
		return less(a, b), true
	}
	return strings.Compare(textOf(x), textOf(y)), okA == okB
}

func (n *naive) eval(e syntax.Expr, r *naiveRow) any {
	switch e := e.(type) {
	case syntax.Literal:
		switch e.Kind {
		case syntax.LiteralTrue, syntax.LiteralFalse:
			return e.Kind == syntax.LiteralTrue
		case syntax.LiteralNumber:
			number, _ := strconv.ParseFloat(e.Text, 64)
			return number
		case syntax.LiteralDuration:
			d, _ := syntax.ParseDuration(e.Text)
			return d.Seconds()
		case syntax.LiteralText:
			return e.Text
		}
		return nil
	case syntax.Ref:
		return r.get(e.Name)
	case syntax.Unary:
		if e.Op == "not" {
			return n.eval(e.X, r) != true
		}
		return naiveArithmetic("-", 0.0, n.eval(e.X, r))
	case syntax.Binary:
		return n.binary(e, r)
	case syntax.Call:
		return n.call(e, r)
	}
	panic("naive: unknown expression")
}

func (n *naive) binary(e syntax.Binary, r *naiveRow) any {
	x, y := n.eval(e.X, r), n.eval(e.Y, r)
	isLevel := func(e syntax.Expr) bool {
		ref, ok := e.(syntax.Ref)
		return ok && canonical(ref.Name) == "level"
	}
	order, ok := naiveCompare(x, y, isLevel(e.X) || isLevel(e.Y))
	equal := ok && order == 0 || x == nil && y == nil
	switch e.Op {
	case "or":
		return x == true || y == true
	case "and":
		return x == true && y == true
	case "==":
		return equal
	case "!=":
		return !equal
	case "<":
		return ok && order < 0
	case "<=":
		return ok && order <= 0
	case ">":
		return ok && order > 0
	case ">=":
		return ok && order >= 0
	}
	return naiveArithmetic(e.Op, x, y)
}

func (n *naive) call(e syntax.Call, r *naiveRow) any {
	args := make([]any, len(e.Args))
	for i, arg := range e.Args {
		args[i] = n.eval(arg, r)
	}
	switch e.Func {
	case "if", "case":
		for i := 0; i+1 < len(args); i += 2 {
			if args[i] == true {
				return args[i+1]
			}
		}
		if len(args)%2 == 1 {
			return args[len(args)-1]
		}
		return nil
	case "coalesce":
		for _, v := range args {
			if v != nil {
				return v
			}
		}
		return nil
	case "concat":
		text := ""
		for _, v := range args {
			text += textOf(v)
		}
		return text
	case "now":
		return moment(n.now)
	}
	for _, v := range args {
		if v == nil {
			return nil
		}
	}
	return naiveFunction(e.Func, args)
}

func naiveFunction(name string, args []any) any {
	text := textOf(args[0])
	number, isNumber := naiveNumber(args[0])
	switch name {
	case "lower":
		return strings.ToLower(text)
	case "upper":
		return strings.ToUpper(text)
	case "trim":
		return strings.TrimSpace(text)
	case "length":
		return float64(len([]rune(text)))
	case "contains":
		return strings.Contains(text, textOf(args[1]))
	case "starts_with":
		return strings.HasPrefix(text, textOf(args[1]))
	case "ends_with":
		return strings.HasSuffix(text, textOf(args[1]))
	case "matches":
		return regexp.MustCompile(textOf(args[1])).MatchString(text)
	case "replace":
		return strings.Join(strings.Split(text, textOf(args[1])), textOf(args[2]))
	case "substr":
		runes := []rune(text)
		start := int(args[1].(float64))
		if start < 0 {
			start = max(0, start+len(runes))
		}
		runes = runes[min(start, len(runes)):]
		if len(args) > 2 {
			runes = runes[:min(len(runes), int(args[2].(float64)))]
		}
		return string(runes)
	case "split":
		pieces := strings.Split(text, textOf(args[1]))
		if len(args) == 2 {
			array, _ := json.Marshal(pieces)
			return string(array)
		}
		at := int(args[2].(float64))
		if at < 0 {
			at += len(pieces)
		}
		if at < 0 || at >= len(pieces) {
			return nil
		}
		return pieces[at]
	case "to_string":
		return text
	case "to_number":
		if b, ok := args[0].(bool); ok {
			return map[bool]float64{true: 1}[b]
		}
		if at, ok := args[0].(moment); ok {
			return float64(at) / 1e9
		}
		if isNumber {
			return number
		}
		return nil
	case "format_time":
		at, ok := naiveMoment(args[0])
		if !ok {
			return nil
		}
		return time.Unix(0, int64(at)).UTC().Format("15:04") // of "%H:%M", the only one that is drawn
	case "bucket":
		width := args[1].(float64)
		if at, ok := args[0].(moment); ok {
			return moment(math.Floor(float64(int64(at)/1e9)/width) * width * 1e9)
		}
		if isNumber {
			return math.Floor(number/width) * width
		}
		return nil
	}
	if !isNumber {
		return nil
	}
	switch name {
	case "abs":
		return math.Abs(number)
	case "floor":
		return math.Floor(number)
	case "ceil":
		return math.Ceil(number)
	case "round":
		if len(args) == 1 {
			return math.Round(number)
		}
		return math.Round(number*math.Pow(10, args[1].(float64))) / math.Pow(10, args[1].(float64))
	}
	panic("naive: " + name)
}

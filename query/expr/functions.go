package expr

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stere-log/stere/query/syntax"
)

// call compiles a function. The parser has checked the number of arguments.
func (c *compiler) call(e syntax.Call) (node, error) {
	args := make([]node, len(e.Args))
	for i, arg := range e.Args {
		var err error
		if args[i], err = c.node(arg); err != nil {
			return nil, err
		}
	}
	switch e.Func {
	case "now":
		c.of.Now = true
		v := OfTime(c.now)
		return func(Row) Value { return v }, nil
	case "if", "case":
		return choose(args), nil
	case "coalesce":
		return func(row Row) Value {
			for _, arg := range args {
				if v := arg(row); v.Kind != Null {
					return v
				}
			}
			return Value{}
		}, nil
	case "concat":
		return concat(args), nil
	case "matches":
		return c.matches(e, args[0])
	case "format_time":
		return c.formatTime(e, args[0])
	}
	do := functionNamed(e.Func)
	return func(row Row) Value {
		var values [3]Value // the most that these functions take
		for i, arg := range args {
			if values[i] = arg(row); values[i].Kind == Null {
				return Value{}
			}
		}
		return do(values[:len(args)])
	}, nil
}

// choose returns the value behind the first condition that holds, or the last
// one that has no condition.
func choose(args []node) node {
	return func(row Row) Value {
		for i := 0; i+1 < len(args); i += 2 {
			if args[i](row).True() {
				return args[i+1](row)
			}
		}
		if len(args)%2 == 1 {
			return args[len(args)-1](row)
		}
		return Value{}
	}
}

// concat puts texts behind each other; null is nothing.
func concat(args []node) node {
	return func(row Row) Value {
		var b strings.Builder
		for _, arg := range args {
			text := arg(row).String()
			if b.Len()+len(text) > TextMax {
				return Value{}
			}
			b.WriteString(text)
		}
		return OfText(b.String())
	}
}

// matches compiles a regular expression, which must be there as a text.
func (c *compiler) matches(e syntax.Call, x node) (node, error) {
	pattern, ok := e.Args[1].(syntax.Literal)
	if !ok || pattern.Kind != syntax.LiteralText {
		return nil, syntax.NewError(c.text, e.Pos, "the regular expression of matches must be a text").Expect(`matches(field, "regex")`)
	}
	if err := syntax.CheckRegex(pattern.Text); err != nil {
		return nil, syntax.NewError(c.text, pattern.Pos, "%s", err)
	}
	re, err := regexp.Compile(pattern.Text)
	if err != nil {
		return nil, syntax.NewError(c.text, pattern.Pos, "the regular expression is wrong")
	}
	return func(row Row) Value {
		v := x(row)
		if v.Kind == Null {
			return Value{}
		}
		return OfBool(re.MatchString(v.String()))
	}, nil
}

// formatTime compiles the form of a time.
func (c *compiler) formatTime(e syntax.Call, x node) (node, error) {
	form := "%Y-%m-%dT%H:%M:%SZ"
	if len(e.Args) > 1 {
		given, ok := e.Args[1].(syntax.Literal)
		if !ok || given.Kind != syntax.LiteralText {
			return nil, syntax.NewError(c.text, e.Pos, "the form of a time must be a text").Expect(`format_time(_time, "%Y-%m-%d %H:%M")`)
		}
		if bad := badDirective(given.Text); bad != "" {
			return nil, syntax.NewError(c.text, given.Pos, "%q says nothing about a time", bad).
				Expect("%Y", "%m", "%d", "%H", "%M", "%S", "%L", "%f", "%j", "%a", "%A", "%b", "%B", "%s", "%%")
		}
		form = given.Text
	}
	return func(row Row) Value {
		at, ok := x(row).time()
		if !ok {
			return Value{}
		}
		return OfText(formatted(time.Unix(0, at).UTC(), form))
	}, nil
}

// functionNamed returns a function of values that are not null.
func functionNamed(name string) func(args []Value) Value {
	switch name {
	case "lower":
		return func(args []Value) Value { return OfText(strings.ToLower(args[0].String())) }
	case "upper":
		return func(args []Value) Value { return OfText(strings.ToUpper(args[0].String())) }
	case "trim":
		return func(args []Value) Value { return OfText(strings.TrimSpace(args[0].String())) }
	case "length":
		return func(args []Value) Value { return OfInt(int64(utf8.RuneCountInString(args[0].String()))) }
	case "contains":
		return func(args []Value) Value { return OfBool(strings.Contains(args[0].String(), args[1].String())) }
	case "starts_with":
		return func(args []Value) Value { return OfBool(strings.HasPrefix(args[0].String(), args[1].String())) }
	case "ends_with":
		return func(args []Value) Value { return OfBool(strings.HasSuffix(args[0].String(), args[1].String())) }
	case "substr":
		return substr
	case "replace":
		return replace
	case "split":
		return split
	case "to_string":
		return func(args []Value) Value { return OfText(args[0].String()) }
	case "to_number":
		return toNumber
	case "to_time":
		return toTime
	case "bucket":
		return func(args []Value) Value { return bucket(args[0], args[1]) }
	case "abs", "round", "floor", "ceil":
		return rounding(name)
	}
	return func([]Value) Value { return Value{} }
}

// place returns an argument as a place in a list of n: below zero it counts
// from the end.
func place(v Value, n int) (int, bool) {
	number, ok := v.number()
	if !ok || math.Abs(number.f) > math.MaxInt32 {
		return 0, false
	}
	at := int(math.Floor(number.f))
	if at < 0 {
		at += n
	}
	return at, true
}

// substr returns characters from a place on, all or some.
func substr(args []Value) Value {
	text := []rune(args[0].String())
	start, ok := place(args[1], len(text))
	if !ok {
		return Value{}
	}
	start = min(max(start, 0), len(text))
	end := len(text)
	if len(args) > 2 {
		n, ok := args[2].number()
		if !ok || n.f < 0 {
			return Value{}
		}
		if n.f < float64(len(text)-start) {
			end = start + int(n.f)
		}
	}
	return OfText(string(text[start:end]))
}

func replace(args []Value) Value {
	text, from, to := args[0].String(), args[1].String(), args[2].String()
	if from == "" {
		return OfText(text)
	}
	if n := strings.Count(text, from); len(text)+n*(len(to)-len(from)) > TextMax {
		return Value{}
	}
	return OfText(strings.ReplaceAll(text, from, to))
}

// splitMax is how many pieces a text is split into at most.
const splitMax = 10_000

// split returns the pieces of a text between separators, or one of them.
func split(args []Value) Value {
	text, separator := args[0].String(), args[1].String()
	if separator == "" || strings.Count(text, separator) >= splitMax {
		return Value{}
	}
	pieces := strings.Split(text, separator)
	if len(args) > 2 {
		at, ok := place(args[2], len(pieces))
		if !ok || at < 0 || at >= len(pieces) {
			return Value{}
		}
		return OfText(pieces[at])
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(pieces); err != nil || b.Len() > TextMax {
		return Value{}
	}
	return Value{Kind: JSON, Text: strings.TrimSuffix(b.String(), "\n")}
}

// toNumber reads a number; a time is its Unix seconds.
func toNumber(args []Value) Value {
	switch v := args[0]; v.Kind {
	case Bool:
		return OfInt(v.Int)
	case Time:
		return seconds(v.Int)
	case Text:
		n, ok := Value{Kind: Text, Text: strings.TrimSpace(v.Text)}.number()
		switch {
		case !ok:
			return Value{}
		case n.whole:
			return OfInt(n.i)
		}
		return ofFloat(n.f)
	case JSON:
		return Value{}
	default:
		return v
	}
}

// What a number of Unix time is from which size on.
const (
	millisMin = 1e11
	microsMin = 1e14
	nanosMin  = 1e17
)

// toTime reads a time, or a number as Unix time.
func toTime(args []Value) Value {
	if at, ok := args[0].time(); ok {
		return OfTime(at)
	}
	n, ok := args[0].number()
	if !ok {
		return Value{}
	}
	unit := time.Second
	switch size := math.Abs(n.f); {
	case size >= nanosMin:
		unit = time.Nanosecond
	case size >= microsMin:
		unit = time.Microsecond
	case size >= millisMin:
		unit = time.Millisecond
	}
	if math.Abs(n.f*float64(unit)) > math.MaxInt64/2 {
		return Value{}
	}
	if n.whole {
		return OfTime(n.i * int64(unit))
	}
	return OfTime(int64(math.Round(n.f * float64(unit))))
}

// digitsMax is how many digits behind the point round keeps at most.
const digitsMax = 15

// rounding returns a function of a number to one near it.
func rounding(name string) func(args []Value) Value {
	return func(args []Value) Value {
		n, ok := args[0].number()
		if !ok {
			return Value{}
		}
		if n.whole && n.i != math.MinInt64 {
			if name == "abs" && n.i < 0 {
				return OfInt(-n.i)
			}
			return OfInt(n.i)
		}
		switch name {
		case "abs":
			return ofFloat(math.Abs(n.f))
		case "floor":
			return ofFloat(math.Floor(n.f))
		case "ceil":
			return ofFloat(math.Ceil(n.f))
		}
		if len(args) == 1 {
			return ofFloat(math.Round(n.f))
		}
		digits, ok := args[1].number()
		if !ok || digits.f < 0 || digits.f > digitsMax {
			return Value{}
		}
		scale := math.Pow(10, math.Floor(digits.f))
		if scaled := math.Round(n.f * scale); !math.IsInf(scaled, 0) {
			return ofFloat(scaled / scale)
		}
		return ofFloat(n.f)
	}
}

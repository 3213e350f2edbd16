package expr

import (
	"slices"
	"strconv"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// Row gives the values of names; one that is not there is null.
type Row interface{ Get(name string) Value }

// Names says which name of a row a field or column of an expression is; the
// error is one about the text.
type Names func(ref syntax.Ref) (string, error)

// Expr is an expression that can be evaluated.
type Expr struct {
	Text   string   // as printed
	Fields []string // the names that it depends on
	Now    bool     // it depends on the current time
	eval   node
}

// node is a part of an expression.
type node func(row Row) Value

// compiler is one call of Compile.
type compiler struct {
	text  string
	now   int64
	names Names
	of    *Expr
}

// Compile makes an expression ready. Text is the query, for error messages; now
// is what now() means. An error is a *syntax.Error.
func Compile(text string, e syntax.Expr, now int64, names Names) (*Expr, error) {
	c := &compiler{text: text, now: now, names: names, of: &Expr{Text: syntax.PrintExpr(e)}}
	var err error
	c.of.eval, err = c.node(e)
	return c.of, err
}

// Eval returns the value of the expression for a row.
func (e *Expr) Eval(row Row) Value { return e.eval(row) }

func (c *compiler) node(e syntax.Expr) (node, error) {
	switch e := e.(type) {
	case syntax.Literal:
		v := literal(e)
		return func(Row) Value { return v }, nil
	case syntax.Ref:
		name, err := c.names(e)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(c.of.Fields, name) {
			c.of.Fields = append(c.of.Fields, name)
		}
		return func(row Row) Value { return row.Get(name) }, nil
	case syntax.Unary:
		return c.unary(e)
	case syntax.Binary:
		return c.binary(e)
	case syntax.Call:
		return c.call(e)
	}
	return nil, syntax.NewError(c.text, 0, "unknown expression %T", e)
}

// literal returns the value of a literal. Durations are seconds.
func literal(l syntax.Literal) Value {
	switch l.Kind {
	case syntax.LiteralTrue, syntax.LiteralFalse:
		return OfBool(l.Kind == syntax.LiteralTrue)
	case syntax.LiteralNumber:
		if whole, err := strconv.ParseInt(l.Text, 10, 64); err == nil {
			return OfInt(whole)
		}
		f, err := strconv.ParseFloat(l.Text, 64)
		if err != nil {
			return Value{}
		}
		return ofFloat(f)
	case syntax.LiteralDuration:
		d, err := syntax.ParseDuration(l.Text)
		if err != nil {
			return Value{}
		}
		return seconds(int64(d))
	case syntax.LiteralText:
		return OfText(l.Text)
	}
	return Value{}
}

// seconds returns nanoseconds as a number of seconds.
func seconds(nanos int64) Value {
	if nanos%int64(time.Second) == 0 {
		return OfInt(nanos / int64(time.Second))
	}
	return ofFloat(float64(nanos) / float64(time.Second))
}

func (c *compiler) unary(e syntax.Unary) (node, error) {
	x, err := c.node(e.X)
	if err != nil {
		return nil, err
	}
	if e.Op == "not" {
		return func(row Row) Value { return OfBool(!x(row).True()) }, nil
	}
	return func(row Row) Value { return arithmetic('-', OfInt(0), x(row)) }, nil
}

func (c *compiler) binary(e syntax.Binary) (node, error) {
	x, err := c.node(e.X)
	if err != nil {
		return nil, err
	}
	y, err := c.node(e.Y)
	if err != nil {
		return nil, err
	}
	levels := c.isLevel(e.X) || c.isLevel(e.Y)
	ordered := func(holds func(order int) bool) node {
		return func(row Row) Value {
			result, ok := order(x(row), y(row), levels)
			return OfBool(ok && holds(result))
		}
	}
	switch e.Op {
	case "or":
		return func(row Row) Value { return OfBool(x(row).True() || y(row).True()) }, nil
	case "and":
		return func(row Row) Value { return OfBool(x(row).True() && y(row).True()) }, nil
	case "==":
		return func(row Row) Value { return OfBool(equal(x(row), y(row), levels)) }, nil
	case "!=":
		return func(row Row) Value { return OfBool(!equal(x(row), y(row), levels)) }, nil
	case "<":
		return ordered(func(order int) bool { return order < 0 }), nil
	case "<=":
		return ordered(func(order int) bool { return order <= 0 }), nil
	case ">":
		return ordered(func(order int) bool { return order > 0 }), nil
	case ">=":
		return ordered(func(order int) bool { return order >= 0 }), nil
	}
	op := e.Op[0]
	return func(row Row) Value { return arithmetic(op, x(row), y(row)) }, nil
}

// isLevel reports whether an operand is the level itself.
func (c *compiler) isLevel(e syntax.Expr) bool {
	ref, ok := e.(syntax.Ref)
	return ok && (model.IsLevel(ref.Name) || ref.Name == model.FieldSeverity)
}

package plan

import (
	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// Condition matches the values of a field for which an expression, which
// depends on nothing else, is true.
type Condition struct {
	cond *expr.Expr
	key  string
}

// Match implements index.Predicate.
func (c Condition) Match(kind model.Kind, text string) bool {
	return kind != model.Null && c.cond.Eval(constant{expr.OfField(kind, text)}).True()
}

// Hints implements index.Predicate.
func (c Condition) Hints() index.Hints { return index.Hints{} }

// Key implements part.Keyed.
func (c Condition) Key() string { return c.key }

// constant is a row in which every name has one value.
type constant struct{ v expr.Value }

// Get implements expr.Row.
func (c constant) Get(string) expr.Value { return c.v }

// where plans a condition on rows: what depends on one stored field becomes a
// condition of the index, the rest is tried row by row.
func (c *chain) where(cond syntax.Expr) error {
	for _, part := range syntax.Conjuncts(cond) {
		c.patterns = c.plan.records && !c.rest && !c.narrowed()
		compiled, err := c.compile(part)
		c.patterns = false
		if err != nil {
			return err
		}
		if e, ok := c.indexed(part, compiled); ok && !c.rest && !c.narrowed() {
			c.conditions = append(c.conditions, e)
			continue
		}
		c.rowOp(&rows.Where{Cond: compiled})
	}
	return nil
}

// indexed returns a condition as one of the index, if it is one on a single
// stored field.
func (c *chain) indexed(part syntax.Expr, compiled *expr.Expr) (index.Expr, bool) {
	field := ""
	for _, name := range compiled.Fields {
		of, ok := newProgram(c.ops, name).stored()
		if !ok || of == FieldTime || of == model.FieldID || field != "" && of != field {
			return nil, false
		}
		field = of
	}
	if field == "" {
		return nil, false
	}
	if text, ok := exactText(part, field); ok {
		return index.Leaf{Field: field, Pred: index.Equal{Text: text}}, true
	}
	key := "condition " + compiled.Text // in which one name stands for the field
	if compiled.Now {
		key += " at " + expr.FormatTime(c.now)
	}
	leaf := index.Leaf{Field: field, Pred: Condition{cond: compiled, key: key}}
	if !compiled.Eval(constant{}).True() {
		return leaf, true
	}
	return index.AnyOf{Of: []index.Expr{leaf, index.Not{Of: index.Leaf{Field: field, Pred: index.Exists{}}}}}, true
}

// exactText returns the text that a value must be for field == "text", where
// that is all there is to it.
func exactText(part syntax.Expr, field string) (string, bool) {
	equal, ok := part.(syntax.Binary)
	if !ok || equal.Op != "==" || model.IsLevel(field) {
		return "", false
	}
	_, ok = equal.X.(syntax.Ref)
	text, isText := equal.Y.(syntax.Literal)
	if !ok || !isText || text.Kind != syntax.LiteralText || text.Text == "" {
		return "", false
	}
	_, number := index.ParseNumber(text.Text)
	return text.Text, !number
}

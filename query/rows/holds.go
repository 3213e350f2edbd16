package rows

import (
	"slices"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
)

// Holds reports whether a condition of the index holds for a row: what the index
// answers for a record with these fields.
func Holds(e index.Expr, row *Row) bool {
	switch e := e.(type) {
	case index.All:
		return true
	case index.AllOf:
		return !slices.ContainsFunc(e.Of, func(o index.Expr) bool { return !Holds(o, row) })
	case index.AnyOf:
		return slices.ContainsFunc(e.Of, func(o index.Expr) bool { return Holds(o, row) })
	case index.Not:
		return !Holds(e.Of, row)
	case index.Leaf:
		return slices.ContainsFunc(row.Fields, func(f Field) bool {
			kind, text := f.Value.Field()
			return (e.Field == "" || e.Field == f.Name) && e.Pred.Match(kind, text)
		})
	case index.Times:
		at := row.Get(NameTime)
		return at.Kind == expr.Time && at.Int >= e.From && at.Int < e.To
	case index.IDs:
		return row.Record && slices.Contains(e.Of, row.ID)
	case index.Versus:
		return versus(e, row)
	}
	return false
}

// versus reports whether a value of one field compares so to one of another.
func versus(e index.Versus, row *Row) bool {
	values := func(field string) (texts []string) {
		for _, f := range row.Fields {
			if kind, text := f.Value.Field(); f.Name == field && kind != model.Null {
				texts = append(texts, text)
			}
		}
		return texts
	}
	for _, left := range values(e.Field) {
		for _, right := range values(e.Other) {
			order := strings.Compare(left, right)
			a, isA := index.ParseNumber(left)
			b, isB := index.ParseNumber(right)
			if isA && isB && e.Op != index.Same {
				order = 0
				if a != b {
					order = map[bool]int{true: -1, false: 1}[a < b]
				}
			}
			if e.Op.Holds(order) {
				return true
			}
		}
	}
	return false
}

// RenameFields returns a condition with other names of fields; "" stands for any
// field.
func RenameFields(e index.Expr, name func(field string) string) index.Expr {
	return index.Map(e, func(e index.Expr) index.Expr {
		switch e := e.(type) {
		case index.Leaf:
			if e.Field != "" {
				e.Field = name(e.Field)
			}
			return e
		case index.Versus:
			e.Field, e.Other = name(e.Field), name(e.Other)
			return e
		}
		return e
	})
}

// FieldsOf returns the names of the fields that a condition depends on, "" for
// all.
func FieldsOf(e index.Expr) (fields []string) {
	list := func(of []index.Expr) {
		for _, operand := range of {
			fields = append(fields, FieldsOf(operand)...)
		}
	}
	switch e := e.(type) {
	case index.AllOf:
		list(e.Of)
	case index.AnyOf:
		list(e.Of)
	case index.Not:
		return FieldsOf(e.Of)
	case index.Leaf:
		return []string{e.Field}
	case index.Versus:
		return []string{e.Field, e.Other}
	case index.Times:
		return []string{NameTime}
	case index.IDs:
		return []string{NameID}
	}
	return fields
}

// Mark sets a field where a condition of the index holds, and takes it away
// elsewhere.
type Mark struct {
	Name string
	If   index.Expr
}

// Apply implements Op.
func (o *Mark) Apply(row *Row) bool {
	v := expr.Value{}
	if Holds(o.If, row) {
		v = expr.OfBool(true)
	}
	row.Set(o.Name, v)
	return true
}

// Back implements Op.
func (o *Mark) Back(want *Names) bool {
	if !(*want)[o.Name] {
		return false
	}
	delete(*want, o.Name)
	want.Add(FieldsOf(o.If)...)
	return true
}

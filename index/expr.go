package index

import "github.com/stere-log/stere/model"

// Expr is a condition on records. The concrete types are All, AllOf, AnyOf,
// Not, Leaf, Versus, Times and IDs; evaluating an Expr over a part gives an exact DocSet.
type Expr interface{ isExpr() }

// All holds for every record.
type All struct{}

// AllOf holds where every operand holds (every record if there is none).
type AllOf struct{ Of []Expr }

// AnyOf holds where at least one operand holds (no record if there is none).
type AnyOf struct{ Of []Expr }

// Not holds where its operand does not.
type Not struct{ Of Expr }

// Leaf holds where at least one value of the named field satisfies the
// predicate. Field is a query name (model.QueryName); "" means any field.
type Leaf struct {
	Field string
	Pred  Predicate
}

// Versus holds where a value of Field compares so to a value of Other in the
// same record: as numbers if both are numbers, else byte by byte. Both are
// query names.
type Versus struct {
	Field string
	Op    Op
	Other string
}

// Times holds for records with From <= time < To, in Unix nanoseconds.
type Times struct{ From, To int64 }

// IDs holds for the records with one of these ids.
type IDs struct{ Of []model.RecordID }

func (All) isExpr()    {}
func (AllOf) isExpr()  {}
func (AnyOf) isExpr()  {}
func (Not) isExpr()    {}
func (Leaf) isExpr()   {}
func (Versus) isExpr() {}
func (Times) isExpr()  {}
func (IDs) isExpr()    {}

// Map returns the expression with every condition in it, which is what is
// neither AllOf, AnyOf nor Not, replaced.
func Map(e Expr, replace func(Expr) Expr) Expr {
	list := func(of []Expr) []Expr {
		mapped := make([]Expr, len(of))
		for i, operand := range of {
			mapped[i] = Map(operand, replace)
		}
		return mapped
	}
	switch e := e.(type) {
	case AllOf:
		return AllOf{Of: list(e.Of)}
	case AnyOf:
		return AnyOf{Of: list(e.Of)}
	case Not:
		return Not{Of: Map(e.Of, replace)}
	}
	return replace(e)
}

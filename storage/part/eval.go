package part

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// Leaves is what Eval needs of a part.
type Leaves interface {
	Rows() uint32
	RowsBetween(from, to int64) (lo, hi uint32, err error)
	// Leaf returns exactly the rows of within where the leaf holds. Within is
	// never nil or empty.
	Leaf(ctx context.Context, leaf index.Leaf, within *index.DocSet) (*index.DocSet, error)
	// RowsOf returns the rows that have one of the ids.
	RowsOf(ctx context.Context, ids []model.RecordID) (*index.DocSet, error)
}

// Eval evaluates the structure of an expression and leaves its leaves to the
// part. Cheap operands of a conjunction run first, so that dear ones (regular
// expressions, phrases) see only the rows that are left.
func Eval(ctx context.Context, p Leaves, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	if within == nil {
		within = index.DocSetRange(0, p.Rows())
	}
	if within.IsEmpty() {
		return within, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case index.All:
		return within, nil
	case index.AllOf:
		operands := slices.Clone(e.Of)
		slices.SortStableFunc(operands, func(a, b index.Expr) int { return cmp.Compare(cost(a), cost(b)) })
		for _, operand := range operands {
			var err error
			if within, err = Eval(ctx, p, operand, within); err != nil {
				return nil, err
			}
		}
		return within, nil
	case index.AnyOf:
		found := index.NewDocSet()
		for _, operand := range e.Of {
			rows, err := Eval(ctx, p, operand, index.AndNot(within, found))
			if err != nil {
				return nil, err
			}
			found = index.Or(found, rows)
		}
		return found, nil
	case index.Not:
		rows, err := Eval(ctx, p, e.Of, within)
		if err != nil {
			return nil, err
		}
		return index.AndNot(within, rows), nil
	case index.Leaf:
		return p.Leaf(ctx, e, within)
	case index.Times:
		lo, hi, err := p.RowsBetween(e.From, e.To)
		if err != nil {
			return nil, err
		}
		return index.And(within, index.DocSetRange(lo, hi)), nil
	case index.IDs:
		rows, err := p.RowsOf(ctx, e.Of)
		if err != nil {
			return nil, err
		}
		return index.And(within, rows), nil
	}
	return nil, fmt.Errorf("evaluate expression: unknown type %T", e)
}

// cost ranks operands of a conjunction: what narrows most for least first.
func cost(e index.Expr) int {
	switch e := e.(type) {
	case index.Times, index.IDs, index.All:
		return 0
	case index.Leaf:
		switch e.Pred.(type) {
		case index.Equal, index.Word:
			return 1
		case index.Exists:
			return 2
		case index.Prefix, index.Range:
			return 3
		case index.Phrase:
			return 4
		}
		return 7
	case index.AllOf:
		best := 7
		for _, operand := range e.Of {
			best = min(best, cost(operand))
		}
		return best + 1
	case index.AnyOf:
		worst := 0
		for _, operand := range e.Of {
			worst = max(worst, cost(operand))
		}
		return worst + 1
	case index.Not:
		return cost(e.Of) + 1
	}
	return 8
}

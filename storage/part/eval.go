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
	// Columns is that of Part.
	Columns(queryName string) []Column
	// Patterns is that of Part.
	Patterns(naming *Naming) Column
	// RowsOf returns the rows that have one of the ids.
	RowsOf(ctx context.Context, ids []model.RecordID) (*index.DocSet, error)
}

// AnyLeaf is implemented by parts that look for several leaves with one field at once for
// less than one after the other.
type AnyLeaf interface {
	// AnyLeaf returns exactly the rows of within where one of the leaves holds, of which
	// there is one at least.
	AnyLeaf(ctx context.Context, leaves []index.Leaf, within *index.DocSet) (*index.DocSet, error)
}

// Estimator is implemented by parts that can guess cheaply for how many rows a
// leaf holds. The guess decides about order only.
type Estimator interface {
	Estimate(leaf index.Leaf) (rows uint64, err error)
}

// Eval evaluates the structure of an expression and leaves its leaves to the
// part. Operands of a conjunction run in the order of what they cost and of
// how few rows they leave, so that dear ones (regular expressions, phrases)
// and frequent words see only the rows that are left.
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
		operands, err := inOrder(p, e.Of)
		if err != nil {
			return nil, err
		}
		for _, operand := range operands {
			if within, err = Eval(ctx, p, operand, within); err != nil {
				return nil, err
			}
		}
		return within, nil
	case index.AnyOf:
		if any, ok := p.(AnyLeaf); ok {
			if leaves := leavesOf(e.Of); len(leaves) > 0 {
				return any.AnyLeaf(ctx, leaves, within)
			}
		}
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
		if e.Field == model.FieldPattern {
			return patternLeaf(ctx, p, e.Pred, within)
		}
		return p.Leaf(ctx, e, within)
	case index.Versus:
		return versus(ctx, p, e, within)
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

// leavesOf returns the operands as leaves; nil if not all are leaves with one field that
// is stored.
func leavesOf(operands []index.Expr) []index.Leaf {
	leaves := make([]index.Leaf, len(operands))
	for i, operand := range operands {
		leaf, ok := operand.(index.Leaf)
		if !ok || leaf.Field == model.FieldPattern || i > 0 && leaf.Field != leaves[0].Field {
			return nil
		}
		leaves[i] = leaf
	}
	return leaves
}

// patternLeaf returns the rows of within whose pattern satisfies a predicate.
func patternLeaf(ctx context.Context, p Leaves, pred index.Predicate, within *index.DocSet) (*index.DocSet, error) {
	found := index.NewDocSet()
	var naming *Naming
	if named, ok := pred.(Named); ok {
		naming = named.Naming
	}
	column := p.Patterns(naming)
	if column == nil {
		return found, nil
	}
	values, err := column.Gather(ctx, within)
	if err != nil {
		return nil, err
	}
	matches := make([]bool, len(values.Dict))
	for i, text := range values.Dict {
		matches[i] = pred.Match(model.String, text)
	}
	var rows []uint32
	for i, row := range values.Rows {
		if matches[values.Codes[i]] {
			rows = append(rows, row)
		}
	}
	found.AddMany(rows)
	return found, nil
}

// inOrder returns the operands of a conjunction in the order to run them.
func inOrder(p Leaves, operands []index.Expr) ([]index.Expr, error) {
	if len(operands) < 2 {
		return operands, nil
	}
	type ranked struct {
		operand index.Expr
		rows    uint64
		cost    int
	}
	all := make([]ranked, len(operands))
	for i, operand := range operands {
		rows, err := estimate(p, operand)
		if err != nil {
			return nil, err
		}
		all[i] = ranked{operand, rows, cost(operand)}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.rows, b.rows), cmp.Compare(a.cost, b.cost)) })
	ordered := make([]index.Expr, len(all))
	for i := range all {
		ordered[i] = all[i].operand
	}
	return ordered, nil
}

// estimate guesses for how many rows e holds.
func estimate(p Leaves, e index.Expr) (uint64, error) {
	whole := uint64(p.Rows())
	switch e := e.(type) {
	case index.Leaf:
		if e.Field == model.FieldPattern {
			return whole, nil
		}
		if e.Field != "" { // only rows that have the field can satisfy it
			var having uint64
			for _, column := range p.Columns(e.Field) {
				having += uint64(column.Count())
			}
			whole = min(whole, having)
		}
		if estimator, ok := p.(Estimator); ok {
			rows, err := estimator.Estimate(e)
			return min(rows, whole), err
		}
	case index.IDs:
		return uint64(len(e.Of)), nil
	case index.Times:
		lo, hi, err := p.RowsBetween(e.From, e.To)
		return uint64(hi - lo), err
	case index.AnyOf:
		var sum uint64
		for _, operand := range e.Of {
			rows, err := estimate(p, operand)
			if err != nil {
				return 0, err
			}
			sum += rows
		}
		return min(sum, whole), nil
	case index.AllOf:
		for _, operand := range e.Of {
			rows, err := estimate(p, operand)
			if err != nil {
				return 0, err
			}
			whole = min(whole, rows)
		}
	}
	return whole, nil
}

// cost ranks operands of a conjunction: what narrows most for least first.
func cost(e index.Expr) int {
	switch e := e.(type) {
	case index.Times, index.IDs, index.All:
		return 0
	case index.Leaf:
		if e.Field == model.FieldPattern {
			return 5 // the codes of all rows
		}
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

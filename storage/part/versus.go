package part

import (
	"context"
	"strings"

	"github.com/stere-log/stere/index"
)

// versus returns the rows of within where two fields compare as e says.
func versus(ctx context.Context, p Leaves, e index.Versus, within *index.DocSet) (*index.DocSet, error) {
	found := index.NewDocSet()
	for _, column := range p.Columns(e.Field) {
		for _, other := range p.Columns(e.Other) {
			left, err := column.Gather(ctx, index.AndNot(within, found))
			if err != nil {
				return nil, err
			}
			right, err := other.Gather(ctx, index.DocSetOf(left.Rows...))
			if err != nil {
				return nil, err
			}
			addMatching(found, e.Op, left, right)
		}
	}
	return found, nil
}

// addMatching adds the rows that both have and where the values compare so.
func addMatching(found *index.DocSet, op index.Op, left, right Values) {
	var rows []uint32
	compare := comparer{left: numbers(left.Dict), right: numbers(right.Dict)}
	for l, r := 0, 0; l < len(left.Rows) && r < len(right.Rows); {
		switch {
		case left.Rows[l] < right.Rows[r]:
			l++
		case left.Rows[l] > right.Rows[r]:
			r++
		default:
			if op.Holds(compare.order(left, left.Codes[l], right, right.Codes[r], op == index.Same)) {
				rows = append(rows, left.Rows[l])
			}
			l++
			r++
		}
	}
	found.AddMany(rows)
}

// number is a text as a number, if it is one.
type number struct {
	value float64
	ok    bool
}

// numbers reads texts as numbers.
func numbers(texts []string) []number {
	all := make([]number, len(texts))
	for i, text := range texts {
		all[i].value, all[i].ok = index.ParseNumber(text)
	}
	return all
}

// comparer compares values of two dictionaries.
type comparer struct{ left, right []number }

// order returns how a value compares to another; exact says that numbers are
// the same only if their texts are.
func (c comparer) order(left Values, l uint32, right Values, r uint32, exact bool) int {
	if a, b := c.left[l], c.right[r]; a.ok && b.ok && !exact {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	}
	return strings.Compare(left.Dict[l], right.Dict[r])
}

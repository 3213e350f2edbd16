package head

import (
	"context"

	"github.com/stere-log/stere/index"
)

// Leaf implements part.Leaves.
func (p *Part) Leaf(ctx context.Context, leaf index.Leaf, within *index.DocSet) (*index.DocSet, error) {
	columns := p.columns
	if leaf.Field != "" {
		columns = p.named(leaf.Field)
	}
	list, err := p.list(within)
	if err != nil {
		return nil, err
	}
	found := index.NewDocSet()
	for _, c := range columns {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if rows := c.match(leaf.Pred, list); len(rows) > 0 {
			found.AddMany(rows)
		}
	}
	return found, nil
}

// What is known about a value.
const (
	untried = iota
	matches
	differs
)

// match returns those of the rows whose value satisfies the predicate, which
// is tried once per distinct value, and only for values that the rows have.
func (c *column) match(predicate index.Predicate, list []uint32) []uint32 {
	kind, values := c.stored.Kind, c.stored.Values
	tried := make([]uint8, len(values))
	if hints := predicate.Hints(); hints.Exact {
		for code, value := range values {
			if tried[code] = differs; value == hints.ExactText {
				tried[code] = untried
			}
		}
	}
	var rows []uint32
	c.each(list, func(i int, code uint32) {
		if tried[code] == untried {
			if tried[code] = differs; predicate.Match(kind, values[code]) {
				tried[code] = matches
			}
		}
		if tried[code] == matches {
			rows = append(rows, list[i])
		}
	})
	return rows
}

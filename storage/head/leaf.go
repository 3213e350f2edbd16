package head

import (
	"bytes"
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
	hints := predicate.Hints()
	needle := needleOf(hints)
	switch {
	case hints.Exact:
		for code, value := range values {
			if tried[code] = differs; value == hints.ExactText {
				tried[code] = untried
			}
		}
	case needle != "" && len(list) >= len(values)/scanShare:
		if !narrow(tried, values, needle) {
			return nil
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

// Looking through all values of a column at once.
const (
	scanShare = 4        // pays where at least 1/4 as many rows as values are asked for
	scanBytes = 32 << 10 // folded at a time, to stay in the processor's cache
)

// needleOf returns what the folded text of every matching value contains, ""
// if nothing is known.
func needleOf(hints index.Hints) string {
	needle := hints.WordPrefix
	for _, word := range hints.Words {
		if len(word) > len(needle) {
			needle = word
		}
	}
	return needle
}

// narrow marks the values whose folded text does not contain the needle, which
// is many times faster than taking each apart into words. It reports whether
// any are left.
func narrow(tried []uint8, values []string, needle string) (left bool) {
	buffer := make([]byte, 0, scanBytes+scanBytes/4)
	ends := make([]int, 0, scanBytes/16)
	for from := 0; from < len(values); {
		buffer, ends = buffer[:0], ends[:0]
		for code := from; code < len(values) && len(buffer) < scanBytes; code++ {
			buffer = index.AppendFold(buffer, values[code])
			ends = append(ends, len(buffer))
		}
		if narrowFolded(tried[from:from+len(ends)], buffer, ends, []byte(needle)) {
			left = true
		}
		from += len(ends)
	}
	return left
}

// narrowFolded is narrow for values that stand folded one after the other. What
// is found across the border of two values is no harm: the first is tried in
// vain and the search goes on at the border.
func narrowFolded(tried []uint8, folded []byte, ends []int, needle []byte) (left bool) {
	code, at := 0, 0
	for at < len(folded) {
		found := bytes.Index(folded[at:], needle)
		if found < 0 {
			break
		}
		at += found
		for ends[code] <= at {
			tried[code] = differs
			code++
		}
		at = ends[code] // tried, so go on behind it
		code++
		left = true
	}
	for ; code < len(tried); code++ {
		tried[code] = differs
	}
	return left
}

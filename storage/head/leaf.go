package head

import (
	"bytes"
	"context"
	"slices"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
)

// Leaf implements part.Leaves.
func (p *Part) Leaf(ctx context.Context, leaf index.Leaf, within *index.DocSet) (*index.DocSet, error) {
	return p.matching(ctx, leaf.Field, []index.Predicate{leaf.Pred}, within)
}

// matching returns the rows of within of which a value of the field, of any without a
// name, satisfies one of the predicates.
func (p *Part) matching(ctx context.Context, field string, preds []index.Predicate, within *index.DocSet) (*index.DocSet, error) {
	columns := p.columns
	if field != "" {
		columns = p.named(field)
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
		if rows := c.match(preds, list); len(rows) > 0 {
			found.AddMany(rows)
		}
	}
	return found, nil
}

// AnyLeaf implements part.AnyLeaf: texts are folded once for all leaves.
func (p *Part) AnyLeaf(ctx context.Context, leaves []index.Leaf, within *index.DocSet) (*index.DocSet, error) {
	preds := make([]index.Predicate, len(leaves))
	for i := range leaves {
		preds[i] = leaves[i].Pred
	}
	return p.matching(ctx, leaves[0].Field, preds, within)
}

// What is known about a value.
const (
	untried = iota
	matches
	differs
)

// match returns those of the rows whose value satisfies one of the predicates, which
// are tried once per distinct value, and only for values that the rows have.
func (c *column) match(preds []index.Predicate, list []uint32) []uint32 {
	if c.stored.Packed() && c.unpacked.Load() == nil && !mayHold(c.stored.Texts(), needlesOf(preds)) {
		return nil
	}
	c = c.whole()
	kind, values := c.stored.Kind, c.stored.Values
	tried := make([]uint8, len(values))
	if texts, ok := exactOf(preds); ok {
		for code, value := range values {
			if tried[code] = differs; slices.Contains(texts, value) {
				tried[code] = untried
			}
		}
	} else if needles := needlesOf(preds); needles != nil && len(list) >= len(values)/scanShare && !narrow(tried, values, needles) {
		return nil
	}
	var rows []uint32
	c.each(list, func(i int, code uint32) {
		if tried[code] == untried {
			tried[code] = differs
			if slices.ContainsFunc(preds, func(p index.Predicate) bool { return p.Match(kind, values[code]) }) {
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
	scanShare = 4           // pays where at least 1/4 as many rows as values are asked for
	scanBytes = 32 << 10    // folded at a time, to stay in the processor's cache
	foldMost  = utf8.UTFMax // bytes that fold into one
)

// exactOf returns the only texts that can satisfy one of the predicates; ok is false
// if that is not known of all of them.
func exactOf(preds []index.Predicate) (texts []string, ok bool) {
	for _, p := range preds {
		hints := p.Hints()
		if !hints.Exact {
			return nil, false
		}
		texts = append(texts, hints.ExactText)
	}
	return texts, true
}

// needlesOf returns texts of which the folded text of every matching value contains
// one, nil if nothing is known of a predicate.
func needlesOf(preds []index.Predicate) (needles [][]byte) {
	for _, p := range preds {
		hints := p.Hints()
		needle := hints.WordPrefix
		for _, word := range hints.Words {
			if len(word) > len(needle) {
				needle = word
			}
		}
		if hints.Exact {
			needle = string(index.AppendFold(nil, hints.ExactText))
		}
		if needle == "" {
			return nil
		}
		needles = append(needles, []byte(needle))
	}
	return needles
}

// mayHold reports whether texts that stand one behind the other may hold a needle, folded:
// then a column need not be unpacked to see that none of its values does. It says so for
// needles of which it knows nothing. What is found across the border of two texts is no
// harm.
func mayHold(texts string, needles [][]byte) bool {
	longest := 0
	for _, needle := range needles {
		if slices.ContainsFunc(needle, func(b byte) bool { return b >= utf8.RuneSelf }) {
			return true
		}
		longest = max(longest, len(needle))
	}
	if longest == 0 || longest > scanBytes/foldMost/2 {
		return true
	}
	buffer := make([]byte, 0, min(len(texts), scanBytes+scanBytes/4))
	for from := 0; from < len(texts); {
		end := min(len(texts), from+scanBytes)
		buffer = index.AppendFold(buffer[:0], texts[from:end])
		for _, needle := range needles {
			if bytes.Contains(buffer, needle) {
				return true
			}
		}
		if end == len(texts) {
			break
		}
		// What begins in this piece and ends in the next is in the next as a whole.
		from = end - longest*foldMost
		for i := 1; i < utf8.UTFMax && !utf8.RuneStart(texts[from]); i++ {
			from--
		}
	}
	return false
}

// narrow marks the values whose folded text contains none of the needles, which is many
// times faster than taking each apart into words. It reports whether any are left.
func narrow(tried []uint8, values []string, needles [][]byte) (left bool) {
	buffer := make([]byte, 0, scanBytes+scanBytes/4)
	ends := make([]int, 0, scanBytes/16)
	for from := 0; from < len(values); {
		buffer, ends = buffer[:0], ends[:0]
		for code := from; code < len(values) && len(buffer) < scanBytes; code++ {
			buffer = index.AppendFold(buffer, values[code])
			ends = append(ends, len(buffer))
			tried[code] = differs
		}
		for _, needle := range needles {
			if leave(tried[from:from+len(ends)], buffer, ends, needle) {
				left = true
			}
		}
		from += len(ends)
	}
	return left
}

// leave takes back the mark of values that contain the needle; they stand folded one
// after the other. What is found across the border of two values is no harm: the first
// is tried in vain and the search goes on at the border.
func leave(tried []uint8, folded []byte, ends []int, needle []byte) (left bool) {
	code, at := 0, 0
	for at < len(folded) {
		found := bytes.Index(folded[at:], needle)
		if found < 0 {
			break
		}
		at += found
		for ends[code] <= at {
			code++
		}
		tried[code] = untried
		at = ends[code] // tried, so go on behind it
		code++
		left = true
	}
	return left
}

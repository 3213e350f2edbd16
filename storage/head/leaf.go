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
	sought := soughtOf(preds)
	found := index.NewDocSet()
	for _, c := range columns {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if rows := c.match(&sought, list); len(rows) > 0 {
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

// sought is what is looked for in columns.
type sought struct {
	preds   []index.Predicate
	texts   []string // the only ones that can satisfy one of them, if exact
	exact   bool
	needles []needle // nil: nothing is known of one of them
	words   *words   // the needles, if they are looked for together
}

func soughtOf(preds []index.Predicate) sought {
	s := sought{preds: preds, needles: needlesOf(preds)}
	s.texts, s.exact = exactOf(preds)
	s.words = wordsOf(s.needles)
	return s
}

// match returns those of the rows whose value satisfies one of the predicates, which
// are tried once per distinct value, and only for values that the rows have.
func (c *column) match(s *sought, list []uint32) []uint32 {
	if c.stored.Packed() && c.unpacked.Load() == nil && !mayHold(c.stored.Texts(), s.needles) {
		return nil
	}
	c = c.whole()
	kind, values := c.stored.Kind, c.stored.Values
	var may []uint64 // by value: the predicates that may hold, if that is known
	if !s.exact && s.needles != nil && len(list) >= len(values)/scanShare {
		if may = narrow(values, s.needles, s.words); may == nil {
			return nil
		}
	}
	tried := make([]uint8, len(values))
	if s.exact {
		for code, value := range values {
			if tried[code] = differs; slices.Contains(s.texts, value) {
				tried[code] = untried
			}
		}
	}
	var rows []uint32
	c.each(list, func(i int, code uint32) {
		if tried[code] == untried {
			tried[code] = differs
			for n, p := range s.preds {
				if (may == nil || may[code]&needleBit(n) != 0) && p.Match(kind, values[code]) {
					tried[code] = matches
					break
				}
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

// mayHold reports whether texts that stand one behind the other may hold a needle, folded:
// then a column need not be unpacked to see that none of its values does. It says so for
// needles of which it knows nothing. What is found across the border of two texts is no
// harm.
func mayHold(texts string, needles []needle) bool {
	longest := 0
	for _, needle := range needles {
		if slices.ContainsFunc(needle.text, func(b byte) bool { return b >= utf8.RuneSelf }) {
			return true
		}
		longest = max(longest, len(needle.text))
	}
	if longest == 0 || longest > scanBytes/foldMost/2 {
		return true
	}
	room := scans.Get().(*scan)
	defer scans.Put(room)
	buffer := room.buffer
	for from := 0; from < len(texts); {
		end := min(len(texts), from+scanBytes)
		buffer = index.AppendFold(buffer[:0], texts[from:end])
		for _, needle := range needles {
			if bytes.Contains(buffer, needle.text) {
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

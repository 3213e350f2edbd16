package exec

import (
	"encoding/binary"
	"strings"

	"github.com/stere-log/stere/storage/part"
)

// partial is what some rows of one part amount to: groups with different
// labels and the state of every aggregate for them. A sealed one is only read,
// so that it can be kept with the part and answer the same question again.
type partial struct {
	matched uint64
	groups  int
	keys    int
	labels  []cell // keys of them for each group; kind 0 means no value
	aggs    []aggregate
	reason  string // why something was left out
	// Times of the first and the last record, where the table asks for them.
	first, last int64
}

func newPartial(matched uint64, groups, keys int, aggs []aggregate) *partial {
	return &partial{matched: matched, groups: groups, keys: keys, aggs: aggs}
}

// label adds the label of one more group.
func (p *partial) label(label []*cell) {
	p.groups++
	for _, c := range label {
		if c == nil {
			c = &cell{}
		}
		p.labels = append(p.labels, *c)
	}
}

// seal makes the states fit to be read by many at once.
func (p *partial) seal() {
	for _, agg := range p.aggs {
		agg.seal(p.groups)
	}
}

// cellBytes is about what a cell takes besides its text.
const cellBytes = 64

// bytes returns about what the partial takes, -1 if it should not be kept.
func (p *partial) bytes() int64 {
	if p.reason != "" {
		return -1
	}
	bytes := int64(256 + cellBytes*len(p.labels))
	for i := range p.labels {
		bytes += int64(len(p.labels[i].text))
	}
	for _, agg := range p.aggs {
		if agg.over() {
			return -1
		}
		bytes += agg.bytes()
	}
	return bytes
}

// detach copies the texts, which are pieces of decoded pages: one that is kept
// would hold a page that nobody counts any more.
func (p *partial) detach() {
	for i := range p.labels {
		p.labels[i].text = strings.Clone(p.labels[i].text)
	}
	for _, agg := range p.aggs {
		if values, ok := agg.(*extremes); ok {
			for i := range values.of {
				values.of[i].best.text = strings.Clone(values.of[i].best.text)
			}
		}
		if values, ok := agg.(*edges); ok {
			for _, e := range values.of {
				if e != nil {
					e.best.text = strings.Clone(e.best.text)
				}
			}
		}
	}
}

// add folds what a part amounts to into the state of the table.
func (g *groups) add(found *partial) {
	if found.reason != "" {
		g.partial(found.reason)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if found.matched > 0 && g.timed() {
		if g.mu.matched == 0 {
			g.mu.first, g.mu.last = found.first, found.last
		}
		g.mu.first, g.mu.last = min(g.mu.first, found.first), max(g.mu.last, found.last)
	}
	g.mu.matched += found.matched
	label := make([]*cell, found.keys)
	var key []byte
	for group := range found.groups {
		for i := range label {
			if label[i] = &found.labels[group*found.keys+i]; label[i].kind == 0 {
				label[i] = nil
			}
		}
		key = labelKey(key[:0], label)
		g.fold(key, label, found.aggs, group)
	}
}

// remembered returns what rows of a part amount to: kept from the last time,
// where all rows of a part that never changes are meant.
func (g *groups) remembered(p part.Part, lo, hi uint32) (*partial, error) {
	memo, ok := p.(part.Memo)
	if ok && lo == 0 && hi == p.Rows() {
		if key, ok := g.key(); ok {
			value, err := memo.Memo(key, func() (any, int64, error) {
				found, err := g.part(p, lo, hi)
				if err != nil {
					return nil, 0, err
				}
				if found == nil {
					found = newPartial(0, 0, g.keys(), g.newAggs())
				}
				found.seal()
				bytes := found.bytes()
				if bytes >= 0 {
					found.detach()
				}
				return found, bytes, nil
			})
			if err != nil {
				return nil, err
			}
			return value.(*partial), nil
		}
	}
	found, err := g.part(p, lo, hi)
	if found != nil {
		found.seal()
	}
	return found, err
}

// key says all that decides what the rows of a part amount to; ok is false if
// that cannot be said.
func (g *groups) key() (key string, ok bool) {
	dst, ok := part.AppendKey([]byte("table "), g.plan.Expr)
	if !ok {
		return "", false
	}
	if g.plan.Volatile {
		return "", false
	}
	dst = append(binary.AppendUvarint(dst, uint64(len(g.plan.Key))), g.plan.Key...)
	if g.plan.Dedup { // the order decides
		for _, key := range g.plan.Sort {
			desc := byte(0)
			if key.Desc {
				desc = 1
			}
			dst = append(binary.AppendUvarint(append(dst, 4, desc), uint64(len(key.Field))), key.Field...)
		}
	}
	for _, key := range g.table.Keys {
		dst = binary.AppendVarint(append(dst, 1), int64(key.Auto))
		dst = appendText(dst, key.Field)
		if key.Calendar != nil {
			dst = key.Calendar.AppendKey(append(dst, 1))
		}
		if key.Numbers != nil {
			dst = appendText(append(dst, 2), key.Numbers.Key())
		}
	}
	for _, agg := range g.table.Aggs {
		dst = binary.AppendVarint(append(dst, 2, byte(agg.Func)), agg.Percentile)
		dst = appendText(dst, agg.Field)
		if agg.Where != nil {
			if dst, ok = part.AppendKey(append(dst, 4), agg.Where); !ok {
				return "", false
			}
		}
	}
	if g.table.Facets != nil {
		dst = append(dst, 5)
		for _, field := range g.table.Facets.Fields {
			dst = appendText(dst, field)
		}
	}
	for _, limit := range []int{g.max, g.limits.Distinct, g.limits.Values} {
		dst = binary.AppendVarint(append(dst, 3), int64(limit))
	}
	return string(dst), true
}

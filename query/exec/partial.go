package exec

import (
	"strings"
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
	g.mu.begun = true
	g.mu.matched += found.matched
	g.makeRoom(found.groups)
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

// take adds all of another table, which is of no use any more: it becomes this one if
// nothing has come here yet, from other nodes perhaps.
func (g *groups) take(other *groups) {
	if !g.become(other) {
		g.add(other.whole())
	}
}

func (g *groups) become(other *groups) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.begun {
		return false
	}
	g.mu.begun = true
	g.mu.numbers, g.mu.labels, g.mu.aggs, g.mu.bytes = other.mu.numbers, other.mu.labels, other.mu.aggs, other.mu.bytes
	g.mu.matched, g.mu.first, g.mu.last = other.mu.matched, other.mu.first, other.mu.last
	return true
}

// makeRoom makes room for the groups of the first part that has some: others
// have the same ones, as a rule. The lock is held.
func (g *groups) makeRoom(groups int) {
	if groups > 0 && len(g.mu.labels) == 0 {
		room := min(groups+groups/roomShare, g.max)
		g.mu.numbers, g.mu.labels = make(map[string]int, room), make([][]cell, 0, room)
	}
}

// roomShare is how many more groups there is room for than a part has, one in
// so many.
const roomShare = 4

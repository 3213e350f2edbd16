package exec

import (
	"slices"
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
	// differ says that no two labels are one group, as those of a whole table.
	differ bool
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

// labelBytes is what the key of a label takes for a value besides its text, about.
const labelBytes = 3

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
	size := 0
	for i := range p.labels {
		size += len(p.labels[i].text)
	}
	var texts strings.Builder // of all labels
	texts.Grow(size)
	for i := range p.labels {
		texts.WriteString(p.labels[i].text)
	}
	all := texts.String()
	for i := range p.labels {
		n := len(p.labels[i].text)
		p.labels[i].text, all = all[:n], all[n:]
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
	if g.adopt(found) {
		return
	}
	g.makeRoom(found.groups)
	g.numbered()
	label := make([]*cell, found.keys)
	var key []byte
	for group := range found.groups {
		key = labelKey(key[:0], labelOf(label, found.labels[group*found.keys:]))
		g.fold(key, label, found.aggs, group)
	}
}

// adopt makes the groups of what is added first those of the table, without giving them
// numbers: if nothing else comes these are not needed. The lock is held.
func (g *groups) adopt(found *partial) bool {
	if !found.differ || found.keys == 0 || len(g.mu.labels) > 0 || found.groups > g.max {
		return false
	}
	bytes := 0
	for i := range found.labels {
		if g.table.Top && found.labels[i].kind == 0 { // it has no group there
			return false
		}
		bytes += 2 * (len(found.labels[i].text) + labelBytes)
	}
	if bytes > g.limits.MemoryBytes {
		return false
	}
	g.mu.bytes = bytes
	labels := slices.Clone(found.labels) // others read them
	g.mu.labels, g.mu.numbers = make([][]cell, found.groups), nil
	for group := range slices.Backward(g.mu.labels) { // the last first: there is room for all then
		g.mu.labels[group] = labels[group*found.keys : (group+1)*found.keys : (group+1)*found.keys]
		g.merge(group, found.aggs, group)
	}
	return true
}

// numbered makes the numbers of groups that were adopted. The lock is held.
func (g *groups) numbered() {
	if g.mu.numbers != nil {
		return
	}
	g.mu.numbers = make(map[string]int, len(g.mu.labels)+len(g.mu.labels)/roomShare)
	var key []byte
	label := make([]*cell, g.keys())
	for group := range g.mu.labels {
		key = labelKey(key[:0], labelOf(label, g.mu.labels[group]))
		g.mu.numbers[string(key)] = group
	}
}

// labelOf returns the cells of a label, nil where there is no value.
func labelOf(into []*cell, cells []cell) []*cell {
	for i := range into {
		if into[i] = &cells[i]; into[i].kind == 0 {
			into[i] = nil
		}
	}
	return into
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

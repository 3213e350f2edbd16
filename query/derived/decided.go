package derived

import (
	"slices"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/part"
)

// decided remembers, for the time of one question, what was made of rows of which no more
// than these is made: a question that names several values of a field, as those that count
// for several rules do, has each record looked at once. It is of the parts that were looked
// at last: what a question asks of a part it asks in one go.
type decided struct {
	mu    sync.Mutex
	of    map[decidedKey]*decidedRows
	order []decidedKey // from the oldest
	held  int          // rows of all
}

// Limits of what is remembered.
const (
	decidedMax  = 64      // fields of parts: more than are looked at at once
	decidedRoom = 4 << 20 // rows with a value
)

type decidedKey struct {
	part part.Part
	at   place
}

// decidedRows are rows of a part of which it was decided which value a field has.
type decidedRows struct {
	mu     sync.Mutex
	rows   *index.DocSet // also those without a value
	values []decidedValues
	held   int // rows with a value, as decided counts them; its mu is held
}

// decidedValues are values of rows that were decided at once.
type decidedValues struct {
	dict []string
	rows []uint32 // ascending, those with a value
	of   []uint32 // by place in rows: number in dict
}

// rows returns what is remembered of a field of a part.
func (d *decided) rows(key decidedKey) *decidedRows {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.of[key]; known != nil {
		return known
	}
	if d.of == nil {
		d.of = map[decidedKey]*decidedRows{}
	}
	fresh := &decidedRows{rows: index.NewDocSet()}
	d.of[key], d.order = fresh, append(d.order, key)
	d.shrink()
	return fresh
}

// grew notes that what is remembered under a key, if it still is, has grown by rows.
func (d *decided) grew(key decidedKey, known *decidedRows, by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[key] == known {
		known.held += by
		d.held += by
		d.shrink()
	}
}

// shrink forgets the oldest while there is too much; mu is held.
func (d *decided) shrink() {
	for len(d.order) > decidedMax || d.held > decidedRoom {
		d.held -= d.of[d.order[0]].held
		delete(d.of, d.order[0])
		d.order = slices.Delete(d.order, 0, 1)
	}
}

// add notes what was made of rows that were not decided before, and returns how many have a
// value.
func (d *decidedRows) add(rows *index.DocSet, c *cases, at int) int {
	f := &c.fields[at]
	fresh := decidedValues{dict: f.dict}
	for place, row := range c.rows {
		if number := f.ofCase[c.of[place]]; number > 0 {
			fresh.rows, fresh.of = append(fresh.rows, row), append(fresh.of, number-1)
		}
	}
	d.rows = index.Or(d.rows, rows)
	if len(fresh.rows) > 0 {
		d.values = append(d.values, fresh)
	}
	return len(fresh.rows)
}

// matching returns the rows with a value that satisfies a condition.
func (d *decidedRows) matching(match func(text string) bool) *index.DocSet {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []uint32
	for i := range d.values {
		v := &d.values[i]
		matches := make([]bool, len(v.dict))
		for number, text := range v.dict {
			matches[number] = match(text)
		}
		for i, row := range v.rows {
			if matches[v.of[i]] {
				found = append(found, row)
			}
		}
	}
	return index.DocSetOf(found...)
}

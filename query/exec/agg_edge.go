package exec

import (
	"github.com/stere-log/stere/internal/wire"
)

// edges finds the value of the earliest record that has one, or with last of
// the latest. Of records of one time the one with the lower id is earlier.
type edges struct {
	last bool
	of   []*edge // nil where there is none
}

// edge is the state of one group.
type edge struct {
	at   Position
	best cell
}

// note folds the value of a record into a group.
func (a *edges) note(group int, place Position, c *cell) {
	e := at(&a.of, group)
	if *e == nil || compareTimes(a.last, &place, &(*e).at) < 0 {
		*e = &edge{at: place, best: *c}
	}
}

// add is never called: where a value stands decides, see note.
func (a *edges) add(int, *cell, uint64) {}

func (a *edges) seal(n int) { grow(&a.of, n) }

func (a *edges) bytes() (bytes int64) {
	bytes = 8 * int64(len(a.of))
	for _, e := range a.of {
		if e != nil {
			bytes += 2*cellBytes + int64(len(e.best.text))
		}
	}
	return bytes
}

func (a *edges) merge(group int, other aggregate, from int) {
	if o := *at(&other.(*edges).of, from); o != nil {
		a.note(group, o.at, &o.best)
	}
}

func (a *edges) value(group int) any {
	e := *at(&a.of, group)
	if e == nil {
		return nil
	}
	return renderLabel(&e.best)
}

func (a *edges) approximate() bool { return false }

func (a *edges) over() bool { return false }

func (a *edges) encode(dst []byte, n int) []byte {
	for group := range n {
		e := *at(&a.of, group)
		if e == nil {
			dst = append(dst, 0)
			continue
		}
		dst = e.at.Append(appendCell(dst, &e.best))
	}
	return dst
}

func (a *edges) decode(r *wire.Reader, n int) {
	for group := 0; group < n && !r.Failed(); group++ {
		var e *edge
		if c := takeCell(r); c.kind != 0 {
			e = &edge{at: TakePosition(r, 0), best: c}
		}
		a.of = append(a.of, e)
	}
}

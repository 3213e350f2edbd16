package exec

import (
	"github.com/stere-log/stere/internal/wire"
)

// edges finds the value of the earliest record that has one, or with last of
// the latest. Of records of one time the one with the lower id is earlier.
type edges struct {
	last bool
	of   []edge
}

// edge is the state of one group.
type edge struct {
	any  bool
	at   Position
	best cell
}

// note folds the value of a record into a group.
func (a *edges) note(group int, place Position, c *cell) {
	e := at(&a.of, group)
	if !e.any || compareTimes(a.last, &place, &e.at) < 0 {
		*e = edge{any: true, at: place, best: *c}
	}
}

// add is never called: where a value stands decides, see note.
func (a *edges) add(int, *cell, uint64) {}

func (a *edges) seal(n int) { grow(&a.of, n) }

func (a *edges) bytes() (bytes int64) {
	for i := range a.of {
		bytes += 2*cellBytes + int64(len(a.of[i].best.text))
	}
	return bytes
}

func (a *edges) merge(group int, other aggregate, from int) {
	if o := at(&other.(*edges).of, from); o.any {
		a.note(group, o.at, &o.best)
	}
}

func (a *edges) value(group int) any {
	e := at(&a.of, group)
	if !e.any {
		return nil
	}
	return renderLabel(&e.best)
}

func (a *edges) approximate() bool { return false }

func (a *edges) over() bool { return false }

func (a *edges) encode(dst []byte, n int) []byte {
	for group := range n {
		e := at(&a.of, group)
		if !e.any {
			dst = append(dst, 0)
			continue
		}
		dst = e.at.Append(appendCell(dst, &e.best))
	}
	return dst
}

func (a *edges) decode(r *wire.Reader, n int) {
	for group := 0; group < n && !r.Failed(); group++ {
		e := edge{best: takeCell(r)}
		if e.any = e.best.kind != 0; e.any {
			e.at = TakePosition(r, 0)
		}
		a.of = append(a.of, e)
	}
}

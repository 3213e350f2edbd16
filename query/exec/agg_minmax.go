package exec

import (
	"cmp"
	"math"

	"github.com/stere-log/stere/internal/wire"
)

// extremes finds the least value, or with sign -1 the greatest: of those that
// read as numbers if there are any, else of the texts. Of equal numbers that are
// written differently it is the one whose text comes first (last), so that the
// order in which parts are read does not show.
type extremes struct {
	sign int
	of   []extreme
}

// extreme is the state of one group.
type extreme struct {
	any  bool
	best cell
}

// before reports whether c comes before the best so far.
func (a *extremes) before(c, best *cell) bool {
	if c.numeric != best.numeric {
		return c.numeric
	}
	order := 0
	if c.numeric {
		order = cmp.Or(cmp.Compare(c.number, best.number), cmp.Compare(c.digits(), best.digits()))
	}
	return a.sign*cmp.Or(order, cmp.Compare(c.text, best.text), cmp.Compare(c.kind, best.kind)) < 0
}

// digits returns the whole number next to a number, exactly for one that is
// written whole: it orders numbers that are the same float.
func (c *cell) digits() int64 {
	switch {
	case c.isWhole:
		return c.whole
	case c.number >= math.MaxInt64:
		return math.MaxInt64
	case c.number <= math.MinInt64:
		return math.MinInt64
	}
	return int64(c.number)
}

func (a *extremes) add(group int, c *cell, _ uint64) {
	e := at(&a.of, group)
	if !e.any || a.before(c, &e.best) {
		e.any, e.best = true, *c
	}
}

func (a *extremes) seal(n int) { grow(&a.of, n) }

func (a *extremes) bytes() (bytes int64) {
	for i := range a.of {
		bytes += cellBytes + int64(len(a.of[i].best.text))
	}
	return bytes
}

func (a *extremes) merge(group int, other aggregate, from int) {
	if o := at(&other.(*extremes).of, from); o.any {
		a.add(group, &o.best, 1)
	}
}

func (a *extremes) value(group int) any {
	e := at(&a.of, group)
	switch {
	case !e.any:
		return nil
	case e.best.isTime:
		return instant(e.best.whole)
	case e.best.numeric:
		return renderParsed(&e.best)
	}
	return e.best.text
}

func (a *extremes) approximate() bool { return false }

func (a *extremes) over() bool { return false }

func (a *extremes) encode(dst []byte, n int) []byte {
	for group := range n {
		e := at(&a.of, group)
		if !e.any {
			e = &extreme{}
		}
		dst = appendCell(dst, &e.best)
	}
	return dst
}

func (a *extremes) decode(r *wire.Reader, n int) {
	for group := 0; group < n && !r.Failed(); group++ {
		c := takeCell(r)
		if c.kind != 0 && !c.isTime {
			c = newCell(c.kind, c.text)
		}
		a.of = append(a.of, extreme{any: c.kind != 0, best: c})
	}
}

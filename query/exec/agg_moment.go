package exec

import (
	"github.com/stere-log/stere/internal/wire"
)

// moments finds the earliest time, or with sign -1 the latest: what extremes
// does, in little memory.
type moments struct {
	sign int64
	of   []moment
}

// moment is the state of one group.
type moment struct {
	any  bool
	time int64
}

func (a *moments) add(group int, c *cell, _ uint64) {
	m := at(&a.of, group)
	if !m.any || a.sign > 0 && c.whole < m.time || a.sign < 0 && c.whole > m.time {
		*m = moment{true, c.whole}
	}
}

func (a *moments) seal(n int) { grow(&a.of, n) }

func (a *moments) bytes() int64 { return 16 * int64(len(a.of)) }

func (a *moments) merge(group int, other aggregate, from int) {
	if o := at(&other.(*moments).of, from); o.any {
		c := timeCell(o.time)
		a.add(group, &c, 1)
	}
}

func (a *moments) value(group int) any {
	if m := at(&a.of, group); m.any {
		return instant(m.time)
	}
	return nil
}

func (a *moments) approximate() bool { return false }

func (a *moments) over() bool { return false }

func (a *moments) encode(dst []byte, n int) []byte {
	for group := range n {
		c := cell{}
		if m := at(&a.of, group); m.any {
			c = timeCell(m.time)
		}
		dst = appendCell(dst, &c)
	}
	return dst
}

func (a *moments) decode(r *wire.Reader, n int) {
	for group := 0; group < n && !r.Failed(); group++ {
		c := takeCell(r)
		if c.kind != 0 && !c.isTime {
			r.Fail()
		}
		a.of = append(a.of, moment{c.kind != 0, c.whole})
	}
}

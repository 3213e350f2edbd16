package exec

import "cmp"

// extremes finds the least value, or with sign -1 the greatest: of those that
// read as numbers if there are any, else of the texts.
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
	order := cmp.Compare(c.text, best.text)
	if c.numeric {
		order = cmp.Compare(c.number, best.number)
		if c.isWhole && best.isWhole {
			order = cmp.Compare(c.whole, best.whole)
		}
	}
	return a.sign*order < 0
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

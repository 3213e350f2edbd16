package segment

import "slices"

// plains are all texts of code 0 on a page: those that are not long, and the long
// ones once they are needed.
type plains struct {
	column *columnReader
	number uint32 // of the page
	page   *plainPage
	long   *plainPage
	ends   []func() // see borrowed
}

// openPlain returns the n texts of code 0 on a page; its done must be called.
func (c *columnReader) openPlain(page, n uint32) (*plains, error) {
	p, done, err := c.plainPage(page, n)
	if err != nil {
		return nil, err
	}
	return &plains{column: c, number: page, page: p, ends: []func(){done}}, nil
}

func (p *plains) done() {
	for _, end := range p.ends {
		end()
	}
}

// openLong reads the long texts, if there are some.
func (p *plains) openLong() error {
	if p.long != nil || len(p.page.long) == 0 {
		return nil
	}
	long, done, err := p.column.longPage(p.number, uint32(len(p.page.long)))
	if err != nil {
		return err
	}
	p.long, p.ends = long, append(p.ends, done)
	return nil
}

// split returns which of the values, which ascend, are long texts, and which are not, as
// numbers among their kind.
func (p *plains) split(values []uint32) (short, long []uint32) {
	apart := p.page.long
	if len(apart) == 0 {
		return values, nil
	}
	short = make([]uint32, 0, len(values))
	at := 0
	for _, value := range values {
		for at < len(apart) && apart[at] < value {
			at++
		}
		if at < len(apart) && apart[at] == value {
			long = append(long, uint32(at))
		} else {
			short = append(short, value-uint32(at))
		}
	}
	return short, long
}

// joined is the reverse of split.
func (p *plains) joined(short, long []uint32) []uint32 {
	apart := p.page.long
	if len(apart) == 0 {
		return short
	}
	values := make([]uint32, 0, len(short)+len(long))
	at := 0
	for _, number := range short {
		for at < len(apart) && apart[at] <= number+uint32(at) {
			at++
		}
		values = append(values, number+uint32(at))
	}
	for _, number := range long {
		values = append(values, apart[number])
	}
	slices.Sort(values)
	return values
}

// value returns the text of a value, which is not to be changed. Long ones must be read.
func (p *plains) value(number uint32) []byte {
	at, long := slices.BinarySearch(p.page.long, number)
	if long {
		return p.long.value(uint32(at))
	}
	return p.page.value(number - uint32(at))
}

// holding returns those of the values that hold the needle, in order, where the texts
// that are not long, and those that are, may hold it.
func (p *plains) holding(n needle, values []uint32, mayShort, mayLong bool) ([]uint32, error) {
	short, long := p.split(values)
	if mayShort {
		short = p.page.holding(n, short)
	} else {
		short = nil
	}
	if !mayLong || len(long) == 0 {
		return p.joined(short, nil), nil
	}
	if err := p.openLong(); err != nil {
		return nil, err
	}
	return p.joined(short, p.long.holding(n, long)), nil
}

package segment

import (
	"slices"

	"github.com/stere-log/stere/storage/column"
)

// plains are all texts of code 0 on a page: those that are not long, and the long ones, each
// once they are needed.
type plains struct {
	column *columnReader
	number uint32   // of the page
	n      uint32   // of the texts
	apart  []uint32 // which of them are long, ascending
	cut    *cutLong // of long ones that are cut; nil: not read
	short  *plainPage
	long   *plainPage        // those that are stored whole
	joined map[uint32][]byte // those that were cut, by number among the long ones
	ends   []func()          // see borrowed
}

// openPlain returns the n texts of code 0 on a page; its done must be called. Which are long
// is told by those that are not and, if these are cut, by what is known of them: what is said
// to be needed, or is kept, is read.
func (c *columnReader) openPlain(page, n uint32, needsLong bool) (*plains, error) {
	p := &plains{column: c, number: page, n: n}
	if c.segment.meta.cutsLong() && (needsLong || c.segment.cache.holds(c.cutLongKey())) {
		if err := p.openCut(); err != nil {
			return nil, err
		}
	}
	if p.cut != nil {
		p.apart = p.cut.places[page]
		return p, nil
	}
	if err := p.openShort(); err != nil {
		return nil, err
	}
	p.apart = p.short.long
	return p, nil
}

func (p *plains) done() {
	for _, end := range p.ends {
		end()
	}
}

// openShort reads the texts that are not long.
func (p *plains) openShort() error {
	if p.short != nil {
		return nil
	}
	short, done, err := p.column.plainPage(p.number, p.n)
	if err != nil {
		return err
	}
	p.ends = append(p.ends, done)
	if p.cut != nil && !slices.Equal(short.long, p.apart) {
		return p.column.corruptTexts(p.number)
	}
	p.short = short
	return nil
}

// openCut reads what is known of long texts that are cut, if there are some.
func (p *plains) openCut() (err error) {
	if p.cut != nil {
		return nil
	}
	if p.cut, err = p.column.cutLong(); err != nil || p.cut == nil {
		return err
	}
	places := p.cut.places[p.number]
	if len(places) > 0 && places[len(places)-1] >= p.n || p.short != nil && !slices.Equal(p.short.long, places) {
		return p.column.corruptTexts(p.number)
	}
	return nil
}

// openLong reads some of the long texts.
func (p *plains) openLong(numbers []uint32) error {
	if len(numbers) == 0 {
		return nil
	}
	if p.column.segment.meta.cutsLong() {
		return p.join(numbers)
	}
	if p.long != nil {
		return nil
	}
	long, done, err := p.column.longPage(p.number, uint32(len(p.apart)))
	if err != nil {
		return err
	}
	p.long, p.ends = long, append(p.ends, done)
	return nil
}

// needCut is openCut where there are long texts.
func (p *plains) needCut() error {
	err := p.openCut()
	if err == nil && p.cut == nil {
		err = p.column.corruptTexts(p.number)
	}
	return err
}

// join joins the pieces of long texts.
func (p *plains) join(numbers []uint32) error {
	if err := p.needCut(); err != nil {
		return err
	}
	pieces, err := p.column.cutPieces(p.cut)
	if err != nil {
		return err
	}
	room := p.column.newLongRoom(p.cut, pieces)
	defer room.done()
	if p.joined == nil {
		p.joined = make(map[uint32][]byte, len(numbers))
	}
	left := column.DecodedMax // of a page, as when it was built
	for _, number := range numbers {
		text, err := room.join(p.cut.before[p.number]+number, left)
		if err != nil {
			return err
		}
		p.joined[number] = slices.Clone(text)
		left -= len(text)
	}
	return nil
}

// split returns which of the values, which ascend, are long texts, and which are not, as
// numbers among their kind.
func (p *plains) split(values []uint32) (short, long []uint32) {
	apart := p.apart
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

// together is the reverse of split.
func (p *plains) together(short, long []uint32) []uint32 {
	apart := p.apart
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

// value returns the text of a value, which is not to be changed, and whether it was read.
func (p *plains) value(number uint32) (text []byte, ok bool) {
	at, long := slices.BinarySearch(p.apart, number)
	switch {
	case !long && p.short != nil:
		return p.short.value(number - uint32(at)), true
	case long && p.long != nil:
		return p.long.value(uint32(at)), true
	case long:
		text, ok = p.joined[uint32(at)]
	}
	return text, ok
}

// holding returns those of the values that hold the needle, in order, where the texts
// that are not long, and those that are, may hold it.
func (p *plains) holding(n needle, values []uint32, mayShort, mayLong bool) ([]uint32, error) {
	short, long := p.split(values)
	if mayShort && len(short) > 0 {
		if err := p.openShort(); err != nil {
			return nil, err
		}
		short = p.short.holding(n, short)
	} else {
		short = nil
	}
	if !mayLong || len(long) == 0 {
		return p.together(short, nil), nil
	}
	if p.column.segment.meta.cutsLong() {
		if err := p.needCut(); err != nil {
			return nil, err
		}
		hits, err := p.column.longWith(p.cut, n)
		if err != nil || hits == nil {
			return p.together(short, nil), err
		}
		return p.together(short, intersect(hits[p.number], long)), nil
	}
	if err := p.openLong(long); err != nil {
		return nil, err
	}
	return p.together(short, p.long.holding(n, long)), nil
}

package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/stere-log/stere/storage/column"
)

// What a program logs beside a message is often the same whenever the message
// has the same shape: the component, the line of the source. Such a column
// follows the column of messages, its guide: for each code of the guide it
// has its own code once, and on its pages only those of codes of which it does
// not always have the same one.

// following is what a column knows of its guide.
type following struct {
	guide *columnReader
	codes []uint32 // guide's code -> own code + 1; 0: the own codes are listed

	unknown bitSet // guide's codes of which the own codes are listed
}

// following returns how the column follows its guide.
func (c *columnReader) following() (*following, error) {
	s := c.segment
	return cached(s, s.cacheKey(cachedFollowing, c.number, 0), func() (*following, int64, error) {
		raw, err := s.frame(followKey(c.number, followMap))
		if err != nil {
			return nil, 0, err
		}
		number, n := binary.Uvarint(raw)
		if n <= 0 || number >= uint64(len(s.columns)) {
			return nil, 0, fmt.Errorf("guide of %q: %w", c.meta.path, ErrCorrupt)
		}
		f := &following{guide: s.columns[number].(*columnReader)}
		if !f.guide.guides() {
			return nil, 0, fmt.Errorf("guide of %q: %w", c.meta.path, ErrCorrupt)
		}
		var rest []byte
		f.codes, rest, err = column.Codes(nil, raw[n:], int(f.guide.meta.dict+1))
		if err != nil || len(rest) != 0 {
			return nil, 0, errors.Join(fmt.Errorf("guide of %q: %w", c.meta.path, ErrCorrupt), err)
		}
		f.unknown = newBitSet(f.guide.meta.dict + 1)
		for code, own := range f.codes {
			if own > min(c.meta.dict, followDictMax) {
				return nil, 0, fmt.Errorf("guide of %q: %w: a code that is not in the dictionary", c.meta.path, ErrCorrupt)
			}
			if own == 0 {
				f.unknown.add(uint32(code))
			}
		}
		return f, 4*int64(len(f.codes)) + 8*int64(len(f.unknown)), nil
	})
}

// guides reports whether other columns may follow this one: all rows have it, so
// that the number of a value is its row.
func (c *columnReader) guides() bool { return c.meta.text && c.full() && !c.meta.follows }

// followPage is codePage of a column that follows another one. Of a column that all rows
// have, the guide's page serves instead; see followMarker and codesAt.
func (c *columnReader) followPage(page uint32) (*column.CodePage, func(), error) {
	s := c.segment
	at := s.cacheKey(itemCodes, c.number, page)
	if value, ok := s.kept(at); ok {
		return value.(*column.CodePage), nothing, nil
	}
	rooms := s.cache.rooms
	if room := rooms.holding(at); room != nil {
		s.cache.readings.note(at)
		return room.value.(*column.CodePage), func() { rooms.give(room) }, nil
	}
	keep := s.cache.readings.again(at)
	room := &pageRoom{} // of its own
	n := pageLen(c.meta.count, page)
	if !keep {
		room = rooms.take(at.room(1 + 2*n))
	}
	scan := s.cache.scans.take()
	defer s.cache.scans.pool.Put(scan)
	var err error
	if room.frame, err = c.followCodes(room.begin(1+2*n), page, n, scan); err == nil {
		err = room.codes.Parse(room.frame, n, c.meta.dict)
	}
	if err != nil {
		return nil, nothing, errors.Join(fmt.Errorf("codes of page %d of %q: %w", page, c.meta.path, ErrCorrupt), err)
	}
	if keep {
		s.cache.put(at, &room.codes, room.codes.Bytes())
		return &room.codes, nothing, nil
	}
	room.key, room.held, room.value = at, true, &room.codes
	return &room.codes, func() { rooms.give(room) }, nil
}

// followCodes appends the encoded codes of a page of n.
func (c *columnReader) followCodes(dst []byte, page uint32, n int, scan *scanRoom) ([]byte, error) {
	f, err := c.following()
	if err != nil {
		return nil, err
	}
	first := page * PageRows
	scan.numbers = appendRange(scan.numbers[:0], first, first+uint32(n))
	if scan.list, err = c.rowsOf(scan.list[:0], scan.numbers); err != nil {
		return nil, err
	}
	if scan.codes, err = f.guide.codesOf(context.Background(), scan.codes[:0], scan.list); err != nil {
		return nil, err
	}
	dst, scan.numbers = column.AppendMapped(dst, scan.codes, f.codes, scan.numbers[:0])
	if len(scan.numbers) == 0 {
		return dst, nil
	}
	if scan.listed, err = c.listedCodes(scan.listed[:0], page, len(scan.numbers)); err != nil {
		return nil, err
	}
	column.FillMapped(dst, n, scan.numbers, scan.listed)
	return dst, nil
}

// codesOf appends the codes of values with the numbers places.
func (c *columnReader) codesOf(ctx context.Context, dst, places []uint32) ([]uint32, error) {
	err := c.eachCodePage(places, func(page uint32, from, to int, p *column.CodePage) error {
		dst = p.AppendAt(dst, places[from:to], page*PageRows)
		return ctx.Err()
	})
	return dst, err
}

// listedCodes appends the n codes that are listed on a page.
func (c *columnReader) listedCodes(dst []uint32, page uint32, n int) ([]uint32, error) {
	room, err := c.segment.roomWith(c.segment.cacheKey(cachedListed, c.number, page), followKey(c.number, page))
	if err != nil {
		return nil, err
	}
	defer c.segment.cache.rooms.give(room)
	codes, rest, err := column.Codes(dst, room.frame, n)
	if err != nil || len(rest) != 0 {
		return nil, errors.Join(ErrCorrupt, err)
	}
	for _, code := range codes {
		if code >= c.meta.dict {
			return nil, fmt.Errorf("%w: a listed code", ErrCorrupt)
		}
	}
	return codes, nil
}

// followMarker is marker of a column that all rows have, as they have its guide: what has a
// wanted code is marked from the guide's page, and no page of the column is made.
func (c *columnReader) followMarker(wanted bitSet) (func(page uint32, room *scanRoom) (any bool, err error), error) {
	f, err := c.following()
	if err != nil {
		return nil, err
	}
	unknown, either := f.unknown, slices.Clone(f.unknown)
	for code, own := range f.codes {
		if own != 0 && wanted.has(own-1) {
			either.add(uint32(code))
		}
	}
	return func(page uint32, room *scanRoom) (any bool, err error) {
		p, done, err := f.guide.codePage(page)
		if err != nil {
			return false, err
		}
		defer done()
		if !p.Mark(room.marks[:], either) || unknown.empty() {
			return !bitSet(room.marks[:]).empty(), nil
		}
		if err := c.unmarkListed(page, p, unknown, wanted, room); err != nil {
			return false, fmt.Errorf("codes of page %d of %q: %w", page, c.meta.path, err)
		}
		return !bitSet(room.marks[:]).empty(), nil
	}, nil
}

// unmarkListed takes those out of the marks of a room that the guide's page has with an
// unknown code, and that are listed with one that is not wanted.
func (c *columnReader) unmarkListed(page uint32, p *column.CodePage, unknown, wanted bitSet, room *scanRoom) (err error) {
	room.numbers = room.marks.appendTo(room.numbers[:0], 0)
	room.codes = p.AppendAt(room.codes[:0], room.numbers, 0)
	listed := room.numbers[:0]
	for i, code := range room.codes {
		if unknown.has(code) {
			listed = append(listed, room.numbers[i])
		}
	}
	if len(listed) == 0 {
		return nil
	}
	if room.listed, err = c.listedCodes(room.listed[:0], page, len(listed)); err != nil {
		return err
	}
	for i, place := range listed {
		if !wanted.has(room.listed[i]) {
			room.marks[place/64] &^= 1 << (place % 64)
		}
	}
	return nil
}

// followFew is up to how many values of a page are looked up by their guide's
// codes, without making the page, in a column that not all rows have, unless it is kept.
const followFew = 256

// codesAt appends the codes of values with the numbers places, which are in the
// given rows.
func (c *columnReader) codesAt(ctx context.Context, dst, rows, places []uint32) ([]uint32, error) {
	if !c.meta.follows {
		return c.codesOf(ctx, dst, places)
	}
	f, err := c.following()
	if err != nil {
		return nil, err
	}
	err = eachPlacesPage(places, func(page uint32, from, to int) error {
		before := len(dst)
		few := to-from <= followFew && !c.segment.cache.holds(c.segment.cacheKey(itemCodes, c.number, page))
		if c.full() || few {
			if dst, err = f.guide.codesOf(ctx, dst, rows[from:to]); err != nil {
				return err
			}
			if f.resolve(dst[before:]) {
				return nil
			}
			return c.resolveListed(f, page, rows[from:to], dst[before:])
		}
		p, done, err := c.codePage(page)
		if err != nil {
			return err
		}
		defer done()
		dst = p.AppendAt(dst, places[from:to], page*PageRows)
		return ctx.Err()
	})
	return dst, err
}

// listedCode stands for an own code that is listed: no code of a column that follows
// is so great.
const listedCode = 1<<32 - 1

// resolve puts own codes where the guide's codes are, and listedCode where they are
// listed. It reports whether there is none of these.
func (f *following) resolve(codes []uint32) (all bool) {
	all = true
	for i, code := range codes {
		own := f.codes[code] - 1 // listedCode of 0
		codes[i] = own
		all = all && own != listedCode
	}
	return all
}

// resolveListed puts the codes that are listed where listedCode is among the codes of the
// values in rows, of one page of the column: which of those that are listed each is says
// how many values before it have an unknown code of the guide.
func (c *columnReader) resolveListed(f *following, page uint32, rows, codes []uint32) error {
	scans := &c.segment.cache.scans
	room := scans.take()
	defer scans.pool.Put(room)
	first := page * PageRows
	room.numbers = room.numbers[:0]
	var err error
	room.list, err = c.rowsOf(room.list[:0], []uint32{first, first + uint32(pageLen(c.meta.count, page)) - 1})
	if err != nil {
		return err
	}
	lo, hi := room.list[0], room.list[1]+1
	before, at := 0, 0
	for ; lo < hi; lo = (lo/PageRows + 1) * PageRows {
		on := lo / PageRows
		unknown, err := c.unknownOn(f, on, lo%PageRows, min(hi-on*PageRows, PageRows), room)
		if err != nil {
			return err
		}
		rank, word := before, uint32(0)
		for ; at < len(rows) && rows[at]/PageRows == on; at++ {
			place := rows[at] % PageRows
			for ; word < place/64; word++ {
				rank += bits.OnesCount64(unknown[word])
			}
			if codes[at] == listedCode {
				room.numbers = append(room.numbers, uint32(rank+bits.OnesCount64(unknown[word]&(1<<(place%64)-1))))
			}
		}
		before += unknown.count()
	}
	if room.listed, err = c.listedCodes(room.listed[:0], page, before); err != nil {
		return fmt.Errorf("codes of page %d of %q: %w", page, c.meta.path, err)
	}
	numbers := room.numbers
	for i, code := range codes {
		if code == listedCode {
			codes[i], numbers = room.listed[numbers[0]], numbers[1:]
		}
	}
	return nil
}

// unknownOn returns the places from <= place < to of a page of rows that have the field
// and an unknown code of the guide. They may lie in the room.
func (c *columnReader) unknownOn(f *following, page, from, to uint32, room *scanRoom) (*pageBits, error) {
	p, done, err := f.guide.codePage(page)
	if err != nil {
		return nil, err
	}
	clear(room.unknown[(pageLen(f.guide.meta.count, page)+63)/64:])
	p.Mark(room.unknown[:], f.unknown)
	done()
	if c.full() {
		return room.unknown.between(from, to), nil
	}
	presence, err := c.pagePresence()
	if err != nil {
		return nil, err
	}
	if presence.bases[page+1]-presence.bases[page] < uint32(pageLen(c.segment.meta.Rows, page)) {
		present, err := c.presentPage(page)
		if err != nil {
			return nil, err
		}
		for word := range room.unknown {
			room.unknown[word] &= present.bits[word]
		}
	}
	return room.unknown.between(from, to), nil
}

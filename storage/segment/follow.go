package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

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
		for _, code := range f.codes {
			if code > min(c.meta.dict, followDictMax) {
				return nil, 0, fmt.Errorf("guide of %q: %w: a code that is not in the dictionary", c.meta.path, ErrCorrupt)
			}
		}
		return f, 4 * int64(len(f.codes)), nil
	})
}

// guides reports whether other columns may follow this one: all rows have it, so
// that the number of a value is its row.
func (c *columnReader) guides() bool { return c.meta.text && c.full() && !c.meta.follows }

// followPage is codePage of a column that follows another one.
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
	if c.full() {
		p, done, err := f.guide.codePage(page)
		if err != nil {
			return nil, err
		}
		dst, scan.numbers = p.AppendMapped(dst, f.codes, scan.numbers[:0])
		done()
	} else {
		scan.numbers = appendRange(scan.numbers[:0], first, first+uint32(n))
		if scan.list, err = c.rowsOf(scan.list[:0], scan.numbers); err != nil {
			return nil, err
		}
		if scan.codes, err = f.guide.codesOf(context.Background(), scan.codes[:0], scan.list); err != nil {
			return nil, err
		}
		dst, scan.numbers = column.AppendMapped(dst, scan.codes, f.codes, scan.numbers[:0])
	}
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

// followFew is up to how many values of a page are looked up by their guide's
// codes, without making the page.
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
		if to-from <= followFew {
			if dst, err = f.guide.codesOf(ctx, dst, rows[from:to]); err != nil {
				return err
			}
			if f.resolve(dst[before:]) {
				return nil
			}
			dst = dst[:before]
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

// resolve puts own codes where the guide's codes are. It reports
// false if that is not possible for all.
func (f *following) resolve(codes []uint32) bool {
	for i, code := range codes {
		own := f.codes[code]
		if own == 0 {
			return false
		}
		codes[i] = own - 1
	}
	return true
}

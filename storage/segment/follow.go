package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sort"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
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
	keep := s.cache.readings.keeps(at)
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

// guidePages are pages of messages' codes that stay decoded while records are read: each
// column that follows the messages needs them again. They are for one goroutine.
type guidePages struct {
	guide *columnReader
	pages map[uint32]*column.CodePage
	ends  []func() // see borrowed
}

// guidePagesMax is how many pages stay. Records that are shown are on few pages, and the
// memory of more would be taken for this alone.
const guidePagesMax = 8

// guidePagesName is the name of guidePages in a context.
type guidePagesName struct{}

// withGuide returns a context in which pages of the guide stay until done is called.
func (s *Segment) withGuide(ctx context.Context) (_ context.Context, done func()) {
	for _, named := range s.named[model.FieldMessage] {
		if c := named.(*columnReader); c.guides() {
			held := &guidePages{guide: c, pages: map[uint32]*column.CodePage{}}
			return context.WithValue(ctx, guidePagesName{}, held), held.done
		}
	}
	return ctx, nothing
}

func (g *guidePages) done() {
	for _, end := range g.ends {
		end()
	}
}

// codePageIn is codePage where pages of a guide may stay.
func (c *columnReader) codePageIn(ctx context.Context, page uint32) (*column.CodePage, func(), error) {
	held, _ := ctx.Value(guidePagesName{}).(*guidePages)
	if held == nil || held.guide != c {
		return c.codePage(page)
	}
	if p, ok := held.pages[page]; ok {
		return p, nothing, nil
	}
	p, done, err := c.codePage(page)
	if err != nil || len(held.pages) >= guidePagesMax {
		return p, done, err
	}
	held.pages[page], held.ends = p, append(held.ends, done)
	return p, nothing, nil
}

// codesOf appends the codes of values with the numbers places.
func (c *columnReader) codesOf(ctx context.Context, dst, places []uint32) ([]uint32, error) {
	err := c.eachCodePage(ctx, places, func(page uint32, from, to int, p *column.CodePage) error {
		dst = p.AppendAt(dst, places[from:to], page*PageRows)
		return ctx.Err()
	})
	return dst, err
}

// listedCodes appends the n codes that are listed on a page.
func (c *columnReader) listedCodes(dst []uint32, page uint32, n int) ([]uint32, error) {
	codes, spread, err := c.listedSpread(dst, nil, page, n)
	if err != nil {
		return nil, err
	}
	if have := len(codes) - len(dst); have != n {
		return nil, fmt.Errorf("%w: %d listed codes, not %d, on %d pages", ErrCorrupt, have, n, len(spread))
	}
	return codes, nil
}

// spreadsListed reports whether it is stored how listed codes are spread over pages of rows.
func (c *columnReader) spreadsListed() bool { return c.segment.meta.version > VersionMinutes }

// listedSpread appends the codes that are listed on a page, and how many of them are of each
// page of rows, beginning with that of the first value. Where that is not stored it appends
// nothing, and there are n codes.
func (c *columnReader) listedSpread(dst, spread []uint32, page uint32, n int) (codes, counts []uint32, err error) {
	room, err := c.segment.roomWith(c.segment.cacheKey(cachedListed, c.number, page), followKey(c.number, page))
	if err != nil {
		return nil, nil, err
	}
	defer c.segment.cache.rooms.give(room)
	raw := room.frame
	if c.spreadsListed() {
		first, end, err := c.rowSpan(page)
		if err != nil {
			return nil, nil, err
		}
		r, left := wire.NewReader(raw), uint32(pageLen(c.meta.count, page))
		n = 0
		for range pages(end) - first/PageRows {
			count := r.Bounded(left)
			spread, left, n = append(spread, count), left-count, n+int(count)
		}
		if r.Failed() {
			return nil, nil, fmt.Errorf("%w: how listed codes are spread", ErrCorrupt)
		}
		raw = r.Rest()
	}
	all, rest, err := column.Codes(dst, raw, n)
	if err != nil || len(rest) != 0 {
		return nil, nil, errors.Join(ErrCorrupt, err)
	}
	for _, code := range all[len(dst):] {
		if code >= c.meta.dict {
			return nil, nil, fmt.Errorf("%w: a listed code", ErrCorrupt)
		}
	}
	return all, spread, nil
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
			if c.full() || c.spreadsListed() {
				return c.resolveListed(ctx, f, page, rows[from:to], dst[before:])
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

// resolveListed puts the codes that are listed where listedCode is among the codes of rows,
// whose values are on one page. The column is one that all rows have, or it is stored how
// its listed codes are spread.
func (c *columnReader) resolveListed(ctx context.Context, f *following, page uint32, rows, codes []uint32) error {
	scans := &c.segment.cache.scans
	room := scans.take()
	defer scans.pool.Put(room)
	var spread []uint32
	for from := 0; from < len(rows); {
		on := rows[from] / PageRows
		to := from + sort.Search(len(rows)-from, func(i int) bool { return rows[from+i]/PageRows > on })
		rows, codes := rows[from:to], codes[from:to]
		from = to
		if !slices.Contains(codes, listedCode) {
			continue
		}
		first, err := c.markListed(ctx, f, page, on, &room.unknown)
		if err != nil {
			return err
		}
		if spread == nil {
			if room.listed, spread, err = c.listedSpread(room.listed[:0], []uint32{}, page, room.unknown.count()); err != nil {
				return fmt.Errorf("codes of page %d of %q: %w", page, c.meta.path, err)
			}
		}
		rank := 0 // of what is listed before the page of rows
		if c.spreadsListed() {
			at := int(on - first)
			if at >= len(spread) || int(spread[at]) != room.unknown.count() {
				return fmt.Errorf("codes of page %d of %q: %w: others are listed of page %d of rows", page, c.meta.path, ErrCorrupt, on)
			}
			for _, n := range spread[:at] {
				rank += int(n)
			}
		}
		word := uint32(0)
		for i, row := range rows {
			place := row % PageRows
			for ; word < place/64; word++ {
				rank += bits.OnesCount64(room.unknown[word])
			}
			if codes[i] != listedCode {
				continue
			}
			codes[i] = room.listed[rank+bits.OnesCount64(room.unknown[word]&(1<<(place%64)-1))]
		}
	}
	return nil
}

// markListed marks the places on a page of rows of those values of a page whose codes are
// listed. It returns the first page of rows that has values of the page.
func (c *columnReader) markListed(ctx context.Context, f *following, page, on uint32, marks *pageBits) (first uint32, err error) {
	p, done, err := f.guide.codePageIn(ctx, on)
	if err != nil {
		return 0, err
	}
	clear(marks[(pageLen(f.guide.meta.count, on)+63)/64:])
	p.Mark(marks[:], f.unknown)
	done()
	if c.full() {
		return on, nil
	}
	presence, err := c.pagePresence()
	if err != nil {
		return 0, err
	}
	bases, number := presence.bases, page*PageRows
	first = c.rowPage(bases, number)
	from, to := max(number, bases[on]), min(number+uint32(pageLen(c.meta.count, page)), bases[on+1])
	if from >= to {
		return 0, fmt.Errorf("%w: no value is on page %d of rows", ErrCorrupt, on)
	}
	edges := []uint32{from - bases[on], to - 1 - bases[on]} // places of the first value and the last
	if bases[on+1]-bases[on] < uint32(pageLen(c.segment.meta.Rows, on)) {
		present, err := c.presentPage(on)
		if err != nil {
			return 0, err
		}
		for word, set := range present.bits {
			marks[word] &= set
		}
		edges = present.appendSelected(make([]uint32, 0, len(edges)), 0, 0, edges)
	}
	*marks = *marks.between(edges[0], edges[1]+1)
	return first, nil
}

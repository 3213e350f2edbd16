package segment

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/column"
)

// codePage returns a page of codes; see borrowed.
func (c *columnReader) codePage(page uint32) (*column.CodePage, func(), error) {
	s := c.segment
	n := pageLen(c.meta.count, page)
	size := c.meta.dict + c.meta.codeBase()
	if size == 1 {
		return column.ConstantPage(n), nothing, nil
	}
	if c.meta.follows {
		return c.followPage(page)
	}
	key := columnKey(c.number, itemCodes, page)
	if c.meta.apart {
		key = followKey(c.number, page)
	}
	return borrowed(s, s.cacheKey(itemCodes, c.number, page), key, func(raw []byte, room *pageRoom) (*column.CodePage, int64, error) {
		if err := room.codes.Parse(raw, n, size); err != nil {
			return nil, 0, errors.Join(fmt.Errorf("segment codes %x: %w", key, ErrCorrupt), err)
		}
		return &room.codes, room.codes.Bytes(), nil
	})
}

// eachCodePage calls visit with the codes of each page of places.
func (c *columnReader) eachCodePage(ctx context.Context, places []uint32, visit func(page uint32, from, to int, codes *column.CodePage) error) error {
	return eachPlacesPage(places, func(page uint32, from, to int) error {
		codes, done, err := c.codePageIn(ctx, page)
		if err != nil {
			return err
		}
		defer done()
		return visit(page, from, to, codes)
	})
}

// bitSet is a set of codes, or of schemas.
type bitSet []uint64

func newBitSet(size uint32) bitSet { return make(bitSet, (uint64(size)+63)/64) }

func (b bitSet) add(n uint32) { b[n/64] |= 1 << (n % 64) }

func (b bitSet) has(n uint32) bool { return b[n/64]>>(n%64)&1 != 0 }

func (b bitSet) remove(n uint32) { b[n/64] &^= 1 << (n % 64) }

func (b bitSet) empty() bool {
	for _, set := range b {
		if set != 0 {
			return false
		}
	}
	return true
}

// pageBits are places on a page, or numbers of values on one.
type pageBits [pageWords]uint64

const pageWords = PageRows / 64

// at returns 64 bits from a place on, which may be up to 63 before the page.
func (b *pageBits) at(place int) uint64 {
	if place < 0 {
		return b[0] << -place
	}
	word, bit := place/64, place%64
	if word >= pageWords {
		return 0
	}
	set := b[word] >> bit
	if bit > 0 && word+1 < pageWords {
		set |= b[word+1] << (64 - bit)
	}
	return set
}

// anyIn reports whether there is a place from <= place < to.
func (b *pageBits) anyIn(from, to int) bool {
	for ; from < to; from += 64 {
		if b.at(from)&(1<<min(64, to-from)-1) != 0 {
			return true
		}
	}
	return false
}

// appendTo appends the places, added to first.
func (b *pageBits) appendTo(dst []uint32, first uint32) []uint32 {
	for word, set := range b {
		for ; set != 0; set &= set - 1 {
			dst = append(dst, first+uint32(word)*64+uint32(bits.TrailingZeros64(set)))
		}
	}
	return dst
}

// between returns the places from <= place < to.
func (b *pageBits) between(from, to uint32) *pageBits {
	if from == 0 && to == PageRows {
		return b
	}
	var some pageBits
	for word := from / 64; word*64 < to; word++ {
		some[word] = b[word]
	}
	if from < to {
		some[from/64] &= ^uint64(0) << (from % 64)
		some[(to-1)/64] &= ^uint64(0) >> (63 - (to-1)%64)
	}
	return &some
}

func (b *pageBits) count() (n int) {
	for _, set := range b {
		n += bits.OnesCount64(set)
	}
	return n
}

// deposit puts the lowest bits of set, in order, where mask has bits.
func deposit(set, mask uint64) (out uint64) {
	if mask == ^uint64(0) {
		return set
	}
	set &= 1<<bits.OnesCount64(mask) - 1
	for ; set != 0; set >>= 1 {
		lowest := mask & -mask
		out |= lowest & -(set & 1)
		mask ^= lowest
	}
	return out
}

// rowSet collects rows page by page: few one by one, many as bits.
type rowSet struct {
	found *index.DocSet
	room  *scanRoom
}

// scanRoom is what a look through code pages needs for a while.
type scanRoom struct {
	marks pageBits // numbers of values on a page
	rows  pageBits
	list  []uint32 // rows of a page, where they are few
	dense []uint64 // rows of the segment, up to the last page that has many

	codes, listed, numbers []uint32 // of a page that follows another column
	unknown                pageBits // of the same: places whose codes are listed
}

// scanRooms lends such room.
type scanRooms struct{ pool sync.Pool }

func (s *scanRooms) take() *scanRoom {
	if room, ok := s.pool.Get().(*scanRoom); ok {
		return room
	}
	return &scanRoom{}
}

// fewRows is up to how many rows of a page are added to a set one by one.
const fewRows = 1024

// newRowSet returns an empty set. Its done must be called.
func (s *Segment) newRowSet() *rowSet {
	r := &rowSet{found: index.NewDocSet(), room: s.cache.scans.take()}
	r.room.dense = r.room.dense[:0]
	return r
}

// add adds rows of a page.
func (r *rowSet) add(page uint32, rows *pageBits) {
	room := r.room
	if rows.count() <= fewRows {
		room.list = rows.appendTo(room.list[:0], page*PageRows)
		r.found.AddMany(room.list)
		return
	}
	from, to := int(page)*pageWords, int(page+1)*pageWords
	for len(room.dense) < to {
		room.dense = append(room.dense, make([]uint64, to-len(room.dense))...)
	}
	for i, set := range rows {
		room.dense[from+i] |= set
	}
}

// rows returns the set.
func (r *rowSet) rows() *index.DocSet {
	if len(r.room.dense) == 0 {
		return r.found
	}
	many := index.NewDocSet()
	many.FromDense(r.room.dense, true)
	many.Or(r.found)
	return many
}

// done gives back what the set has borrowed.
func (r *rowSet) done(s *Segment) { s.cache.scans.pool.Put(r.room) }

// addNumbers adds the rows of the values in marks, the numbers of which are
// those of a page of values.
func (r *rowSet) addNumbers(c *columnReader, page uint32, marks *pageBits) error {
	if c.full() {
		r.add(page, marks)
		return nil
	}
	presence, err := c.pagePresence()
	if err != nil {
		return err
	}
	bases := presence.bases
	first, count := page*PageRows, uint32(pageLen(c.meta.count, page))
	for on := c.rowPage(bases, first); int(on)+1 < len(bases) && bases[on] < first+count; on++ {
		// where the numbers of the page of rows begin and end on the page of values
		from, to := int(bases[on])-int(first), int(bases[on+1])-int(first)
		if !marks.anyIn(max(from, 0), min(to, int(count))) {
			continue
		}
		rows := &r.room.rows
		if n := pageLen(c.segment.meta.Rows, on); to-from == n {
			for word := range rows {
				rows[word] = 0
				if place := word * 64; place < n && from+place > -64 {
					rows[word] = marks.at(from+place) & (1<<min(64, n-place) - 1)
				}
			}
		} else {
			p, err := c.presentPage(on)
			if err != nil {
				return err
			}
			for word, mask := range p.bits {
				rows[word] = 0
				if number := from + int(p.ranks[word]); mask != 0 && number > -64 {
					rows[word] = deposit(marks.at(number), mask)
				}
			}
		}
		r.add(on, rows)
	}
	return nil
}

// marker returns what marks the values of a page that have one of the wanted codes, in
// the marks of a room, and reports whether there is any.
func (c *columnReader) marker(wanted bitSet) (func(page uint32, room *scanRoom) (any bool, err error), error) {
	if c.meta.follows && c.full() {
		return c.followMarker(wanted)
	}
	return func(page uint32, room *scanRoom) (any bool, err error) {
		p, done, err := c.codePage(page)
		if err != nil {
			return false, err
		}
		defer done()
		return p.Mark(room.marks[:], wanted), nil
	}, nil
}

// scanCodes reads the code pages that hold one of the codes and, if within is
// not nil, a row of within.
func (c *columnReader) scanCodes(ctx context.Context, codes []uint32, within *index.DocSet) (*index.DocSet, error) {
	on, err := c.pagesOf(codes)
	if err != nil {
		return nil, err
	}
	wanted := newBitSet(c.meta.dict + c.meta.codeBase())
	for _, code := range codes {
		wanted.add(code)
	}
	mark, err := c.marker(wanted)
	if err != nil {
		return nil, err
	}
	found := c.segment.newRowSet()
	defer found.done(c.segment)
	marks := &found.room.marks
	for page, ok := range on {
		if !ok {
			continue
		}
		if within != nil {
			if touches, err := c.touches(within, uint32(page)); err != nil {
				return nil, err
			} else if !touches {
				continue
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		clear(marks[(pageLen(c.meta.count, uint32(page))+63)/64:])
		if any, err := mark(uint32(page), found.room); err != nil {
			return nil, err
		} else if !any {
			continue
		}
		if err := found.addNumbers(c, uint32(page), marks); err != nil {
			return nil, err
		}
	}
	return found.rows(), nil
}

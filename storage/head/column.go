package head

import (
	"context"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/part"
)

// column is a stored column with its rows in the part's order.
type column struct {
	part   *Part
	stored *block.Column

	once  sync.Once
	rows  []uint32 // nil means every row of the part
	codes []uint32
	room  *gatherRoom // where these are; nil: in memory of their own

	unpacked atomic.Pointer[column] // of a packed one that the part keeps
}

var (
	_ part.Column   = (*column)(nil)
	_ part.Gatherer = (*column)(nil)
)

// gatherRoom is memory for one column at a time that is gathered as a whole.
type gatherRoom struct {
	stored block.Room
	lists  [roomLists][]uint32
	cells  []uint64
	every  []uint32 // rows of a part: their own numbers
}

// Lists of a gatherRoom.
const (
	roomRows = iota
	roomCodes
	roomByRow
	roomLists
)

// list returns memory for numbers, of any content; without a room, memory of their own.
func (r *gatherRoom) list(which, count int) []uint32 {
	if r == nil {
		return make([]uint32, count)
	}
	if cap(r.lists[which]) < count {
		r.lists[which] = make([]uint32, count)
	}
	return r.lists[which][:count]
}

// pairs returns empty memory for cells.
func (r *gatherRoom) pairs(count int) []uint64 {
	if r == nil {
		return make([]uint64, 0, count)
	}
	r.cells = slices.Grow(r.cells[:0], count)
	return r.cells
}

// all returns the numbers from 0 on.
func (r *gatherRoom) all(count int) []uint32 {
	if r == nil {
		r = &gatherRoom{}
	}
	for row := len(r.every); row < count; row++ {
		if row == 0 {
			r.every = make([]uint32, 0, count)
		}
		r.every = append(r.every, uint32(row))
	}
	return r.every[:count]
}

// whole returns the column with its cells, a new one if the part keeps none.
func (c *column) whole() *column {
	if !c.stored.Packed() {
		return c
	}
	if c.part.grown == nil {
		return &column{part: c.part, stored: c.stored.Unpack()}
	}
	if known := c.unpacked.Load(); known != nil {
		return known
	}
	if c.unpacked.CompareAndSwap(nil, &column{part: c.part, stored: c.stored.Unpack()}) {
		c.part.bytes.Add(int64(unpackedBytes(c.stored)))
		c.part.grown()
	}
	return c.unpacked.Load()
}

// ready maps ordinals to rows, once.
func (c *column) ready() {
	c.once.Do(func() {
		o := c.part.ready()
		if o.rowOf == nil {
			c.rows, c.codes = c.stored.Rows, c.stored.Codes
			return
		}
		if c.stored.Rows == nil {
			c.codes = c.room.list(roomCodes, len(o.ordinalOf))
			for row, ordinal := range o.ordinalOf {
				c.codes[row] = c.stored.Codes[ordinal]
			}
			return
		}
		if len(c.stored.Rows)*denseShare >= len(o.rowOf) {
			c.scatter(o)
			return
		}
		// Row and code in one number, so that sorting moves both.
		cells := c.room.pairs(len(c.stored.Rows))
		for i, ordinal := range c.stored.Rows {
			if row := o.rowOf[ordinal]; row != absent {
				cells = append(cells, uint64(row)<<32|uint64(c.stored.Codes[i]))
			}
		}
		slices.Sort(cells)
		c.rows, c.codes = c.room.list(roomRows, len(cells)), c.room.list(roomCodes, len(cells))
		for i, cell := range cells {
			c.rows[i], c.codes[i] = uint32(cell>>32), uint32(cell)
		}
	})
}

// denseShare is in how many rows one must have a column for its cells to be put in
// order by going through all rows rather than by sorting them.
const denseShare = 8

// scatter is ready for a column that many rows have.
func (c *column) scatter(o *orderOnce) {
	codes := c.room.list(roomByRow, len(o.ordinalOf)) // by row: code + 1, or 0
	clear(codes)
	count := 0
	for i, ordinal := range c.stored.Rows {
		if row := o.rowOf[ordinal]; row != absent {
			codes[row] = c.stored.Codes[i] + 1
			count++
		}
	}
	c.rows, c.codes = c.room.list(roomRows, count)[:0], c.room.list(roomCodes, count)[:0]
	for row, code := range codes {
		if code != 0 {
			c.rows, c.codes = append(c.rows, uint32(row)), append(c.codes, code-1)
		}
	}
}

// Path implements part.Column.
func (c *column) Path() string { return c.stored.Name }

// Kind implements part.Column.
func (c *column) Kind() model.Kind { return c.stored.Kind }

// Count implements part.Column.
func (c *column) Count() uint32 {
	if len(c.part.dropped) == 0 { // which is asked of every column
		return uint32(c.stored.Cells())
	}
	c = c.whole()
	c.ready()
	return uint32(len(c.codes))
}

// Distinct implements part.Column.
func (c *column) Distinct() uint32 { return uint32(c.stored.Distinct()) }

// sparseFactor is how many times fewer rows than cells there must be for a
// binary search per row to beat walking both.
const sparseFactor = 16

// each calls f for those of the ascending rows that have the field, with the
// position in list. The column must be whole.
func (c *column) each(list []uint32, f func(i int, code uint32)) {
	c.ready()
	if c.rows == nil {
		for i, row := range list {
			f(i, c.codes[row])
		}
		return
	}
	if len(list)*sparseFactor < len(c.rows) {
		from := 0
		for i, row := range list {
			rest := c.rows[from:]
			from += sort.Search(len(rest), func(j int) bool { return rest[j] >= row })
			if from < len(c.rows) && c.rows[from] == row {
				f(i, c.codes[from])
			}
		}
		return
	}
	at := 0
	for i, row := range list {
		for at < len(c.rows) && c.rows[at] < row {
			at++
		}
		if at == len(c.rows) {
			return
		}
		if c.rows[at] == row {
			f(i, c.codes[at])
		}
	}
}

// GatherInto implements part.Gatherer.
func (c *column) GatherInto(ctx context.Context, room *part.Room) (part.Values, error) {
	if !c.stored.Packed() || c.part.grown != nil { // its cells are kept
		return c.Gather(ctx, nil)
	}
	own, ok := room.Of.(*gatherRoom)
	if !ok {
		own = &gatherRoom{}
		room.Of = own
	}
	unpacked := column{part: c.part, stored: c.stored.UnpackInto(&own.stored), room: own}
	return unpacked.values(), nil
}

// values returns all values of a column with its cells.
func (c *column) values() part.Values {
	c.ready()
	values := part.Values{Rows: c.rows, Codes: c.codes, Dict: c.stored.Values}
	if values.Rows == nil {
		values.Rows = c.room.all(len(c.codes))
	}
	return values
}

// Gather implements part.Column.
func (c *column) Gather(_ context.Context, rows *index.DocSet) (part.Values, error) {
	c = c.whole()
	if rows == nil {
		return c.values(), nil
	}
	c.ready()
	values := part.Values{Dict: c.stored.Values}
	list, err := c.part.list(rows)
	if err != nil {
		return part.Values{}, err
	}
	size := min(len(list), len(c.codes))
	values.Rows, values.Codes = make([]uint32, 0, size), make([]uint32, 0, size)
	c.each(list, func(i int, code uint32) {
		values.Rows = append(values.Rows, list[i])
		values.Codes = append(values.Codes, code)
	})
	return values, nil
}

// Counts implements part.Column.
func (c *column) Counts(_ context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	c = c.whole()
	c.ready()
	counts := make([]uint32, len(c.stored.Values))
	if rows == nil {
		for _, code := range c.codes {
			counts[code]++
		}
	} else {
		list, err := c.part.list(rows)
		if err != nil {
			return nil, err
		}
		c.each(list, func(_ int, code uint32) { counts[code]++ })
	}
	var found []part.ValueCount
	for code, count := range counts {
		if count > 0 {
			found = append(found, part.ValueCount{Value: c.stored.Values[code], Count: uint64(count)})
		}
	}
	return found, nil
}

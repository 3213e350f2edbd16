// Package block is the columnar form in which a batch of records crosses the
// log: every field is a column of distinct values and codes. The node that
// receives records encodes a block once; it is logged, replicated and read in
// this form until its records are sealed into a segment.
package block

import "github.com/stere-log/stere/model"

// Block is a decoded block. Rows are in the order in which the records came.
type Block struct {
	Times      []int64 // Unix nanoseconds, one per row
	TimeDigits []uint8 // see model.Record, one per row
	Columns    []Column
}

// Column holds the values of one field of one kind: row Rows[i] has the value
// Values[Codes[i]]. A nil Rows means that every row has the field; else Rows
// ascend. Values are distinct. Of a column of DecodePacked these are nil until it
// is unpacked.
type Column struct {
	Name   string
	Kind   model.Kind
	Rows   []uint32
	Codes  []uint32
	Values []string

	packed          []byte // what Unpack reads; nil for a column that is not packed
	texts           string // its values, one behind the other
	rows            int    // of the block
	plain           bool   // its version is VersionPlain
	cells, distinct int
}

// Cells returns how many rows have the field.
func (c *Column) Cells() int {
	if c.packed != nil {
		return c.cells
	}
	return len(c.Codes)
}

// Distinct returns how many values the column has.
func (c *Column) Distinct() int {
	if c.packed != nil {
		return c.distinct
	}
	return len(c.Values)
}

// Packed reports whether the column is one of DecodePacked.
func (c *Column) Packed() bool { return c.packed != nil }

// Texts returns the values of a packed column, one behind the other.
func (c *Column) Texts() string { return c.texts }

// PackedBytes returns how many bytes a packed column takes.
func (c *Column) PackedBytes() int { return len(c.packed) }

// Unpack returns the column with its cells. It reads a packed one each time.
func (c *Column) Unpack() *Column {
	if c.packed == nil {
		return c
	}
	unpacked := &Column{}
	c.unpackTo(unpacked, nil)
	return unpacked
}

func (c *Column) unpackTo(unpacked *Column, room *Room) {
	r := reader{src: c.packed, plain: c.plain, room: room} // checked by DecodePacked
	*unpacked = Column{Name: c.Name, Kind: c.Kind}
	r.cells(unpacked, c.rows, c.cells)
}

// Room is memory that columns are unpacked into, one after the other. The zero value is
// usable.
type Room struct {
	column Column
	lists  [2][]uint32 // rows and codes
	values []string
}

// UnpackInto is Unpack into a room, where the column is until another is unpacked into it.
func (c *Column) UnpackInto(room *Room) *Column {
	if c.packed == nil {
		return c
	}
	c.unpackTo(&room.column, room)
	return &room.column
}

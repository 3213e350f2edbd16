package segment

import (
	"encoding/binary"
	"maps"
	"slices"
)

// schemas divides rows into classes of the same set of columns. A column that
// all rows of a class have is added to the class in place; else those that have
// it become a new class, which goes on where the old one was at that moment. So
// there are never more classes than rows, and a column of a class costs a byte
// or two, however many different sets there are.
type schemas struct {
	of      []uint32 // row -> class
	classes []class
	seen    []uint32 // rows of each class that have the column at hand
	touched []uint32 // classes with such rows
}

// class is rows of the same set of columns.
type class struct {
	rows    uint32
	parent  uint32 // class that it was a part of; the first one is its own parent
	shared  uint32 // bytes of the parent's columns that are its own, too
	last    uint32 // greatest column
	columns []byte // what follows: uvarint differences to the last column
}

func newSchemas(rows uint32) schemas {
	return schemas{of: make([]uint32, rows), classes: []class{{rows: rows}}, seen: make([]uint32, 1)}
}

// add says which rows have a column, which is greater than those before.
func (s *schemas) add(column uint32, rows []uint32) {
	if len(rows) == len(s.of) { // all of every class
		for i := range s.classes {
			s.classes[i].add(column)
		}
		return
	}
	for _, row := range rows {
		number := s.of[row]
		if s.seen[number]++; s.seen[number] == 1 {
			s.touched = append(s.touched, number)
		}
	}
	for _, number := range s.touched {
		c := &s.classes[number]
		if s.seen[number] == c.rows {
			c.add(column)
			s.seen[number] = number // its rows stay
			continue
		}
		next := uint32(len(s.classes))
		c.rows -= s.seen[number]
		s.classes = append(s.classes, class{
			rows: s.seen[number], parent: number, shared: uint32(len(c.columns)), last: column,
			columns: binary.AppendUvarint(nil, uint64(column-c.last)),
		})
		s.seen = append(s.seen, 0)
		s.seen[number] = next
	}
	for _, row := range rows {
		s.of[row] = s.seen[s.of[row]]
	}
	for _, number := range s.touched {
		s.seen[number] = 0
	}
	s.touched = s.touched[:0]
}

// add adds a column that all rows of a class have.
func (c *class) add(column uint32) {
	c.columns = binary.AppendUvarint(c.columns, uint64(column-c.last))
	c.last = column
}

// columns returns the columns of a class, descending.
func (s *schemas) columns(number uint32) []uint32 {
	pieces := [][]byte{s.classes[number].columns}
	for number != 0 {
		c := &s.classes[number]
		pieces = append(pieces, s.classes[c.parent].columns[:c.shared])
		number = c.parent
	}
	var columns []uint32
	var last uint32
	for _, piece := range slices.Backward(pieces) {
		for len(piece) > 0 {
			difference, n := binary.Uvarint(piece)
			last += uint32(difference)
			columns = append(columns, last)
			piece = piece[n:]
		}
	}
	slices.Reverse(columns)
	return columns
}

// emitSchemas writes a schema code per row and the list of schemas in use,
// numbered by first appearance.
func (b *builder) emitSchemas() error {
	renumbered := make([]uint32, len(b.schemas.classes)) // class -> number + 1
	var used uint32
	var list, counts []byte
	for lo := uint32(0); lo < b.rows; lo += PageRows {
		page := b.schemas.of[lo:min(lo+PageRows, b.rows)]
		for i, number := range page {
			if renumbered[number] == 0 {
				used++
				renumbered[number] = used
				columns := b.schemas.columns(number)
				list = binary.AppendUvarint(list, uint64(len(columns)))
				last := uint32(len(b.meta.columns))
				for _, c := range columns {
					list = binary.AppendUvarint(list, uint64(last-c))
					last = c
				}
			}
			page[i] = renumbered[number] - 1
		}
		counts = appendSchemaCounts(counts, page)
		if err := b.emit(pageKey(sectionSchemas, lo/PageRows), b.compressCodes(page)); err != nil {
			return err
		}
	}
	b.meta.schemas = used
	return b.emit(pageKey(sectionSchemas, schemaList), b.compress(append(list, counts...)))
}

// appendSchemaCounts appends how many rows of a page have each schema, so that
// a few rows are found in a column without reading other pages.
func appendSchemaCounts(dst []byte, page []uint32) []byte {
	counts := map[uint32]uint32{}
	for _, number := range page {
		counts[number]++
	}
	dst = binary.AppendUvarint(dst, uint64(len(counts)))
	last := uint32(0)
	for _, number := range slices.Sorted(maps.Keys(counts)) {
		dst = binary.AppendUvarint(dst, uint64(number-last))
		dst = binary.AppendUvarint(dst, uint64(counts[number]))
		last = number
	}
	return dst
}

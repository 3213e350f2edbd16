package segment

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/stere-log/stere/storage/column"
)

// schemas numbers the sets of columns that rows have. A set is built column
// by column: (set so far, next column) leads to the next set. Set 0 is empty.
type schemas struct {
	next    map[[2]uint32]uint32
	parents [][2]uint32 // set -> (set without its last column, last column)
	last    [3]uint32   // the last step taken: set, column -> set
}

func (s *schemas) step(set, column uint32) uint32 {
	if s.last[0] == set && s.last[1] == column && s.last[2] != 0 {
		return s.last[2]
	}
	if s.next == nil {
		s.next = map[[2]uint32]uint32{}
		s.parents = append(s.parents, [2]uint32{})
	}
	key := [2]uint32{set, column}
	to, ok := s.next[key]
	if !ok {
		to = uint32(len(s.parents))
		s.next[key] = to
		s.parents = append(s.parents, key)
	}
	s.last = [3]uint32{set, column, to}
	return to
}

// columns returns the columns of a set, descending.
func (s *schemas) columns(set uint32) []uint32 {
	var columns []uint32
	for ; set != 0; set = s.parents[set][0] {
		columns = append(columns, s.parents[set][1])
	}
	return columns
}

// emitSchemas writes a schema code per row and the list of schemas in use,
// numbered by first appearance.
func (b *builder) emitSchemas() error {
	renumbered := map[uint32]uint32{}
	var list, counts []byte
	for lo := uint32(0); lo < b.rows; lo += PageRows {
		page := b.schemaOf[lo:min(lo+PageRows, b.rows)]
		for i, set := range page {
			number, ok := renumbered[set]
			if !ok {
				number = uint32(len(renumbered))
				renumbered[set] = number
				columns := b.schemas.columns(set)
				list = binary.AppendUvarint(list, uint64(len(columns)))
				last := uint32(len(b.meta.columns))
				for _, c := range columns {
					list = binary.AppendUvarint(list, uint64(last-c))
					last = c
				}
			}
			page[i] = number
		}
		counts = appendSchemaCounts(counts, page)
		if err := b.emit(pageKey(sectionSchemas, lo/PageRows), b.compress(column.AppendCodes(nil, page))); err != nil {
			return err
		}
	}
	b.meta.schemas = uint32(len(renumbered))
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

package exec

import (
	"encoding/binary"
)

// noGroup is the group of rows that are left out.
const noGroup = ^uint32(0)

// internMax is the size up to which pairs of codes are numbered by an array.
const internMax = 1 << 20

// grouping numbers the different combinations of key values of some rows of a
// part: the n-th row is in group ids[n].
type grouping struct {
	ids    []uint32
	n      int
	keys   []column
	levels [][]pair // per key: group -> group by the keys before, code
	over   bool     // there were more groups than allowed
}

// pair is a group by some keys together with the code of the next.
type pair struct{ group, code uint32 }

// newGrouping groups rows by key columns.
func newGrouping(rows int, keys []column, most int) *grouping {
	g := &grouping{ids: make([]uint32, rows), n: 1, keys: keys}
	for _, key := range keys {
		g.refine(key, most)
	}
	return g
}

// refine splits the groups by one more key.
func (g *grouping) refine(key column, most int) {
	values := uint64(len(key.dict)) + 1
	var level []pair
	number := func(known uint32, p pair) uint32 { // known is the number + 1, 0 for none
		if known > 0 {
			return known
		}
		if len(level) >= most {
			g.over = true
			return 0
		}
		level = append(level, p)
		return uint32(len(level))
	}
	if size := uint64(g.n) * values; size <= internMax {
		table := make([]uint32, size)
		for n, group := range g.ids {
			if group != noGroup {
				slot := &table[uint64(group)*values+uint64(key.codes[n])]
				*slot = number(*slot, pair{group, key.codes[n]})
				g.ids[n] = *slot - 1
			}
		}
	} else {
		table := map[pair]uint32{}
		for n, group := range g.ids {
			if group != noGroup {
				p := pair{group, key.codes[n]}
				table[p] = number(table[p], p)
				g.ids[n] = table[p] - 1
			}
		}
	}
	g.n = len(level)
	g.levels = append(g.levels, level)
}

// label returns the key values of a group; nil means none.
func (g *grouping) label(group int) []*cell {
	cells := make([]*cell, len(g.keys))
	for k := len(g.levels) - 1; k >= 0; k-- {
		p := g.levels[k][group]
		if p.code > 0 {
			cells[k] = &g.keys[k].dict[p.code-1]
		}
		group = int(p.group)
	}
	return cells
}

// labelKey returns a text that differs for different key values.
func labelKey(dst []byte, label []*cell) []byte {
	for _, c := range label {
		switch {
		case c == nil:
			dst = append(dst, 0)
		case c.isTime:
			dst = binary.BigEndian.AppendUint64(append(dst, 1), uint64(c.whole))
		default:
			dst = append(binary.AppendUvarint(append(dst, 2), uint64(len(c.text))), c.text...)
		}
	}
	return dst
}

package column

import "hash/maphash"

// Encoder appends arrays as the functions of the package do and keeps what it
// needs for that, so that one who appends many makes no garbage. The zero value
// is usable. It is for one goroutine at a time, and holds some 40 bytes for
// each value of the longest array it saw.
type Encoder struct {
	written   []uint64 // of skewed integers
	deltas    []int64
	heads     []int64 // of runs of integers
	codeHeads []uint32
	lengths   []int64 // of runs and strings
	local     []uint32
	numbers   []int64
	codes     []uint32
	inner     []string
	distinct  distinct
}

// AppendInts is the method of the function with its name.
func (e *Encoder) AppendInts(dst []byte, values []int64) []byte {
	return e.appendInts(dst, values, true)
}

// AppendCodes is the method of the function with its name.
func (e *Encoder) AppendCodes(dst []byte, codes []uint32) []byte {
	return e.appendCodes(dst, codes, true)
}

// AppendStrings is the method of the function with its name.
func (e *Encoder) AppendStrings(dst []byte, values []string) []byte {
	return e.appendStrings(dst, values, nestingMax)
}

// resize returns a buffer with n values of any content.
func resize[T any](buffer *[]T, n int) []T {
	if cap(*buffer) < n {
		*buffer = make([]T, n)
	}
	*buffer = (*buffer)[:n]
	return *buffer
}

// distinct numbers different strings in order of their first appearance. It is
// a hash table in two arrays that are used again: most arrays are short, and a
// map of its own for each costs more than all else.
type distinct struct {
	seed   maphash.Seed
	seeded bool
	slots  []uint32 // number + 1
	hashes []uint32 // of values
	values []string
}

// reset empties the table and makes room for n values.
func (d *distinct) reset(n int) {
	if !d.seeded {
		d.seed, d.seeded = maphash.MakeSeed(), true
	}
	size := 16
	for size < 2*n {
		size *= 2
	}
	clear(resize(&d.slots, size))
	d.hashes, d.values = d.hashes[:0], d.values[:0]
}

// number returns the number of a value and whether it is new.
func (d *distinct) number(value string) (uint32, bool) {
	hash := uint32(maphash.String(d.seed, value))
	mask := uint32(len(d.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		slot := d.slots[at]
		if slot == 0 {
			d.values, d.hashes = append(d.values, value), append(d.hashes, hash)
			d.slots[at] = uint32(len(d.values))
			return uint32(len(d.values)) - 1, true
		}
		if d.hashes[slot-1] == hash && d.values[slot-1] == value {
			return slot - 1, false
		}
	}
}

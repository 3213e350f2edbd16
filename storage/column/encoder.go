package column

import (
	"hash/maphash"
	"slices"
)

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
	distinct  Distinct
	different []string
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
	e.different = values
	return e.appendStrings(dst, values, nestingMax)
}

// Different returns the values that AppendStrings was last given, each once where
// looking for repeats was worth it. They are there until the encoder is used again.
func (e *Encoder) Different() []string { return e.different }

// resize returns a buffer with n values of any content.
func resize[T any](buffer *[]T, n int) []T {
	if cap(*buffer) < n {
		*buffer = make([]T, n)
	}
	*buffer = (*buffer)[:n]
	return *buffer
}

// Distinct numbers different strings in order of their first appearance. It is
// a hash table in two arrays that are used again: most arrays are short, and a
// map of its own for each costs more than all else. The zero value has to be reset.
type Distinct struct {
	seed   maphash.Seed
	seeded bool
	slots  []uint32 // number + 1
	hashes []uint32 // of values
	values []string
}

// distinctSlotsMin is how many slots a table has at least, a power of two.
const distinctSlotsMin = 16

// Reset empties the table and makes room for n values. More can come.
func (d *Distinct) Reset(n int) {
	if !d.seeded {
		d.seed, d.seeded = maphash.MakeSeed(), true
	}
	size := distinctSlotsMin
	for size < 2*n {
		size *= 2
	}
	clear(resize(&d.slots, size))
	d.hashes, d.values = d.hashes[:0], d.values[:0]
}

// Number returns the number of a value and whether it is new.
func (d *Distinct) Number(value string) (uint32, bool) {
	hash := uint32(maphash.String(d.seed, value))
	mask := uint32(len(d.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		slot := d.slots[at]
		if slot == 0 {
			d.room()
			d.values, d.hashes = append(d.values, value), append(d.hashes, hash)
			d.slots[at] = uint32(len(d.values))
			if 2*len(d.values) > len(d.slots) {
				d.grow()
			}
			return uint32(len(d.values)) - 1, true
		}
		if d.hashes[slot-1] == hash && d.values[slot-1] == value {
			return slot - 1, false
		}
	}
}

// room makes room for another value: by as much again, for append grows long lists by a
// quarter.
func (d *Distinct) room() {
	if n := len(d.values); n == cap(d.values) {
		d.values = slices.Grow(d.values, max(n, distinctSlotsMin))
	}
	if n := len(d.hashes); n == cap(d.hashes) {
		d.hashes = slices.Grow(d.hashes, max(n, distinctSlotsMin))
	}
}

// grow makes room for four times as many values.
func (d *Distinct) grow() {
	size := 4 * len(d.slots)
	clear(resize(&d.slots, size))
	mask := uint32(size - 1)
	for i, hash := range d.hashes {
		at := hash & mask
		for d.slots[at] != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = uint32(i) + 1
	}
}

// Expect makes room for so many values in all, for Add.
func (d *Distinct) Expect(n int) { d.values = slices.Grow(d.values, max(0, n-len(d.values))) }

// Add numbers a value without looking whether it has a number already. No value is looked
// for after that, until the table is reset.
func (d *Distinct) Add(value string) uint32 {
	d.room()
	d.values = append(d.values, value)
	return uint32(len(d.values)) - 1
}

// Values returns the values, by number. They are the table's until it is reset.
func (d *Distinct) Values() []string { return d.values }

// distinctKept is how many values a table has at most whose memory is used again.
const distinctKept = 1 << 16

// Take returns the values, by number, for the caller to keep. The table has to be reset.
func (d *Distinct) Take() []string {
	if len(d.values) <= distinctKept {
		return slices.Clone(d.values)
	}
	taken := d.values
	d.slots, d.hashes, d.values = nil, nil, nil
	return taken
}

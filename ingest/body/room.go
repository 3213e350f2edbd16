package body

import (
	"math/bits"
	"sync"
)

// Rooms are kept in sizes that are powers of two, the sizes to which a body
// grows. A larger room is made anew: such bodies are rare and would keep a lot.
const (
	roomBitsMin = 12 // readMin
	roomBitsMax = 22
)

// rooms keeps the memory of bodies that are done with. Without it most of what
// a node allocates is bodies: each is cleared, grown by doubling and collected,
// which costs more than reading it.
type rooms [roomBitsMax - roomBitsMin + 1]sync.Pool

// get returns an empty room of this capacity.
func (r *rooms) get(size int) []byte {
	if i, ok := roomClass(size); ok {
		if room, ok := r[i].Get().(*[]byte); ok {
			return (*room)[:0]
		}
	}
	return make([]byte, 0, size)
}

// put keeps a room that nobody uses any more.
func (r *rooms) put(room []byte) {
	if i, ok := roomClass(cap(room)); ok {
		r[i].Put(&room)
	}
}

// roomClass returns which of the kept sizes a size is, if it is one.
func roomClass(size int) (int, bool) {
	n := bits.TrailingZeros(uint(size))
	return n - roomBitsMin, size > 0 && size&(size-1) == 0 && n >= roomBitsMin && n <= roomBitsMax
}

// Recycle takes back the memory of a body that Read or ReadMetered returned.
// The caller must be done with it and with everything that points into it.
// Bodies that are never given back are collected like any other memory.
func (d *Decoder) Recycle(body []byte) { d.rooms.put(body[:0]) }

package wire

import (
	"encoding/binary"
	"math"
)

// Reader takes values from the front of a slice; after a failure every further
// value is zero.
type Reader struct {
	src    []byte // nil after a failure
	failed bool
}

// NewReader returns a Reader of src, which it does not change.
func NewReader(src []byte) Reader { return Reader{src: src} }

// Fail makes this and everything after it a failure: what was read makes no
// sense.
func (r *Reader) Fail() { r.failed, r.src = true, nil }

// Failed reports whether a value was not there or made no sense. A loop over a
// count that was read has to ask.
func (r *Reader) Failed() bool { return r.failed }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.src) }

// Rest returns the bytes that are left and leaves them there.
func (r *Reader) Rest() []byte { return r.src }

// Done reports whether everything was there and nothing is left.
func (r *Reader) Done() bool { return !r.failed && len(r.src) == 0 }

// Take takes n bytes. They share the memory of the source.
func (r *Reader) Take(n uint64) []byte {
	if n > uint64(len(r.src)) {
		r.Fail()
		return nil
	}
	taken := r.src[:n]
	r.src = r.src[n:]
	return taken
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if len(r.src) == 0 {
		r.Fail()
		return 0
	}
	b := r.src[0]
	r.src = r.src[1:]
	return b
}

// Uvarint takes an unsigned varint.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.src = r.src[n:]
	return v
}

// Varint takes a signed (zigzag) varint.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.src)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.src = r.src[n:]
	return v
}

// Bounded takes an unsigned varint of at most limit.
func (r *Reader) Bounded(limit uint32) uint32 {
	v := r.Uvarint()
	if v > uint64(limit) {
		r.Fail()
		return 0
	}
	return uint32(v)
}

// Uint32 takes an unsigned varint of at most 32 bits.
func (r *Reader) Uint32() uint32 { return r.Bounded(math.MaxUint32) }

// Bytes takes a length and so many bytes. They share the memory of the source.
func (r *Reader) Bytes() []byte { return r.Take(r.Uvarint()) }

// String takes a length and a string of so many bytes.
func (r *Reader) String() string { return string(r.Bytes()) }

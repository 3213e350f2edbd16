package column

import (
	"encoding/binary"
	"math/bits"
)

// number is what bit-packing works on.
type number interface{ ~int64 | ~uint32 }

// widthOf returns the bits that v needs.
func widthOf(v uint64) uint { return uint(bits.Len64(v)) }

// packedLen returns the bytes that n values of the given width need.
func packedLen(n int, width uint) int {
	high, low := bits.Mul64(uint64(n), uint64(width))
	if high != 0 || low > 1<<62 {
		return 1 << 59 // more than any source has
	}
	return int((low + 7) / 8)
}

// appendPacked appends values-base with width bits each, least significant
// bits first.
func appendPacked[T number](dst []byte, values []T, base T, width uint) []byte {
	if width == 0 {
		return dst
	}
	var acc uint64
	var held uint
	for _, value := range values {
		v := uint64(value) - uint64(base)
		acc |= v << held
		held += width
		if held >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			held -= 64
			acc = v >> (width - held)
		}
	}
	for ; held > 0; held -= min(held, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// unpack fills dst from packed values of the given width, adding base to
// each. Src has at least packedLen(len(dst), width) bytes.
func unpack[T number](dst []T, src []byte, base T, width uint) {
	src = src[:packedLen(len(dst), width)]
	switch {
	case width == 0:
		for i := range dst {
			dst[i] = base
		}
	case width == 8:
		for i, b := range src[:len(dst)] {
			dst[i] = T(b) + base
		}
	case width == 16:
		for i := range dst {
			dst[i] = T(binary.LittleEndian.Uint16(src[2*i:])) + base
		}
	case width <= 8:
		unpackNarrow(dst, src, base, width)
	case width <= 56:
		unpackWide(dst, src, base, width)
	default:
		unpackWidest(dst, src, base, width)
	}
}

// unpackNarrow unpacks widths up to 8: eight values lie in exactly width
// bytes, so that one load serves eight values.
func unpackNarrow[T number](dst []T, src []byte, base T, width uint) {
	mask := uint64(1)<<width - 1
	i, at := 0, 0
	for ; i+8 <= len(dst) && at+8 <= len(src); i, at = i+8, at+int(width) {
		word := binary.LittleEndian.Uint64(src[at:])
		out := dst[i : i+8 : i+8]
		out[0] = T(word&mask) + base
		word >>= width & 63
		out[1] = T(word&mask) + base
		word >>= width & 63
		out[2] = T(word&mask) + base
		word >>= width & 63
		out[3] = T(word&mask) + base
		word >>= width & 63
		out[4] = T(word&mask) + base
		word >>= width & 63
		out[5] = T(word&mask) + base
		word >>= width & 63
		out[6] = T(word&mask) + base
		word >>= width & 63
		out[7] = T(word&mask) + base
	}
	unpackTail(dst[i:], src[at:], base, width)
}

// unpackWide unpacks widths up to 56 with one load per value.
func unpackWide[T number](dst []T, src []byte, base T, width uint) {
	mask := uint64(1)<<width - 1
	i, bit := 0, uint(0)
	if len(src) >= 8 {
		last := uint(len(src) - 8)
		for ; i < len(dst) && bit>>3 <= last; i++ {
			word := binary.LittleEndian.Uint64(src[bit>>3:])
			dst[i] = T(word>>(bit&7)&mask) + base
			bit += width
		}
	}
	for ; i < len(dst); i++ {
		dst[i] = T(loadBits(src, bit, width)) + base
		bit += width
	}
}

// unpackWidest unpacks widths of 57 to 64, which may span nine bytes.
func unpackWidest[T number](dst []T, src []byte, base T, width uint) {
	bit := uint(0)
	for i := range dst {
		dst[i] = T(loadBits(src, bit, width)) + base
		bit += width
	}
}

// unpackTail unpacks the last values, where a whole load would read past src.
func unpackTail[T number](dst []T, src []byte, base T, width uint) {
	bit := uint(0)
	for i := range dst {
		dst[i] = T(loadBits(src, bit, width)) + base
		bit += width
	}
}

// loadBits reads width bits at a bit position, whatever is left of src.
func loadBits(src []byte, bit, width uint) uint64 {
	var load [16]byte
	copy(load[:], src[bit>>3:])
	shift := bit & 7
	word := binary.LittleEndian.Uint64(load[:])>>shift | uint64(load[8])<<(64-shift)
	if width < 64 {
		word &= 1<<width - 1
	}
	return word
}

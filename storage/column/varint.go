package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// ErrCorrupt says that encoded bytes do not follow their format.
var ErrCorrupt = errors.New("corrupt column")

// ErrTooLong says that decoding would exceed a limit.
var ErrTooLong = errors.New("column is longer than its limit")

// readUvarint reads an unsigned varint.
func readUvarint(src []byte, what string) (uint64, []byte, error) {
	v, size := binary.Uvarint(src)
	if size <= 0 {
		return 0, nil, fmt.Errorf("read %s: %w", what, ErrCorrupt)
	}
	return v, src[size:], nil
}

// readVarint reads a signed (zigzag) varint.
func readVarint(src []byte, what string) (int64, []byte, error) {
	v, size := binary.Varint(src)
	if size <= 0 {
		return 0, nil, fmt.Errorf("read %s: %w", what, ErrCorrupt)
	}
	return v, src[size:], nil
}

// readByte reads one byte.
func readByte(src []byte, what string) (byte, []byte, error) {
	if len(src) == 0 {
		return 0, nil, fmt.Errorf("read %s: %w", what, ErrCorrupt)
	}
	return src[0], src[1:], nil
}

// readBytes reads a slice of the given length.
func readBytes(src []byte, length uint64, what string) ([]byte, []byte, error) {
	if length > uint64(len(src)) {
		return nil, nil, fmt.Errorf("read %s: %w", what, ErrCorrupt)
	}
	return src[:length:length], src[length:], nil
}

// readWidth reads a bit width and checks that n packed values follow.
func readWidth(src []byte, n int, widest uint) (uint, []byte, error) {
	width, src, err := readByte(src, "width")
	if err != nil {
		return 0, nil, err
	}
	if uint(width) > widest || packedLen(n, uint(width)) > len(src) {
		return 0, nil, fmt.Errorf("read width %d of %d values: %w", width, n, ErrCorrupt)
	}
	return uint(width), src, nil
}

// grow returns dst with room for n more values and the slice of them.
func grow[T any](dst []T, n int) (all, added []T) {
	length := len(dst)
	all = slices.Grow(dst, n)[:length+n]
	return all, all[length:]
}

// varintLen returns the bytes of a zigzag varint.
func varintLen(v int64) int { return uvarintLen(uint64(v)<<1 ^ uint64(v>>63)) }

// uvarintLen returns the bytes of an unsigned varint.
func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func checkCount(n int) error {
	if n < 0 || n > CountMax {
		return fmt.Errorf("decode %d values: %w", n, ErrTooLong)
	}
	return nil
}

package transfer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Version is the number of the format.
const Version = 1

// Limits of a stream.
const (
	ChunkBytes = 256 << 10 // of every chunk but the last
	KeyMax     = 1 << 10
	ValueMax   = 1 << 29
	PairsMax   = 1 << 26
)

const (
	headerBytes  = 4 + 1 + 4 + 8 + 4 + 4 + 8 + 4 + 4
	chunkHeader  = 4 + 4
	trailerBytes = 8 + 8 + 4 + 4 // after a chunk header of zero bytes
	magic        = "Strt"
)

var (
	// ErrDamaged says that bytes are not what a Stream gave.
	ErrDamaged = errors.New("damaged segment stream")
	// ErrVersion says that a stream is of another version.
	ErrVersion = errors.New("segment stream of another version")
	// ErrOther says that a stream is of other bytes than the one it continues:
	// replicas may have built the same records differently. The transfer has to
	// begin again.
	ErrOther = errors.New("segment stream of another content")
)

// Header says what a stream brings. Two streams with equal headers bring the
// same bytes.
type Header struct {
	Shard     uint32
	Sequence  uint64 // of the segment's id
	Ordinal   uint32
	Rows      uint32
	Bytes     uint64 // of all values but the directory, as the directory has it
	Directory uint32 // checksum of the directory's bytes
}

func (h *Header) append(dst []byte) []byte {
	start := len(dst)
	dst = append(append(dst, magic...), Version)
	dst = binary.BigEndian.AppendUint32(dst, h.Shard)
	dst = binary.BigEndian.AppendUint64(dst, h.Sequence)
	dst = binary.BigEndian.AppendUint32(dst, h.Ordinal)
	dst = binary.BigEndian.AppendUint32(dst, h.Rows)
	dst = binary.BigEndian.AppendUint64(dst, h.Bytes)
	dst = binary.BigEndian.AppendUint32(dst, h.Directory)
	return binary.BigEndian.AppendUint32(dst, Checksum(dst[start:]))
}

func parseHeader(src []byte) (Header, error) {
	if string(src[:4]) != magic {
		return Header{}, fmt.Errorf("header: %w", ErrDamaged)
	}
	if src[4] != Version {
		return Header{}, fmt.Errorf("version %d, this program reads %d: %w", src[4], Version, ErrVersion)
	}
	if binary.BigEndian.Uint32(src[headerBytes-4:]) != Checksum(src[:headerBytes-4]) {
		return Header{}, fmt.Errorf("header: %w", ErrDamaged)
	}
	number := binary.BigEndian
	return Header{
		Shard: number.Uint32(src[5:]), Sequence: number.Uint64(src[9:]), Ordinal: number.Uint32(src[17:]),
		Rows: number.Uint32(src[21:]), Bytes: number.Uint64(src[25:]), Directory: number.Uint32(src[33:]),
	}, nil
}

// Checksum is the checksum of the format, CRC-32C.
func Checksum(b []byte) uint32 { return update(0, b) }

func update(sum uint32, b []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b)
}

// AppendPair appends a key and its value as they stand in a stream.
func AppendPair(dst, key, value []byte) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(len(key))), key...)
	return append(binary.AppendUvarint(dst, uint64(len(value))), value...)
}

package column

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Frames of bytes.
const (
	frameRaw  = 0x00 // bytes
	frameZstd = 0x01 // a zstd frame without checksum
)

// DefaultLevel is the compression level for segments.
const DefaultLevel = 6

// encoderWindow is how far back an encoder looks. It holds twice as much.
const encoderWindow = 1 << 20

// encoders makes one encoder per speed when it is first asked for. EncodeAll
// keeps no state between calls and is safe for concurrent use; calls take turns,
// because each at the same time costs the memory of another encoder.
var encoders = [...]func() *zstd.Encoder{
	zstd.SpeedFastest:           sync.OnceValue(func() *zstd.Encoder { return newEncoder(zstd.SpeedFastest) }),
	zstd.SpeedDefault:           sync.OnceValue(func() *zstd.Encoder { return newEncoder(zstd.SpeedDefault) }),
	zstd.SpeedBetterCompression: sync.OnceValue(func() *zstd.Encoder { return newEncoder(zstd.SpeedBetterCompression) }),
	zstd.SpeedBestCompression:   sync.OnceValue(func() *zstd.Encoder { return newEncoder(zstd.SpeedBestCompression) }),
}

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(DecodedMax), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic("column: zstd decoder options: " + err.Error()) // a fault of this file, not of data
	}
	return d
})

func newEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(encoderWindow), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic("column: zstd encoder options: " + err.Error()) // a fault of this file, not of data
	}
	return e
}

// Compress appends a frame of raw to dst: compressed with zstd at a level
// from 1 (fastest) to 22, or raw where that is not longer. Level 0 means raw.
func Compress(dst, raw []byte, level int) []byte {
	start := len(dst)
	if level > 0 && len(raw) > 32 {
		dst = binary.AppendUvarint(append(dst, frameZstd), uint64(len(raw)))
		body := len(dst)
		dst = encoders[zstd.EncoderLevelFromZstd(level)]().EncodeAll(raw, dst)
		if len(dst)-body < len(raw) {
			return dst
		}
		dst = dst[:start]
	}
	dst = binary.AppendUvarint(append(dst, frameRaw), uint64(len(raw)))
	return append(dst, raw...)
}

// FrameSlack is how much room behind its content makes a frame faster to
// decompress: with less the decoder copies byte by byte, lest it write beyond
// the end.
const FrameSlack = 32

// FrameBytes returns how long the content of a frame says that it is; no more
// than a frame may have, and 0 if it does not say.
func FrameBytes(frame []byte) int {
	if len(frame) < 2 {
		return 0
	}
	length, n := binary.Uvarint(frame[1:])
	if n <= 0 || length > DecodedMax {
		return 0
	}
	return int(length)
}

// Decompress appends the content of a frame to dst. The frame must fill its
// slice, and a content longer than limit is an error. It may write up to
// FrameSlack bytes behind the content.
func Decompress(dst, frame []byte, limit int) ([]byte, error) {
	kind, src, err := readByte(frame, "frame")
	if err != nil {
		return nil, err
	}
	length, src, err := readUvarint(src, "frame length")
	if err != nil {
		return nil, err
	}
	if limit < 0 || length > uint64(limit) || length > DecodedMax {
		return nil, fmt.Errorf("decompress %d bytes: %w", length, ErrTooLong)
	}
	switch kind {
	case frameRaw:
		if uint64(len(src)) != length {
			return nil, fmt.Errorf("decompress raw frame of %d bytes: %w", length, ErrCorrupt)
		}
		return append(dst, src...), nil
	case frameZstd:
		return decompressZstd(dst, src, int(length))
	}
	return nil, fmt.Errorf("decompress: frame %#x: %w", kind, ErrCorrupt)
}

func decompressZstd(dst, src []byte, length int) ([]byte, error) {
	var header zstd.Header
	// Short contents carry no size of their own; the capacity that DecodeAll
	// gets bounds what such a frame can claim.
	if err := header.Decode(src); err != nil || length == 0 || header.HasFCS && header.FrameContentSize != uint64(length) {
		return nil, fmt.Errorf("decompress header: %w", ErrCorrupt)
	}
	room, end := slices.Grow(dst, length+FrameSlack), len(dst)+length
	out, err := decoder().DecodeAll(src, room[len(dst):len(dst):end+FrameSlack])
	if err != nil || len(out) != length {
		return nil, fmt.Errorf("decompress %d of %d bytes: %w", len(out), length, ErrCorrupt)
	}
	return room[:end], nil
}

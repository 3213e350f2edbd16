package block

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// compressorWindow is how far back the compressor looks: a block of a few
// thousand records, no more, for its memory's sake.
const compressorWindow = 1 << 20

// compressor returns the encoder of all blocks. EncodeAll keeps no state
// between calls and is safe for concurrent use.
var compressor = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(compressorWindow))
	if err != nil {
		panic("block: zstd encoder options: " + err.Error()) // a fault of this file, not of data
	}
	return e
})

// decompressor returns the decoder of all blocks: what it is given room for is
// the most it writes.
var decompressor = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(BodyMax),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic("block: zstd decoder options: " + err.Error()) // a fault of this file, not of data
	}
	return d
})

package block

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Bytes that the time of a record takes in a body, as a rule (of what comes one after the
// other it is fewer), and at most.
const (
	timeBytes    = 6
	timeBytesMax = 2 * binary.MaxVarintLen64
)

// Times reads the times of blocks. The zero value is ready; it is safe for concurrent use.
type Times struct {
	mu      sync.Mutex
	stream  *zstd.Decoder // nil before the first block
	packed  bytes.Reader
	begun   []byte
	scratch []int64
}

// Of calls use with the times of the records of an encoded block, which are not to be kept.
// Of the body, of which they are the beginning, not much more than they is unpacked, and
// nothing else is checked of it. An error of use is returned.
func (t *Times) Of(src []byte, use func(times []int64) error) error {
	if len(src) < 6 || !isVersion(src[0]) {
		return fmt.Errorf("times of a block of %d bytes: %w", len(src), ErrCorrupt)
	}
	sum := len(src) - 4
	if crc32.Checksum(src[:sum], castagnoli) != binary.LittleEndian.Uint32(src[sum:]) {
		return fmt.Errorf("times of a block: checksum differs: %w", ErrCorrupt)
	}
	header := reader{src: src[2:sum]}
	rows, size := header.count(RowsMax), header.count(BodyMax)
	if header.bad {
		return fmt.Errorf("times of a block: header: %w", ErrCorrupt)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	most := min(size, rows*timeBytesMax)
	for n := min(size, rows*timeBytes); ; n = most { // that was not enough
		body, err := t.begin(src[1], header.src[header.at:], n)
		if err != nil {
			return err
		}
		if cap(t.scratch) < rows {
			t.scratch = make([]int64, rows)
		}
		times, r := t.scratch[:rows], reader{src: body, plain: src[0] == VersionPlain}
		if r.times(times); !r.bad {
			return use(times)
		}
		if n == most {
			return fmt.Errorf("times of a block: %w", ErrCorrupt)
		}
	}
}

// begin returns the first n bytes of a body. The lock is held.
func (t *Times) begin(kind byte, packed []byte, n int) ([]byte, error) {
	switch {
	case kind == bodyRaw && n <= len(packed):
		return packed[:n], nil
	case kind != bodyZstd:
		return nil, fmt.Errorf("times of a body of kind %d: %w", kind, ErrCorrupt)
	}
	if t.stream == nil {
		stream, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(BodyMax), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("times of a block: %w", err)
		}
		t.stream = stream
	}
	t.packed.Reset(packed)
	if err := t.stream.Reset(&t.packed); err != nil {
		return nil, fmt.Errorf("times of a block: %w: %w", ErrCorrupt, err)
	}
	if cap(t.begun) < n {
		t.begun = make([]byte, n)
	}
	if _, err := io.ReadFull(t.stream, t.begun[:n]); err != nil {
		return nil, fmt.Errorf("times of a block: %w: %w", ErrCorrupt, err)
	}
	return t.begun[:n], nil
}

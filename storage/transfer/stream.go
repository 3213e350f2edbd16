package transfer

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Source appends at least one more pair to dst with AppendPair and returns it
// with how many it appended; 0 pairs mean that there are no more.
type Source func(dst []byte) (grown []byte, pairs int, err error)

// Stream makes the bytes of a segment while they are read.
type Stream struct {
	source  Source
	skip    int64  // payload that the reader has already
	payload []byte // not in a chunk yet
	total   uint64 // payload in chunks so far
	sum     uint32 // of that
	pairs   uint64
	drained bool   // the source has no more
	ended   bool   // the trailer is made
	out     []byte // made and not read
	err     error
}

// NewStream returns the stream of a segment from an offset on, which counts the
// payload of whole chunks and comes from Receiver.Offset. The header comes
// first whatever the offset.
func NewStream(header Header, offset int64, source Source) (*Stream, error) {
	if offset < 0 {
		return nil, fmt.Errorf("segment stream from offset %d: %w", offset, ErrDamaged)
	}
	return &Stream{source: source, skip: offset, out: header.append(nil)}, nil
}

// Read implements io.Reader.
func (s *Stream) Read(p []byte) (int, error) {
	for len(s.out) == 0 && s.err == nil {
		s.err = s.make()
	}
	if len(s.out) == 0 {
		return 0, s.err
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// make makes the next chunk or the trailer.
func (s *Stream) make() error {
	if s.ended {
		return io.EOF
	}
	for len(s.payload) < ChunkBytes && !s.drained {
		grown, pairs, err := s.source(s.payload)
		if err != nil {
			return err
		}
		s.payload, s.drained = grown, pairs == 0
		s.pairs += uint64(pairs)
	}
	chunk := s.payload[:min(ChunkBytes, len(s.payload))]
	if len(chunk) == 0 {
		return s.trailer()
	}
	s.sum = update(s.sum, chunk)
	s.total += uint64(len(chunk))
	if s.total > uint64(s.skip) {
		s.out = appendChunk(nil, chunk)
	}
	s.payload = append(s.payload[:0], s.payload[len(chunk):]...)
	return nil
}

func appendChunk(dst, chunk []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(chunk)))
	dst = binary.BigEndian.AppendUint32(dst, Checksum(chunk))
	return append(dst, chunk...)
}

func (s *Stream) trailer() error {
	s.ended = true
	if s.total < uint64(s.skip) || s.skip%ChunkBytes != 0 && s.total != uint64(s.skip) {
		return fmt.Errorf("segment stream of %d bytes from offset %d: %w", s.total, s.skip, ErrOther)
	}
	dst := appendChunk(nil, nil)
	dst = binary.BigEndian.AppendUint64(dst, s.total)
	dst = binary.BigEndian.AppendUint64(dst, s.pairs)
	dst = binary.BigEndian.AppendUint32(dst, s.sum)
	s.out = binary.BigEndian.AppendUint32(dst, Checksum(dst[chunkHeader:]))
	return nil
}

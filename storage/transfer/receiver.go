package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Receiver takes a stream apart, in as many pieces as the way there makes of
// it.
type Receiver struct {
	admit  func(Header) error
	pair   func(key, value []byte) error
	header Header
	begun  bool
	done   bool
	failed error // after which nothing can be continued

	offset  uint64
	sum     uint32
	pairs   uint64
	bytes   uint64 // of values
	last    []byte // key
	pending []byte // payload that is not a whole pair yet
}

// NewReceiver returns a receiver that asks admit about the header, once, and
// then calls pair for each pair in ascending order of keys; both may refuse.
// Key and value are valid only inside pair.
func NewReceiver(admit func(Header) error, pair func(key, value []byte) error) *Receiver {
	return &Receiver{admit: admit, pair: pair}
}

// Offset is where the next stream has to begin.
func (r *Receiver) Offset() int64 { return int64(r.offset) }

// Done reports whether everything is there and whole.
func (r *Receiver) Done() bool { return r.done }

// Broken returns why the transfer cannot be continued, nil if it can.
func (r *Receiver) Broken() error { return r.failed }

// Take reads a stream that was opened at Offset. It returns nil when everything
// is there and whole. After an error the transfer may be continued with
// another stream unless Broken says otherwise; an error of src is wrapped.
func (r *Receiver) Take(src io.Reader) error {
	if r.failed != nil {
		return r.failed
	}
	if r.done {
		return nil
	}
	if err := r.takeHeader(src); err != nil {
		return err
	}
	chunk := make([]byte, 0, ChunkBytes)
	for {
		var head [chunkHeader]byte
		if err := read(src, head[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > ChunkBytes {
			return fmt.Errorf("chunk of %d bytes: %w", n, ErrDamaged)
		}
		chunk = chunk[:n]
		if err := read(src, chunk); err != nil {
			return err
		}
		if Checksum(chunk) != binary.BigEndian.Uint32(head[4:]) {
			return fmt.Errorf("chunk at %d: %w", r.offset, ErrDamaged)
		}
		if n == 0 {
			return r.takeTrailer(src)
		}
		if err := r.takeChunk(chunk); err != nil {
			r.failed = err
			return err
		}
	}
}

// read fills b; a stream that ends in the middle of it is damaged.
func read(src io.Reader, b []byte) error {
	_, err := io.ReadFull(src, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("stream ends too early: %w: %w", ErrDamaged, err)
	}
	return err
}

func (r *Receiver) takeHeader(src io.Reader) error {
	var raw [headerBytes]byte
	if err := read(src, raw[:]); err != nil {
		return err
	}
	header, err := parseHeader(raw[:])
	switch {
	case err != nil:
		return err
	case r.begun && header != r.header:
		r.failed = ErrOther
		return ErrOther
	case r.begun:
		return nil
	}
	if err := r.admit(header); err != nil {
		return err
	}
	r.header, r.begun = header, true
	return nil
}

// takeChunk hands on the pairs that are complete with this chunk.
func (r *Receiver) takeChunk(chunk []byte) error {
	r.sum = update(r.sum, chunk)
	r.offset += uint64(len(chunk))
	r.pending = append(r.pending, chunk...)
	at := 0
	for {
		key, value, n, err := cutPair(r.pending[at:])
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if err := r.takePair(key, value); err != nil {
			return err
		}
		at += n
	}
	r.pending = append(r.pending[:0], r.pending[at:]...)
	if len(r.pending) == 0 && cap(r.pending) > 4*ChunkBytes {
		r.pending = nil // a large value has gone through
	}
	return nil
}

func (r *Receiver) takePair(key, value []byte) error {
	r.pairs++
	r.bytes += uint64(len(value))
	switch {
	case r.pairs > PairsMax:
		return fmt.Errorf("more than %d pairs: %w", PairsMax, ErrDamaged)
	case r.pairs > 1 && bytes.Compare(key, r.last) <= 0:
		return fmt.Errorf("key %x after %x: %w", key, r.last, ErrDamaged)
	case r.bytes > r.header.Bytes+ValueMax:
		return fmt.Errorf("more than the %d bytes announced: %w", r.header.Bytes, ErrDamaged)
	}
	r.last = append(r.last[:0], key...)
	return r.pair(key, value)
}

// cutPair returns the pair at the front of b and its length, 0 if it is not
// there as a whole.
func cutPair(b []byte) (key, value []byte, n int, err error) {
	key, n, err = cutBytes(b, KeyMax)
	if n == 0 || err != nil {
		return nil, nil, 0, err
	}
	value, m, err := cutBytes(b[n:], ValueMax)
	if m == 0 || err != nil {
		return nil, nil, 0, err
	}
	return key, value, n + m, nil
}

func cutBytes(b []byte, most uint64) ([]byte, int, error) {
	length, n := binary.Uvarint(b)
	if n == 0 {
		return nil, 0, nil
	}
	if n < 0 || length > most {
		return nil, 0, fmt.Errorf("pair with %d bytes, at most %d: %w", length, most, ErrDamaged)
	}
	if uint64(len(b)-n) < length {
		return nil, 0, nil
	}
	return b[n : n+int(length)], n + int(length), nil
}

func (r *Receiver) takeTrailer(src io.Reader) error {
	var raw [trailerBytes]byte
	if err := read(src, raw[:]); err != nil {
		return err
	}
	number := binary.BigEndian
	if number.Uint32(raw[trailerBytes-4:]) != Checksum(raw[:trailerBytes-4]) {
		return fmt.Errorf("trailer: %w", ErrDamaged)
	}
	switch total, pairs, sum := number.Uint64(raw[:]), number.Uint64(raw[8:]), number.Uint32(raw[16:]); {
	case total > r.offset:
		return fmt.Errorf("trailer after %d of %d bytes: %w", r.offset, total, ErrDamaged)
	case total != r.offset || sum != r.sum || pairs != r.pairs || len(r.pending) > 0:
		r.failed = fmt.Errorf("the whole does not have its checksum: %w", ErrOther)
		return r.failed
	}
	r.done = true
	r.pending = slices.Clip(r.pending[:0])
	return nil
}

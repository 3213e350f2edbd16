package body

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// EncodingsMax is how many encodings may be applied to one body.
const EncodingsMax = 3

// WindowMax is the largest zstd window that is accepted: the memory that a
// frame can make us allocate before it yields anything.
const WindowMax = 32 << 20

// DefaultLimit is the limit of an unpacked body for callers that name none.
const DefaultLimit = 64 << 20

var (
	// ErrTooLarge says that the body, packed or unpacked, is over the limit.
	ErrTooLarge = errors.New("body too large")
	// ErrEncoding says that a content encoding is not known.
	ErrEncoding = errors.New("unknown content encoding")
	// ErrCorrupt says that a body is not what its content encoding says: cut
	// off, damaged or followed by other bytes.
	ErrCorrupt = errors.New("corrupt body")
)

// Decoder reads bodies. The zero value is ready to use.
type Decoder struct {
	gzips, zstds, snappies, zlibs, flates sync.Pool
	rooms                                 rooms
}

// Read reads a body with a Decoder of its own.
func Read(r io.Reader, contentEncoding string, limit int64) ([]byte, error) {
	return new(Decoder).Read(r, contentEncoding, limit)
}

// ReadBytes reads a body that is in memory with a Decoder of its own.
func ReadBytes(packed []byte, contentEncoding string, limit int64) ([]byte, error) {
	return new(Decoder).ReadBytes(packed, contentEncoding, limit)
}

// ReadBytes reads a body that is in memory. The result is a copy even if there
// is nothing to unpack.
func (d *Decoder) ReadBytes(packed []byte, contentEncoding string, limit int64) ([]byte, error) {
	return d.read(bytes.NewReader(packed), len(packed), 0, contentEncoding, limit, unmetered)
}

// Read reads a body to its end. ContentEncoding is the header as sent: a list
// of identity, gzip, zstd, snappy and deflate, in the order in which they were
// applied. Limit bounds the bytes of every stage; not positive means
// DefaultLimit.
func (d *Decoder) Read(r io.Reader, contentEncoding string, limit int64) ([]byte, error) {
	return d.read(r, 0, 0, contentEncoding, limit, unmetered)
}

// ReadMetered is Read for callers that bound the memory of many bodies: before
// the memory of this one grows, grow is told by how many bytes, and may refuse
// with an error, which is returned. Memory grows as bytes arrive, so a sender
// that only promises a large body takes none. Announced is how many bytes r was
// said to have, 0 or less if nobody said.
func (d *Decoder) ReadMetered(r io.Reader, announced int64, contentEncoding string, limit int64, grow func(bytes int64) error) ([]byte, error) {
	return d.read(r, 0, announced, contentEncoding, limit, grow)
}

func unmetered(int64) error { return nil }

func (d *Decoder) read(r io.Reader, size int, announced int64, contentEncoding string, limit int64, grow func(int64) error) (out []byte, err error) {
	if limit <= 0 || limit == math.MaxInt64 {
		limit = DefaultLimit
	}
	if int64(size) > limit {
		return nil, fmt.Errorf("read body: %w: more than %d bytes", ErrTooLarge, limit)
	}
	encodings, err := parseEncodings(contentEncoding)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if len(encodings) > 0 {
		size *= expectedRatio
		announced = 0 // of what is packed
	}
	r = &limited{r: r, left: limit}
	for i := len(encodings) - 1; i >= 0; i-- {
		stage, done, err := d.open(r, encodings[i], limit, grow)
		if err != nil {
			return nil, describe(encodings[i], err)
		}
		defer done()
		r = &limited{r: named{stage, encodings[i]}, left: limit}
	}
	out, err = d.readAll(r, int(min(int64(size), limit)), min(announced, limit), limit, grow)
	if errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("read body: %w: more than %d bytes", ErrTooLarge, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return out, nil
}

// expectedRatio is a guess at how far a packed body unpacks, to make room once.
const expectedRatio = 6

// parseEncodings returns the encodings in the order of application, without
// identity.
func parseEncodings(header string) ([]string, error) {
	var encodings []string
	for name := range strings.SplitSeq(header, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		switch name {
		case "", "identity":
			continue
		case "gzip", "x-gzip":
			name = "gzip"
		case "snappy", "x-snappy", "x-snappy-framed":
			name = "snappy"
		case "zstd", "deflate":
		default:
			return nil, fmt.Errorf("%w %q, want identity, gzip, zstd, snappy or deflate", ErrEncoding, shorten(name))
		}
		if len(encodings) == EncodingsMax {
			return nil, fmt.Errorf("%w: more than %d encodings", ErrEncoding, EncodingsMax)
		}
		encodings = append(encodings, name)
	}
	return encodings, nil
}

func shorten(name string) string { return name[:min(len(name), 40)] }

// open returns a reader of the unpacked bytes of r and a function that takes
// the decompressor back.
func (d *Decoder) open(r io.Reader, encoding string, limit int64, grow func(int64) error) (io.Reader, func(), error) {
	source := bufio.NewReader(r)
	if _, err := source.Peek(1); err != nil {
		return nil, nil, eof(err)
	}
	switch encoding {
	case "gzip":
		return d.openGzip(source)
	case "zstd":
		return d.openZstd(source)
	case "snappy":
		return d.openSnappy(source, limit, grow)
	}
	return d.openDeflate(source)
}

func (d *Decoder) openGzip(source *bufio.Reader) (io.Reader, func(), error) {
	z, ok := d.gzips.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	if err := z.Reset(source); err != nil {
		d.gzips.Put(z)
		return nil, nil, eof(err)
	}
	return z, func() { d.gzips.Put(z) }, nil
}

func (d *Decoder) openZstd(source *bufio.Reader) (io.Reader, func(), error) {
	z, ok := d.zstds.Get().(*zstd.Decoder)
	if !ok {
		var err error
		// With a concurrency of 1 it has no goroutines, so a pool may drop it.
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(WindowMax))
		if err != nil {
			return nil, nil, err
		}
	}
	if err := z.Reset(source); err != nil {
		return nil, nil, err
	}
	return z, func() {
		if z.Reset(nil) == nil {
			d.zstds.Put(z)
		}
	}, nil
}

// snappyFrame starts a snappy stream; anything else is a single block.
const snappyFrame = "\xff\x06\x00\x00sNaPpY"

func (d *Decoder) openSnappy(source *bufio.Reader, limit int64, grow func(int64) error) (io.Reader, func(), error) {
	if head, _ := source.Peek(len(snappyFrame)); string(head) == snappyFrame {
		z, ok := d.snappies.Get().(*s2.Reader)
		if !ok {
			z = s2.NewReader(nil, s2.ReaderMaxBlockSize(1<<20), s2.ReaderAllocBlock(64<<10))
		}
		z.Reset(source)
		return z, func() {
			z.Reset(nil)
			d.snappies.Put(z)
		}, nil
	}
	packed, err := d.readAll(source, 0, 0, limit, grow)
	if err != nil {
		return nil, nil, err
	}
	size, err := s2.DecodedLen(packed)
	if err != nil {
		return nil, nil, err
	}
	if int64(size) > limit {
		return nil, nil, ErrTooLarge
	}
	if err := grow(int64(size)); err != nil {
		return nil, nil, sourceError{err}
	}
	out, err := s2.Decode(nil, packed)
	d.Recycle(packed)
	if err != nil {
		return nil, nil, err
	}
	return bytes.NewReader(out), func() {}, nil
}

// openDeflate tells the zlib form, which the standard means, from the raw one,
// which some clients send.
func (d *Decoder) openDeflate(source *bufio.Reader) (io.Reader, func(), error) {
	if head, _ := source.Peek(2); len(head) == 2 && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		z, ok := d.zlibs.Get().(io.ReadCloser)
		var err error
		if ok {
			err = z.(zlib.Resetter).Reset(source, nil)
		} else {
			z, err = zlib.NewReader(source)
		}
		if err != nil {
			return nil, nil, eof(err)
		}
		return &exact{z, source}, func() { d.zlibs.Put(z) }, nil
	}
	z, ok := d.flates.Get().(io.ReadCloser)
	if !ok {
		z = flate.NewReader(source)
	} else if err := z.(flate.Resetter).Reset(source, nil); err != nil {
		return nil, nil, err
	}
	return &exact{z, source}, func() { d.flates.Put(z) }, nil
}

// exact makes bytes after the end of a deflate stream an error. Inflaters read
// no further than the end from a reader of bytes.
type exact struct {
	io.Reader
	source *bufio.Reader
}

func (e *exact) Read(b []byte) (int, error) {
	n, err := e.Reader.Read(b)
	if err == io.EOF {
		if _, peekErr := e.source.Peek(1); peekErr == nil {
			return n, errors.New("other bytes follow its end")
		} else if peekErr != io.EOF {
			return n, peekErr
		}
	}
	return n, err
}

// named says in errors whose they are.
type named struct {
	io.Reader
	encoding string
}

func (r named) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && err != io.EOF {
		err = describe(r.encoding, err)
	}
	return n, err
}

// describe turns an error of a decompressor into ours. Errors of the inner
// stages and of the source keep their meaning.
func describe(encoding string, err error) error {
	var source sourceError
	switch {
	case errors.As(err, &source), errors.Is(err, ErrTooLarge), errors.Is(err, ErrCorrupt):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%w: zstd window over %d bytes", ErrTooLarge, WindowMax)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %s is cut off", ErrCorrupt, encoding)
	}
	return fmt.Errorf("%w: %s: %w", ErrCorrupt, encoding, err)
}

// eof is for places where the end of input cannot be the end of the body.
func eof(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sourceError is an error of the reader that the caller gave.
type sourceError struct{ error }

// Unwrap implements errors.Unwrap.
func (e sourceError) Unwrap() error { return e.error }

// limited yields at most left bytes and ErrTooLarge if there are more.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(b []byte) (int, error) {
	if int64(len(b)) > l.left+1 {
		b = b[:l.left+1]
	}
	n, err := l.r.Read(b)
	if int64(n) > l.left {
		n = int(l.left)
		l.left = 0
		return n, ErrTooLarge
	}
	l.left -= int64(n)
	if _, ours := l.r.(named); err != nil && err != io.EOF && !ours {
		err = sourceError{err}
	}
	return n, err
}

// readMin is the least room made for a body.
const readMin = 1 << roomBitsMin

// announcedRatio is how many times as much room is made as has come, at most, where
// more was announced.
const announcedRatio = 16

// largerRoom returns how much room there is to be after a room is full.
func largerRoom(room, announced, limit int64) int {
	larger := 2 * room
	if announced >= larger {
		// The size of a room, with a byte for the end.
		larger = min(announcedRatio*room, 1<<bits.Len64(uint64(announced)))
	}
	return int(max(min(larger, limit+1), room+readMin))
}

// readAll reads to the end into memory that is nobody else's and that grow
// allows. No more than limit bytes and one come.
func (d *Decoder) readAll(r io.Reader, size int, announced, limit int64, grow func(int64) error) ([]byte, error) {
	room := max(size+1, readMin)
	if err := grow(int64(room)); err != nil {
		return nil, sourceError{err}
	}
	out := d.rooms.get(room)
	for {
		if len(out) == cap(out) {
			room := largerRoom(int64(cap(out)), announced, limit)
			if err := grow(int64(room - cap(out))); err != nil {
				return nil, sourceError{err}
			}
			larger := append(d.rooms.get(room), out...)
			d.rooms.put(out)
			out = larger
		}
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

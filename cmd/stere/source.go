package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
)

const (
	headBytes     = 4 << 10  // tells what a file is, and which
	lineBytesMax  = 16 << 20 // longer lines are refused here
	zstdWindowMax = 128 << 20
)

// source is a file that is read in batches of whole lines.
type source struct {
	name       string
	identity   string // of the file; "" where it has none
	size       int64  // compressed, 0 if unknown
	read       atomic.Int64
	lines      bool // each line is a message
	array      *json.Decoder
	reader     *bufio.Reader
	close      []func() error
	batchBytes int
	offset     int64 // decompressed, of the next batch
	line       int64 // lines before the next batch
	ended      bool
	marks      struct {
		sync.Mutex
		lines map[int64]int64 // lines before an offset, for offsets not yet sent
	}
}

// batch is some lines on their way.
type batch struct {
	body        []byte
	offset, end int64 // in the decompressed file
	line        int64 // lines before it
	tooLong     []v1.Rejected
}

// key returns the batch's idempotency key.
func (b *batch) key(identity string) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\x00%d\x00", identity, b.offset)
	hash.Write(b.body)
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// countingReader counts what is read of the compressed file.
type countingReader struct {
	from  io.Reader
	count *atomic.Int64
}

// Read implements io.Reader.
func (r countingReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.count.Add(int64(n))
	return n, err
}

// openSource opens a file, or standard input for "-".
func (p *program) openSource(name, format string, batchBytes int) (*source, error) {
	s := &source{name: name, batchBytes: batchBytes}
	s.marks.lines = map[int64]int64{}
	var from io.Reader
	if name == "-" {
		s.name, from = "standard input", p.stdin
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		s.close = append(s.close, file.Close)
		if err := s.identify(file, name); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		from = file
	}
	if err := s.start(countingReader{from, &s.read}, format); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// identify tells the file from others that have or had its name.
func (s *source) identify(file *os.File, name string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("is a folder")
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	s.size = info.Size()
	path, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	head := make([]byte, min(headBytes, s.size))
	if _, err := file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	inode := uint64(0)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = stat.Ino
	}
	s.identity = fmt.Sprintf("%s\x00%d\x00%x", path, inode, sha256.Sum256(head))
	return nil
}

// start looks at the first bytes: compression and form.
func (s *source) start(from io.Reader, format string) error {
	raw := bufio.NewReaderSize(from, 256<<10)
	magic, _ := raw.Peek(4) // an error comes again with the first read
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		unzip, err := gzip.NewReader(raw)
		if err != nil {
			return fmt.Errorf("read gzip: %w", err)
		}
		s.close = append(s.close, unzip.Close)
		s.reader = bufio.NewReaderSize(unzip, 1<<20)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		decoder, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindowMax))
		if err != nil {
			return fmt.Errorf("read zstd: %w", err)
		}
		s.close = append(s.close, func() error { decoder.Close(); return nil })
		s.reader = bufio.NewReaderSize(decoder, 1<<20)
	default:
		s.reader = bufio.NewReaderSize(raw, 1<<20)
	}
	head, _ := s.reader.Peek(headBytes)
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	inner := bytes.TrimLeft(bytes.TrimPrefix(head, []byte{'['}), " \t\r\n")
	switch {
	case format == "lines", format == "auto" && len(head) > 0 && head[0] != '{' && !(head[0] == '[' && len(inner) > 0 && inner[0] == '{'):
		s.lines = true
	case len(head) > 0 && head[0] == '[':
		if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
			_, _ = s.reader.Discard(3)
		}
		s.array = json.NewDecoder(s.reader)
		if _, err := s.array.Token(); err != nil {
			return fmt.Errorf("read array: %w", err)
		}
	}
	return nil
}

// Close closes the file.
func (s *source) Close() error {
	var faults []error
	for i := len(s.close) - 1; i >= 0; i-- {
		faults = append(faults, s.close[i]())
	}
	return errors.Join(faults...)
}

func (s *source) contentType() string {
	if s.lines {
		return "text/plain"
	}
	return "application/x-ndjson"
}

// refusal returns how a node that refuses a body of one line says why.
func (s *source) refusal(err error) []v1.Rejected {
	var answer *client.Error
	if !errors.As(err, &answer) || answer.Status != 400 || len(answer.Answer.Details) != 1 {
		return nil
	}
	d := answer.Answer.Details[0]
	if d.Line == 0 {
		return nil
	}
	return []v1.Rejected{{Line: d.Line, Field: d.Field, Message: d.Message}}
}

// Skip goes on where an earlier run stopped.
func (s *source) Skip(offset, line int64) error {
	if s.array == nil {
		if _, err := io.CopyN(io.Discard, s.reader, offset); err != nil {
			return err
		}
		s.offset, s.line = offset, line
		return nil
	}
	for s.offset < offset { // places in an array are counted in elements
		var element json.RawMessage
		if err := s.array.Decode(&element); err != nil {
			return err
		}
		s.offset++
		s.line++
	}
	return nil
}

// lineAt returns how many lines are before the end of a batch.
func (s *source) lineAt(end int64) int64 {
	s.marks.Lock()
	defer s.marks.Unlock()
	line := s.marks.lines[end]
	delete(s.marks.lines, end)
	return line
}

// Next returns the next batch, io.EOF after the last.
func (s *source) Next() (batch, error) {
	if s.ended {
		return batch{}, io.EOF
	}
	b := batch{offset: s.offset, line: s.line, body: make([]byte, 0, s.batchBytes)}
	var err error
	if s.array != nil {
		err = s.fillArray(&b)
	} else {
		err = s.fillLines(&b)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return batch{}, fmt.Errorf("read after line %d: %w", s.line, err)
	}
	s.ended = err != nil
	if s.offset == b.offset {
		return batch{}, io.EOF
	}
	b.end = s.offset
	s.marks.Lock()
	s.marks.lines[b.end] = s.line
	s.marks.Unlock()
	return b, nil
}

// fillLines adds whole lines until the batch is full. A line that no node
// would take is named as refused instead.
func (s *source) fillLines(b *batch) error {
	for len(b.body) < s.batchBytes {
		start := len(b.body)
		length := 0
		for {
			chunk, err := s.reader.ReadSlice('\n')
			length += len(chunk)
			if length <= lineBytesMax {
				b.body = append(b.body, chunk...)
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if length > 0 {
				s.line++
				s.offset += int64(length)
			}
			if length > lineBytesMax {
				// The empty line keeps the numbers of those behind it right.
				b.body = append(b.body[:start], '\n')
				b.tooLong = append(b.tooLong, v1.Rejected{Line: int(s.line - b.line), Message: fmt.Sprintf("the line has %d bytes, want at most %d", length, lineBytesMax)})
			}
			if err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// fillArray adds elements of an array, one on each line.
func (s *source) fillArray(b *batch) error {
	for len(b.body) < s.batchBytes {
		if !s.array.More() {
			if _, err := s.array.Token(); err != nil {
				return fmt.Errorf("the array does not end: %w", errors.Join(io.ErrUnexpectedEOF, err))
			}
			return io.EOF
		}
		var element json.RawMessage
		if err := s.array.Decode(&element); err != nil {
			return fmt.Errorf("element %d: %w", s.line+1, err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, element); err != nil {
			return fmt.Errorf("element %d: %w", s.line+1, err)
		}
		b.body = append(append(b.body, line.Bytes()...), '\n')
		s.line++
		s.offset++
	}
	return nil
}

package bench

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/stere-log/stere/bench/corpus"
)

const (
	lineBytesMax    = 16 << 20
	readBufferBytes = 1 << 20
	ctxCheckLines   = 1 << 12 // how often loops over lines look at the context
	generatePrefix  = "generate:"
)

// Corpus is an uncompressed NDJSON file: one object a line with timestamp,
// message, and where there is one level, component and metadata.
type Corpus struct {
	Name  string
	Path  string
	Lines int64
	Bytes int64
	// from and to bound a part of the file; to 0 means its end.
	from, to int64
}

// OpenCorpus makes a corpus ready: "generate:LINES" or "generate:LINES:SEED"
// generates one, all else is the path of an NDJSON file, plain, gzip or zstd.
// NAME= before it gives it a name. Files it has to write go to workDir.
func OpenCorpus(ctx context.Context, spec, workDir string) (*Corpus, error) {
	name, where := cutName(spec)
	c := &Corpus{Name: name, Path: where}
	if spec = where; strings.HasPrefix(spec, generatePrefix) {
		if err := c.generate(spec, workDir); err != nil {
			return nil, err
		}
	} else if err := c.unpack(workDir); err != nil {
		return nil, err
	}
	err := c.lines(ctx, func(_ int64, line []byte) error {
		c.Lines++
		c.Bytes += int64(len(line)) + 1
		return nil
	})
	if err != nil {
		return nil, err
	}
	if c.Lines == 0 {
		return nil, fmt.Errorf("corpus %s has no lines", spec)
	}
	return c, nil
}

// cutName cuts "NAME=WHERE". Without a name the corpus is called by what it
// is: the name of the file, for a path may say things about a machine.
func cutName(spec string) (name, where string) {
	if name, where, ok := strings.Cut(spec, "="); ok && name != "" && !strings.ContainsAny(name, "/\\:.") {
		return name, where
	}
	return filepath.Base(spec), spec
}

func (c *Corpus) generate(spec, workDir string) error {
	linesText, seedText, hasSeed := strings.Cut(strings.TrimPrefix(spec, generatePrefix), ":")
	lines, err := strconv.ParseInt(linesText, 10, 64)
	if err != nil || lines <= 0 {
		return fmt.Errorf("corpus %s: want generate:LINES or generate:LINES:SEED", spec)
	}
	seed := uint64(1)
	if hasSeed {
		if seed, err = strconv.ParseUint(seedText, 10, 64); err != nil {
			return fmt.Errorf("corpus %s: the seed is not a number: %w", spec, err)
		}
	}
	generator, err := corpus.New(corpus.Config{Lines: lines, Seed: seed})
	if err != nil {
		return fmt.Errorf("generate corpus: %w", err)
	}
	c.Path = filepath.Join(workDir, fmt.Sprintf("corpus-%d-%d.ndjson", lines, seed))
	return writeFile(c.Path, func(w io.Writer) error {
		_, err := generator.WriteTo(w)
		return err
	})
}

// unpack writes the plain form of a compressed corpus to workDir.
func (c *Corpus) unpack(workDir string) error {
	file, err := os.Open(c.Path)
	if err != nil {
		return fmt.Errorf("open corpus: %w", err)
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, readBufferBytes)
	magic, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read corpus %s: %w", c.Path, err)
	}
	var plain io.Reader
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		if plain, err = gzip.NewReader(in); err != nil {
			return fmt.Errorf("read corpus %s: %w", c.Path, err)
		}
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		decoder, err := zstd.NewReader(in)
		if err != nil {
			return fmt.Errorf("read corpus %s: %w", c.Path, err)
		}
		defer decoder.Close()
		plain = decoder
	default:
		return nil
	}
	name := filepath.Base(c.Path)
	c.Path = filepath.Join(workDir, strings.TrimSuffix(name, filepath.Ext(name))+".plain.ndjson")
	return writeFile(c.Path, func(w io.Writer) error {
		_, err := io.Copy(w, plain)
		return err
	})
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write corpus: %w", err)
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("write corpus %s: %w", path, err)
	}
	return nil
}

// lines calls use for each line, numbered from 0, without its line feed.
func (c *Corpus) lines(ctx context.Context, use func(number int64, line []byte) error) error {
	file, err := os.Open(c.Path)
	if err != nil {
		return fmt.Errorf("open corpus: %w", err)
	}
	defer file.Close()
	end := c.to
	if end == 0 {
		end = math.MaxInt64
	}
	scanner := bufio.NewScanner(io.NewSectionReader(file, c.from, end-c.from))
	scanner.Buffer(make([]byte, readBufferBytes), lineBytesMax)
	number := int64(0)
	for scanner.Scan() {
		if number%ctxCheckLines == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if len(scanner.Bytes()) == 0 {
			continue
		}
		if err := use(number, scanner.Bytes()); err != nil {
			return fmt.Errorf("corpus %s, line %d: %w", c.Path, number+1, err)
		}
		number++
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read corpus %s after line %d: %w", c.Path, number, err)
	}
	return nil
}

// Parts cuts the corpus at these numbers of lines, which must rise. What comes
// after the last one is left out.
func (c *Corpus) Parts(ctx context.Context, ends []int64) ([]*Corpus, error) {
	if len(ends) == 0 || ends[len(ends)-1] > c.Lines {
		return nil, fmt.Errorf("corpus %s has %d lines, want it cut at %d", c.Name, c.Lines, ends)
	}
	file, err := os.Open(c.Path)
	if err != nil {
		return nil, fmt.Errorf("open corpus: %w", err)
	}
	defer file.Close()
	reader := bufio.NewReaderSize(file, readBufferBytes)
	part := &Corpus{Name: c.Name, Path: c.Path}
	var parts []*Corpus
	offset, lines, whole := int64(0), int64(0), false
	for len(parts) < len(ends) {
		if lines%ctxCheckLines == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		piece, err := reader.ReadSlice('\n')
		offset += int64(len(piece))
		whole = whole || len(bytes.TrimRight(piece, "\r\n")) > 0
		if errors.Is(err, bufio.ErrBufferFull) {
			continue // of a long line
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("cut corpus %s: %w", c.Path, err)
		}
		if whole {
			lines++
			part.Lines++
			whole = false
		}
		if lines == ends[len(parts)] {
			part.to = offset
			part.Bytes = offset - part.from
			parts = append(parts, part)
			part = &Corpus{Name: c.Name, Path: c.Path, from: offset}
		} else if err != nil {
			return nil, fmt.Errorf("cut corpus %s: it ends after %d lines", c.Path, lines)
		}
	}
	return parts, nil
}

// Records calls use for each record, numbered from 0. The record is valid
// during the call.
func (c *Corpus) Records(ctx context.Context, use func(number int64, r *Record) error) error {
	var p parser
	return c.lines(ctx, func(number int64, line []byte) error {
		r, err := p.parse(line)
		if err != nil {
			return err
		}
		return use(number, r)
	})
}

// Batch is some lines of the corpus, each with its line feed.
type Batch struct {
	Lines  int
	Text   []byte
	Tenant int // whose they are; 0 is the default one
}

// Batches sends the corpus in batches of so many lines, and closes out.
func (c *Corpus) Batches(ctx context.Context, lines int, out chan<- Batch) error {
	defer close(out)
	var b Batch
	send := func() error {
		select {
		case out <- b:
			b = Batch{Text: make([]byte, 0, len(b.Text)+len(b.Text)/8)}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := c.lines(ctx, func(_ int64, line []byte) error {
		b.Text = append(append(b.Text, line...), '\n')
		b.Lines++
		if b.Lines == lines {
			return send()
		}
		return nil
	})
	if err == nil && b.Lines > 0 {
		err = send()
	}
	return err
}

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stere-log/stere/ingest/ndjson"
	"github.com/stere-log/stere/redact"
	"github.com/valyala/fastjson"
)

// value is one value of a line.
type value struct {
	name string
	kind fastjson.Type
	text string
}

// names is what the name of a field says to either scanner.
type names struct{ standard, everything redact.Name }

// measurer applies the detectors to files.
type measurer struct {
	standard, everything *redact.Scanner
	names                map[string]names
	examples             int
	parser               fastjson.Parser
	off, on              *ndjson.Decoder
}

// batchLines is how many lines are read before the clock runs.
const batchLines = 10_000

// lineBytesMax bounds a line.
const lineBytesMax = 16 << 20

// file looks at all lines of a file.
func (m *measurer) file(path string) (source, error) {
	s := source{found: map[redact.Detector]int{}, examples: map[redact.Detector][]string{}}
	file, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer file.Close() // only read
	var reader io.Reader = file
	switch {
	case strings.HasSuffix(path, ".gz"):
		if reader, err = gzip.NewReader(file); err != nil {
			return s, err
		}
	case strings.HasSuffix(path, ".zst"):
		unpacked, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return s, err
		}
		defer unpacked.Close()
		reader = unpacked
	}
	buffered := bufio.NewReaderSize(reader, 1<<20)
	var lines [][]value
	var body []byte
	for {
		line, err := buffered.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" && len(line) <= lineBytesMax {
			lines = append(lines, m.values(line))
			body = append(append(body, line...), '\n')
		}
		if len(lines) == batchLines || err != nil {
			m.batch(&s, lines)
			if err := m.decode(&s, body); err != nil {
				return s, err
			}
			lines, body = lines[:0], body[:0]
		}
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
	}
}

// decode decodes a batch as the way in does, without and with redaction, in turn:
// whatever else the machine does meets both.
func (m *measurer) decode(s *source, body []byte) error {
	for range 2 {
		for _, one := range []struct {
			decoder *ndjson.Decoder
			cpu     *time.Duration
		}{{m.off, &s.off}, {m.on, &s.on}} {
			decode := one.decoder.DecodeLines
			if bytes.HasPrefix(body, []byte{'{'}) {
				decode = one.decoder.Decode
			}
			begin := cpuTime()
			decoded, err := decode("", nil, body, time.Unix(1_700_000_000, 0))
			*one.cpu += cpuTime() - begin
			if err != nil {
				return err
			}
			one.decoder.Release(decoded)
		}
	}
	return nil
}

// values returns the values of a line: of its fields if it is JSON, else itself.
func (m *measurer) values(line string) []value {
	if line[0] == '{' {
		if v, err := m.parser.Parse(line); err == nil {
			return flatten(nil, "", v)
		}
	}
	return []value{{"message", fastjson.TypeString, line}}
}

// flatten appends the leaves of an object.
func flatten(dst []value, path string, v *fastjson.Value) []value {
	switch v.Type() {
	case fastjson.TypeObject:
		object, _ := v.Object() // it is one
		object.Visit(func(key []byte, member *fastjson.Value) {
			name := string(key)
			if path != "" {
				name = path + "." + name
			}
			dst = flatten(dst, name, member)
		})
	case fastjson.TypeString:
		dst = append(dst, value{path, fastjson.TypeString, string(v.GetStringBytes())})
	case fastjson.TypeNumber, fastjson.TypeArray:
		dst = append(dst, value{path, v.Type(), v.String()})
	}
	return dst
}

// batch applies the standard set to lines and measures it, then counts what all
// detectors find.
func (m *measurer) batch(s *source, lines [][]value) {
	for _, line := range lines {
		for _, v := range line {
			if _, ok := m.names[v.name]; !ok {
				m.names[v.name] = names{m.standard.NameOf(v.name), m.everything.NameOf(v.name)}
			}
			s.bytes += int64(len(v.text))
		}
	}
	s.lines += len(lines)
	begin := cpuTime()
	for _, line := range lines {
		hit := false
		for _, v := range line {
			_, changed := apply(m.standard, m.names[v.name].standard, v)
			hit = hit || changed
		}
		if hit {
			s.recordsWith++
		}
	}
	s.cpu += cpuTime() - begin
	for _, line := range lines {
		for _, v := range line {
			m.count(s, v)
		}
	}
}

// count counts what all detectors find in a value.
func (m *measurer) count(s *source, v value) {
	text, changed := apply(m.everything, m.names[v.name].everything, v)
	if !changed {
		return
	}
	for d, n := range m.everything.Counts() {
		if n == 0 {
			continue
		}
		detector := redact.Detector(d)
		s.found[detector] += int(n)
		if shown := s.examples[detector]; len(shown) < m.examples {
			s.examples[detector] = append(shown, v.name+": "+around(text, "[redacted:"+m.everything.Name(detector)))
		}
	}
	m.everything.Flush(1)
}

// apply redacts a value as the pipeline does.
func apply(s *redact.Scanner, n redact.Name, v value) (string, bool) {
	switch v.kind {
	case fastjson.TypeNumber:
		return s.Number(n, v.text)
	case fastjson.TypeArray:
		return s.JSON(n, v.name, v.text)
	}
	return s.Value(n, v.text)
}

// aroundBytes is how much of a text is shown before and after a marker.
const aroundBytes = 48

// around returns a marker in a text and what is around it.
func around(text, marker string) string {
	i := max(0, strings.Index(text, marker))
	from, to := max(0, i-aroundBytes), min(len(text), i+len(marker)+aroundBytes)
	return strings.ToValidUTF8(strings.NewReplacer("\n", "\\n", "\r", "\\r").Replace(text[from:to]), "?")
}

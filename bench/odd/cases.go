package odd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/stere-log/stere/bench"
)

// Sizes of the cases with Config.Scale 1.
const (
	fieldNames      = 100_000
	fieldsPerLine   = 10
	longLineBytes   = 1 << 20
	longLineOthers  = 1_000
	uniqueLines     = 100_000
	uniqueWords     = 12
	constantLines   = 500_000
	disorderLines   = 200_000
	disorderSpan    = 365 * 24 * time.Hour
	tenants         = 50_000
	linesOfTenant   = 10
	tenantsCounted  = 200
	batchLines      = 1_000
	wordLettersMin  = 5
	wordLettersMore = 8
)

// Case is one kind of odd data.
type Case struct {
	Name string
	// Says is what is odd about it.
	Says string
	// Batches calls send for each request.
	Batches func(random *rand.Rand, send func(bench.Batch) error) error
	// Tenants is how many tenants own the lines; 0 means the default one.
	Tenants int
	// PerTenant is how many lines each of them has.
	PerTenant int
}

// begin is the time of the first line: long enough ago that no case has a time
// to come, which some stores refuse.
func begin() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }

// Cases returns the cases; scale, above 0 and at most 1, makes them smaller.
func Cases(scale float64) []Case {
	of := func(n int) int { return max(int(float64(n)*scale), 1) }
	return []Case{
		{Name: "fields", Says: fmt.Sprintf("%d field names, %d new ones in each line", of(fieldNames/fieldsPerLine)*fieldsPerLine, fieldsPerLine), Batches: lines(of(fieldNames/fieldsPerLine), fieldsLine)},
		{Name: "long line", Says: fmt.Sprintf("one line of %d bytes among %d ordinary ones", longLineBytes, of(longLineOthers)), Batches: lines(of(longLineOthers)+1, longLine)},
		{Name: "unique", Says: fmt.Sprintf("%d messages of %d random words each", of(uniqueLines), uniqueWords), Batches: lines(of(uniqueLines), uniqueLine)},
		{Name: "constant", Says: fmt.Sprintf("%d lines that differ in nothing but the time", of(constantLines)), Batches: lines(of(constantLines), constantLine)},
		{Name: "disorder", Says: fmt.Sprintf("%d lines of random times of a year", of(disorderLines)), Batches: lines(of(disorderLines), disorderLine)},
		{Name: "tenants", Says: fmt.Sprintf("%d tenants with %d lines each, one request a tenant", of(tenants), linesOfTenant), Batches: tenantLines(of(tenants)), Tenants: of(tenants), PerTenant: linesOfTenant},
	}
}

// line is one line as it is sent.
type line struct {
	Timestamp string         `json:"timestamp"`
	Message   string         `json:"message"`
	Level     string         `json:"level"`
	Component string         `json:"component"`
	Metadata  map[string]any `json:"metadata,omitempty"`
}

func newLine(number int, message string) line {
	at := begin().Add(time.Duration(number) * time.Millisecond)
	return line{Timestamp: at.Format(time.RFC3339Nano), Message: message, Level: "info", Component: "odd"}
}

// lines makes batches of so many lines.
func lines(n int, make func(random *rand.Rand, number int) line) func(*rand.Rand, func(bench.Batch) error) error {
	return func(random *rand.Rand, send func(bench.Batch) error) error {
		var b bytes.Buffer
		count := 0
		flush := func() error {
			batch := bench.Batch{Lines: count, Text: bytes.Clone(b.Bytes())}
			b.Reset()
			count = 0
			return send(batch)
		}
		for i := range n {
			if err := write(&b, make(random, i)); err != nil {
				return err
			}
			if count++; count == batchLines {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		if count == 0 {
			return nil
		}
		return flush()
	}
}

func write(b *bytes.Buffer, l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	b.Write(text)
	b.WriteByte('\n')
	return nil
}

func fieldsLine(random *rand.Rand, number int) line {
	l := newLine(number, "a line with fields of its own")
	l.Metadata = map[string]any{}
	for i := range fieldsPerLine {
		l.Metadata["field_"+strconv.Itoa(number*fieldsPerLine+i)] = random.IntN(100)
	}
	return l
}

// longLine is long in its first line: the whole of it, as sent, has
// longLineBytes bytes without its line feed.
func longLine(random *rand.Rand, number int) line {
	l := newLine(number, "an ordinary line")
	if number > 0 {
		return l
	}
	l.Message = ""
	frame, err := json.Marshal(l)
	if err != nil {
		return l // a line of plain text has no error
	}
	var text []byte
	for len(text) < longLineBytes-len(frame) {
		text = append(append(text, word(random)...), ' ')
	}
	l.Message = string(text[:longLineBytes-len(frame)])
	return l
}

func uniqueLine(random *rand.Rand, number int) line {
	var text []byte
	for range uniqueWords {
		text = append(append(text, word(random)...), ' ')
	}
	return newLine(number, string(text[:len(text)-1]))
}

// word is random letters.
func word(random *rand.Rand) string {
	letters := make([]byte, wordLettersMin+random.IntN(wordLettersMore))
	for i := range letters {
		letters[i] = 'a' + byte(random.IntN('z'-'a'+1))
	}
	return string(letters)
}

func constantLine(_ *rand.Rand, number int) line {
	return newLine(number, "the same message as ever")
}

func disorderLine(random *rand.Rand, number int) line {
	l := newLine(number, "request "+strconv.Itoa(number)+" done")
	l.Timestamp = begin().Add(time.Duration(random.Int64N(int64(disorderSpan)))).Format(time.RFC3339Nano)
	return l
}

func tenantLines(n int) func(*rand.Rand, func(bench.Batch) error) error {
	return func(random *rand.Rand, send func(bench.Batch) error) error {
		for tenant := 1; tenant <= n; tenant++ {
			var b bytes.Buffer
			for i := range linesOfTenant {
				text := fmt.Sprintf("tenant %d did %s", tenant, word(random))
				if err := write(&b, newLine(tenant*linesOfTenant+i, text)); err != nil {
					return err
				}
			}
			if err := send(bench.Batch{Lines: linesOfTenant, Text: b.Bytes(), Tenant: tenant}); err != nil {
				return err
			}
		}
		return nil
	}
}

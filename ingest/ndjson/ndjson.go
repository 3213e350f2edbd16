package ndjson

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/model"
)

// RejectionsMax is how many rejections of one body are described; the others
// are only counted.
const RejectionsMax = 1000

// MemoryMax bounds what the records of one body may take beside the body: many
// tiny records take several times their text.
const MemoryMax = 192 << 20

// ErrTooLarge says that a body holds more records or fields than MemoryMax
// allows. Nothing of it may be stored; smaller bodies would do.
var ErrTooLarge = errors.New("body holds too many records for one request, send fewer at once")

// Rejection says which record of a body was refused and why.
type Rejection struct {
	Line    int    // 1-based line on which the record starts
	Field   string // path of the field at fault, "" if it is the record
	Message string
}

// Decoded is what a body held.
type Decoded struct {
	Records  []model.Record
	Lines    []int       // for each record the 1-based line on which it starts
	Rejected []Rejection // at most RejectionsMax
	Refused  int         // how many records were refused, described or not
	Redacted int         // in how many something was redacted
	Single   bool        // the body was exactly one object

	memory *pipeline.Memory
}

// Decoder decodes bodies. Create it with NewDecoder.
type Decoder struct {
	parsers  *pipeline.Pool
	memories sync.Pool // of *Decoded: what released ones were made of
}

// NewDecoder returns a Decoder with these limits.
func NewDecoder(cfg pipeline.Config) *Decoder { return &Decoder{parsers: pipeline.NewPool(cfg)} }

// Decode decodes one body with a Decoder of its own.
func Decode(dst []model.Record, body []byte, now time.Time, cfg pipeline.Config) (Decoded, error) {
	return NewDecoder(cfg).Decode("", dst, body, now)
}

// DecodeLines decodes one body of text with a Decoder of its own.
func DecodeLines(dst []model.Record, body []byte, now time.Time, cfg pipeline.Config) (Decoded, error) {
	return NewDecoder(cfg).DecodeLines("", dst, body, now)
}

// Decode appends the records of a tenant's JSON body to dst. The only error is
// ErrTooLarge; what cannot be read is in the result.
func (d *Decoder) Decode(tenant model.TenantID, dst []model.Record, body []byte, now time.Time) (Decoded, error) {
	s := d.scanner(tenant, dst, body, now)
	defer d.parsers.Put(s.parser)
	err := s.run()
	s.out.Redacted = s.parser.Redactions()
	s.out.Single = s.singles == 1 && len(s.out.Records)-len(dst)+s.out.Refused == 1
	return s.out, err
}

// DecodeLines appends a record for each line of text that is not blank; the
// line is the record's message.
func (d *Decoder) DecodeLines(tenant model.TenantID, dst []model.Record, body []byte, now time.Time) (Decoded, error) {
	s := d.scanner(tenant, dst, body, now)
	defer d.parsers.Put(s.parser)
	for s.at < len(s.text) {
		line := s.text[s.at:s.lineEnd(s.at)]
		start := s.at
		s.at += len(line) + 1
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) == "" {
			continue
		}
		rec, fault := s.parser.Text(line)
		if err := s.take(rec, fault, start); err != nil {
			return s.out, err
		}
	}
	s.out.Redacted = s.parser.Redactions()
	return s.out, nil
}

// recordsKeptMax is for how many records the memory of a released body is kept.
const recordsKeptMax = 1 << 16

// Release takes back what the records of a body are made of, for the records
// of the next one. The caller must be done with all of the Decoded, and with
// dst if it gave one. What is never released is collected.
func (d *Decoder) Release(out Decoded) {
	if out.memory == nil || cap(out.Records) > recordsKeptMax {
		return
	}
	out.memory.Reset()
	clear(out.Records)
	d.memories.Put(&Decoded{Records: out.Records[:0], Lines: out.Lines[:0], memory: out.memory})
}

// scanner returns a scanner of a body, made of what was released before.
func (d *Decoder) scanner(tenant model.TenantID, dst []model.Record, body []byte, now time.Time) *scanner {
	p := d.parsers.Get(tenant)
	kept, ok := d.memories.Get().(*Decoded)
	if !ok {
		kept = &Decoded{memory: new(pipeline.Memory)}
	}
	if dst == nil {
		dst = kept.Records
	}
	p.Memory = kept.memory
	s := newScanner(p, dst, body, now)
	s.out.memory = kept.memory
	s.out.Lines = slices.Grow(kept.Lines, cap(s.out.Records)-len(dst))
	return s
}

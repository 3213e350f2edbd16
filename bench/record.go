package bench

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// Record is one line of the corpus. Its strings are valid until the next line
// is parsed.
type Record struct {
	Time      int64 // ns
	Message   string
	Level     string
	Component string
	metadata  *fastjson.Object
}

// Text returns a field as text: level, component, or a string in metadata.
func (r *Record) Text(field string) string {
	switch field {
	case FieldLevel:
		return r.Level
	case FieldComponent:
		return r.Component
	}
	if v := r.value(field); v != nil {
		return string(v.GetStringBytes())
	}
	return ""
}

// Number returns a number in metadata.
func (r *Record) Number(field string) (float64, bool) {
	v := r.value(field)
	if v == nil || v.Type() != fastjson.TypeNumber {
		return 0, false
	}
	return v.GetFloat64(), true
}

func (r *Record) value(field string) *fastjson.Value {
	if r.metadata == nil || len(field) <= len(metadataPrefix) {
		return nil
	}
	return r.metadata.Get(field[len(metadataPrefix):])
}

// The fields that questions are about.
const (
	FieldMessage   = "message"
	FieldLevel     = "level"
	FieldComponent = "component"
	FieldTime      = "timestamp"
	metadataPrefix = "metadata."
	traceField     = "metadata.trace_id"
)

// parser reads the lines of a corpus.
type parser struct {
	json   fastjson.Parser
	record Record
}

func (p *parser) parse(line []byte) (*Record, error) {
	v, err := p.json.ParseBytes(line)
	if err != nil {
		return nil, fmt.Errorf("parse line: %w", err)
	}
	ts := v.GetStringBytes(FieldTime)
	ns, err := parseTime(string(ts))
	if err != nil {
		return nil, err
	}
	p.record = Record{
		Time:      ns,
		Message:   string(v.GetStringBytes(FieldMessage)),
		Level:     string(v.GetStringBytes(FieldLevel)),
		Component: string(v.GetStringBytes(FieldComponent)),
		metadata:  v.GetObject("metadata"),
	}
	return &p.record, nil
}

func parseTime(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fmt.Errorf("parse time %s: %w", strconv.Quote(s), err)
	}
	return t.UnixNano(), nil
}

func formatTime(ns int64) string {
	return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

func lastRune(s string) (rune, int)  { return utf8.DecodeLastRuneInString(s) }
func firstRune(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

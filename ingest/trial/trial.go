// Package trial shows what redaction would do to records, and stores nothing.
//
// Its main function is Run, which decodes a body twice, once with redaction and
// once without, and tells what differs. The API and the command line call it.
package trial

import (
	"bytes"
	"fmt"
	"time"

	"github.com/stere-log/stere/ingest/ndjson"
	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/redact"
)

// LinesMax is how many records a report shows; the others are only counted.
const LinesMax = 1000

// Report says what would be redacted.
type Report struct {
	Records  int            `json:"records"`  // that could be read
	Rejected int            `json:"rejected"` // that could not
	Redacted int            `json:"redacted"` // in which something was found
	Findings map[string]int `json:"findings"` // by detector, and only those that found something
	Lines    []Line         `json:"lines"`    // at most LinesMax
}

// Line is a record that would be changed.
type Line struct {
	Line   int     `json:"line"` // 1-based
	Fields []Field `json:"fields"`
}

// Field is a field of it that would be changed, as it would be stored.
type Field struct {
	Field   string `json:"field"`
	Value   string `json:"value"`
	Removed bool   `json:"removed,omitempty"` // the field would be gone
}

// Run applies the rules of a Redactor to a body as POST /logs takes it. What it
// finds does not count for the Redactor.
func Run(r *redact.Redactor, tenant model.TenantID, body []byte, now time.Time) (Report, error) {
	fresh := r.Fresh()
	before, err := decode(nil, tenant, body, now)
	if err != nil {
		return Report{}, err
	}
	after, err := decode(fresh, tenant, body, now)
	if err != nil {
		return Report{}, err
	}
	report := Report{Records: len(after.Records), Rejected: after.Refused, Redacted: after.Redacted, Findings: map[string]int{}, Lines: []Line{}}
	for d, name := range fresh.Names() {
		if n := fresh.Found(redact.Detector(d)); n > 0 {
			report.Findings[name] = int(n)
		}
	}
	if len(before.Records) != len(after.Records) {
		return report, fmt.Errorf("%d records without redaction, %d with it", len(before.Records), len(after.Records))
	}
	for i := range after.Records {
		if fields := differences(&before.Records[i], &after.Records[i]); len(fields) > 0 && len(report.Lines) < LinesMax {
			report.Lines = append(report.Lines, Line{Line: after.Lines[i], Fields: fields})
		}
	}
	return report, nil
}

// decode decodes a body: JSON if it begins like that, else lines.
func decode(r *redact.Redactor, tenant model.TenantID, body []byte, now time.Time) (ndjson.Decoded, error) {
	decoder := ndjson.NewDecoder(pipeline.Config{Redact: r})
	start := bytes.TrimSpace(body)
	if rest, ok := bytes.CutPrefix(start, []byte{'['}); ok {
		start = bytes.TrimSpace(rest)
	}
	if bytes.HasPrefix(start, []byte{'{'}) {
		return decoder.Decode(tenant, nil, body, now)
	}
	return decoder.DecodeLines(tenant, nil, body, now)
}

// differences returns the fields of a record that redaction changed. It keeps
// their order; what it takes away has no place in it.
func differences(before, after *model.Record) (out []Field) {
	for _, f := range after.Fields {
		if was, ok := before.Get(f.Name); !ok || was.Text != f.Text {
			out = append(out, Field{Field: model.QueryName(f.Name), Value: f.Text})
		}
	}
	if len(after.Fields) < len(before.Fields) {
		for _, f := range before.Fields {
			if _, ok := after.Get(f.Name); !ok {
				out = append(out, Field{Field: model.QueryName(f.Name), Removed: true})
			}
		}
	}
	return out
}

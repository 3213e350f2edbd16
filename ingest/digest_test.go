package ingest_test

import (
	"testing"
	"time"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
)

// TestDigest checks that everything that is stored counts, and that a repeat is
// one although it comes later.
func TestDigest(t *testing.T) {
	now := time.Unix(1_700_000_000, 5)
	record := func(at time.Time, name, text string, kind model.Kind) model.Record {
		return model.Record{Time: at.UnixNano(), TimeDigits: 9, Fields: []model.Field{{Name: name, Kind: kind, Text: text}}}
	}
	base := ingest.Digest([]model.Record{record(now, "a", "b", model.String)}, now)
	later := now.Add(time.Minute)
	if got := ingest.Digest([]model.Record{record(later, "a", "b", model.String)}, later); got != base {
		t.Error("the time of receipt counts")
	}
	for what, records := range map[string][]model.Record{
		"time":   {record(later, "a", "b", model.String)},
		"name":   {record(now, "b", "b", model.String)},
		"text":   {record(now, "a", "c", model.String)},
		"kind":   {record(now, "a", "b", model.Number)},
		"border": {record(now, "ab", "", model.String)},
		"count":  {record(now, "a", "b", model.String), record(now, "a", "b", model.String)},
		"none":   {},
	} {
		if ingest.Digest(records, now) == base {
			t.Errorf("%s does not count", what)
		}
	}
}

package complete_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/complete"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
)

// one is query.Shards of one part.
type one struct{ part.Part }

func (o one) Views(context.Context, model.TenantID) ([]query.View, error) {
	return []query.View{{Parts: []part.Part{o.Part}}}, nil
}

// oneOf returns a source with some records.
func oneOf(t *testing.T, records []model.Record) one {
	t.Helper()
	data, err := block.Encode(nil, records)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := block.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	p, err := head.New(0, 1, decoded, nil)
	if err != nil {
		t.Fatal(err)
	}
	return one{p}
}

// TestValuesAreRecent checks that values come from the last day that has records,
// however long ago it is, and not from all time.
func TestValuesAreRecent(t *testing.T) {
	var records []model.Record
	for i := range 100 {
		at := time.Date(2020, 1, 1, i, 0, 0, 0, time.UTC)
		records = append(records, model.Record{Time: at.UnixNano(), Fields: []model.Field{{Name: "hour", Kind: model.String, Text: fmt.Sprintf("h%d", i)}}})
	}
	p := oneOf(t, records)
	for text, want := range map[string]int{"hour:": 25, "hour:h9": 10, "hour:h1": 0, "other:": 0} {
		found, err := complete.Complete(t.Context(), query.New(p, query.Config{}), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text}, len(text))
		if err != nil {
			t.Fatal(err)
		}
		values := 0
		for _, choice := range found.Choices {
			if choice.Kind == "value" {
				values++
			}
		}
		if values != want {
			t.Errorf("%s: %d values, want %d: %+v", text, values, want, found.Choices)
		}
	}
}

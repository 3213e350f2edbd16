package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/storage/part"
)

// looking is query.Shards that looks at the engine whenever it is asked.
type looking struct {
	list
	look func()
}

func (l *looking) Views(ctx context.Context, tenant model.TenantID) ([]query.View, error) {
	l.look()
	return l.list.Views(ctx, tenant)
}

// TestScan checks that a scan gives every record once, in pages that become
// small where records are large, each with a place among the queries.
func TestScan(t *testing.T) {
	const small, large = 3_000, 200
	text := strings.Repeat("x", 200<<10)
	var records []model.Record
	for i := range small + large {
		record := model.Record{Time: int64(i), Fields: []model.Field{{Name: "message", Kind: model.String, Text: fmt.Sprint(i)}}}
		if i >= small {
			record.Fields[0].Text = text
		}
		records = append(records, record)
	}
	var parts list
	for i := 0; i < len(records); i += 400 {
		parts = append(parts, newPart(t, 0, uint64(i+1), records[i:i+400]))
	}
	shards := &looking{list: parts}
	engine := query.New(shards, query.Config{AtOnce: 1})
	places, pages := 0, 0
	shards.look = func() {
		pages++
		if running, _ := engine.Queries(); len(running) == 1 && running[0].Who == "somebody" {
			places++
		}
	}
	for _, desc := range []bool{false, true} {
		scan, err := engine.Scan(query.ScanRequest{Request: query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Who: "somebody"}, Desc: desc})
		if err != nil {
			t.Fatal(err)
		}
		count, most := 0, 0
		for {
			hits, err := scan.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(hits) == 0 {
				break
			}
			bytes := 0
			for _, hit := range hits {
				bytes += len(hit.Record.Fields[0].Text)
				if want := int64(count); !desc && hit.Record.Time != want || desc && hit.Record.Time != int64(len(records))-1-want {
					t.Fatalf("record %d has the time %d", count, hit.Record.Time)
				}
				count++
			}
			most = max(most, bytes)
		}
		if count != len(records) {
			t.Errorf("the scan gives %d records, want %d", count, len(records))
		}
		if most > 16<<20 {
			t.Errorf("a page has records of %d bytes", most)
		}
	}
	if places != pages || pages < 4 {
		t.Errorf("%d of %d pages had a place", places, pages)
	}
}

// TestScanGoesOnWithinItsLimit checks that a limit in the text is not forgotten
// when a scan goes on: how much is left must be said.
func TestScanGoesOnWithinItsLimit(t *testing.T) {
	engine := query.New(list([]part.Part{}), query.Config{})
	request := query.ScanRequest{Request: query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: "* | limit 5"}, Desc: true, After: &exec.Position{}}
	if _, err := engine.Scan(request); err == nil {
		t.Error("it goes on without an end")
	}
	request.Left = 2
	if _, err := engine.Scan(request); err != nil {
		t.Error(err)
	}
}

// TestPageBytes checks that a page of large records holds no more than it may,
// but one, and that limits of the text count over all pages.
func TestPageBytes(t *testing.T) {
	const load, room = 100 << 10, 300 << 10
	var records []model.Record
	for i := range 50 {
		records = append(records, model.Record{Time: day + int64(i), Fields: []model.Field{field("n", strconv.Itoa(i)), field("load", strings.Repeat("x", load))}})
	}
	engine := query.New(split(t, rand.New(rand.NewPCG(8, 1)), records, 3), query.Config{PageBytes: room})
	for text, want := range map[string]int{"*": 50, "* | limit 7": 7, "* | fields n": 50} {
		request := query.Request{Text: text, Limit: 1000}
		seen, most := 0, 2
		if text == "* | fields n" {
			most = 50 // what is not read takes no room
		}
		for {
			result := search(t, engine, request)
			if seen += len(result.Hits); len(result.Hits) == 0 || len(result.Hits) > most || !result.Complete {
				t.Fatalf("%q: a page of %d records, complete %v (%s), want 1 to %d", text, len(result.Hits), result.Complete, result.Reason, most)
			}
			if request.Cursor = result.NextCursor; request.Cursor == "" {
				break
			}
		}
		if seen != want {
			t.Errorf("%q: %d records on all pages, want %d", text, seen, want)
		}
	}
}

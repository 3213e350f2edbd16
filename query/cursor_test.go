package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// TestCursorsAreShort pages through records that are sorted by as many long texts
// as a query can name, stored and computed, in the head and sealed: no cursor is
// longer than one may be, and each record comes once.
func TestCursorsAreShort(t *testing.T) {
	var records []model.Record
	var keys, names []string
	for k := range syntax.ListMax {
		names = append(names, fmt.Sprintf("f%02d", k))
		keys = append(keys, fmt.Sprintf("f%02d desc", k))
	}
	const all = 12
	for n := range all {
		record := model.Record{Time: day + int64(n), Fields: []model.Field{{Name: "n", Kind: model.Number, Text: fmt.Sprint(n)}, {Name: "message", Kind: model.String, Text: strings.Repeat("\xe2\x82\xac", 20_000)}}}
		for _, name := range names {
			record.Fields = append(record.Fields, model.Field{Name: name, Kind: model.String, Text: strings.Repeat("€\"", 2_000) + fmt.Sprint(n%3)})
		}
		records = append(records, record)
	}
	head := newPart(t, 0, 1, records)
	for name, set := range map[string]shardSet{"head": {{head}}, "sealed": {{segmenttest.Seal(t, 0, []part.Part{head})}}} {
		engine := query.New(set, query.Config{})
		for _, text := range []string{"* | sort by " + strings.Join(keys, ", "), "* | sort by message, n", "* | eval x = concat(message, message) | sort by x, message", "* | stats count() by (message, n) | sort message, n"} {
			request := query.Request{Text: text, Limit: 5}
			var seen []string
			for {
				result := search(t, engine, request)
				for _, hit := range result.Hits {
					seen = append(seen, hit.ID.String())
				}
				for _, row := range result.Rows {
					seen = append(seen, fmt.Sprint(row[1]))
				}
				if len(result.NextCursor) > query.CursorMax {
					t.Fatalf("%s: %.40s: a cursor has %d bytes", name, text, len(result.NextCursor))
				}
				if request.Cursor = result.NextCursor; request.Cursor == "" {
					break
				}
			}
			slices.Sort(seen)
			if len(slices.Compact(seen)) != all {
				t.Errorf("%s: %.40s: the pages have %d records, want %d", name, text, len(seen), all)
			}
		}
	}
}

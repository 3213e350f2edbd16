package query_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// insideTexts are queries inside a query, with any chain of pipes.
var insideTexts = []string{
	"level:error | fields component", "level:error | dedup by component | fields component", "* | sort by n desc | limit 5 | fields component",
	"* | sort by n | fields component | limit 4", "* | eval c = component | stats count() as k by (c) | where k > 80", "* | limit 10 | stats count() by (component)",
	"level:error n<99 | union (level:warn n<50) | fields component", "* | where n > 550 | eval d = concat(component, \"\") | fields d",
	"component in (level:error | sort by n | limit 1 | fields component) | fields component", "* | top 2 component", "* | rare 1 component",
	"* | facets 1 of component | fields value", "* | stats count_if(level:error) as e by (component) | sort by e desc | limit 1",
	"* | join inner by component (component in (level:error | limit 1 | fields component) | fields component, n) | fields component",
	"* | eval _x = n | sample 50 | fields component", "nothing_has_this | fields component", "* | where n < 5 | fields n",
}

// TestQueriesInside checks that a query inside another, wherever it stands, is as
// good as the values that it finds.
func TestQueriesInside(t *testing.T) {
	random := rand.New(rand.NewPCG(83, 1))
	shards := deal(t, random, randomRecords(random, 600), 3, 2)
	apart, _ := scatter(random, shards, 2, query.Config{})
	for name, engine := range map[string]*query.Engine{"local": query.New(shards, query.Config{}), "leaves": query.New(apart, query.Config{})} {
		for _, inner := range insideTexts {
			found := search(t, engine, query.Request{Text: inner, Limit: 10_000})
			seen := map[string]bool{}
			values := []string{`"no such value"`}
			for _, v := range firstValues(found) {
				if !seen[v] {
					seen[v] = true
					values = append(values, fmt.Sprintf("%q", v))
				}
			}
			field := "component"
			if strings.HasSuffix(inner, "fields n") {
				field = "n"
			}
			for _, outer := range []string{
				"$f in ($s) | sort by n", "$f not in ($s) | fields n | limit 20", "level:error | union ($f in ($s) level:warn) | sort by n | limit 50",
				"* | stats count_if($f in ($s)) as a, count() by (level)", "* | where n > 3 | eval m = n | stats count_if(m>5 AND $f in ($s)) as x by (level)",
				"* | join by level ($f in ($s) | stats count() as c by (level)) | stats sum(c)", "* | limit 100 | stats count_if(NOT $f in ($s)) as x",
				"n in ($f in ($s) | fields n) | stats count()",
			} {
				text := strings.ReplaceAll(outer, "$f", field)
				have := search(t, engine, query.Request{Text: strings.ReplaceAll(text, "$s", inner)})
				want := search(t, engine, query.Request{Text: strings.ReplaceAll(text, "$s", strings.Join(values, ", "))})
				if have.NextCursor, want.NextCursor = "", ""; answer(t, have) != answer(t, want) || !have.Complete {
					h, w := difference(answer(t, have), answer(t, want))
					t.Errorf("%s: %s with %s (%s):\nhave %s\nwant %s", name, text, inner, strings.Join(values, ", "), h, w)
				}
			}
		}
	}
}

// firstValues returns the texts of the only field, or of the first column.
func firstValues(found *query.Result) (values []string) {
	for _, hit := range found.Hits {
		for _, f := range hit.Record.Fields {
			values = append(values, f.Text)
		}
	}
	for _, row := range found.Rows {
		values = append(values, fmt.Sprint(row[0]))
	}
	return values
}

// TestQueriesInsideMove checks that what is compared with some time before looks
// for its sets there, too.
func TestQueriesInsideMove(t *testing.T) {
	at := func(s int, who, level string) model.Record {
		return model.Record{Time: day + int64(s)*int64(time.Second), Fields: []model.Field{field("who", who), field("level", level)}}
	}
	records := []model.Record{
		at(1, "a", "error"), at(2, "a", "info"), at(3, "a", "info"), at(4, "b", "info"), // before
		at(11, "b", "error"), at(12, "b", "info"), at(13, "a", "info"),
	}
	random := rand.New(rand.NewPCG(83, 2))
	shards := deal(t, random, records, 2, 1)
	apart, _ := scatter(random, shards, 2, query.Config{})
	for name, engine := range map[string]*query.Engine{"local": query.New(shards, query.Config{}), "leaves": query.New(apart, query.Config{})} {
		request := query.Request{From: day + 10*int64(time.Second), To: day + 20*int64(time.Second)}
		for text, want := range map[string][][]any{
			"who in (level:error | fields who) | stats count() as n, count_if(level:info) as i | compare 10s":      {{int64(2), int64(1), int64(3), int64(2), int64(-1), int64(-1)}},
			"* | stats count_if(who in (level:error | limit 5 | fields who)) as n | compare 10s":                   {{int64(2), int64(3), int64(-1)}},
			"* | join inner by who (who in (level:error | fields who) | fields who) | stats count() | compare 10s": {{int64(2), int64(3), int64(-1)}},
		} {
			request.Text = text
			if have := search(t, engine, request); !reflect.DeepEqual(sortedCompare(have), want) {
				t.Errorf("%s, %s: have %v of %v", name, text, have.Rows, have.Columns)
			}
		}
	}
}

// sortedCompare returns the rows with the columns of now, before and change in
// groups.
func sortedCompare(result *query.Result) (rows [][]any) {
	for _, row := range result.Rows {
		var now, before, change []any
		for i, c := range result.Columns {
			switch {
			case strings.HasSuffix(c.Name, "_before"):
				before = append(before, row[i])
			case strings.HasSuffix(c.Name, "_change"):
				change = append(change, row[i])
			default:
				now = append(now, row[i])
			}
		}
		rows = append(rows, append(append(now, before...), change...))
	}
	return rows
}

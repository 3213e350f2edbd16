package query_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// TestPartsEqualWhole checks that tables of many parts equal the table of one.
func TestPartsEqualWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(21, 22))
	records := randomRecords(random, 500)
	whole := query.New(split(t, random, records, 1), query.Config{})
	for _, text := range []string{
		"* | stats count()",
		"reset | stats count(), count(component), sum(duration), avg(duration), min(duration), max(duration), median(duration), p90(duration), count_distinct(duration)",
		"* | stats count() by (level)",
		"* | stats count() by (component)",
		"* | stats count() by (host)",
		"* | stats count() by (_time:10s)",
		"level:error | stats count() by (_time:7s)",
		"* | stats count() by (_time:10s, level)",
		"* | stats count(), p99.9(duration), count_distinct(n), sum(share) by (component, level)",
		"* | stats max(_time), min(_time), count(_time), count_distinct(_time)",
		"* | stats max(_time), min(n) by (component)",
		"* | stats min(message), max(component) by (level)",
		"* | stats count() by (n)",
		"* | stats sum(duration) as total by (component) | sort by total desc | limit 2 | fields total",
		"* | top 3 component",
		"* | top 5 duration",
		"* | stats count_if(level:error) as e, count_if(component:c1 OR duration>50)",
		"* | stats count_if(level>=warn) as e, count_if(_time>2024-01-31T10:01:00Z) as late by (component)",
		"* | stats count_if(reset) as e, count() by (_time:10s)",
		"* | stats count_if(reset) as e, sum(duration) by (level, component)",
		"* | stats stddev(duration), stddev(share), values(component) by (level)",
		"* | stats values(level), values(duration), stddev(n), rate(), rate(duration)",
		"* | stats rate() by (_time:10s)",
		"* | stats rate(duration) as r, first(_time), last(_time) by (_time:10s, level)",
		"* | stats count_distinct_exact(n), count_distinct_approx(n), count_distinct_approx(duration) by (level)",
		"* | stats count() by (duration:25)",
		"* | stats count(), max(share) by (share:0.5, level)",
		`* | stats count() by (_time:1d tz "Asia/Kolkata", level)`,
		"* | stats count() by (_time:1mo)",
		"* | top 7 component, level",
		"* | rare 5 duration",
		"* | histogram duration",
		"* | histogram share buckets 7",
		"* | histogram duration by 30",
		"* | histogram _time",
		"* | histogram _time buckets 3",
		"* | histogram _time by 20s",
		"* | facets",
		"reset | facets 2 of level, component, duration",
		"* | stats count(), count_if(level:error) by (_pattern)",
		"nothing_has_this | stats count(), sum(n)",
		"nothing_has_this | facets", "nothing_has_this | patterns", "nothing_has_this | histogram duration", "nothing_has_this | histogram _time", "nothing_has_this | stats rate()",
		"nothing_has_this | stats count() by (n, _time:1m)",
	} {
		want := search(t, whole, query.Request{Text: text})
		for _, parts := range []int{3, 40} {
			have := search(t, query.New(split(t, random, records, parts), query.Config{Workers: 3}), query.Request{Text: text})
			if !reflect.DeepEqual(have.Columns, want.Columns) || !sameRows(have.Rows, want.Rows) || have.Total != want.Total {
				t.Errorf("%s in %d parts:\nhave %v %v\nwant %v %v", text, parts, have.Columns, have.Rows, want.Columns, want.Rows)
			}
		}
	}
}

// sameRows compares rows, floats up to rounding.
func sameRows(a, b [][]any) bool {
	return slices.EqualFunc(a, b, func(v, w []any) bool {
		return slices.EqualFunc(v, w, func(x, y any) bool {
			f, okF := x.(float64)
			g, okG := y.(float64)
			return x == y || okF && okG && math.Abs(f-g) <= 1e-12*math.Abs(f)
		})
	})
}

// TestStatsByHand checks aggregates against ones computed from the records.
func TestStatsByHand(t *testing.T) {
	random := rand.New(rand.NewPCG(23, 24))
	records := randomRecords(random, 500)
	engine := query.New(split(t, random, records, 9), query.Config{})
	values := map[any][]int{}
	rows := map[any]int64{}
	for i := range records {
		var key any
		if c, ok := records[i].Get("component"); ok {
			key = c.Text
		}
		rows[key]++
		if d, ok := records[i].Get("duration"); ok {
			n, _ := strconv.Atoi(d.Text)
			values[key] = append(values[key], n)
		}
	}
	var want [][]any
	for key, all := range values {
		slices.Sort(all)
		sum, distinct := 0, len(slices.Compact(slices.Clone(all)))
		for _, v := range all {
			sum += v
		}
		percentile := func(p int) int64 { // smallest v with at least p percent <= v
			for i, v := range all {
				if (i+1)*100 >= p*len(all) {
					return int64(v)
				}
			}
			return 0
		}
		want = append(want, []any{key, rows[key], int64(len(all)), int64(sum), float64(sum) / float64(len(all)), int64(all[0]), int64(all[len(all)-1]),
			percentile(50), percentile(99), int64(distinct)})
	}
	slices.SortFunc(want, func(a, b []any) int { return cmp.Compare(b[1].(int64), a[1].(int64)) })
	have := search(t, engine, query.Request{Text: "* | stats count(), count(duration), sum(duration), avg(duration), min(duration), max(duration), median(duration), p99(duration), count_distinct(duration) by (component)"})
	if !sameRows(have.Rows, want) {
		t.Errorf("have %v\nwant %v", have.Rows, want)
	}
	types := []string{"string", "int", "int", "int", "float", "int", "int", "int", "int", "int"}
	for i, column := range have.Columns {
		if column.Type != types[i] {
			t.Errorf("column %s has type %s, want %s", column.Name, column.Type, types[i])
		}
	}
}

// TestTypes checks columns of values without a common type, and big numbers.
func TestTypes(t *testing.T) {
	record := func(seconds int, kind model.Kind, text string) model.Record {
		return model.Record{Time: day + int64(seconds)*int64(time.Second), Fields: []model.Field{{Name: "v", Kind: kind, Text: text}}}
	}
	for _, c := range []struct {
		records []model.Record
		kind    string
		rows    string
		sum     string
	}{
		{[]model.Record{record(0, model.Number, "5"), record(1, model.Number, "5"), record(2, model.Number, "7")}, "int", "[[5 2] [7 1]]", "[[17 5 7]]"},
		{[]model.Record{record(0, model.Number, "5"), record(1, model.Number, "7.5")}, "float", "[[5 1] [7.5 1]]", "[[12.5 5 7.5]]"},
		{[]model.Record{record(0, model.Number, "5"), record(1, model.String, "5"), record(1, model.String, "x")}, "string", "[[5 2] [x 1]]", "[[10 5 5]]"},
		{[]model.Record{record(0, model.Bool, "true"), record(1, model.Null, "")}, "bool", "[[true 1] [<nil> 1]]", "[[<nil> true true]]"},
		{[]model.Record{record(0, model.Number, "9223372036854775807"), record(1, model.Number, "9223372036854775806")}, "int",
			"[[9223372036854775806 1] [9223372036854775807 1]]", "[[1.8446744073709552e+19 9223372036854775806 9223372036854775807]]"},
		{nil, "string", "[]", "[[<nil> <nil> <nil>]]"},
	} {
		engine := query.New(split(t, rand.New(rand.NewPCG(1, 1)), c.records, 2), query.Config{})
		have := search(t, engine, query.Request{Text: "| stats count() by (v)"})
		if rows := fmt.Sprint(have.Rows); rows != c.rows || have.Columns[0].Type != c.kind || have.Columns[1].Type != "int" {
			t.Errorf("have %s %v, want %s %s", rows, have.Columns, c.rows, c.kind)
		}
		if rows := fmt.Sprint(search(t, engine, query.Request{Text: "| stats sum(v), min(v), max(v)"}).Rows); rows != c.sum {
			t.Errorf("have %s, want %s", rows, c.sum)
		}
	}
}

// TestTablePages checks that pages of a table are the table.
func TestTablePages(t *testing.T) {
	random := rand.New(rand.NewPCG(25, 26))
	engine := query.New(split(t, random, randomRecords(random, 300), 4), query.Config{})
	request := query.Request{Text: "* | stats count() by (duration)"}
	whole := search(t, engine, request)
	var rows [][]any
	for request.Limit = 7; ; {
		page := search(t, engine, request)
		rows = append(rows, page.Rows...)
		if !page.HasMore {
			break
		}
		request.Cursor = page.NextCursor
	}
	if !reflect.DeepEqual(rows, whole.Rows) || whole.HasMore {
		t.Errorf("have %d rows, want %d", len(rows), len(whole.Rows))
	}
}

// TestEstimates checks that over their budgets, count_distinct and percentiles
// estimate, close by, and say so.
func TestEstimates(t *testing.T) {
	var records []model.Record
	for i := range 40_000 {
		records = append(records, model.Record{Time: day + int64(i), Fields: []model.Field{field("n", strconv.Itoa(i-10_000))}})
	}
	random := rand.New(rand.NewPCG(27, 28))
	engine := query.New(split(t, random, records, 5), query.Config{Distinct: 5_000, Values: 5_000})
	for _, by := range []string{"", " by (missing)"} {
		result := search(t, engine, query.Request{Text: "* | stats count_distinct(n) as d, p50(n) as m, p99(n) as h, p10(n) as l, max(n) as x" + by})
		row := result.Rows[0]
		row = row[len(row)-5:]
		if d := float64(row[0].(int64)); math.Abs(d/40_000-1) > 0.03 {
			t.Errorf("count_distinct%s is %v", by, d)
		}
		for i, want := range []float64{9_999, 29_599, -6_001} {
			if have, ok := row[i+1].(float64); !ok || math.Abs(have/want-1) > 0.006 {
				t.Errorf("percentile%s is %v, want about %v", by, row[i+1], want)
			}
		}
		if !reflect.DeepEqual(result.Approximate, []string{"d", "m", "h", "l"}) || !result.Complete {
			t.Errorf("approximate columns%s: %v", by, result.Approximate)
		}
	}
}

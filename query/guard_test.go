package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/storage/part"
)

// broken is a part that panics when it is searched.
type broken struct{ part.Part }

func (broken) Eval(context.Context, index.Expr, *index.DocSet) (*index.DocSet, error) {
	var none []int
	return nil, fmt.Errorf("value %d", none[7])
}

// TestPanicIsAnError checks that a fault of one part ends the queries that
// meet it, and nothing else: neither the process nor the other workers.
func TestPanicIsAnError(t *testing.T) {
	m := &memory{parts: map[model.TenantID][]part.Part{}}
	for i := range 4 {
		p := newPart(t, 0, uint64(i), []model.Record{{Time: day, Fields: []model.Field{field("message", "x")}}})
		if i == 2 {
			p = broken{p}
		}
		m.parts[model.DefaultTenant] = append(m.parts[model.DefaultTenant], p)
	}
	for _, workers := range []int{1, 3} {
		engine := query.New(m, query.Config{Workers: workers})
		for _, text := range []string{"x", "x | stats count()", "x | sort by n"} {
			_, err := engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text})
			var fault *exec.PanicError
			if !errors.As(err, &fault) || !strings.Contains(fault.Place, "guard_test.go") {
				t.Errorf("%d workers, %q: have %v, want a panic in guard_test.go", workers, text, err)
			}
		}
		if _, err := engine.Get(t.Context(), query.Audience{Tenant: model.DefaultTenant}, model.RecordID{Index: 9}); !errors.As(err, new(*exec.PanicError)) {
			t.Errorf("get: have %v, want a panic", err)
		}
		if _, err := engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: "_time<2000"}); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
	if m.released != 2*5 {
		t.Errorf("released %d views, want 10", m.released)
	}
}

// rotten is a part that turns out to be damaged when it is read.
type rotten struct {
	part.Part
	met *atomic.Bool
}

var errRot = errors.New("a checksum does not fit")

func (r rotten) Eval(context.Context, index.Expr, *index.DocSet) (*index.DocSet, error) {
	r.met.Store(true)
	return nil, errRot
}

// rotting is query.Shards of which one part is damaged: views know that only when the
// part has been read.
type rotting struct {
	sound    part.Part
	rotten   rotten
	released int
	always   bool // every view has another damaged part
}

func (r *rotting) Views(context.Context, model.TenantID) ([]query.View, error) {
	view := query.View{Parts: []part.Part{r.sound}, Release: func() { r.released++ }, Damaged: func() bool { return r.rotten.met.Load() }}
	if r.rotten.met.Load() && !r.always {
		view.Missing = "a segment is damaged"
		view.Damaged = func() bool { return false }
	} else {
		view.Parts = append(view.Parts, r.rotten)
	}
	return []query.View{view}, nil
}

// TestDamageIsAskedAround checks that a question which meets damage is answered from
// what is left, at the first asking, and that it does not go on for ever.
func TestDamageIsAskedAround(t *testing.T) {
	records := []model.Record{{Time: day, Fields: []model.Field{field("message", "x")}}}
	audience := query.Audience{Tenant: model.DefaultTenant}
	for _, always := range []bool{false, true} {
		shards := &rotting{sound: newPart(t, 0, 1, records), rotten: rotten{newPart(t, 0, 2, records), new(atomic.Bool)}, always: always}
		engine := query.New(shards, query.Config{})
		for name, ask := range map[string]func() (string, error){
			"search": func() (string, error) {
				result, err := engine.Search(t.Context(), query.Request{Audience: audience, Text: "x"})
				if err != nil {
					return "", err
				}
				return fmt.Sprintln(len(result.Hits), result.Complete, result.Reason), nil
			},
			"table": func() (string, error) {
				result, err := engine.Search(t.Context(), query.Request{Audience: audience, Text: "x | stats count()"})
				if err != nil {
					return "", err
				}
				return fmt.Sprintln(result.Rows[0][0], result.Complete, result.Reason), nil
			},
			"scan": func() (string, error) {
				scan, err := engine.Scan(query.ScanRequest{Request: query.Request{Audience: audience, Text: "x"}})
				if err != nil {
					return "", err
				}
				if _, err = scan.Next(t.Context()); errors.Is(err, query.ErrIncomplete) {
					return "1 false a segment is damaged\n", nil
				}
				return "", err
			},
		} {
			shards.rotten.met.Store(false)
			got, err := ask()
			switch {
			case always && !errors.Is(err, errRot):
				t.Errorf("%s of what is always damaged: %q, %v", name, got, err)
			case !always && (err != nil || got != "1 false a segment is damaged\n"):
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if want := map[bool]int{false: 6, true: 12}[always]; shards.released != want {
			t.Errorf("%d views were released, want %d", shards.released, want)
		}
	}
}

// values makes one part of records with a field v of these kinds and texts.
func values(t *testing.T, fields ...model.Field) *query.Engine {
	t.Helper()
	var records []model.Record
	for i, f := range fields {
		f.Name = "v"
		records = append(records, model.Record{Time: day + int64(i), Fields: []model.Field{field("n", fmt.Sprint(i)), f}})
	}
	return query.New(&memory{parts: map[model.TenantID][]part.Part{model.DefaultTenant: {newPart(t, 0, 1, records)}}}, query.Config{})
}

// TestNumbersKeepDigits checks that no number loses digits on the way out and
// that different numbers do not look the same.
func TestNumbersKeepDigits(t *testing.T) {
	texts := []string{"1", "1.0", "1e3", "1000", "-0", "9007199254740993", "18446744073709551616", "0.1", "0.10", "1E400", "-1.5e-7"}
	var fields []model.Field
	for _, text := range texts {
		fields = append(fields, model.Field{Kind: model.Number, Text: text})
	}
	engine := values(t, fields...)
	result := search(t, engine, query.Request{Text: "* | stats count(), min(n) as n by v | sort n"})
	if len(result.Rows) != len(texts) {
		t.Fatalf("%d groups, want %d", len(result.Rows), len(texts))
	}
	for i, row := range result.Rows {
		if out, err := json.Marshal(row[0]); err != nil || string(out) != texts[i] {
			t.Errorf("group %d is %s (%v), want %s", i, out, err, texts[i])
		}
	}
	// Digits that a float has not are no reason to find another number.
	for text, want := range map[string]string{"v:9007199254740993": "[5]", "v:9007199254740992": "[]", "v:1000.0": "[3 2]"} {
		if found, _ := pages(t, engine, query.Request{Text: text}); fmt.Sprint(found) != want {
			t.Errorf("%s finds %v, want %s", text, found, want)
		}
	}
}

// TestExtremesOfTexts checks that numbers in texts come out as JSON numbers.
func TestExtremesOfTexts(t *testing.T) {
	engine := values(t, model.Field{Kind: model.String, Text: ".5"}, model.Field{Kind: model.String, Text: "+07"})
	row := search(t, engine, query.Request{Text: "* | stats min(v), max(v)"}).Rows[0]
	if row[0] != 0.5 || row[1] != int64(7) {
		t.Errorf("extremes are %v, want 0.5 and 7", row)
	}
}

// TestManyValues checks records with several values under one query name.
func TestManyValues(t *testing.T) {
	var records []model.Record
	for i := range 6 {
		r := model.Record{Time: day + int64(i), Fields: []model.Field{field("n", fmt.Sprint(i))}}
		if i < 4 {
			r.Fields = append(r.Fields, field("a.b", "1"))
		}
		if i > 2 {
			r.Fields = append(r.Fields, field(`a\.b`, "10"))
		}
		records = append(records, r)
	}
	engine := query.New(&memory{parts: map[model.TenantID][]part.Part{model.DefaultTenant: {newPart(t, 0, 1, records)}}}, query.Config{})
	for text, want := range map[string]string{
		"* | stats count() by a.b": "[[1 4] [10 2]]", // record 3 goes with its first value
		"* | stats count(), count(a.b), sum(a.b), max(a.b), count_distinct(a.b)":                       "[[6 6 34 10 2]]",
		"* | stats count(), count(a.b), sum(a.b), max(a.b), count_distinct(a.b) by _time:1m":           "[[2024-01-31T10:00:00Z 6 6 34 10 2]]",
		"_time<2024-01-31T10:00:00.000000003Z | stats count(), count(a.b), sum(a.b), count(none) by n": "[[0 1 1 1 0] [1 1 1 1 0] [2 1 1 1 0]]",
	} {
		if have := fmt.Sprint(search(t, engine, query.Request{Text: text}).Rows); have != want {
			t.Errorf("%s: have %s, want %s", text, have, want)
		}
	}
}

// TestBucketsAtTheEnds checks time buckets before 1970 and at the ends of time.
func TestBucketsAtTheEnds(t *testing.T) {
	var records []model.Record
	for _, at := range []int64{math.MinInt64, math.MinInt64 + 1, math.MinInt64 + 60_000_000_000, -1, 0, math.MaxInt64} {
		records = append(records, model.Record{Time: at, Fields: []model.Field{field("n", "1")}})
	}
	p := newPart(t, 0, 1, records)
	engine := query.New(&memory{parts: map[model.TenantID][]part.Part{model.DefaultTenant: {p}}}, query.Config{})
	for _, scope := range []string{"*", "_time<1700"} { // row by row, and by bounds
		byBounds := search(t, engine, query.Request{Text: scope + " | stats count() by _time:1m"})
		byRow := search(t, engine, query.Request{Text: scope + " | stats count(), max(n) by _time:1m | fields _time, count()"})
		if len(byBounds.Rows) < 2 || fmt.Sprint(byBounds.Rows) != fmt.Sprint(byRow.Rows) {
			t.Errorf("%s: have %v and %v", scope, byBounds.Rows, byRow.Rows)
		}
	}
}

// TestSortedPagesOfAnyText pages over an order of texts that are long, no
// UTF-8, or equal in what counts, and checks that each record comes once.
func TestSortedPagesOfAnyText(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	var fields []model.Field
	for _, text := range []string{"a\xff\xfe1", "a\xff", "a\xfd", "b", "�", "\xff", long, long + "y", long + "z", "\x00", "é"} {
		fields = append(fields, model.Field{Kind: model.String, Text: text})
	}
	fields = append(fields, fields...)
	engine := values(t, fields...)
	whole, _ := pages(t, engine, query.Request{Text: "* | sort by v", Limit: 100})
	for limit := 1; limit < 4; limit++ {
		found, _ := pages(t, engine, query.Request{Text: "* | sort by v", Limit: limit})
		if fmt.Sprint(found) != fmt.Sprint(whole) || len(whole) != len(fields) {
			t.Errorf("pages of %d: have %v, want %v", limit, found, whole)
		}
	}
}

// TestTimesSort checks that times of a table are in order, with and without
// fractions, before 1970 and after.
func TestTimesSort(t *testing.T) {
	var records []model.Record
	for _, at := range []int64{-1_500_000_000, -1_000_000_000, 0, 100_000_000, 1_000_000_000, 1_100_000_000} {
		records = append(records, model.Record{Time: at, Fields: []model.Field{field("n", fmt.Sprint(at))}})
	}
	engine := query.New(&memory{parts: map[model.TenantID][]part.Part{model.DefaultTenant: {newPart(t, 0, 1, records)}}}, query.Config{})
	want := "[1969-12-31T23:59:58.5Z 1969-12-31T23:59:59Z 1970-01-01T00:00:00Z 1970-01-01T00:00:00.1Z 1970-01-01T00:00:01Z 1970-01-01T00:00:01.1Z]"
	for _, text := range []string{"* | stats count() by _time:100ms", "* | stats count() by _time", "* | stats min(_time) as at by n | sort at | fields at"} {
		result := search(t, engine, query.Request{Text: text})
		var times []any
		for _, row := range result.Rows {
			times = append(times, row[0])
		}
		if fmt.Sprint(times) != want || result.Columns[0].Type != exec.TypeTime {
			t.Errorf("%s: have %s %v, want %s", text, result.Columns[0].Type, times, want)
		}
	}
}

// TestFilterByTime checks filters on the time, which is no stored field.
func TestFilterByTime(t *testing.T) {
	engine := values(t, model.Field{Kind: model.String, Text: "x"}, model.Field{Kind: model.String, Text: "y"})
	for value, want := range map[string]int{"2024-01-31T10:00:00.000000001Z": 1, "2024-01-31": 2, "2024-01-30": 0, "nonsense": 0} {
		request := query.Request{Filters: []query.Filter{{Field: "timestamp", Values: []string{value}}}}
		if found, _ := pages(t, engine, request); len(found) != want {
			t.Errorf("timestamp %s: found %v, want %d", value, found, want)
		}
	}
}

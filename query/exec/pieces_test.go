package exec

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/mask"
	"github.com/stere-log/stere/storage/part"
)

// textsPart is a part of many rows, the messages of which are texts that are put together
// as they are read, or not.
type textsPart struct {
	part.Part
	messages, components []string
	texts                bool
	most                 *int // messages that were read at once
}

func (p *textsPart) Rows() uint32                      { return uint32(len(p.messages)) }
func (p *textsPart) TimeRange() (int64, int64)         { return 0, int64(len(p.messages) - 1) }
func (p *textsPart) AllColumns() []part.Column         { return nil }
func (p *textsPart) Patterns(*part.Naming) part.Column { return nil }

func (p *textsPart) Columns(name string) []part.Column {
	switch name {
	case "message":
		return []part.Column{textsColumn{p, name, p.messages}}
	case "component":
		return []part.Column{textsColumn{p, name, p.components}}
	}
	return nil
}

func (p *textsPart) Eval(_ context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	if within == nil {
		within = index.DocSetRange(0, p.Rows())
	}
	return within, nil // every row has every field, and no other condition is tried
}

func (p *textsPart) Times(rows *index.DocSet) (times []int64, err error) {
	for _, row := range rows.ToArray() {
		times = append(times, int64(row))
	}
	return times, nil
}

func (p *textsPart) IDs(rows *index.DocSet) (ids []model.RecordID, err error) {
	for _, row := range rows.ToArray() {
		ids = append(ids, model.RecordID{Shard: 1, Index: 1, Ordinal: row})
	}
	return ids, nil
}

func (p *textsPart) TimeDigits(rows *index.DocSet) ([]uint8, error) {
	return make([]uint8, rows.GetCardinality()), nil
}

func (p *textsPart) Records(_ context.Context, rows *index.DocSet) (records []model.Record, err error) {
	for _, row := range rows.ToArray() {
		records = append(records, model.Record{Time: int64(row), Fields: []model.Field{{Name: "message", Kind: model.String, Text: p.messages[row]}}})
	}
	return records, nil
}

// textsColumn is a column of such a part.
type textsColumn struct {
	part   *textsPart
	name   string
	values []string
}

func (c textsColumn) Path() string     { return c.name }
func (c textsColumn) Kind() model.Kind { return model.String }
func (c textsColumn) Count() uint32    { return uint32(len(c.values)) }
func (c textsColumn) Distinct() uint32 { return uint32(len(c.values)) }
func (c textsColumn) Texts() bool      { return c.part.texts && c.name == "message" }

func (c textsColumn) Gather(_ context.Context, rows *index.DocSet) (part.Values, error) {
	out := part.Values{Rows: rows.ToArray()}
	if c.name == "message" {
		*c.part.most = max(*c.part.most, len(out.Rows))
	}
	numbers := map[string]uint32{}
	for _, row := range out.Rows {
		number, known := numbers[c.values[row]]
		if !known {
			number = uint32(len(out.Dict))
			numbers[c.values[row]] = number
			out.Dict = append(out.Dict, c.values[row])
		}
		out.Codes = append(out.Codes, number)
	}
	return out, nil
}

func (c textsColumn) Counts(ctx context.Context, rows *index.DocSet) (counts []part.ValueCount, err error) {
	values, err := c.Gather(ctx, rows)
	for _, text := range values.Dict {
		counts = append(counts, part.ValueCount{Value: text})
	}
	for _, code := range values.Codes {
		counts[code].Count++
	}
	return counts, err
}

// TestPieces checks that answers do not depend on whether texts are read piece by piece,
// and that they are.
func TestPieces(t *testing.T) {
	const rows = 2*pieceRows + 1_000
	p := &textsPart{most: new(int)}
	for i := range rows {
		p.messages = append(p.messages, fmt.Sprintf("message %d", i*7919%601))
		p.components = append(p.components, fmt.Sprintf("c%d", i%3))
	}
	for _, text := range []string{
		"* | stats count(), count_distinct(message), min(message) by (component)", "* | top 20 message", "* | stats count_distinct(message), max(message), count(message)",
		"* | stats first(message), last(component) by (message) | sort by message | limit 30", "* | stats count() by (message, component)",
		"* | eval x = upper(message) | stats count() by (x)", `* | eval x = concat(message, "x") | where ends_with(x, "7x") | stats count()`,
		"* | sort by message | limit 50", "* | sort by component, message desc | limit 50", "* | sort by message desc, _time | limit 700",
	} {
		var answers []any
		for _, texts := range []bool{false, true} {
			*p.most, p.texts = 0, texts
			answers = append(answers, answerOf(t, p, text))
			if texts && *p.most > pieceRows || !texts && *p.most <= pieceRows/2 {
				t.Errorf("%s: %d messages of %d were read at once, texts is %v", text, *p.most, rows, texts)
			}
		}
		if !reflect.DeepEqual(answers[0], answers[1]) {
			t.Errorf("%s: piece by piece %.300v, at once %.300v", text, answers[1], answers[0])
		}
	}
}

// TestPiecesOfMasked checks that texts of a part with deleted records are read piece by
// piece, too.
func TestPiecesOfMasked(t *testing.T) {
	const rows = 2*pieceRows + 1_000
	p := &textsPart{most: new(int), texts: true}
	for i := range rows {
		p.messages, p.components = append(p.messages, fmt.Sprintf("message %d", i%601)), append(p.components, "c")
	}
	hidden := mask.New(p, "some", func() (*index.DocSet, error) { return index.DocSetRange(0, 10), nil })
	want := [][]any{{int64(rows - 10), int64(601)}}
	if got := answerOf(t, hidden, "* | stats count(message), count_distinct(message)"); !reflect.DeepEqual(got, want) || *p.most > pieceRows {
		t.Errorf("have %v, want %v; %d messages were read at once", got, want, *p.most)
	}
}

// TestComputedWithTheFilter checks that what is computed of the rows that stay, at once with
// whether they do, is what is computed of it field by field.
func TestComputedWithTheFilter(t *testing.T) {
	const rows = 2*pieceRows + 1_000
	p := &textsPart{most: new(int)}
	for i := range rows {
		p.messages = append(p.messages, fmt.Sprintf("message %d of %d", i*7919%601, i%7))
		p.components = append(p.components, fmt.Sprintf("c%d", i%3))
	}
	computed := 0
	for _, text := range []string{
		`* | extract /(?P<who>[1-5]+) of (?P<of>\d)/ | where who != null | stats count(), min(_time), count_distinct(of) by (who, component)`,
		`* | eval x = upper(component), y = coalesce(none, x) | where ends_with(concat(message, x), "3C1") or y = "C2" | stats count(), max(message) by (y, x, none)`,
		`* | where component = "c1" | eval x = concat(message, "x") | where ends_with(x, "6x") | eval component = x | stats count(), count_if(component != "c1") by (component)`,
		`* | where component = "c0" | stats count() by (component)`, `* | rename component as message | where message = "c2" | eval m = lower(message) | stats count() by (m, message)`,
		`* | eval x = upper(message) | sort x | eval y = x, x = lower(component) | where x != "c1" | dedup by x`,
		`* | eval x = upper(message) | sort x | where component != "c1" | sort component, x | dedup by x, message`,
	} {
		for _, texts := range []bool{false, true} {
			p.texts = texts
			whole, alone := plannedOf(t, text), plannedOf(t, text)
			if (whole.Whole != nil) != (whole.Filter != nil && len(whole.Virtual) > 0) {
				t.Errorf("%s: %d fields are computed, with the filter: %v", text, len(whole.Virtual), whole.Whole != nil)
			}
			computed += len(whole.Virtual)
			alone.Whole = nil
			have, want := answerTo(t, p, text, whole), answerTo(t, p, text, alone)
			if !reflect.DeepEqual(have, want) {
				t.Errorf("%s: texts %v: at once %.300v, one by one %.300v", text, texts, have, want)
			}
		}
	}
	if computed == 0 {
		t.Error("nothing is computed")
	}
}

// plannedOf returns the plan of a query.
func plannedOf(t *testing.T, text string) *plan.Plan {
	t.Helper()
	parsed, err := syntax.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	planned, err := plan.New(parsed, plan.Options{Now: time.Unix(0, 0), To: plan.NoTo})
	if err != nil {
		t.Fatal(err)
	}
	return planned
}

// answerOf returns the rows or records that answer a query over one part.
func answerOf(t *testing.T, p part.Part, text string) any {
	t.Helper()
	return answerTo(t, p, text, plannedOf(t, text))
}

// answerTo is answerOf for a plan of the query.
func answerTo(t *testing.T, p part.Part, text string, planned *plan.Plan) any {
	t.Helper()
	limits := Limits{Time: time.Minute, CountTime: time.Minute, Groups: 10_000, Distinct: 10_000, Values: 10_000, MemoryBytes: 64 << 20, Workers: 1}
	from := Source{Parts: []part.Part{p}}
	if planned.Dedup {
		found, err := Dedup(t.Context(), from, planned, 0, 100, limits.MemoryBytes, limits)
		if err != nil || !found.Complete || len(found.Hits) == 0 {
			t.Fatalf("%s: %v, %+v", text, err, found)
		}
		return found.Hits
	}
	if planned.Table != nil {
		found, err := Table(t.Context(), from, planned, 1_000, limits)
		if err != nil || !found.Complete || len(found.Rows) == 0 {
			t.Fatalf("%s: %v, %+v", text, err, found)
		}
		return found.Rows
	}
	found, err := Records(t.Context(), from, planned, Page{Size: planned.Limit, Total: true}, limits)
	if err != nil || !found.Complete || len(found.Hits) != planned.Limit || found.Total != uint64(p.Rows()) {
		t.Fatalf("%s: %v, %+v", text, err, found)
	}
	var hits []string
	for _, hit := range found.Hits {
		hits = append(hits, fmt.Sprint(hit.ID, hit.Record))
	}
	return hits
}

// olderPart is a part before others, of which a page needs no times.
type olderPart struct {
	*textsPart
	asked *int // times
}

func (p *olderPart) TimeRange() (int64, int64) { return -int64(len(p.messages)), -1 }

func (p *olderPart) Times(rows *index.DocSet) (times []int64, err error) {
	*p.asked += int(rows.GetCardinality())
	for _, row := range rows.ToArray() {
		times = append(times, int64(row)-int64(len(p.messages)))
	}
	return times, nil
}

// TestOlderPartsOnlyCount checks that of a part whose records are too old for the page no
// times are read, while all of them are counted, and that they are read once it is needed.
func TestOlderPartsOnlyCount(t *testing.T) {
	const rows = 2 * windowFirst
	newer := &textsPart{most: new(int), messages: make([]string, rows), components: make([]string, rows)}
	older := &olderPart{textsPart: newer, asked: new(int)}
	parsed, err := syntax.Parse("component:c")
	if err != nil {
		t.Fatal(err)
	}
	planned, err := plan.New(parsed, plan.Options{Now: time.Unix(0, 0), To: plan.NoTo})
	if err != nil || !planned.Cheap {
		t.Fatalf("cheap is %v, %v", planned.Cheap, err)
	}
	limits := testLimits()
	limits.CountBrief = time.Minute
	for _, size := range []int{100, rows + 100} {
		*older.asked = 0
		found, err := Records(t.Context(), Source{Parts: []part.Part{older, newer}}, planned, Page{Size: size, Total: true}, limits)
		if err != nil || !found.TotalExact || found.Total != 2*rows || len(found.Hits) != size {
			t.Fatalf("%d of %d: %v, %d hits, %d in all, exact is %v", size, 2*rows, err, len(found.Hits), found.Total, found.TotalExact)
		}
		if last := found.Hits[size-1].Position.Time; last != int64(rows-size) {
			t.Errorf("the last of %d is of time %d, want %d", size, last, rows-size)
		}
		if read := *older.asked > 0; read != (size > rows) {
			t.Errorf("a page of %d: %d times of the older part were read", size, *older.asked)
		}
	}
}

// countedPart is one of many parts that follow each other in time.
type countedPart struct {
	*textsPart
	first int64
	evals *atomic.Int64 // of all of them
}

func (p *countedPart) TimeRange() (int64, int64) { return p.first, p.first + int64(p.Rows()) - 1 }

func (p *countedPart) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	p.evals.Add(1)
	return p.textsPart.Eval(ctx, e, within)
}

func (p *countedPart) Times(rows *index.DocSet) (times []int64, err error) {
	for _, row := range rows.ToArray() {
		times = append(times, p.first+int64(row))
	}
	return times, nil
}

// TestLargeTotalsAreLeft checks that of parts that a page does not need no more are looked
// through once the total is large and the time for that is over, whatever the condition
// takes; that a total that is not large is exact, however long that takes where no text is
// read; and that the number of all records always is.
func TestLargeTotalsAreLeft(t *testing.T) {
	const parts, rows, workers, size = 40, 100, 3, 150
	for _, c := range []struct {
		text  string
		large uint64
		most  int64 // parts that are looked through
		exact bool
	}{
		{"component:c", 1_000, (1_000+rows-1)/rows + 2*workers, false},
		{"component:c", parts*rows + 1, parts, true},
		{"*", 1_000, 0, true},
		{"message:/c/", 1_000, (1_000+rows-1)/rows + 2*workers, false},
		{"message:/c/", parts*rows + 1, parts, false}, // its texts are read, and there is no time for that
	} {
		var evals atomic.Int64
		var from Source
		texts := &textsPart{most: new(int), messages: make([]string, rows), components: make([]string, rows)}
		for i := range parts {
			from.Parts = append(from.Parts, &countedPart{textsPart: texts, first: int64(i * rows), evals: &evals})
		}
		parsed, err := syntax.Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		planned, err := plan.New(parsed, plan.Options{Now: time.Unix(0, 0), To: plan.NoTo})
		if err != nil {
			t.Fatal(err)
		}
		limits := testLimits()
		limits.Workers, limits.CountLarge, limits.CountBrief, limits.CountTime = workers, c.large, 1, 1
		if !c.exact && c.large == 1_000 {
			limits.CountTime = time.Minute
		}
		found, err := Records(t.Context(), from, planned, Page{Size: size, Total: true}, limits)
		if err != nil || !found.Complete || len(found.Hits) != size || found.TotalExact != c.exact {
			t.Fatalf("%s: %v, complete is %v, %d hits, exact is %v", c.text, err, found.Complete, len(found.Hits), found.TotalExact)
		}
		if found.Total > parts*rows || c.exact && found.Total != parts*rows || !c.exact && c.large == 1_000 && found.Total < c.large {
			t.Errorf("%s: %d in all, exact is %v", c.text, found.Total, found.TotalExact)
		}
		if evals.Load() > c.most {
			t.Errorf("%s: %d parts were looked through, want at most %d", c.text, evals.Load(), c.most)
		}
		for i, hit := range found.Hits {
			if want := int64(parts*rows - 1 - i); hit.Position.Time != want {
				t.Fatalf("%s: hit %d is of time %d, want %d", c.text, i, hit.Position.Time, want)
			}
		}
	}
}

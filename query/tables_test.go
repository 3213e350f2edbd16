package query_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// forms returns engines over the same records: in blocks, sealed, half and half,
// and on several nodes.
func forms(t testing.TB, random *rand.Rand, records []model.Record) map[string]*query.Engine {
	t.Helper()
	heads := deal(t, random, records, 3, 4)
	all, mixed := make(shardSet, len(heads)), make(shardSet, len(heads))
	for i, parts := range heads {
		if len(parts) == 0 {
			continue
		}
		all[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
		half := len(parts) / 2
		if mixed[i] = slices.Clone(parts[half:]); half > 0 {
			mixed[i] = append(mixed[i], segmenttest.Seal(t, model.ShardID(i), parts[:half]))
		}
	}
	config := query.Config{Workers: 2}
	apart, _ := scatter(random, mixed, 2, config)
	return map[string]*query.Engine{"head": query.New(heads, config), "sealed": query.New(all, config), "scattered": query.New(apart, config)}
}

// looked is some records, looked at one by one.
type looked []model.Record

func (n looked) where(holds func(r *model.Record) bool) (some looked) {
	for i := range n {
		if holds(&n[i]) {
			some = append(some, n[i])
		}
	}
	return some
}

// by groups the records by texts that key returns; "" is no group.
func (n looked) by(key func(r *model.Record) string) map[string]looked {
	groups := map[string]looked{}
	for i := range n {
		if k := key(&n[i]); k != "" {
			groups[k] = append(groups[k], n[i])
		}
	}
	return groups
}

// texts returns the values of a field, in order of time.
func (n looked) texts(field string) (texts []string) {
	ordered := slices.Clone(n)
	slices.SortFunc(ordered, func(a, b model.Record) int { return cmp.Compare(a.Time, b.Time) })
	for i := range ordered {
		if f, ok := ordered[i].Get(field); ok && f.Kind != model.Null {
			texts = append(texts, f.Text)
		}
	}
	return texts
}

// of returns the field of a record.
func of(field string) func(r *model.Record) string {
	return func(r *model.Record) string {
		f, _ := r.Get(field)
		return f.Text
	}
}

// deviation returns the standard deviation of numbers.
func deviation(texts []string) float64 {
	mean, squares := 0.0, 0.0
	for _, text := range texts {
		v, _ := strconv.ParseFloat(text, 64)
		mean += v / float64(len(texts))
	}
	for _, text := range texts {
		v, _ := strconv.ParseFloat(text, 64)
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(texts)))
}

// counted is a key and how often it occurs.
type counted struct {
	key string
	n   int
}

// most returns groups by size, the most frequent first or, if rare, last.
func most(groups map[string]looked, rare bool) (list []counted) {
	for key, some := range groups {
		list = append(list, counted{key, len(some)})
	}
	slices.SortFunc(list, func(a, b counted) int {
		size := cmp.Compare(b.n, a.n)
		if rare {
			size = -size
		}
		return cmp.Or(size, cmp.Compare(a.key, b.key))
	})
	return list
}

// plainRow returns a row as texts.
func plainRow(row []any) (texts []string) {
	for _, v := range row {
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}

// TestTablesEqualNaive checks aggregates and pipes that make tables against a
// look at every record, in blocks, sealed and scattered.
func TestTablesEqualNaive(t *testing.T) {
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(71, seed))
		records := randomRecords(random, 100+random.IntN(900))
		for i, at := range random.Perm(len(records)) { // no two at one time
			records[i].Time = day + int64(at)*1_234_567_891
		}
		for form, engine := range forms(t, random, records) {
			name := fmt.Sprintf("seed %d, %s", seed, form)
			compareGroups(t, name, engine, looked(records))
			compareTables(t, name, engine, looked(records))
			comparePatterns(t, name, engine, looked(records))
		}
		if t.Failed() {
			return
		}
	}
}

// compareGroups checks aggregates of groups.
func compareGroups(t *testing.T, name string, engine *query.Engine, records looked) {
	t.Helper()
	result := search(t, engine, query.Request{Text: `* | stats count_if(level>=warn AND NOT reset) as bad, stddev(duration), first(n), last(n), first(duration), values(component), ` +
		`count_distinct_exact(duration), count_distinct_approx(duration), rate(), rate(duration) by (level)`})
	for _, row := range result.Rows {
		some := records.where(func(r *model.Record) bool { return of("level")(r) == row[0] })
		bad := some.where(func(r *model.Record) bool {
			return (row[0] == "warn" || row[0] == "error") && !slices.Contains(strings.Fields(of("message")(r)), "reset")
		})
		durations, numbers := some.texts("duration"), some.texts("n")
		components := some.texts("component")
		slices.Sort(components)
		list, err := json.Marshal(slices.Compact(components))
		if err != nil {
			t.Fatal(err)
		}
		distinct := slices.Sorted(slices.Values(durations))
		distinct = slices.Compact(distinct)
		times := slices.Clone(records)
		slices.SortFunc(times, func(a, b model.Record) int { return cmp.Compare(a.Time, b.Time) })
		seconds := float64(times[len(times)-1].Time-times[0].Time) / 1e9
		sum := 0.0
		for _, text := range durations {
			v, _ := strconv.ParseFloat(text, 64)
			sum += v
		}
		if have := row[2].(float64); math.Abs(have-deviation(durations)) > 1e-9 {
			t.Errorf("%s: stddev of %v is %v, want %v", name, row[0], have, deviation(durations))
		}
		row[2] = nil
		want := []any{row[0], len(bad), nil, numbers[0], numbers[len(numbers)-1], durations[0], string(list), len(distinct), len(distinct), float64(len(some)) / seconds, sum / seconds}
		if have, want := plainRow(row), plainRow(want); !slices.Equal(have, want) {
			t.Errorf("%s: have %v\nwant %v", name, have, want)
		}
	}
}

// compareTables checks top, rare, facets and histograms.
func compareTables(t *testing.T, name string, engine *query.Engine, records looked) {
	t.Helper()
	both := records.by(func(r *model.Record) string {
		if of("component")(r) == "" {
			return ""
		}
		return of("component")(r) + " " + of("level")(r)
	})
	sum := 0
	for _, some := range both {
		sum += len(some)
	}
	for _, rare := range []bool{false, true} {
		result := search(t, engine, query.Request{Text: map[bool]string{false: "* | top 5 component, level", true: "* | rare 5 component, level"}[rare]})
		order := most(both, rare)
		for i, row := range result.Rows {
			want := []string{order[i].key, strconv.Itoa(order[i].n), fmt.Sprint(math.Round(float64(order[i].n)*10_000/float64(sum)) / 100)}
			// Levels order by name here, as all columns of groups do.
			if have := []string{fmt.Sprint(row[0], " ", row[1]), fmt.Sprint(row[2]), fmt.Sprint(row[3])}; !slices.Equal(have, want) {
				t.Errorf("%s: rare %v, row %d: have %v, want %v", name, rare, i, have, want)
			}
		}
	}
	result := search(t, engine, query.Request{Text: "* | facets 2 of component, n"})
	for i, want := range most(records.by(of("component")), false)[:2] {
		if have := plainRow(result.Rows[i]); !slices.Equal(have, []string{"component", want.key, strconv.Itoa(want.n)}) {
			t.Errorf("%s: facet %v, want %v", name, have, want)
		}
	}
	if len(result.Rows) != 4 {
		t.Errorf("%s: facets have %d rows", name, len(result.Rows))
	}
	fields := map[any]bool{}
	for _, row := range search(t, engine, query.Request{Text: "* | facets 1"}).Rows {
		fields[row[0]] = true
	}
	for _, field := range []string{"component", "level", "duration", "share", "n", "message", "host"} {
		few := field != "message" && len(records.texts(field)) > 0 && len(slices.Compact(slices.Sorted(slices.Values(records.texts(field))))) <= 100
		if fields[field] != few {
			t.Errorf("%s: facet of %s is %v, want %v", name, field, fields[field], few)
		}
	}
	buckets := records.by(func(r *model.Record) string {
		v, err := strconv.Atoi(of("duration")(r))
		if err != nil {
			return ""
		}
		return strconv.Itoa((v+1000)/25*25 - 1000)
	})
	rows := search(t, engine, query.Request{Text: "* | histogram duration by 25"}).Rows
	for _, row := range rows {
		if have := row[1]; have != int64(len(buckets[fmt.Sprint(row[0])])) || len(rows) != len(buckets) {
			t.Errorf("%s: bucket %v has %v, want %d", name, row[0], have, len(buckets[fmt.Sprint(row[0])]))
		}
	}
	for text, want := range map[string]int{"* | histogram duration buckets 8": len(records.texts("duration")), "* | histogram _time buckets 8": len(records)} {
		rows, have := search(t, engine, query.Request{Text: text}).Rows, 0
		for _, row := range rows {
			have += int(row[1].(int64))
		}
		if have != want || len(rows) > 8 || len(rows) < 2 {
			t.Errorf("%s: %s has %d in %d buckets, want %d", name, text, have, len(rows), want)
		}
	}
}

// comparePatterns checks patterns. No message here repeats a field.
func comparePatterns(t *testing.T, name string, engine *query.Engine, records looked) {
	t.Helper()
	groups := records.by(func(r *model.Record) string { return shape.MessagePattern(of("message")(r), nil) })
	rows := search(t, engine, query.Request{Text: "* | stats count() by (_pattern)", Limit: 10_000}).Rows
	for _, row := range rows {
		if row[1] != int64(len(groups[row[0].(string)])) || len(rows) != len(groups) {
			t.Errorf("%s: pattern %q has %v records, want %d", name, row[0], row[1], len(groups[row[0].(string)]))
		}
	}
	var none *pattern.Set
	groups = records.by(func(r *model.Record) string { return none.Of(shape.MessageOutline(of("message")(r))).Text })
	rows = search(t, engine, query.Request{Text: "* | patterns 5"}).Rows
	for i, want := range most(groups, false)[:5] {
		some := groups[want.key]
		numbers := some.texts("message")
		levels := some.by(of("level"))
		var mix []string
		for _, level := range []string{"error", "warn", "info", "debug"} {
			if n := len(levels[level]); n > 0 {
				mix = append(mix, fmt.Sprintf("%s %d", level, n))
			}
		}
		row := rows[i]
		if row[0] != want.key || row[1] != int64(want.n) || row[3] != strings.Join(mix, ", ") || !slices.Contains(numbers, row[6].(string)) {
			t.Errorf("%s: pattern %v, want %q with %d, %v", name, row, want.key, want.n, mix)
		}
	}
}

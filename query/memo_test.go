package query_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
)

// remembering is a part that keeps what is computed of it.
type remembering struct {
	part.Part
	mu   sync.Mutex
	kept map[string]any
	hits int
}

func (r *remembering) Memo(key string, make func() (any, int64, error)) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if value, ok := r.kept[key]; ok {
		r.hits++
		return value, nil
	}
	value, bytes, err := make()
	if err == nil && bytes < 0 {
		return value, nil
	}
	if err == nil && bytes < 64 {
		err = errors.New("a table of less than 64 bytes")
	}
	r.kept[key] = value
	return value, err
}

// list is query.Shards that many may ask at once.
type list []part.Part

func (l list) Views(context.Context, model.TenantID) ([]query.View, error) {
	return []query.View{{Parts: l}}, nil
}

// TestKeptTables checks that tables of parts that keep what was computed of
// them equal those of parts that do not: the first time, again, and for many
// questions that differ in one thing, asked at once.
func TestKeptTables(t *testing.T) {
	random := rand.New(rand.NewPCG(31, 32))
	records := randomRecords(random, 3_000)
	plain := split(t, random, records, 5)
	var parts list
	for _, p := range plain.parts[model.DefaultTenant] {
		parts = append(parts, &remembering{Part: p, kept: map[string]any{}})
	}
	texts := []string{
		"* | stats count()", "reset | stats count()", "message:reset | stats count()", "level:error | stats count()", "level:err* | stats count()",
		"* | stats count_distinct(duration)", "* | stats count_distinct(n)", "* | stats p99(duration)", "* | stats p50(duration)", "* | stats p99(n)",
		"* | stats p99(duration), p50(duration), count_distinct(duration), sum(duration), min(duration) by (component)",
		"* | stats p99(duration) by (level)", "* | stats count() by (level)", "* | stats count() by (_time:10s)", "* | stats count() by (_time:7s)",
		"* | top 3 component", "* | top 2 component", "* | stats count() by (_time:10s, level)", "nothing_has_this | stats count(), sum(n)",
		"* | stats max(_time), min(_time), count(_time), count_distinct(_time)", "* | stats count_distinct(duration) by (_time:10s)",
		"* | stats count_if(level:error)", "* | stats count_if(level:warn)", "* | stats count_if(level:error) by (component)", "* | stats stddev(duration)", "* | stats rate()", "* | stats rate(duration)",
		"* | stats max(n) by (_time:1mo)", "* | stats max(n) by (_time:20s offset 5s)", `* | stats max(n) by (_time:1d tz "+05:30")`, `* | stats max(n) by (_time:1d tz "+14:00")`,
		"* | stats count() by (duration:10)", "* | stats count() by (duration:20)", "* | facets 2 of level, component", "* | facets 2 of level, duration", "* | facets 2", "* | histogram _time buckets 9", "* | histogram _time buckets 4",
		"* | histogram duration", "* | patterns 3", "* | top 3 _pattern",
	}
	for _, config := range []query.Config{{}, {Distinct: 100, Values: 100, Groups: 4}} {
		want := make([]*query.Result, len(texts))
		for i, text := range texts {
			want[i] = search(t, query.New(plain, config), query.Request{Text: text})
		}
		engine := query.New(parts, config)
		var wait sync.WaitGroup
		for range 3 {
			for i, text := range texts {
				wait.Go(func() {
					have := search(t, engine, query.Request{Text: text})
					limited := config.Groups > 0 // which values fit, and how rounding goes, depends on the order of parts
					if !reflect.DeepEqual(have.Columns, want[i].Columns) && !limited || !limited && !sameRows(have.Rows, want[i].Rows) || have.Total != want[i].Total || have.Complete != want[i].Complete {
						t.Errorf("%s:\nhave %v %v\nwant %v %v", text, have.Columns, have.Rows, want[i].Columns, want[i].Rows)
					}
				})
			}
		}
		wait.Wait()
	}
	for _, p := range parts {
		if r := p.(*remembering); r.hits < len(texts) {
			t.Errorf("a part answered %d of %d questions from what it keeps", r.hits, 6*len(texts))
		}
	}
}

package exec

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
)

func TestRank(t *testing.T) {
	for _, c := range []struct {
		percentile int64
		n, want    uint64
	}{{50_000, 4, 2}, {50_000, 5, 3}, {99_000, 100, 99}, {99_000, 101, 100}, {99_900, 1000, 999}, {0, 7, 1}, {100_000, 7, 7}, {100_000, math.MaxUint64, math.MaxUint64}, {1, 1, 1}} {
		if have := rank(c.percentile, c.n); have != c.want {
			t.Errorf("percentile %d of %d: have %d, want %d", c.percentile, c.n, have, c.want)
		}
	}
}

// TestMerge checks that merged states give the result of the whole, within
// budgets and over them.
func TestMerge(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, agg := range []plan.Agg{{Func: plan.Count}, {Func: plan.Sum}, {Func: plan.Avg}, {Func: plan.Min}, {Func: plan.Max},
		{Func: plan.Distinct}, {Func: plan.Quantile, Percentile: 90_000}, {Func: plan.StdDev}, {Func: plan.Values}, {Func: plan.Mix}, {Func: plan.DistinctApprox},
		{Func: plan.Rate}, {Func: plan.Rate, Field: "v"}, {Func: plan.Share}} {
		for _, budget := range []int{1 << 20, 3_000} {
			limits := Limits{Distinct: budget, Values: budget}
			whole, merged := newAggregate(agg, limits), newAggregate(agg, limits)
			for range 8 {
				some := newAggregate(agg, limits)
				for range 2_500 {
					c := newCell(model.Number, strconv.Itoa(random.IntN(100_000)))
					group, n := random.IntN(2), uint64(1+random.IntN(3))
					whole.add(group, &c, n)
					some.add(group, &c, n)
				}
				some.seal(2)
				merged.merge(0, some, 0)
				merged.merge(1, some, 1)
			}
			for group := range 2 {
				if have, want := merged.value(group), whole.value(group); have != want {
					t.Errorf("function %d, budget %d: have %v, want %v", agg.Func, budget, have, want)
				}
			}
			if over := budget == 3_000 && (agg.Func == plan.Distinct || agg.Func == plan.Quantile) || agg.Func == plan.DistinctApprox; merged.approximate() != over || whole.approximate() != over {
				t.Errorf("function %d, budget %d: approximate is %v and %v", agg.Func, budget, merged.approximate(), whole.approximate())
			}
		}
	}
}

// TestGrouping checks groups by several keys against pairs of values, with
// arrays and with maps.
func TestGrouping(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, values := range []int{5, 2_000} {
		const rows = 5_000
		keys := make([]column, 2)
		for k := range keys {
			for i := range values {
				keys[k].dict = append(keys[k].dict, newCell(model.String, strconv.Itoa(i)))
			}
			for range rows {
				keys[k].codes = append(keys[k].codes, uint32(random.IntN(values+1)))
			}
		}
		g := newGrouping(rows, keys, rows)
		want := map[[2]uint32]uint32{}
		for n := range rows {
			pair := [2]uint32{keys[0].codes[n], keys[1].codes[n]}
			if group, ok := want[pair]; ok && group != g.ids[n] {
				t.Fatalf("row %d is in group %d, want %d", n, g.ids[n], group)
			}
			want[pair] = g.ids[n]
			for k, label := range g.label(int(g.ids[n])) {
				if (label == nil) != (pair[k] == 0) || label != nil && label.text != strconv.Itoa(int(pair[k])-1) {
					t.Fatalf("row %d: label %v, codes %v", n, label, pair)
				}
			}
		}
		if len(want) != g.n || g.over {
			t.Errorf("have %d groups, want %d", g.n, len(want))
		}
		if few := newGrouping(rows, keys, 3); few.n != 3 || !few.over || !slices.Contains(few.ids, noGroup) {
			t.Errorf("have %d groups of at most 3, over %v", few.n, few.over)
		}
	}
}

func TestHighlights(t *testing.T) {
	record := &model.Record{Fields: []model.Field{
		{Name: "message", Kind: model.String, Text: "Reset: connection reset by peer, reset-by"},
		{Name: "n", Kind: model.Number, Text: "5"},
	}}
	spans := func(field string, pred index.Predicate) (texts []string) {
		for _, h := range Highlights(record, []index.Leaf{{Field: field, Pred: pred}}) {
			for _, span := range h.Spans {
				texts = append(texts, record.Fields[0].Text[span.Start:span.End])
			}
		}
		return texts
	}
	for name, c := range map[string]struct{ have, want []string }{
		"word":   {spans("", index.Word{Folded: "reset"}), []string{"Reset", "reset", "reset"}},
		"prefix": {spans("message", index.Prefix{Folded: "con"}), []string{"connection"}},
		"phrase": {spans("", index.NewPhrase("reset by")), []string{"reset by"}},
		"other":  {spans("x", index.Word{Folded: "reset"}), nil},
	} {
		if !slices.Equal(c.have, c.want) {
			t.Errorf("%s: have %q, want %q", name, c.have, c.want)
		}
	}
}

// TestSumOverflow checks that sums beyond 64 bits are floats, not wrong.
func TestSumOverflow(t *testing.T) {
	for _, c := range []struct {
		text string
		n    uint64
		want any
	}{
		{"9223372036854775807", 1, int64(math.MaxInt64)},
		{"9223372036854775807", 2, 2 * float64(math.MaxInt64)},
		{"-9223372036854775808", 2, -2 * float64(math.MaxInt64)},
		{"5", 3, int64(15)},
		{"-5", 3, int64(-15)},
		{"0", 3, int64(0)},
		{"0.5", 3, 1.5},
	} {
		s, cell := &sums{}, newCell(model.Number, c.text)
		s.add(0, &cell, c.n)
		if have := s.value(0); have != c.want {
			t.Errorf("%d times %s: have %v, want %v", c.n, c.text, have, c.want)
		}
	}
}

// TestDistinctBudget checks that many small groups stay within the budget.
func TestDistinctBudget(t *testing.T) {
	a := &distincts{max: 1_000}
	for i := range 20_000 {
		c := newCell(model.Number, strconv.Itoa(i/8))
		a.add(i%4_000, &c, 1)
		if limit := 2*distinctOver*a.max + slack(a.max); a.kept > limit {
			t.Fatalf("%d hashes are kept, want at most %d", a.kept, limit)
		}
	}
	if !a.over() {
		t.Error("values were left out without saying so")
	}
	repeats := &distincts{max: 1_000}
	for i := range 50_000 {
		c := newCell(model.Number, strconv.Itoa(i%3))
		repeats.add(i%300, &c, 1)
	}
	if repeats.over() || repeats.approximate() || repeats.value(7) != int64(1) || repeats.kept > slack(repeats.max)+1 {
		t.Errorf("repeats: over %v, approximate %v, value %v, kept %d", repeats.over(), repeats.approximate(), repeats.value(7), repeats.kept)
	}
}

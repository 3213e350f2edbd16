package exec

import (
	"context"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
)

// TestExactSum checks sums against ones of unlimited precision, in any order and
// through the encoding.
func TestExactSum(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	float := func() float64 {
		for {
			v := math.Float64frombits(random.Uint64())
			switch random.IntN(3) {
			case 0:
				v = math.Ldexp(random.Float64()-0.5, random.IntN(40))
			case 1:
				v = float64(random.IntN(2000)-1000) / 10
			}
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		}
	}
	for round := range 3_000 {
		want := new(big.Float).SetPrec(4_000)
		sums := make([]exactSum, 1+random.IntN(4))
		var last float64
		for range random.IntN(30) {
			v, n := float(), uint64(1+random.IntN(5))
			switch random.IntN(8) {
			case 0:
				v = -last
			case 1:
				n = random.Uint64()
			}
			last = v
			product := new(big.Float).SetPrec(4_000).SetFloat64(v)
			product.Mul(product, new(big.Float).SetPrec(64).SetUint64(n))
			want.Add(want, product)
			sums[random.IntN(len(sums))].add(v, n)
		}
		var whole whole128
		for range random.IntN(3) {
			v, n := int64(random.Uint64()), uint64(random.Uint32())
			whole.add(v, n)
			product := new(big.Float).SetPrec(4_000).SetInt64(v)
			want.Add(want, product.Mul(product, new(big.Float).SetPrec(64).SetUint64(n)))
		}
		var all exactSum
		all.addWhole(whole)
		for i := range sums {
			r := wire.NewReader(sums[i].encode(nil))
			all.merge(decodeExactSum(&r))
			if !r.Done() {
				t.Fatalf("round %d: bytes are left", round)
			}
			if i%2 == 0 {
				all.carry()
			}
		}
		near, _ := want.Float64()
		if have := all.value(); have != near {
			t.Fatalf("round %d: have %v, want %v", round, have, near)
		}
	}
}

// TestExactSumCarries checks that limbs do not overflow.
func TestExactSumCarries(t *testing.T) {
	s := &exactSum{}
	s.add(math.MaxFloat64, math.MaxUint64)
	for range 40 {
		s.merge(&exactSum{low: s.low, limbs: slices.Clone(s.limbs), heavy: s.heavy}) // doubles
	}
	if s.heavy > heavyMax || len(s.limbs) > limbsMax || !math.IsInf(s.value(), 1) {
		t.Errorf("heavy %d, %d limbs, value %v", s.heavy, len(s.limbs), s.value())
	}
	s.add(-math.MaxFloat64, 1)
	if v := s.value(); !math.IsInf(v, 1) {
		t.Errorf("value %v", v)
	}
}

// everything is a table with all aggregates.
func everything(t testing.TB, by string) *plan.Plan {
	t.Helper()
	query, err := syntax.Parse("* | stats count(), count(v), sum(v), avg(v), min(v), max(v), count_distinct(v), median(v), p99(v), stddev(v), first(v), last(v), values(v), rate(), rate(v), count_distinct_exact(v), count_distinct_approx(v), count_if(v>5)" + by)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(query, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// randomGroups makes the state of a table of random values.
func randomGroups(t testing.TB, random *rand.Rand, by string, limits Limits, values int) *groups {
	t.Helper()
	g := newGroups(newRun(t.Context(), Source{}, everything(t, by), limits))
	for range 1 + random.IntN(5) {
		aggs := g.newAggs()
		found := newPartial(uint64(values), 0, len(g.table.Keys), aggs)
		n := 1
		if by != "" {
			n = 1 + random.IntN(20)
		}
		for range values {
			text := strconv.Itoa(random.IntN(2*values) - values)
			if random.IntN(2) == 0 {
				text = strconv.FormatFloat(random.NormFloat64()*100, 'g', 1+random.IntN(17), 64)
			}
			c := newCell(model.Number, text)
			group := random.IntN(n)
			for i, agg := range aggs {
				if g.table.Aggs[i].Field == "" {
					agg.add(group, nil, 1)
				} else {
					agg.add(group, &c, uint64(1+random.IntN(3)))
				}
			}
		}
		for range n {
			label := newCell(model.String, strconv.Itoa(random.IntN(40)))
			if by != "" && random.IntN(9) > 0 {
				found.label([]*cell{&label})
			} else if by != "" {
				found.label([]*cell{nil})
			} else {
				found.label(nil)
			}
		}
		found.seal()
		g.add(found)
	}
	return g
}

// testLimits are limits that nothing here meets.
func testLimits() Limits {
	return Limits{Time: time.Minute, CountTime: time.Minute, CountLarge: 1, CountBrief: 1, Groups: 1 << 20, Distinct: 1 << 20, Values: 1 << 20,
		MemoryBytes: 1 << 30, FacetValues: 10, Workers: 1}
}

// TestTableTravels checks that a table's state is the same after its encoding,
// exact or estimated.
func TestTableTravels(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, by := range []string{"", " by (k)"} {
		for _, budget := range []int{1 << 20, 2_000, 100} {
			limits := testLimits()
			limits.Distinct, limits.Values = budget, budget
			g := randomGroups(t, random, by, limits, 3_000)
			want := g.result(100)
			p := g.whole()
			data := p.encode([]byte{answerTable})
			root := newGroups(newRun(t.Context(), Source{}, g.plan, limits))
			found, err := root.decode(data)
			if err != nil {
				t.Fatalf("%s, budget %d: %v", by, budget, err)
			}
			if again := found.encode([]byte{answerTable}); string(again) != string(data) {
				t.Errorf("%s, budget %d: it encodes to %d other bytes than the %d", by, budget, len(again), len(data))
			}
			root.add(found)
			if have := root.result(100); !reflect.DeepEqual(have, want) {
				t.Errorf("%s, budget %d:\nhave %v\nwant %v", by, budget, have, want)
			}
			for _, end := range []int{0, 1, len(data) / 2, len(data) - 1} {
				if _, err := root.decode(data[:end]); !errors.Is(err, ErrAnswer) {
					t.Errorf("%d of %d bytes: %v", end, len(data), err)
				}
			}
		}
	}
}

// FuzzTableAnswer feeds any bytes to a root that waits for a table.
func FuzzTableAnswer(f *testing.F) {
	random := rand.New(rand.NewPCG(9, 10))
	limits := testLimits()
	limits.Groups = 1_000
	for _, budget := range []int{1 << 20, 10} {
		limits.Distinct, limits.Values = budget, budget
		f.Add(randomGroups(f, random, " by (k)", limits, 10).whole().encode([]byte{answerTable}))
	}
	p := everything(f, " by (k)")
	f.Fuzz(func(t *testing.T, data []byte) {
		g := newGroups(newRun(context.Background(), Source{}, p, limits))
		found, err := g.decode(data)
		if err != nil {
			return
		}
		g.add(found)
		again, err := g.decode(found.encode([]byte{answerTable}))
		if err != nil {
			t.Fatalf("what was read is not read again: %v", err)
		}
		g.add(again)
		g.whole()
		g.result(10)
	})
}

// randomSearch makes a search to which nothing was asked.
func randomSearch(t testing.TB) *search {
	t.Helper()
	p := &plan.Plan{Limit: plan.Unlimited, To: plan.NoTo, Sort: []plan.SortKey{{Field: "a"}, {Field: "b"}}}
	return newSearch(context.Background(), Source{Remotes: []Remote{{Name: "shard 1"}}}, p, Page{Size: 100, Facets: []string{"x", "y"}, Total: true}, testLimits())
}

// FuzzRecordsAnswer feeds any bytes to a root that waits for records.
func FuzzRecordsAnswer(f *testing.F) {
	s := randomSearch(f)
	dst := append(appendText([]byte{answerRecords}, "why"), 5, 1, 2)
	at := Position{Time: -5, ID: model.RecordID{Shard: 1, Index: 2, Ordinal: 3}, Values: []SortValue{{Class: ClassNumber, Number: 1.5, Whole: 1 << 60}, {Class: ClassText, Text: "x"}}}
	dst = at.Append(dst)
	at.Values = []SortValue{{Class: ClassMissing}, {Class: ClassMissing}}
	dst = at.Append(dst)
	s.facets.count(0, facetKey{model.Number, "5"}, 7)
	dst = s.facets.encode(dst)
	names := namesOut{}
	dst = names.append(dst, &model.Record{Time: 9, TimeDigits: 3, Fields: []model.Field{{Name: "a", Kind: model.String, Text: "t"}}})
	dst = names.append(dst, &model.Record{Time: 9, Fields: []model.Field{{Name: "a", Kind: model.Null}, {Name: "b", Kind: model.Bool, Text: "true"}}})
	if _, err := s.decode(dst); err != nil {
		f.Fatal(err)
	}
	f.Add(dst)
	f.Fuzz(func(t *testing.T, data []byte) {
		s := randomSearch(t)
		s.far[0].Answer = func(context.Context) ([]byte, error) { return data, nil }
		s.far[0].Fetch = func(context.Context, []model.RecordID) ([]byte, error) { return data, nil }
		if err := s.ask(s.ctx, s.takeFrom).wait(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.result(true); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzFetchAnswer feeds any bytes to a root that waits for records by id.
func FuzzFetchAnswer(f *testing.F) {
	names := namesOut{}
	id := model.RecordID{Shard: 1, Index: 2, Ordinal: 3}
	f.Add(names.append(appendID([]byte{answerFetch}, id), &model.Record{Time: 9, Fields: []model.Field{{Name: "a", Kind: model.String, Text: "t"}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		remote := Remote{Fetch: func(context.Context, []model.RecordID) ([]byte, error) { return data, nil }}
		_, _ = fetchAll(context.Background(), remote, []model.RecordID{id, {}, {Shard: 7}})
	})
}

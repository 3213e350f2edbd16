package segment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// TestKeptRows checks that rows which are kept are those of the condition, for
// all rows, stretches and other sets, in whatever order they are asked for.
func TestKeptRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	ids, records := randomRecords(rng, 2*PageRows/5, 1)
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	ctx := context.Background()
	for range 150 {
		var e index.Expr = randomLeaf(rng, records)
		if rng.IntN(2) == 0 {
			e = index.AllOf{Of: []index.Expr{e, index.Not{Of: randomLeaf(rng, records)}}}
		}
		for range 6 {
			var within *index.DocSet
			lo := rng.Uint32N(s.Rows())
			switch rng.IntN(4) {
			case 0:
				within = index.DocSetRange(lo, lo+1+rng.Uint32N(s.Rows()-lo))
			case 1:
				within = index.DocSetRange(0, s.Rows()/2)
			case 2:
				within = index.DocSetOf(lo, lo/2, lo/3)
			}
			have, err := s.Eval(ctx, e, within)
			if err != nil {
				t.Fatal(err)
			}
			want, err := part.Eval(ctx, s, e, within)
			if err != nil {
				t.Fatal(err)
			}
			if !have.Equals(want) {
				t.Fatalf("%#v: have %d rows, want %d", e, have.GetCardinality(), want.GetCardinality())
			}
		}
	}
}

// TestKeptRecords checks that records that are kept are those that are read,
// whichever of them are asked for together.
func TestKeptRecords(t *testing.T) {
	rng := rand.New(rand.NewPCG(45, 46))
	ids, records := randomRecords(rng, 3*recordsKept, 1)
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	ctx := context.Background()
	for range 40 {
		rows := index.NewDocSet()
		for range rng.IntN(2 * recordsKept) {
			rows.Add(rng.Uint32N(s.Rows()))
		}
		have, err := s.Records(ctx, rows)
		if err != nil {
			t.Fatal(err)
		}
		want, err := s.readRecords(ctx, rows)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(have, want, func(a, b model.Record) bool {
			return a.Time == b.Time && a.TimeDigits == b.TimeDigits && slices.Equal(a.Fields, b.Fields)
		}) {
			t.Fatalf("records of %d rows are not those that were read", rows.GetCardinality())
		}
	}
}

// TestKeptPlacesInTime checks that times and ids of few rows are those of the records,
// whichever rows are asked for before, while the cache has room for all, for few and for
// none of what is kept, and that nothing is read for rows that were asked for before.
func TestKeptPlacesInTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(47, 48))
	ids, records := randomRecords(rng, 2*PageRows/5, 1)
	want := newMemPart(ids, records)
	_, store := build(t, Input{Part: want})
	for _, room := range []int64{DefaultCacheBytes, 40 << 10, 1} {
		s, err := Open(store.get, NewCache(room))
		if err != nil {
			t.Fatal(err)
		}
		asked := []*index.DocSet{index.NewDocSet(), index.DocSetRange(0, s.Rows())}
		for range 40 {
			rows := index.NewDocSet()
			for range 1 + rng.IntN(2*knownMax) {
				rows.Add(rng.Uint32N(s.Rows()))
			}
			asked = append(asked, rows, index.And(rows, index.DocSetRange(0, s.Rows()/2)))
		}
		for range 120 {
			rows := asked[rng.IntN(len(asked))]
			check := func(p part.Part) {
				t.Helper()
				times, err := p.Times(rows)
				if err != nil {
					t.Fatal(err)
				}
				digits, err := p.TimeDigits(rows)
				if err != nil {
					t.Fatal(err)
				}
				found, err := p.IDs(rows)
				if err != nil {
					t.Fatal(err)
				}
				for i, row := range rows.ToArray() {
					if r := want.records[row]; times[i] != r.Time || digits[i] != r.TimeDigits || found[i] != want.ids[row] {
						t.Fatalf("row %d of %d, cache of %d bytes: %d, %d, %v; want %v, %+v", row, rows.GetCardinality(), room, times[i], digits[i], found[i], want.ids[row], r)
					}
				}
				if n := int(rows.GetCardinality()); len(times) != n || len(digits) != n || len(found) != n {
					t.Fatalf("%d times, %d digits, %d ids of %d rows", len(times), len(digits), len(found), n)
				}
			}
			check(s)
			if room < DefaultCacheBytes || rows.GetCardinality() > knownMax {
				continue
			}
			var meter part.Meter
			check(s.Metered(&meter))
			if n := meter.Reads.Load(); n > 0 {
				t.Fatalf("%d values were read for %d rows that were asked for before", n, rows.GetCardinality())
			}
		}
	}
}

// TestAnswersStay checks that pages push out no answers that keep to their
// share, and that the cache keeps to its limit whatever comes.
func TestAnswersStay(t *testing.T) {
	const limit = 64 << 10
	c := NewCache(limit)
	page := func(n uint32) cacheKey { return cacheKey{segment: 1, item: itemCodes, number: n} }
	answer := func(n uint32) cacheKey { return cacheKey{segment: 1, item: cachedAnswer, number: n} }
	check := func(what string) {
		t.Helper()
		var bytes, answers int64
		for key, element := range c.mu.items {
			n := element.Value.(*cacheEntry).bytes
			bytes += n
			answers += n * int64(key.class())
		}
		if bytes != c.mu.bytes || answers != c.mu.bytesOf[classAnswers] || bytes > limit {
			t.Errorf("%s: %d bytes, %d of answers; counted %d, %d; limit %d", what, bytes, answers, c.mu.bytes, c.mu.bytesOf[classAnswers], limit)
		}
	}
	c.put(answer(0), "kept", 1000)
	for n := range uint32(1000) {
		c.put(page(n), n, 1000)
	}
	check("pages")
	if _, ok := c.get(answer(0)); !ok {
		t.Error("pages have pushed out the answer")
	}
	if _, ok := c.get(page(999)); !ok {
		t.Error("the last page is not kept")
	}
	for n := range uint32(1000) {
		c.put(answer(n+1), n, 1000)
		c.put(page(n), n, 1000)
	}
	check("answers and pages")
	if c.mu.bytesOf[classAnswers] > limit/answersShare+2000 {
		t.Errorf("answers take %d bytes of %d", c.mu.bytesOf[classAnswers], limit)
	}
	for n := range uint32(1000) {
		c.put(answer(n), n, 1000)
	}
	c.drop(1)
	check("dropped")
	if c.mu.bytes != 0 || len(c.mu.items) != 0 {
		t.Errorf("%d bytes are kept of a dropped segment", c.mu.bytes)
	}
}

// TestLasting: answers do not push out those that stand for many parts, as long as these
// take no more than half of what answers may.
func TestLasting(t *testing.T) {
	const limit = 100_000
	c := NewCache(limit)
	key := func(n uint32, end string) cacheKey {
		return cacheKey{segment: 1, item: cachedAnswer, number: n, text: "k" + end}
	}
	c.put(key(0, part.Lasting), "kept", 1000)
	for n := range uint32(1000) {
		c.put(key(n, ""), n, 1000)
	}
	if _, ok := c.get(key(0, part.Lasting)); !ok {
		t.Error("answers have pushed out one that stands for many")
	}
	for n := range uint32(1000) {
		c.put(key(n, part.Lasting), n, 1000)
		c.put(key(n, ""), n, 1000)
	}
	share := int64(limit / answersShare / 2)
	if have := c.mu.bytesOf[classLasting]; have > share+2000 || have < share/2 {
		t.Errorf("what lasts takes %d bytes, want about %d", have, share)
	}
	if c.mu.bytes > limit || c.mu.bytesOf[classAnswers] == 0 {
		t.Errorf("%d bytes, %v by class", c.mu.bytes, c.mu.bytesOf)
	}
}

// TestMemo checks what of answers is kept, and that closing forgets them.
func TestMemo(t *testing.T) {
	rng := rand.New(rand.NewPCG(43, 44))
	ids, records := randomRecords(rng, 100, 1)
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	made := 0
	ask := func(key string, bytes int64, err error) any {
		value, _ := s.Memo(key, func() (any, int64, error) { made++; return made, bytes, err })
		return value
	}
	for _, c := range []struct {
		key   string
		bytes int64
		err   error
		want  int
	}{
		{"a", 10, nil, 1}, {"a", 10, nil, 1}, {"b", 10, nil, 2}, {"a", 10, nil, 1},
		{"partial", -1, nil, 3}, {"partial", -1, nil, 4}, {"fault", 10, errors.New("x"), 5}, {"fault", 10, nil, 6}, {"fault", 10, nil, 6},
		{"big", 1 << 40, nil, 7}, {"big", 1 << 40, nil, 8},
		{string(make([]byte, answerKeyMax+1)), 10, nil, 9}, {string(make([]byte, answerKeyMax+1)), 10, nil, 10},
	} {
		if have := ask(c.key, c.bytes, c.err); have != c.want {
			t.Errorf("%.10q: have %v, want %d", c.key, have, c.want)
		}
	}
	s.Close()
	if _, _, bytes := s.cache.Stats(); bytes != 0 {
		t.Errorf("%d bytes are kept of a closed segment", bytes)
	}
}

// TestBoundedRecords checks that records take no more than they may: texts, values
// of dictionaries and many small fields alike.
func TestBoundedRecords(t *testing.T) {
	const rows = 4000
	for name, field := range map[string]func(i int) model.Field{
		"texts": func(i int) model.Field {
			return model.Field{Name: "message", Kind: model.String, Text: strings.Repeat(fmt.Sprint(i, " "), 300)}
		},
		"values": func(i int) model.Field {
			return model.Field{Name: "of", Kind: model.String, Text: strings.Repeat("x", 1000+i%2)}
		},
		"fields": func(i int) model.Field { return model.Field{Name: "n", Kind: model.Number, Text: "1"} },
	} {
		ids, records := make([]model.RecordID, rows), make([]model.Record, rows)
		bytes := 0
		for i := range records {
			ids[i] = model.RecordID{Shard: 1, Index: 1, Ordinal: uint32(i)}
			records[i] = model.Record{Time: int64(i), Fields: []model.Field{field(i)}}
			bytes += fieldBytes + len(records[i].Fields[0].Text)
		}
		s, _ := build(t, Input{Part: newMemPart(ids, records)})
		all := index.DocSetRange(0, rows)
		if _, err := s.Records(part.Bounded(t.Context(), bytes/2), all); !errors.Is(err, part.ErrLarge) {
			t.Errorf("%s: half of the room gives %v, want ErrLarge", name, err)
		}
		ctx := part.Bounded(t.Context(), bytes+bytes/2)
		if got, err := s.Records(ctx, all); err != nil || len(got) != rows || got[rows-1].Fields[0] != records[rows-1].Fields[0] {
			t.Errorf("%s: enough room gives %d records, %v", name, len(got), err)
		}
		if _, err := s.Records(ctx, all); !errors.Is(err, part.ErrLarge) {
			t.Errorf("%s: the same room twice gives %v, want ErrLarge", name, err)
		}
	}
}

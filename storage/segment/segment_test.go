package segment

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// memStore keeps a segment's values in memory.
type memStore map[string][]byte

func (m memStore) get(key []byte, use func([]byte) error) error {
	value, ok := m[string(key)]
	if !ok {
		return fmt.Errorf("no value under %x", key)
	}
	return use(value)
}

func build(t testing.TB, inputs ...Input) (*Segment, memStore) {
	t.Helper()
	return buildAs(t, Version, inputs...)
}

func buildAs(t testing.TB, version byte, inputs ...Input) (*Segment, memStore) {
	t.Helper()
	store := memStore{}
	var last []byte
	_, err := Build(context.Background(), inputs, Options{Shard: 3, Level: 1, Version: version}, func(key, value []byte) error {
		if bytes.Compare(key, last) <= 0 {
			return fmt.Errorf("key %x after %x", key, last)
		}
		last = slices.Clone(key)
		store[string(key)] = slices.Clone(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(store.get, NewCache(0))
	if err != nil {
		t.Fatal(err)
	}
	return s, store
}

var (
	verbs = []string{"opened", "closed", "failed", "timeout", "Accepted", "refused", "größer"}
	nouns = []string{"connection", "file", "session", "user", "Block"}
)

// randomRecords makes records with shapes, free texts, sparse and mixed
// fields.
func randomRecords(rng *rand.Rand, n int, index uint64) ([]model.RecordID, []model.Record) {
	var ids []model.RecordID
	var records []model.Record
	for i := range n {
		r := model.Record{Time: 1700000000e9 + rng.Int64N(3600e9), TimeDigits: uint8(rng.IntN(10))}
		add := func(name string, kind model.Kind, text string) {
			r.Fields = append(r.Fields, model.Field{Name: name, Kind: kind, Text: text})
		}
		add("component", model.String, fmt.Sprintf("svc-%d", rng.IntN(5)))
		if rng.IntN(20) > 0 {
			add("environment", model.String, "production")
		}
		if rng.IntN(3) > 0 {
			add("level", model.String, []string{"info", "error", "warn"}[rng.IntN(3)])
		}
		switch rng.IntN(5) {
		case 0:
			add("message", model.String, fmt.Sprintf("%s %s %d from 10.0.%d.%d in %dms", nouns[rng.IntN(5)], verbs[rng.IntN(7)], rng.IntN(100000), rng.IntN(4), rng.IntN(256), rng.IntN(2000)))
		case 1:
			add("message", model.String, fmt.Sprintf("%s %s id=%08x", verbs[rng.IntN(7)], nouns[rng.IntN(5)], rng.Uint32()))
		case 2:
			add("message", model.String, fmt.Sprintf("free \x11\x12 text %s %s %s", verbs[rng.IntN(7)], verbs[rng.IntN(7)], nouns[rng.IntN(5)]))
		case 3:
			add("message", model.Number, fmt.Sprint(rng.IntN(50)))
		case 4: // repeats other fields
			url := fmt.Sprintf("/%s/%s-%d?q=(%s)", nouns[rng.IntN(5)], verbs[rng.IntN(7)], rng.IntN(30), verbs[rng.IntN(7)])
			agent := fmt.Sprintf("%s/%d.0 (%s; %s)", nouns[rng.IntN(5)], rng.IntN(20), verbs[rng.IntN(7)], verbs[rng.IntN(7)])
			port := fmt.Sprint(1000 + rng.IntN(60000))
			add("metadata.agent", model.String, agent)
			add("metadata.port", model.Number, port)
			add("metadata.url", model.String, url)
			line := fmt.Sprintf("GET %s from port %s by \"%s\"", url, port, agent)
			if rng.IntN(4) == 0 {
				line = fmt.Sprintf("%s; %s failed, see %s", port, url, url)
			}
			if at := time.Unix(0, r.Time-rng.Int64N(3e6)).UTC(); rng.IntN(2) == 0 {
				line = at.Format("15:04:05.000 ") + line + at.Add(3*time.Hour).Format(" [02/Jan/2006:15:04:05] 2006-01-02T15:04:05.000000Z")
			}
			add("message", model.String, line)
		}
		if rng.IntN(4) == 0 {
			add("metadata.id", model.String, fmt.Sprintf("%016x", rng.Uint64()))
			add("metadata.size", model.Number, fmt.Sprintf("%d.%02d", rng.IntN(100000), rng.IntN(100)))
		}
		if rng.IntN(10) == 0 {
			add(`metadata.a\.b`, model.JSON, `["x",1]`)
			add("nothing", model.Null, "")
		}
		slices.SortFunc(r.Fields, func(a, b model.Field) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
		ids = append(ids, model.RecordID{Shard: 3, Index: index + uint64(i/100), Ordinal: uint32(i % 100)})
		records = append(records, r)
	}
	return ids, records
}

func randomLeaf(rng *rand.Rand, records []model.Record) index.Leaf {
	fields := []string{"", "", "message", "level", "component", "metadata.id", "metadata.size", "metadata.a.b", "metadata.url", "metadata.agent", "missing"}
	leaf := index.Leaf{Field: fields[rng.IntN(len(fields))]}
	// words and texts that occur
	r := records[rng.IntN(len(records))]
	f := r.Fields[rng.IntN(len(r.Fields))]
	words := index.Words(f.Text)
	word := "absent"
	if len(words) > 0 && rng.IntN(8) > 0 {
		word = words[rng.IntN(len(words))]
	}
	switch rng.IntN(8) {
	case 0, 1:
		leaf.Pred = index.Word{Folded: word}
	case 2:
		cut := 1 + rng.IntN(len(word))
		for cut < len(word) && word[cut]&0xc0 == 0x80 {
			cut++
		}
		leaf.Pred = index.Prefix{Folded: word[:cut]}
	case 3:
		lo := rng.IntN(len(f.Text) + 1)
		leaf.Pred = index.NewPhrase(f.Text[lo : lo+rng.IntN(len(f.Text)-lo+1)])
	case 4:
		leaf.Pred = index.Equal{Text: f.Text}
	case 5:
		leaf.Pred = index.Compare(index.Op(1+rng.IntN(4)), []string{"50", "1000.5", "error", "svc-2", ""}[rng.IntN(5)])
	case 6:
		patterns := []string{`in [0-9]+ms`, `opened session`, `ed (file|user)`, `id=0`, `(?i)ACCEPTED`, `^free`, `größer`, `from 10\.0\.1\.`, `0\.`}
		pattern := patterns[rng.IntN(len(patterns))]
		if lo := rng.IntN(len(f.Text) + 1); rng.IntN(2) == 0 {
			pattern = regexp.QuoteMeta(f.Text[lo : lo+rng.IntN(len(f.Text)-lo+1)])
		}
		if re, err := regexp.Compile(pattern); err == nil { // not so where it cuts a rune
			leaf.Pred = index.Regex{Re: re}
		} else {
			leaf.Pred = index.Exists{}
		}
	default:
		leaf.Pred = index.Exists{}
	}
	return leaf
}

func compareParts(t *testing.T, rng *rand.Rand, want *memPart, got part.Part, queries int) {
	t.Helper()
	ctx := context.Background()
	all := index.DocSetRange(0, want.Rows())
	records, err := got.Records(ctx, all)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := got.IDs(all)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		slices.SortFunc(records[i].Fields, func(a, b model.Field) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
		if !reflect.DeepEqual(records[i], want.records[i]) || ids[i] != want.ids[i] {
			t.Fatalf("row %d: got %v %v, want %v %v", i, ids[i], records[i], want.ids[i], want.records[i])
		}
	}
	for range queries {
		leaf := randomLeaf(rng, want.records)
		within := all
		if rng.IntN(2) == 0 {
			lo := rng.Uint32N(want.Rows())
			within = index.DocSetRange(lo, lo+rng.Uint32N(want.Rows()-lo)+1)
		}
		wantRows, _ := want.Eval(ctx, leaf, within)
		gotRows, err := got.Eval(ctx, leaf, within)
		if err != nil {
			t.Fatal(err)
		}
		if !wantRows.Equals(gotRows) {
			missing, extra := index.AndNot(wantRows, gotRows), index.AndNot(gotRows, wantRows)
			t.Fatalf("%q %T%+v: %d rows, want %d; missing %v, extra %v", leaf.Field, leaf.Pred, leaf.Pred, gotRows.GetCardinality(), wantRows.GetCardinality(), missing, extra)
		}
	}
	compareColumns(t, rng, want, got)
}

func compareColumns(t *testing.T, rng *rand.Rand, want *memPart, got part.Part) {
	t.Helper()
	ctx := context.Background()
	wantColumns, gotColumns := want.AllColumns(), got.AllColumns()
	if len(wantColumns) != len(gotColumns) {
		t.Fatalf("%d columns, want %d", len(gotColumns), len(wantColumns))
	}
	sample := index.NewDocSet()
	for range 50 {
		sample.Add(rng.Uint32N(want.Rows()))
	}
	for i, w := range wantColumns {
		g := gotColumns[i]
		if g.Path() != w.Path() || g.Kind() != w.Kind() || g.Count() != w.Count() {
			t.Fatalf("column %d: %s %s %d, want %s %s %d", i, g.Path(), g.Kind(), g.Count(), w.Path(), w.Kind(), w.Count())
		}
		for _, rows := range []*index.DocSet{nil, sample} {
			wc, _ := w.Counts(ctx, rows)
			gc, err := g.Counts(ctx, rows)
			if err != nil {
				t.Fatal(err)
			}
			byValue := func(a, b part.ValueCount) int { return bytes.Compare([]byte(a.Value), []byte(b.Value)) }
			slices.SortFunc(wc, byValue)
			slices.SortFunc(gc, byValue)
			if !slices.Equal(wc, gc) {
				t.Fatalf("column %s: counts %v, want %v", g.Path(), gc, wc)
			}
		}
	}
}

// TestIndexEqualsScan compares segments, and segments merged of segments,
// with a scan of the records.
func TestIndexEqualsScan(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := []int{50, 3000, 9000, 45000}[seed]
		ids1, records1 := randomRecords(rng, n, 10)
		ids2, records2 := randomRecords(rng, n/2+1, 1000)
		a, b := newMemPart(ids1, records1), newMemPart(ids2, records2)
		segmentA, _ := build(t, Input{Part: a})
		compareParts(t, rng, a, segmentA, 150)

		// a merge of a segment and a part of the other
		rows := index.NewDocSet()
		var ids []model.RecordID
		var records []model.Record
		for row := range b.Rows() {
			if rng.IntN(2) == 0 {
				rows.Add(row)
				ids, records = append(ids, b.ids[row]), append(records, b.records[row])
			}
		}
		whole := newMemPart(append(ids, a.ids...), append(records, a.records...))
		segmentB, _ := build(t, Input{Part: b})
		merged, _ := build(t, Input{Part: segmentA}, Input{Part: segmentB, Rows: rows})
		compareParts(t, rng, whole, merged, 150)
	}
}

// TestCorruption flips bytes of every value: reading gives an error or, where
// the byte does not matter, the right answer.
func TestCorruption(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	ids, records := randomRecords(rng, 600, 1)
	want := newMemPart(ids, records)
	_, store := build(t, Input{Part: want})
	found := 0
	for key, value := range store {
		for range 3 {
			bad := slices.Clone(value)
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
			store[key] = bad
			s, err := Open(store.get, NewCache(0))
			if err == nil {
				_, err = s.Records(context.Background(), index.DocSetRange(0, want.Rows()))
			}
			if err == nil {
				_, err = s.Eval(context.Background(), index.Leaf{Pred: index.Word{Folded: "opened"}}, nil)
			}
			if err != nil {
				found++
			}
		}
		store[key] = value
	}
	if found < len(store) { // counts and page lists are not read here
		t.Errorf("only %d errors for %d values", found, len(store))
	}
}

// FuzzValues replaces one value by arbitrary bytes with a right checksum: no
// reader may panic or run away.
func FuzzValues(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 9))
	ids, records := randomRecords(rng, 300, 1)
	want := newMemPart(ids, records)
	_, store := build(f, Input{Part: want})
	var keys []string
	for key := range store {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for i, key := range keys {
		f.Add(uint(i), store[key][:len(store[key])-4])
	}
	f.Fuzz(func(t *testing.T, number uint, content []byte) {
		key := keys[number%uint(len(keys))]
		get := func(k []byte, use func([]byte) error) error {
			if string(k) == key {
				return use(binary.LittleEndian.AppendUint32(slices.Clone(content), crc32.Checksum(content, castagnoli)))
			}
			return store.get(k, use)
		}
		s, err := Open(get, NewCache(0))
		if err != nil || s.Rows() != want.Rows() {
			return
		}
		ctx := context.Background()
		rows := index.DocSetRange(0, s.Rows())
		// errors are fine, answers may be wrong: the checksum lied
		_, _ = s.Records(ctx, rows)
		_, _ = s.IDs(rows)
		_, _, _ = s.RowsBetween(want.records[10].Time, want.records[200].Time)
		for _, e := range []index.Expr{
			index.Leaf{Pred: index.Word{Folded: "opened"}}, index.Leaf{Pred: index.Prefix{Folded: "con"}},
			index.Leaf{Field: "message", Pred: index.NewPhrase("id=0")}, index.IDs{Of: want.ids[:3]},
			index.Leaf{Field: "message", Pred: index.Regex{Re: regexp.MustCompile("in [0-9]+ms")}},
		} {
			_, _ = s.Eval(ctx, e, rows)
		}
		for _, c := range s.AllColumns() {
			_, _ = c.Counts(ctx, nil)
		}
	})
}

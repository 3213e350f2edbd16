package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// followRecords returns records with messages of 60 shapes, and fields that are
// known from the shape: always, but for some shapes, in some rows alone, and not.
func followRecords(rng *rand.Rand, rows int) (ids []model.RecordID, records []model.Record) {
	for i := range rows {
		r := model.Record{Time: 1700000000e9 + int64(i)*1e6}
		add := func(name string, kind model.Kind, text string) {
			r.Fields = append(r.Fields, model.Field{Name: name, Kind: kind, Text: text})
		}
		shape := rng.IntN(60)
		message := fmt.Sprintf("%s %s %c%c took %d us", nouns[shape%5], verbs[shape%7], 'a'+shape/26, 'a'+shape%26, rng.IntN(1<<30))
		if rng.IntN(50) == 0 {
			message = fmt.Sprintf("no shape: %c%c%c%c", 'a'+rng.IntN(26), 'a'+rng.IntN(26), 'a'+rng.IntN(26), 'a'+rng.IntN(26))
		}
		line := 100 + shape
		if shape%12 == 0 {
			line = 1000 + rng.IntN(300)
		}
		add("component", model.String, fmt.Sprintf("part%d", shape*2/3))
		add("message", model.String, message)
		add("metadata.any", model.Number, fmt.Sprint(rng.IntN(500)))
		if shape%3 > 0 || rng.IntN(5) == 0 {
			add("metadata.line", model.Number, fmt.Sprint(line))
		}
		if i < rows/4 {
			add("metadata.old", model.Number, fmt.Sprint(line/2))
		}
		ids = append(ids, model.RecordID{Shard: 3, Index: uint64(1 + i/5000), Ordinal: uint32(i % 5000)})
		records = append(records, r)
	}
	return ids, records
}

// TestFollowers compares columns that follow the messages with the records, in this format
// and in the one before.
func TestFollowers(t *testing.T) {
	for _, version := range []byte{VersionMinutes, Version} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) { checkFollowers(t, version) })
	}
}

func checkFollowers(t *testing.T, version byte) {
	rng := rand.New(rand.NewPCG(71, 72))
	ids, records := followRecords(rng, 2*PageRows+9000)
	mem := newMemPart(ids, records)
	s, _ := buildAs(t, version, Input{Part: mem})
	rows := s.Rows()
	some := index.NewDocSet()
	for range 8000 {
		some.Add(rng.Uint32N(rows))
	}
	sets := []*index.DocSet{
		nil, index.DocSetOf(3, 5, PageRows-1, PageRows, 2*PageRows+77, rows-1), some, index.DocSetRange(PageRows-500, 2*PageRows+333),
		index.DocSetRange(PageRows, 2*PageRows), index.DocSetOf(PageRows),
	}
	for range 40 { // few rows of a page of values, on several pages of rows
		few := index.NewDocSet()
		for range 1 + rng.IntN(30) {
			few.Add(rng.Uint32N(rows))
		}
		sets = append(sets, few)
	}
	follows := map[string]bool{"component": true, "metadata.line": true, "metadata.old": true}
	for _, column := range mem.AllColumns() {
		field := model.QueryName(column.Path())
		c := s.Columns(field)[0].(*columnReader)
		if c.meta.follows != follows[field] {
			t.Errorf("%s: follows is %v", field, c.meta.follows)
		}
		for range 2 { // the second time pages are kept
			for i, set := range sets {
				compareGathered(t, fmt.Sprint(field, " ", i), column, c, set)
			}
		}
		all, _ := column.Gather(t.Context(), nil)
		for _, text := range []string{"part1", "part2", "1", "10", "7"} { // of many values
			leaf := index.Leaf{Field: field, Pred: index.Prefix{Folded: text}}
			have, err := s.Eval(t.Context(), leaf, nil)
			want, _ := mem.Eval(t.Context(), leaf, nil)
			if err != nil || !have.Equals(want) {
				t.Errorf("%s begins with %s: have %d rows, want %d, %v", field, text, have.GetCardinality(), want.GetCardinality(), err)
			}
		}
		for range 10 {
			i := rng.IntN(len(all.Rows))
			value := all.Dict[all.Codes[i]]
			leaf := index.Leaf{Field: field, Pred: index.Equal{Text: value}}
			for _, within := range []*index.DocSet{nil, some, index.DocSetOf(all.Rows[i])} {
				have, err := s.Eval(t.Context(), leaf, within)
				want, _ := mem.Eval(t.Context(), leaf, within)
				if err != nil || !have.Equals(want) {
					t.Errorf("%s is %s: have %d rows, want %d, %v", field, value, have.GetCardinality(), want.GetCardinality(), err)
				}
			}
		}
	}
}

func compareGathered(t *testing.T, name string, of, column part.Column, rows *index.DocSet) {
	t.Helper()
	want, _ := of.Gather(t.Context(), rows)
	have, err := column.Gather(t.Context(), rows)
	if err != nil {
		t.Fatal(name, err)
	}
	if !slices.Equal(have.Rows, want.Rows) || !slices.Equal(textsOf(have), textsOf(want)) {
		t.Errorf("%s: have %d values, want %d, or others", name, len(have.Rows), len(want.Rows))
	}
}

// TestNothingToFollow builds a segment in which not every record has a message:
// the columns that waited for its codes have their own.
func TestNothingToFollow(t *testing.T) {
	rng := rand.New(rand.NewPCG(73, 74))
	ids, records := followRecords(rng, 3000)
	records[7].Fields = slices.DeleteFunc(slices.Clone(records[7].Fields), func(f model.Field) bool { return f.Name == "message" })
	mem := newMemPart(ids, records)
	s, _ := build(t, Input{Part: mem})
	for _, column := range mem.AllColumns() {
		c := s.Columns(model.QueryName(column.Path()))[0].(*columnReader)
		if c.meta.follows {
			t.Errorf("%s follows", column.Path())
		}
		compareGathered(t, column.Path(), column, c, nil)
	}
}

// TestVersionsBefore reads segments that were built before columns followed others, and
// before it was stored how listed codes are spread.
func TestVersionsBefore(t *testing.T) {
	for _, version := range []byte{2, 5, 6} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) { checkStored(t, version) })
	}
}

func checkStored(t *testing.T, version byte) {
	rng := rand.New(rand.NewPCG(77, 78))
	ids, records := followRecords(rng, 300)
	moreIDs, more := randomRecords(rng, 100, 1000)
	want := newMemPart(append(ids, moreIDs...), append(records, more...))
	s := readStored(t, fmt.Sprint("testdata/version", version))
	if s.Rows() != want.Rows() || s.Meta().version != version {
		t.Fatalf("%d rows of version %d, want %d of %d", s.Rows(), s.Meta().version, want.Rows(), version)
	}
	for i, column := range want.AllColumns() {
		c := s.AllColumns()[i]
		compareGathered(t, column.Path(), column, c, nil)
		have, err := c.Counts(t.Context(), nil)
		all, _ := column.Counts(t.Context(), nil)
		if err != nil || len(have) != len(all) {
			t.Errorf("%s: %d values, want %d, %v", column.Path(), len(have), len(all), err)
		}
	}
	for range 200 {
		leaf := randomLeaf(rng, want.records)
		have, err := s.Eval(t.Context(), leaf, nil)
		all, _ := want.Eval(t.Context(), leaf, nil)
		if err != nil || !have.Equals(all) {
			t.Errorf("%v: have %d rows, want %d, %v", leaf, have.GetCardinality(), all.GetCardinality(), err)
		}
	}
}

// readStored opens a segment that was written to a file: keys and values.
func readStored(t *testing.T, file string) *Segment {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	store := memStore{}
	for r := wire.NewReader(raw); r.Len() > 0; {
		key := r.String()
		store[key] = r.Bytes()
	}
	s, err := Open(store.get, NewCache(0))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// FuzzFollowers replaces one value of what follows, or of the guide's codes, by
// arbitrary bytes with a right checksum.
func FuzzFollowers(f *testing.F) {
	rng := rand.New(rand.NewPCG(75, 76))
	ids, records := followRecords(rng, 600)
	_, store := build(f, Input{Part: newMemPart(ids, records)})
	var keys []string
	for key := range store {
		if key[0] == sectionFollow || key[0] == sectionColumn && key[5] == itemCodes || key[0] == sectionMeta {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for i, key := range keys {
		f.Add(uint(i), store[key][:len(store[key])-4])
	}
	f.Fuzz(func(t *testing.T, number uint, content []byte) {
		key := keys[number%uint(len(keys))]
		s, err := Open(func(k []byte, use func([]byte) error) error {
			if string(k) == key {
				return use(binary.LittleEndian.AppendUint32(slices.Clone(content), crc32.Checksum(content, castagnoli)))
			}
			return store.get(k, use)
		}, NewCache(0))
		if err != nil || s.Rows() != uint32(len(records)) {
			return
		}
		for _, c := range s.AllColumns() {
			for _, rows := range []*index.DocSet{nil, index.DocSetOf(1, 70, 599)} {
				_, _ = c.Gather(context.Background(), rows)
			}
			if c := c.(*columnReader); c.meta.dict > 2 {
				_, _ = c.scanCodes(context.Background(), []uint32{0, 2}, nil) // of so few rows nobody else does
			}
		}
		_, _ = s.Eval(context.Background(), index.Leaf{Field: "component", Pred: index.Equal{Text: "part7"}}, nil)
	})
}

// TestListedCorrupt damages how listed codes are spread over pages of rows.
func TestListedCorrupt(t *testing.T) {
	ids, records := followRecords(rand.New(rand.NewPCG(79, 80)), 2*PageRows)
	s, store := build(t, Input{Part: newMemPart(ids, records)})
	c := s.Columns("metadata.line")[0].(*columnReader)
	key := string(followKey(c.number, 0))
	raw, err := s.frame([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	first, n := binary.Uvarint(raw)
	second, m := binary.Uvarint(raw[n:])
	if first == 0 || second == 0 {
		t.Fatalf("%d and %d codes are listed: the test is broken", first, second)
	}
	rows := index.NewDocSet() // on the last page of rows that the first page of values reaches
	for row := uint32(PageRows); row < PageRows+100; row++ {
		rows.Add(row)
	}
	for name, spread := range map[string][]uint64{
		"too many": {first + 1, second}, "too few": {first, second - 1}, "of the page behind": {first - 1, second + 1}, "of the page before": {first + 1, second - 1}, "more than values": {first, PageRows + 1}, "more than codes": {first + second, second}, "missing": {first},
	} {
		content := raw[n+m:]
		var counts []byte
		for _, count := range spread {
			counts = binary.AppendUvarint(counts, count)
		}
		b := builder{opts: Options{Level: 1}, out: func(_, value []byte) error { store[key] = value; return nil }}
		if err := b.emit(nil, b.compress(append(counts, content...))); err != nil {
			t.Fatal(err)
		}
		damaged, err := Open(store.get, NewCache(0))
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []*index.DocSet{nil, rows} {
			if rows == nil && strings.HasPrefix(name, "of the page") {
				continue // of all values nobody asks on which page of rows they are
			}
			if _, err := damaged.Columns("metadata.line")[0].Gather(t.Context(), rows); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestFollowersShown shows few records, and counts and looks for some, by several readers at
// once, with a cache that keeps next to nothing and one that keeps all: what stays decoded for
// one reader is of no other, and is right.
func TestFollowersShown(t *testing.T) {
	rng := rand.New(rand.NewPCG(81, 82))
	ids, records := followRecords(rng, 2*PageRows+3000)
	truth := newMemPart(ids, records)
	_, store := build(t, Input{Part: truth})
	for _, bytes := range []int64{256 << 10, 0} {
		s, err := Open(store.get, NewCache(bytes))
		if err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for reader := range uint64(4) {
			readers.Go(func() {
				rng := rand.New(rand.NewPCG(83, reader))
				for range 25 {
					rows := index.NewDocSet()
					for range 1 + rng.IntN(40) {
						rows.Add(rng.Uint32N(s.Rows()))
					}
					have, err := s.Records(t.Context(), rows)
					want, _ := truth.Records(t.Context(), rows)
					if err != nil || !reflect.DeepEqual(have, want) {
						t.Errorf("%d records of rows %v are others, %v", len(have), rows.ToArray(), err)
						return
					}
					ids, err := s.IDs(rows)
					wantIDs, _ := truth.IDs(rows)
					if err != nil || !slices.Equal(ids, wantIDs) {
						t.Errorf("ids of rows %v are others, %v", rows.ToArray(), err)
						return
					}
					leaf := index.Leaf{Field: "metadata.line", Pred: index.Exists{}}
					if r := want[0]; len(r.Fields) > 0 {
						field := r.Fields[rng.IntN(len(r.Fields))]
						leaf = index.Leaf{Field: model.QueryName(field.Name), Pred: index.Equal{Text: field.Text}}
					}
					found, err := s.Eval(t.Context(), leaf, rows)
					if want, _ := truth.Eval(t.Context(), leaf, rows); err != nil || !found.Equals(want) {
						t.Errorf("%v: %v, want %v, %v", leaf, found, want, err)
						return
					}
				}
			})
		}
		readers.Wait()
	}
}

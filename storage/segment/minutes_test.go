package segment

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
)

// levelRecords are records over so many minutes of which most have a level.
func levelRecords(rng *rand.Rand, rows int, start, minutes int64) ([]model.RecordID, []model.Record) {
	levels := []string{"error", "info", "info", "info", "warn", ""}
	var ids []model.RecordID
	var records []model.Record
	for i := range rows {
		r := model.Record{Time: start + rng.Int64N(minutes*markUnit)}
		r.Fields = append(r.Fields, model.Field{Name: "message", Kind: model.String, Text: fmt.Sprintf("opened file %d", rng.IntN(100))})
		if level := levels[rng.IntN(len(levels))]; level != "" {
			r.Fields = append(r.Fields, model.Field{Name: model.FieldLevel, Kind: model.String, Text: level})
		}
		ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(i)})
		records = append(records, r)
	}
	return ids, records
}

// TestMinutes compares the stored counts of each minute with a scan.
func TestMinutes(t *testing.T) {
	rng := rand.New(rand.NewPCG(93, 94))
	for _, start := range []int64{-7*markUnit + 1, 1700000000e9, math.MaxInt64 - 50*markUnit} {
		ids, records := levelRecords(rng, 2000, start, 40)
		truth := newMemPart(ids, records)
		s, _ := build(t, Input{Part: truth})
		for _, pred := range []index.Predicate{index.Equal{Text: "error"}, index.Word{Folded: "warn"}, index.Prefix{Folded: "in"}, index.Equal{Text: "Error"}, index.NewPhrase("nothing")} {
			leaf := index.Leaf{Field: model.FieldLevel, Pred: pred}
			first, counts, err := s.Minutes(leaf)
			if err != nil || counts == nil {
				t.Fatalf("from %d, %v: %d counts, %v", start, pred, len(counts), err)
			}
			want := make([]uint32, len(counts))
			for _, r := range records {
				if level := r.Fields[len(r.Fields)-1]; level.Name == model.FieldLevel && pred.Match(level.Kind, level.Text) {
					want[(r.Time-first)/markUnit]++
				}
			}
			for minute, count := range counts {
				if count != want[minute] {
					t.Fatalf("from %d, %v: %d in minute %d, want %d", start, pred, count, minute, want[minute])
				}
			}
		}
	}
}

// TestMinutesNotStored asks for counts that are not stored: of another field, whether
// there is a level, of times before all minutes, and of the version before.
func TestMinutesNotStored(t *testing.T) {
	rng := rand.New(rand.NewPCG(91, 92))
	ids, records := levelRecords(rng, 2000, 1700000000e9, 20)
	truth := newMemPart(ids, records)
	s, _ := build(t, Input{Part: truth})
	old := readStored(t, "testdata/version4")
	before, _ := buildAs(t, VersionPlain, Input{Part: truth})
	if old.Meta().version != VersionPlain || before.Meta().version != VersionPlain || s.Meta().version != Version {
		t.Fatalf("versions %d, %d, %d", old.Meta().version, before.Meta().version, s.Meta().version)
	}
	ids, records = levelRecords(rng, 2000, math.MinInt64, 20)
	early, _ := build(t, Input{Part: newMemPart(ids, records)})
	level := index.Leaf{Field: model.FieldLevel, Pred: index.Equal{Text: "error"}}
	for _, c := range []struct {
		s    *Segment
		leaf index.Leaf
	}{{s, index.Leaf{Field: "message", Pred: index.Word{Folded: "file"}}}, {s, index.Leaf{Pred: index.Word{Folded: "error"}}},
		{s, index.Leaf{Field: model.FieldLevel, Pred: index.Exists{}}}, {old, level}, {before, level}, {early, level}} {
		if _, counts, err := c.s.Minutes(c.leaf); counts != nil || err != nil {
			t.Errorf("%v: %d counts, %v", c.leaf, len(counts), err)
		}
	}
	want, _ := truth.Eval(t.Context(), level, nil)
	for name, s := range map[string]*Segment{"kept": old, "built": before} {
		if have, err := s.Eval(t.Context(), level, nil); err != nil || !have.Equals(want) {
			t.Errorf("version 4, %s: %d rows, want %d, %v", name, have.GetCardinality(), want.GetCardinality(), err)
		}
	}
}

// TestMinutesCorrupt damages the counts.
func TestMinutesCorrupt(t *testing.T) {
	ids, records := levelRecords(rand.New(rand.NewPCG(95, 96)), 500, 1700000000e9, 10)
	s, store := build(t, Input{Part: newMemPart(ids, records)})
	c := s.named[model.FieldLevel][0].(*columnReader)
	all, err := c.minutes()
	if err != nil {
		t.Fatal(err)
	}
	key := string(columnKey(c.number, itemMinute, 0))
	for name, damage := range map[string]func(counts []int64) []int64{
		"too many":  func(counts []int64) []int64 { counts[3]++; return counts },
		"too few":   func(counts []int64) []int64 { counts[len(counts)-1]--; return counts },
		"below 0":   func(counts []int64) []int64 { counts[0], counts[1] = -1, counts[0]+counts[1]+1; return counts },
		"truncated": func(counts []int64) []int64 { return counts[1:] },
	} {
		var encoder column.Encoder
		b := builder{opts: Options{Level: 1}, out: func(_, value []byte) error { store[key] = value; return nil }}
		if err := b.emit(nil, b.compress(encoder.AppendInts(nil, damage(slices.Clone(all))))); err != nil {
			t.Fatal(err)
		}
		damaged, err := Open(store.get, NewCache(0))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := damaged.Minutes(index.Leaf{Field: model.FieldLevel, Pred: index.Equal{Text: "error"}}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// rareRecords are records over more than a page of which few have some of the levels.
func rareRecords(rng *rand.Rand, rows int) ([]model.RecordID, []model.Record) {
	ids, records := levelRecords(rng, rows, 1700000000e9, 40)
	for i := range records {
		r := &records[i]
		level := []string{"error", "critical", "fatal"}[rng.IntN(3)]
		if last := &r.Fields[len(r.Fields)-1]; last.Name == model.FieldLevel && last.Text == "error" {
			last.Text = "info" // else it is frequent
			if rng.IntN(20) == 0 {
				last.Text = level
			}
		}
	}
	return ids, records
}

// TestRareLevels compares what is found of levels whose rows are stored with a scan.
func TestRareLevels(t *testing.T) {
	rng := rand.New(rand.NewPCG(97, 98))
	ids, records := rareRecords(rng, PageRows+7000)
	truth := newMemPart(ids, records)
	some := index.NewDocSet()
	for range 3000 {
		some.Add(rng.Uint32N(truth.Rows()))
	}
	for _, version := range []byte{VersionPlain, VersionMinutes, Version} {
		s, store := buildAs(t, version, Input{Part: truth})
		c := s.named[model.FieldLevel][0].(*columnReader)
		listed := 0
		for key := range store {
			if key[0] == sectionColumn && key[5] == itemRare {
				listed++
			}
		}
		if want := map[byte]int{Version: 3}[version]; listed != want {
			t.Fatalf("version %d: the rows of %d levels, want %d", version, listed, want)
		}
		for _, within := range []*index.DocSet{nil, some, index.DocSetOf(5, PageRows, PageRows+1), index.DocSetRange(PageRows-100, PageRows+5000)} {
			for _, pred := range []index.Predicate{
				index.Equal{Text: "error"}, index.Equal{Text: "info"}, index.Equal{Text: "none"}, index.Prefix{Folded: "e"}, index.Prefix{Folded: "f"}, index.Word{Folded: "critical"}, index.Exists{},
				index.Regex{Re: regexp.MustCompile("error|fatal")}, index.Regex{Re: regexp.MustCompile("error|warn")}, index.Regex{Re: regexp.MustCompile("a|e|i|o|u")},
			} {
				leaf := index.Leaf{Field: model.FieldLevel, Pred: pred}
				want, _ := truth.Eval(t.Context(), leaf, within)
				if have, err := s.Eval(t.Context(), leaf, within); err != nil || !have.Equals(want) {
					t.Errorf("version %d, %v: %d rows, want %d, %v", version, pred, have.GetCardinality(), want.GetCardinality(), err)
				}
			}
		}
		have, err := c.Counts(t.Context(), some)
		if err != nil || len(have) != 5 {
			t.Fatalf("version %d: %d levels, %v", version, len(have), err)
		}
		for _, of := range have {
			want, _ := truth.Eval(t.Context(), index.Leaf{Field: model.FieldLevel, Pred: index.Equal{Text: of.Value}}, some)
			if of.Count != want.GetCardinality() {
				t.Errorf("version %d: %d times %s, want %d", version, of.Count, of.Value, want.GetCardinality())
			}
		}
	}
}

// TestRareLevelsCorrupt damages the rows of a level.
func TestRareLevelsCorrupt(t *testing.T) {
	ids, records := rareRecords(rand.New(rand.NewPCG(99, 100)), 3000)
	s, store := build(t, Input{Part: newMemPart(ids, records)})
	c := s.named[model.FieldLevel][0].(*columnReader)
	code, found, err := c.find("error")
	if err != nil || !found {
		t.Fatal(found, err)
	}
	rows, err := c.rareRows(code)
	if err != nil || rows.GetCardinality() < 3 {
		t.Fatalf("%v: the test is broken, %v", rows, err)
	}
	var steps []int64
	last := int64(0)
	for _, row := range rows.ToArray() {
		steps, last = append(steps, int64(row)-last), int64(row)
	}
	key := string(columnKey(c.number, itemRare, code))
	for name, damage := range map[string]func(steps []int64) []int64{
		"beyond":    func(steps []int64) []int64 { steps[1] = int64(len(records)); return steps },
		"twice":     func(steps []int64) []int64 { steps[1] = 0; return steps },
		"back":      func(steps []int64) []int64 { steps[2] = -1; return steps },
		"before":    func(steps []int64) []int64 { steps[0] = -1; return steps },
		"overflow":  func(steps []int64) []int64 { steps[1] = math.MaxInt64; return steps },
		"truncated": func(steps []int64) []int64 { return steps[1:] },
		"too many":  func(steps []int64) []int64 { return append(steps, 1) },
	} {
		var encoder column.Encoder
		b := builder{opts: Options{Level: 1}, out: func(_, value []byte) error { store[key] = value; return nil }}
		if err := b.emit(nil, b.compress(encoder.AppendInts(nil, damage(slices.Clone(steps))))); err != nil {
			t.Fatal(err)
		}
		damaged, err := Open(store.get, NewCache(0))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := damaged.Eval(t.Context(), index.Leaf{Field: model.FieldLevel, Pred: index.Equal{Text: "error"}}, nil); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRareLevels replaces the rows of a level by arbitrary bytes with a right checksum.
func FuzzRareLevels(f *testing.F) {
	ids, records := rareRecords(rand.New(rand.NewPCG(101, 102)), 1000)
	whole, store := build(f, Input{Part: newMemPart(ids, records)})
	c := whole.named[model.FieldLevel][0].(*columnReader)
	code, _, err := c.find("error")
	if err != nil {
		f.Fatal(err)
	}
	key := string(columnKey(c.number, itemRare, code))
	raw, err := whole.frame([]byte(key))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, content []byte) {
		damaged := memStore{}
		b := builder{opts: Options{Level: 1}, out: func(_, value []byte) error { damaged[key] = value; return nil }}
		if err := b.emit(nil, b.compress(content)); err != nil {
			t.Fatal(err)
		}
		s, err := Open(func(k []byte, use func([]byte) error) error {
			if string(k) == key {
				return damaged.get(k, use)
			}
			return store.get(k, use)
		}, NewCache(0))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.Eval(t.Context(), index.Leaf{Field: model.FieldLevel, Pred: index.Equal{Text: "error"}}, nil)
		if err == nil && (rows.IsEmpty() || rows.Maximum() >= s.Rows()) {
			t.Fatalf("%d rows up to %d", rows.GetCardinality(), rows.Maximum())
		}
	})
}

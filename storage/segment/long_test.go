package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
)

// longRecords are records of which some have messages of many words without a
// shape: fewer and more bytes than those that are kept apart.
func longRecords(rng *rand.Rand, n int) ([]model.RecordID, []model.Record) {
	ids, records := followRecords(rng, n)
	for i := range records {
		if rng.IntN(6) > 0 {
			continue
		}
		var b strings.Builder
		for length := rng.IntN(3 * 2048); b.Len() < length; {
			fmt.Fprintf(&b, "Seat%d(no=%d, from=%c%c) ", rng.IntN(40), rng.IntN(1000), 'a'+rune(rng.IntN(26)), "éKk\u212a"[rng.IntN(3)])
		}
		for k, field := range records[i].Fields {
			if field.Name == "message" {
				records[i].Fields[k].Text = b.String()
			}
		}
	}
	return ids, records
}

// TestLongTexts checks that records with long texts come back, and that searches in
// them are as good as a look at each.
func TestLongTexts(t *testing.T) {
	rng := rand.New(rand.NewPCG(81, 82))
	ids, records := longRecords(rng, PageRows+3000)
	mem := newMemPart(ids, records)
	s, store := build(t, Input{Part: mem})
	message := s.Columns("message")[0].(*columnReader)
	for _, item := range []byte{itemPlain, itemLong} {
		if _, stored := store[string(columnKey(message.number, item, 1))]; !stored {
			t.Fatalf("the second page has no item %d", item)
		}
	}
	compareLong(t, rng, mem, s)
}

// TestVersion3 reads a segment that was built before long texts were apart.
func TestVersion3(t *testing.T) {
	rng := rand.New(rand.NewPCG(79, 80))
	ids, records := longRecords(rng, 300)
	s := readStored(t, "testdata/version3")
	if s.Meta().version != 3 {
		t.Fatalf("version %d", s.Meta().version)
	}
	compareLong(t, rng, newMemPart(ids, records), s)
}

// TestOnlyLong builds pages of which all texts without a shape are long.
func TestOnlyLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(83, 84))
	ids, records := longRecords(rng, 600)
	for i := range records {
		for k, field := range records[i].Fields {
			if len(field.Text) < longText && field.Name == "message" {
				records[i].Fields[k].Text = "nothing"
			}
		}
	}
	mem := newMemPart(ids, records)
	s, _ := build(t, Input{Part: mem})
	compareLong(t, rng, mem, s)
}

func compareLong(t *testing.T, rng *rand.Rand, mem *memPart, s *Segment) {
	t.Helper()
	for _, column := range mem.AllColumns() {
		c := s.Columns(model.QueryName(column.Path()))[0]
		few := index.NewDocSet()
		for range 20 {
			few.Add(rng.Uint32N(mem.Rows()))
		}
		for _, rows := range []*index.DocSet{nil, few} {
			compareGathered(t, column.Path(), column, c, rows)
		}
	}
	var exprs []index.Expr
	leaf := func(pred index.Predicate) index.Expr { return index.Leaf{Field: "message", Pred: pred} }
	for range 12 {
		word := fmt.Sprintf("seat%d", rng.IntN(50))
		exprs = append(exprs, leaf(index.Word{Folded: word}), leaf(index.Prefix{Folded: word[:5]}),
			leaf(index.NewPhrase(fmt.Sprintf("no=%d, from", rng.IntN(1200)))),
			leaf(index.Regex{Re: regexp.MustCompile(fmt.Sprintf(`Seat%d\(no=%d`, rng.IntN(40), rng.IntN(100)))}),
			index.AllOf{Of: []index.Expr{leaf(index.Word{Folded: word}), index.Not{Of: leaf(index.Word{Folded: fmt.Sprintf("seat%d", rng.IntN(40))})}}})
	}
	for _, e := range exprs {
		for _, within := range []*index.DocSet{nil, index.DocSetRange(5, mem.Rows()/2), index.DocSetOf(1, 7, mem.Rows()-1)} {
			want, _ := mem.Eval(t.Context(), e, within)
			have, err := s.Eval(t.Context(), e, within)
			if err != nil || !have.Equals(want) {
				t.Errorf("%v: have %v rows, want %d, %v", e, have, want.GetCardinality(), err)
			}
		}
	}
}

// FuzzLong replaces one value of the texts without a shape, those that are long apart, or of
// what is known of their words, by arbitrary bytes with a right checksum.
func FuzzLong(f *testing.F) {
	rng := rand.New(rand.NewPCG(85, 86))
	ids, records := longRecords(rng, 300)
	whole, store := build(f, Input{Part: newMemPart(ids, records)})
	message := whole.Columns("message")[0].(*columnReader)
	keys := []string{
		string(columnKey(message.number, itemPlain, 0)), string(columnKey(message.number, itemLong, 0)), string(columnKey(message.number, itemCodes, 0)),
		string(filterKey(message.number, 0)), string(filterKey(message.number, summaryNumber)),
	}
	for i, key := range keys {
		if store[key] == nil {
			f.Fatalf("there is no value %x", key)
		}
		content := store[key][:len(store[key])-checksumBytes]
		f.Add(uint(i), content, false)
		if raw, err := column.Decompress(nil, content, column.DecodedMax); err == nil {
			f.Add(uint(i), raw[:min(len(raw), 1<<10)], true)
		}
	}
	f.Fuzz(func(t *testing.T, number uint, content []byte, inside bool) {
		damaged := keys[number%uint(len(keys))]
		if inside {
			content = column.Compress(nil, content, 1)
		}
		s, err := Open(func(key []byte, use func([]byte) error) error {
			if string(key) == damaged {
				return use(binary.LittleEndian.AppendUint32(slices.Clone(content), crc32.Checksum(content, castagnoli)))
			}
			return store.get(key, use)
		}, NewCache(0))
		if err != nil {
			t.Fatal(err)
		}
		// Errors are fine, answers may be wrong: the checksum lied.
		for _, rows := range []*index.DocSet{nil, index.DocSetOf(1, 70, 299)} {
			_, _ = s.Columns("message")[0].Gather(t.Context(), rows)
			for _, pred := range []index.Predicate{
				index.Word{Folded: "seat7"}, index.Prefix{Folded: "seat"}, index.NewPhrase("no=7, from"), index.Regex{Re: regexp.MustCompile(`Seat7\(no`)},
			} {
				_, _ = s.Eval(t.Context(), index.AllOf{Of: []index.Expr{
					index.Leaf{Field: "message", Pred: pred}, index.Not{Of: index.Leaf{Field: "message", Pred: index.Word{Folded: "from"}}},
				}}, rows)
			}
		}
	})
}

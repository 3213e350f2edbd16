package segment

import (
	"encoding/binary"
	"errors"
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
// them are as good as a look at each, in this format and in the one before.
func TestLongTexts(t *testing.T) {
	for _, version := range []byte{VersionRare, Version} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			if testing.Short() && version != Version {
				t.Skip("the format before is compared in the long tests")
			}
			rng := rand.New(rand.NewPCG(81, 82))
			ids, records := longRecords(rng, PageRows+3000)
			mem := newMemPart(ids, records)
			s, store := buildAs(t, version, Input{Part: mem})
			message := s.Columns("message")[0].(*columnReader)
			want := [][2]byte{{itemPlain, 1}, {itemLong, 1}}
			if version == Version {
				want = append(want, [2]byte{itemPiece, 0})
			}
			for _, item := range want {
				if _, stored := store[string(columnKey(message.number, item[0], uint32(item[1])))]; !stored {
					t.Fatalf("there is no item %d, %d", item[0], item[1])
				}
			}
			compareLong(t, rng, mem, s)
		})
	}
}

// repeatedRecords have long messages that repeat each other's items in other orders, so that
// words and phrases lie in several pieces, behind each other and not.
func repeatedRecords(rng *rand.Rand, n int) ([]model.RecordID, []model.Record) {
	ids, records := followRecords(rng, n)
	var lists []string
	for range 30 {
		var b strings.Builder
		for b.Len() < 1500 {
			fmt.Fprintf(&b, "Seat%d(no=%d, from=Ort%d) at 10.0.%d.7:22; ", rng.IntN(40), rng.IntN(1200), rng.IntN(9), rng.IntN(3))
		}
		lists = append(lists, b.String())
	}
	for i := range records {
		if rng.IntN(4) > 0 {
			continue
		}
		text := fmt.Sprintf("call %d", rng.IntN(1000))
		for range 2 + rng.IntN(3) {
			list := lists[rng.IntN(len(lists))]
			if rng.IntN(3) == 0 {
				list = list[rng.IntN(200):] // perhaps in a word
			}
			text += list
		}
		if rng.IntN(5) == 0 {
			text += strings.Repeat("\u212aay\xff, é", rng.IntN(9)) + strings.Repeat("x", 3000*rng.IntN(2))
		}
		for k, field := range records[i].Fields {
			if field.Name == "message" {
				records[i].Fields[k].Text = text
			}
		}
	}
	return ids, records
}

// TestPieces looks for words, phrases and anything else in texts that are cut into pieces,
// also where pieces are in several chunks, and in what a merge makes of such a segment.
func TestPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(87, 88))
	ids, records := repeatedRecords(rng, 2000)
	for i := range records { // more than a chunk of pieces that nothing repeats
		if i%3 == 0 {
			continue
		}
		text := make([]byte, 5000)
		for k := range text {
			text[k] = "abcdefgh ,;("[rng.IntN(12)]
		}
		for k, field := range records[i].Fields {
			if field.Name == "message" && len(field.Text) >= longText {
				records[i].Fields[k].Text += string(text)
			}
		}
	}
	mem := newMemPart(ids, records)
	sealed, _ := build(t, Input{Part: mem})
	merged, _ := build(t, Input{Part: sealed})
	message := sealed.Columns("message")[0].(*columnReader)
	l, err := message.cutLong()
	if err != nil || l == nil || l.texts < 300 || len(l.ends) < 2 {
		t.Fatalf("%v, %v: the test is broken", l, err)
	}
	p, err := message.cutPieces(l)
	if err != nil || len(p.runs) >= len(p.pieces) {
		t.Fatalf("%d runs, %d pieces, %v", len(p.runs), len(p.pieces), err)
	}
	for _, s := range []*Segment{sealed, merged} {
		compareLong(t, rng, mem, s)
	}
	leaf := func(pred index.Predicate) index.Expr { return index.Leaf{Field: "message", Pred: pred} }
	for _, e := range []index.Expr{
		leaf(index.NewPhrase("ort3) at 10.0.1.7:22; seat7(no")), leaf(index.NewPhrase("; seat")), leaf(index.NewPhrase("7:22; seat9")),
		leaf(index.Word{Folded: "kay"}), leaf(index.NewPhrase("kay")), leaf(index.Prefix{Folded: "or"}), leaf(index.Prefix{Folded: "xxxx"}),
		leaf(index.Regex{Re: regexp.MustCompile("Seat1[0-9]*.no=1, from=Ort")}), leaf(index.Regex{Re: regexp.MustCompile(`(?i)\) AT 10`)}),
		leaf(index.Word{Folded: "no"}), leaf(index.Word{Folded: "abc"}), leaf(index.NewPhrase("from=ort8")),
	} {
		for _, s := range []*Segment{sealed, merged} {
			for _, within := range []*index.DocSet{nil, index.DocSetRange(100, 300), index.DocSetOf(3, 9, 11)} {
				want, _ := mem.Eval(t.Context(), e, within)
				have, err := s.Eval(t.Context(), e, within)
				if err != nil || !have.Equals(want) {
					t.Errorf("%v: have %v rows, want %d, %v", e, have, want.GetCardinality(), err)
				}
			}
		}
	}
}

// TestPagesWithoutLongTexts reads columns in which only one of two pages has long texts.
func TestPagesWithoutLongTexts(t *testing.T) {
	for with := range 2 {
		t.Run(fmt.Sprint("page ", with), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(93, uint64(with)))
			ids, records := followRecords(rng, PageRows+500)
			for i := with * PageRows; i < with*PageRows+40; i++ {
				for k, field := range records[i].Fields {
					if field.Name == "message" {
						records[i].Fields[k].Text = strings.Repeat(fmt.Sprintf("Seat%d of Ort%d; ", i, rng.IntN(40)), 200)
					}
				}
			}
			mem := newMemPart(ids, records)
			s, _ := buildAs(t, Version, Input{Part: mem})
			message := s.Columns("message")[0].(*columnReader)
			l, err := message.cutLong()
			if err != nil {
				t.Fatal(err)
			}
			for page, places := range l.places {
				if (len(places) > 0) != (page == with) {
					t.Fatalf("page %d has %d long texts", page, len(places))
				}
			}
			rows := index.DocSetOf(0, 3, 700, PageRows-1, PageRows, PageRows+20, PageRows+499)
			compareGathered(t, "message", mem.Columns("message")[0], message, rows)
			for _, pred := range []index.Predicate{index.Word{Folded: "ort7"}, index.Prefix{Folded: "sea"}, index.NewPhrase(fmt.Sprintf("seat%d of ort", with*PageRows+11))} {
				e := index.Leaf{Field: "message", Pred: pred}
				want, _ := mem.Eval(t.Context(), e, nil)
				if have, err := s.Eval(t.Context(), e, nil); err != nil || !have.Equals(want) {
					t.Errorf("%v: have %v rows, want %d, %v", e, have, want.GetCardinality(), err)
				}
			}
		})
	}
}

// TestPiecesEnd checks that texts are cut where their content says, never in a word or a
// variable, and that pieces are the whole text.
func TestPiecesEnd(t *testing.T) {
	rng := rand.New(rand.NewPCG(89, 90))
	for range 300 {
		var b strings.Builder
		for length := rng.IntN(6000); b.Len() < length; {
			b.WriteString([]string{"word", "10.0.0.7:22", ", ", "é", "\xff", "(", strings.Repeat("y", rng.IntN(90)), "--", "; "}[rng.IntN(9)])
		}
		text, whole := b.String(), ""
		for at := 0; at < len(text); {
			end := pieceOf(text, at)
			if piece := text[at:end]; end < len(text) && (len(piece) < pieceMin || inPieceWord[piece[len(piece)-1]]) {
				t.Fatalf("%q ends a piece of %q", piece, text)
			}
			whole += text[at:end]
			at = end
		}
		if whole != text {
			t.Fatalf("pieces of %q are %q", text, whole)
		}
	}
}

// TestHostilePieces reads lists that are small when they are stored, and whose texts would
// take all memory once they are joined.
func TestHostilePieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(91, 92))
	ids, records := longRecords(rng, 300)
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	message := s.Columns("message")[0].(*columnReader)
	l, err := message.cutLong()
	if err != nil || l == nil {
		t.Fatal(l, err)
	}
	if _, _, err := endsOf(column.AppendInts(nil, []int64{1, 1}), listsMax+1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("too many lists give %v", err)
	}
	const times = 1 << 12
	p := &cutPieces{runEnds: []uint32{times}, pieces: make([]uint32, times), textEnds: []uint32{1, 1 + times}, runs: make([]uint32, 1+times)}
	room := message.newLongRoom(l, p)
	defer room.done()
	whole, err := room.join(0, column.DecodedMax)
	if err != nil || len(whole)%times != 0 {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	if _, err := room.join(0, len(whole)-1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a text that is longer than allowed gives %v", err)
	}
	if _, err := room.join(1, column.DecodedMax); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a text of %d pieces gives %v", times*times, err)
	}
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
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
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
		string(columnKey(message.number, itemPlain, 0)), string(columnKey(message.number, itemLong, longPlaces)), string(columnKey(message.number, itemLong, longPieces)),
		string(columnKey(message.number, itemPiece, 0)), string(columnKey(message.number, itemCodes, 0)),
		string(filterKey(message.number, 0)), string(filterKey(message.number, pieceGroup)), string(filterKey(message.number, summaryNumber)),
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

package segment

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/part"
)

// TestPatterns checks the patterns of texts with and without shapes and of texts
// that repeat other fields, for all rows and for some.
func TestPatterns(t *testing.T) {
	for _, loose := range []int{0, 300, looseMax + 100} {
		const seed = 91
		random := rand.New(rand.NewPCG(seed, uint64(loose)))
		var ids []model.RecordID
		var records []model.Record
		var want []string // by row, "" for none
		for i := range 4_000 {
			user := fmt.Sprintf("user%c%c", 'a'+random.IntN(26), 'a'+random.IntN(26))
			fields := []model.Field{{Name: "user", Kind: model.String, Text: user}}
			pattern := ""
			switch {
			case i >= 4_000-loose: // of a shape of its own
				name := ""
				for range 12 {
					name += string(rune('a' + random.IntN(26)))
				}
				message := fmt.Sprintf("%s has %d", name, i)
				fields = append(fields, model.Field{Name: "message", Kind: model.String, Text: message})
				if pattern = shape.MessagePattern(message, nil); loose > looseMax {
					pattern = shape.RarePattern
				}
			case i%7 == 0: // no message
			case i%2 == 0:
				fields = append(fields, model.Field{Name: "message", Kind: model.String, Text: fmt.Sprintf("login of %s from 10.0.0.%d", user, i%250)})
				pattern = "login of * from *"
			default:
				fields = append(fields, model.Field{Name: "message", Kind: model.String, Text: fmt.Sprintf("took %d ms", i)})
				pattern = "took * ms"
			}
			ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(i)})
			records = append(records, model.Record{Time: int64(i), Fields: fields})
			want = append(want, pattern)
		}
		s, _ := build(t, Input{Part: newMemPart(ids, records)})
		for _, rows := range []*index.DocSet{nil, index.DocSetRange(0, uint32(len(want))), index.DocSetRange(10, 400), index.DocSetOf(5, 17, 299, 3_000, 3_999), index.NewDocSet()} {
			checkPatterns(t, s, rows, want)
		}
		if t.Failed() {
			t.Fatalf("seed %d, %d texts without a shape", seed, loose)
		}
	}
}

// TestLoosePatternsAreBounded: what comes beyond the limit has one pattern.
func TestLoosePatternsAreBounded(t *testing.T) {
	var all loosePatterns
	numbers := map[string]uint32{}
	const piece, each = 1_000, shape.PatternMax
	rows := uint32(0)
	for rows < 3*looseBytesMax/each {
		next := &loosePatterns{}
		for i := range uint32(piece) {
			next.dict = append(next.dict, fmt.Sprintf("%0*d", each, rows))
			next.rows = append(next.rows, rows)
			next.numbers = append(next.numbers, i)
			rows++
		}
		all.add(next, numbers)
	}
	if bytes := textBytes(all.dict); bytes < looseBytesMax || bytes > looseBytesMax+2*piece*each {
		t.Errorf("the patterns take %d bytes, at most %d", bytes, looseBytesMax)
	}
	for i, row := range all.rows {
		text := all.dict[all.numbers[i]]
		if int(row) != i || text != fmt.Sprintf("%0*d", each, row) && text != shape.RarePattern {
			t.Fatalf("row %d has pattern %.10q...", row, text)
		}
	}
	if last := all.dict[all.numbers[rows-1]]; len(all.rows) != int(rows) || last != shape.RarePattern {
		t.Errorf("%d rows of %d, the last has %.10q...", len(all.rows), rows, last)
	}
}

// checkPatterns compares both ways to read the patterns of rows.
func checkPatterns(t *testing.T, s *Segment, rows *index.DocSet, want []string) {
	t.Helper()
	patterns := s.Patterns(nil)
	values, err := patterns.Gather(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := patterns.Counts(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]uint64{}
	n := 0
	for row, pattern := range want {
		if rows != nil && !rows.Contains(uint32(row)) || pattern == "" {
			continue
		}
		if n >= len(values.Rows) || values.Rows[n] != uint32(row) || values.Dict[values.Codes[n]] != pattern {
			t.Fatalf("row %d: want %q at %d of %d", row, pattern, n, len(values.Rows))
		}
		wanted[pattern]++
		n++
	}
	if n != len(values.Rows) || len(counts) != len(wanted) {
		t.Errorf("%d rows and %d patterns, want %d and %d", len(values.Rows), len(counts), n, len(wanted))
	}
	for _, c := range counts {
		if wanted[c.Value] != c.Count {
			t.Errorf("pattern %q: %d, want %d", c.Value, c.Count, wanted[c.Value])
		}
	}
}

// TestWholeOutlines checks the outlines of whole messages, which repeat values of other
// fields beside all that a variable can be joined with.
func TestWholeOutlines(t *testing.T) {
	const seed, n = 17, 6_000
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	var ids []model.RecordID
	var records []model.Record
	var want []string
	for i := range n {
		user := pick("alice", "bob.smith", "svc-1", "x1:", "-y2", "über7") + pick("", "a", "bc", "def", "9")
		ip := fmt.Sprintf("10.%d.0.%d", random.IntN(3), random.IntN(250))
		id := fmt.Sprintf("%08x-%04x-4000-8000-%012x", random.Uint32(), random.IntN(1<<16), random.Uint64N(1<<48))
		code := fmt.Sprintf("%04x", random.IntN(1<<16))
		message := fmt.Sprintf(pick("login of %[1]s from %[2]s", "from %[2]s:%[5]d as %[1]s", "%[1]s-%[5]d.%[2]s", "id %[3]s of %[1]s", "%[4]s-%[2]s", "v%[5]d.%[4]s: %[1]s", "\x11 %[2]s \x13%[1]s", "took %[5]d", "订单%[5]d支付成功 %[1]s", "从%[2]s登录：%[1]s"), user, ip, id, code, i)
		if i%50 == 0 {
			message = fmt.Sprintf("%s of its own from %s", string([]byte{byte('a' + i/50%26), byte('a' + i/1300), 'q', 'z'}), ip)
		}
		ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(i)})
		records = append(records, model.Record{Time: int64(i), Fields: []model.Field{
			{Name: "code", Kind: model.String, Text: code}, {Name: "id", Kind: model.String, Text: id}, {Name: "ip", Kind: model.String, Text: ip},
			{Name: "message", Kind: model.String, Text: message}, {Name: "user", Kind: model.String, Text: user},
		}})
		want = append(want, shape.MessageOutline(message))
	}
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	column := s.Patterns(&part.Naming{Key: "whole", Start: func() func(string) string { return func(outline string) string { return outline } }})
	if !column.(patternColumn).meta.refers {
		t.Fatal("no message refers to a field: the test is of no use")
	}
	for _, rows := range []*index.DocSet{nil, index.DocSetRange(10, 400), index.DocSetOf(0, 5, 17, 299, 3_000, n-1)} {
		values, err := column.Gather(t.Context(), rows)
		if err != nil {
			t.Fatal(err)
		}
		if rows != nil && len(values.Rows) != int(rows.GetCardinality()) || rows == nil && len(values.Rows) != n {
			t.Errorf("seed %d: %d rows", seed, len(values.Rows))
		}
		for i, row := range values.Rows {
			if got := values.Dict[values.Codes[i]]; got != want[row] {
				t.Fatalf("seed %d: row %d has the outline %q, want %q", seed, row, got, want[row])
			}
		}
		counts, err := column.Counts(t.Context(), rows)
		total := uint64(0)
		for _, c := range counts {
			total += c.Count
		}
		if err != nil || total != uint64(len(values.Rows)) {
			t.Errorf("counts of %d rows, want %d; %v", total, len(values.Rows), err)
		}
	}
}

// TestSomeOutlines: who wants outlines, and not which message has which, gets those of
// some messages of each shape, all over the segment, and none that no message has.
func TestSomeOutlines(t *testing.T) {
	const n, some = 6_000, 8
	random := rand.New(rand.NewPCG(18, 0))
	var ids []model.RecordID
	var records []model.Record
	want := map[string]bool{}
	for i := range n {
		user := fmt.Sprintf("%c%c:%d", 'a'+random.IntN(26), 'a'+random.IntN(26), random.IntN(10))
		message := []string{"login of " + user, "logout of " + user, "nobody came"}[i%3]
		ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(i)})
		records = append(records, model.Record{Time: int64(i), Fields: []model.Field{{Name: "message", Kind: model.String, Text: message}, {Name: "user", Kind: model.String, Text: user}}})
		want[shape.MessageOutline(message)] = true
	}
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	made := 0
	column := s.Patterns(&part.Naming{Key: "some", Some: some, Start: func() func(string) string {
		return func(outline string) string { made++; return outline }
	}})
	if !column.(patternColumn).meta.refers {
		t.Fatal("no message refers to a field: the test is of no use")
	}
	values, err := column.Gather(t.Context(), nil)
	if err != nil || len(values.Rows) != n {
		t.Fatal(len(values.Rows), err)
	}
	have := map[string]int{}
	for i, row := range values.Rows {
		outline := values.Dict[values.Codes[i]]
		have[outline]++
		if !want[outline] || outline[:5] != shape.MessageOutline(textOf(&records[row]))[:5] {
			t.Fatalf("row %d has %q", row, outline)
		}
	}
	if len(have) < some || len(have) > 2*(some+1)+1 || made > 2*len(have) {
		t.Errorf("%d outlines, %d were made, want about %d of each shape", len(have), made, some)
	}
}

// textOf returns the message of a record.
func textOf(r *model.Record) string {
	field, _ := r.Get(model.FieldMessage)
	return field.Text
}

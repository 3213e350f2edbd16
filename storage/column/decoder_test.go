package column

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestDecoderIsUsedAgain decodes arrays of all forms one after the other with
// one Decoder and with a new one each.
func TestDecoderIsUsedAgain(t *testing.T) {
	const seed = 71
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	forms := []func(i int) string{
		func(int) string { return "same" },
		func(int) string { return fmt.Sprint(random.IntN(1000)) },
		func(int) string { return fmt.Sprintf("%06d", random.IntN(1e6)) },
		func(int) string { return fmt.Sprintf("%d.%02d", random.IntN(50), random.IntN(100)) },
		func(int) string { return fmt.Sprintf("%032x", random.Uint64()) },
		func(int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", random.Uint32(), random.Uint32()) },
		func(int) string { return fmt.Sprintf("10.0.%d.%d", random.IntN(256), random.IntN(256)) },
		func(int) string { return "node-" + strings.Repeat("x", random.IntN(9)) + ".local" },
		func(i int) string { return fmt.Sprintf("run %d", i/50%7) },
		func(int) string { return strings.Repeat("é", random.IntN(4)) },
	}
	var reused Decoder
	for round := range 400 {
		form := forms[random.IntN(len(forms))]
		values := make([]string, 1+random.IntN(300))
		for i := range values {
			values[i] = form(i)
		}
		src := AppendStrings(nil, values)
		var at []uint32
		var want []string
		for i := random.IntN(9); i < len(values); i += 1 + random.IntN(40) {
			at, want = append(at, uint32(i)), append(want, values[i])
		}
		some, rest, err := reused.StringsAt(nil, src, len(values), at)
		if err != nil || len(rest) != 0 || !slices.Equal(some, want) {
			t.Fatalf("round %d: strings at %d: %q, %d left, %v, want %q", round, at, some, len(rest), err, want)
		}
		joined, _, err := reused.JoinedStrings(src, len(values))
		if got := split(joined); err != nil || !slices.Equal(got, values) {
			t.Fatalf("round %d: joined %q, %v, want %q", round, got, err, values)
		}
		test := func(text string) bool { return strings.HasSuffix(text, "1") || text == "run 3" }
		hits, err := Match(&reused, src, len(values), test)
		if err != nil || !slices.Equal(hits, MatchEach(values, test)) {
			t.Fatalf("round %d: hits %v, %v", round, hits, err)
		}
		if !slices.Equal(some, want) {
			t.Fatalf("round %d: copies changed to %q, want %q", round, some, want)
		}
	}
}

// TestDecoderTimes decodes times with one Decoder again and again.
func TestDecoderTimes(t *testing.T) {
	random := rand.New(rand.NewPCG(72, 1))
	var d Decoder
	var times []int64
	var digits []uint32
	for range 50 {
		want, wantDigits := make([]int64, 1+random.IntN(500)), []uint32(nil)
		at := int64(0)
		for i := range want {
			have := []uint32{0, 3, 6}[random.IntN(3)]
			at += random.Int64N(1e9)
			want[i] = FloorDiv(at, timeUnits[have]) * timeUnits[have]
			wantDigits = append(wantDigits, have)
		}
		var rest []byte
		var err error
		times, digits, rest, err = d.Times(times[:0], digits[:0], AppendTimes(nil, want, wantDigits), len(want))
		if err != nil || len(rest) != 0 || !slices.Equal(times, want) || !slices.Equal(digits, wantDigits) {
			t.Fatalf("%d times: %v, %d left, %v", len(want), times, len(rest), err)
		}
	}
}

// TestCodePageIsParsedAgain parses pages of all forms in the memory of one.
func TestCodePageIsParsedAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(73, 1))
	var p CodePage
	for range 200 {
		limit := 1 + random.Uint32N([]uint32{2, 200, 3000, 1 << 20}[random.IntN(4)])
		codes := make([]uint32, 1+random.IntN(2000))
		for i := range codes {
			if codes[i] = random.Uint32N(limit); i > 0 && random.IntN(3) > 0 {
				codes[i] = codes[i-1]
			}
		}
		if err := p.Parse(AppendCodes(nil, codes), len(codes), limit); err != nil {
			t.Fatal(err)
		}
		if got := p.AppendTo(nil); !slices.Equal(got, codes) {
			t.Fatalf("codes %v, want %v", got, codes)
		}
		if p.Parse([]byte{0xff}, len(codes), limit) == nil {
			t.Fatal("a page of an unknown form is parsed")
		}
	}
}

package column

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestMapped compares pages made by a table with what the table has, for codes in
// every form of a page.
func TestMapped(t *testing.T) {
	random := rand.New(rand.NewPCG(91, 92))
	for _, distinct := range []uint32{1, 2, 40, 300, 3000, 70000} {
		for _, n := range []int{1, 100, 5000} {
			codes := make([]uint32, n)
			for i := range codes {
				codes[i] = random.Uint32N(distinct)
				if i > 0 && distinct == 40 && random.IntN(9) > 0 {
					codes[i] = codes[i-1] // runs
				}
			}
			table := make([]uint32, distinct)
			for i := range table {
				table[i] = random.Uint32N(1<<16 + 1)
			}
			table[codes[n/2]] = 0
			p, err := ParseCodePage(AppendCodes(nil, codes), n, distinct)
			if err != nil {
				t.Fatal(err)
			}
			mapped, places := p.AppendMapped(nil, table, nil)
			listed, listedPlaces := AppendMapped(nil, codes, table, nil)
			fill := make([]uint32, len(places))
			for i := range fill {
				fill[i] = random.Uint32N(1 << 16)
			}
			FillMapped(mapped, n, places, fill)
			FillMapped(listed, n, places, fill)
			if !slices.Equal(mapped, listed) || !slices.Equal(places, listedPlaces) {
				t.Errorf("%d of %d: a page and a list differ", n, distinct)
			}
			have, rest, err := Codes(nil, mapped, n)
			if err != nil || len(rest) != 0 {
				t.Fatal(err)
			}
			for i, code := range codes {
				want := table[code] - 1
				if table[code] == 0 {
					want, fill = fill[0], fill[1:]
				}
				if have[i] != want {
					t.Fatalf("%d of %d: place %d has %d, want %d", n, distinct, i, have[i], want)
				}
			}
		}
	}
}

// BenchmarkMapped measures how fast a page is made from another one.
func BenchmarkMapped(b *testing.B) {
	random := rand.New(rand.NewPCG(93, 94))
	codes, table := make([]uint32, 32768), make([]uint32, 3000)
	for i := range codes {
		codes[i] = random.Uint32N(3000)
	}
	for i := range table {
		table[i] = 1 + random.Uint32N(300)
	}
	p, err := ParseCodePage(AppendCodes(nil, codes), len(codes), 3000)
	if err != nil {
		b.Fatal(err)
	}
	var mapped []byte
	for b.Loop() {
		mapped, _ = p.AppendMapped(mapped[:0], table, nil)
	}
}

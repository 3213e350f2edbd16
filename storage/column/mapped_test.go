package column

import (
	"math/rand/v2"
	"testing"
)

// TestMapped compares codes made by a table with what the table has.
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
			mapped, places := AppendMapped(nil, codes, table, nil)
			fill := make([]uint32, len(places))
			for i := range fill {
				fill[i] = random.Uint32N(1 << 16)
			}
			FillMapped(mapped, n, places, fill)
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

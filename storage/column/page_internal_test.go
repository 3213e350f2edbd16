package column

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAnyAbove compares with the greatest byte, of each length up to a few
// words and each limit.
func TestAnyAbove(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for n := range 40 {
		for most := range uint32(300) {
			src := bytes.Repeat([]byte{byte(random.IntN(int(min(most, 255)) + 1))}, n)
			if n > 0 && random.IntN(2) == 0 {
				src[random.IntN(n)] = byte(random.IntN(256))
			}
			want := n > 0 && uint32(slices.Max(src)) > most
			if got := anyAbove(src, most); got != want {
				t.Fatalf("anyAbove(%v, %d) is %v", src, most, got)
			}
		}
	}
}

// TestTopAbove compares with each code, of pages whose codes are around the limit or not.
func TestTopAbove(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	for n := range 80 {
		for range 200 {
			most := uint32(random.IntN(1 << 12))
			lows, highs, want := make([]byte, n), make([]byte, n), false
			for i := range n {
				code := uint32(random.IntN(int(most>>8+1)<<8 | 0xff))
				if random.IntN(4) > 0 {
					code = min(code, most)
				}
				code = min(code, most|0xff)
				lows[i], highs[i] = byte(code), byte(code>>8)
				want = want || code > most
			}
			if got := topAbove(lows, highs, most); got != want {
				t.Fatalf("topAbove(%v, %v, %d) is %v", lows, highs, most, got)
			}
		}
	}
}

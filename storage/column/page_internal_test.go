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

package column

import (
	"bytes"
	"testing"
)

// TestCompressEveryLength covers the lengths around those at which zstd
// leaves the content size out of its header.
func TestCompressEveryLength(t *testing.T) {
	for _, level := range []int{0, 1, 3, 6, 19} {
		for n := range 600 {
			raw := bytes.Repeat([]byte("ab c"), n)[:n]
			out, err := Decompress(nil, Compress(nil, raw, level), n)
			if err != nil || !bytes.Equal(out, raw) {
				t.Fatalf("level %d, %d bytes: %v", level, n, err)
			}
		}
	}
}

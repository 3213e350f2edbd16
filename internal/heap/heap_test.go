package heap

import "testing"

// TestStretch takes a stretch of the heap: whole huge pages, as many as fit.
func TestStretch(t *testing.T) {
	for _, c := range []struct{ asked, want int64 }{{1 << 40, Begin}, {16 * HugePage, 16 * HugePage}, {0, 2 * HugePage}} {
		s := NewStretch(c.asked)
		s.Plain()
		if s.begin%HugePage != 0 || s.bytes%HugePage != 0 || int64(s.bytes) > c.want || int64(s.bytes) <= c.want-2*HugePage {
			t.Errorf("%d bytes from %#x on, want whole pages of %d and nearly %d bytes", s.bytes, s.begin, HugePage, c.want)
		}
	}
}

package heap

import "testing"

// TestStretch takes a stretch of the heap: whole huge pages, as many as fit.
func TestStretch(t *testing.T) {
	for _, c := range []struct{ asked, want int64 }{{1 << 40, Begin}, {16 * HugePage, 16 * HugePage}, {0, 2 * HugePage}} {
		s := NewStretch(c.asked, 0)
		s.Plain()
		if s.begin%HugePage != 0 || s.bytes%HugePage != 0 || int64(s.bytes) > c.want || int64(s.bytes) <= c.want-2*HugePage {
			t.Errorf("%d bytes from %#x on, want whole pages of %d and nearly %d bytes", s.bytes, s.begin, HugePage, c.want)
		}
	}
}

// TestBack backs the beginning of a stretch, and lets go of that once.
func TestBack(t *testing.T) {
	for _, c := range []struct{ stretch, ready, want int64 }{
		{Begin, 1 << 40, Ready}, {Begin, 3*HugePage + 1, 3 * HugePage}, {Begin, HugePage - 1, 0}, {Begin, -1, 0},
	} {
		s := NewStretch(c.stretch, c.ready)
		s.Back()
		if got := s.Unback(); got != c.want {
			t.Errorf("of %d bytes %d are backed, want %d", c.ready, got, c.want)
		}
		if again := s.Unback(); again != 0 {
			t.Errorf("%d bytes are let go of again", again)
		}
	}
	small := NewStretch(0, Ready)
	small.Back()
	if got := small.Unback(); got > 2*HugePage {
		t.Errorf("%d bytes are backed of a stretch of two huge pages", got)
	}
}

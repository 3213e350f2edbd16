package heap

import "testing"

// TestStretch takes a stretch of the heap: whole huge pages, as many as fit.
func TestStretch(t *testing.T) {
	s := NewStretch()
	s.Plain()
	if s.begin%HugePage != 0 || s.bytes%HugePage != 0 || s.bytes > Begin || s.bytes <= Begin-2*HugePage {
		t.Errorf("%d bytes from %#x on, want whole pages of %d and nearly %d bytes", s.bytes, s.begin, HugePage, Begin)
	}
}

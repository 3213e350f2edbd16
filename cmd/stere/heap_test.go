package main

import "testing"

// TestHeapStretch takes a stretch of the heap: whole huge pages, as many as fit.
func TestHeapStretch(t *testing.T) {
	s := newHeapStretch()
	s.plain()
	if s.begin%hugePage != 0 || s.bytes%hugePage != 0 || s.bytes > heapBegin || s.bytes <= heapBegin-2*hugePage {
		t.Errorf("%d bytes from %#x on, want whole pages of %d and nearly %d bytes", s.bytes, s.begin, hugePage, heapBegin)
	}
}

package index

import "github.com/RoaringBitmap/roaring/v2"

// DocSet is a set of row numbers of one part. The alias is the only place
// where the rest of Stere meets the bitmap library. A DocSet that came out of
// a cache or a reader is shared: clone before changing it.
type DocSet = roaring.Bitmap

// NewDocSet returns an empty set.
func NewDocSet() *DocSet { return roaring.New() }

// DocSetOf returns the set of the given rows.
func DocSetOf(rows ...uint32) *DocSet { return roaring.BitmapOf(rows...) }

// DocSetRange returns the set of rows lo <= row < hi.
func DocSetRange(lo, hi uint32) *DocSet {
	set := roaring.New()
	if lo < hi {
		set.AddRange(uint64(lo), uint64(hi))
	}
	return set
}

// The sets that And, Or and AndNot return may be one of those they are given:
// most of what a condition is tried on it does not change, and a copy of the
// rows of a segment for each column and word costs more than the look-up.

// And returns the rows that are in both sets; it is not to be changed.
func And(a, b *DocSet) *DocSet {
	switch {
	case a.IsEmpty():
		return a
	case b.IsEmpty(), spans(a, b):
		return b
	case spans(b, a):
		return a
	}
	return roaring.And(a, b)
}

// spans reports whether a is all rows between two, and so has all of b, neither
// of them empty.
func spans(a, b *DocSet) bool {
	first, last := a.Minimum(), a.Maximum()
	return first <= b.Minimum() && b.Maximum() <= last && a.GetCardinality() == uint64(last-first)+1
}

// Or returns the rows that are in either set; it is not to be changed.
func Or(a, b *DocSet) *DocSet {
	switch {
	case a.IsEmpty():
		return b
	case b.IsEmpty():
		return a
	}
	return roaring.Or(a, b)
}

// AndNot returns the rows of a that are not in b; it is not to be changed.
func AndNot(a, b *DocSet) *DocSet {
	if b.IsEmpty() || !a.Intersects(b) {
		return a
	}
	return roaring.AndNot(a, b)
}

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

// And returns the rows that are in both sets, as a new set.
func And(a, b *DocSet) *DocSet { return roaring.And(a, b) }

// Or returns the rows that are in either set, as a new set.
func Or(a, b *DocSet) *DocSet { return roaring.Or(a, b) }

// AndNot returns the rows of a that are not in b, as a new set.
func AndNot(a, b *DocSet) *DocSet { return roaring.AndNot(a, b) }

package limit

import (
	"slices"
	"time"
)

// slots is into how many parts a window is cut that slides: what is counted leaves
// by whole parts, at most one of them late.
const slots = 64

// day is the length of a window that begins at midnight UTC.
const day = 24 * time.Hour

// Slot is how much was taken in a part of a window.
type Slot struct {
	At int64 `json:"at"` // number of the part since 1970
	N  int64 `json:"n"`
}

// Count is what one home has counted of a key. Two homes of a key, one after the other
// or at once, count different things: what was taken is the sum.
type Count struct {
	Epoch string `json:"epoch"` // of the home: a node, since its start
	Slots []Slot `json:"slots"`
}

// counts are what was taken of late, by slot, ascending.
type counts []Slot

// length is how long a slot of a rule is, and cover how many before the current one
// count.
func (r *Rule) length() (length time.Duration, cover int64) {
	if r.Daily {
		return day, 0
	}
	return max(r.Window/slots, 1), slots
}

// slide forgets what has left the window and returns what is in it.
func (c *counts) slide(r *Rule, now time.Time) (used int64) {
	length, cover := r.length()
	first := now.UnixNano()/int64(length) - cover
	gone := 0
	for gone < len(*c) && (*c)[gone].At < first {
		gone++
	}
	if gone > 0 {
		*c = append((*c)[:0], (*c)[gone:]...)
	}
	for _, s := range *c {
		used += s.N
	}
	return used
}

// add counts n more, now.
func (c *counts) add(r *Rule, now time.Time, n int64) {
	length, _ := r.length()
	at := now.UnixNano() / int64(length)
	if last := len(*c) - 1; last >= 0 && (*c)[last].At >= at { // a clock may have been set back
		(*c)[last].N += n
		return
	}
	*c = append(*c, Slot{At: at, N: n})
}

// give takes back n, of the newest first.
func (c *counts) give(n int64) {
	for i := len(*c) - 1; i >= 0 && n > 0; i-- {
		less := min(n, (*c)[i].N)
		(*c)[i].N -= less
		n -= less
	}
	*c = slices.DeleteFunc(*c, func(s Slot) bool { return s.N <= 0 })
}

// plus returns the sum of counts.
func (c counts) plus(other counts) counts {
	sum := make(counts, 0, len(c)+len(other))
	for len(c) > 0 || len(other) > 0 {
		switch {
		case len(other) == 0 || len(c) > 0 && c[0].At < other[0].At:
			sum, c = append(sum, c[0]), c[1:]
		case len(c) == 0 || other[0].At < c[0].At:
			sum, other = append(sum, other[0]), other[1:]
		default:
			sum = append(sum, Slot{c[0].At, c[0].N + other[0].N})
			c, other = c[1:], other[1:]
		}
	}
	return sum
}

// merge takes over what others were told of the same count: of every slot the larger
// number, which is the newer one.
func (c *counts) merge(r *Rule, told []Slot, now time.Time) {
	length, cover := r.length()
	last := now.UnixNano() / int64(length)
	for _, s := range told {
		if s.At > last || s.At < last-cover || s.N <= 0 {
			continue
		}
		i, there := slices.BinarySearchFunc(*c, s.At, func(have Slot, at int64) int { return int(min(max(have.At-at, -1), 1)) })
		if there {
			(*c)[i].N = max((*c)[i].N, s.N)
		} else {
			*c = slices.Insert(*c, i, s)
		}
	}
}

// free returns how long it takes until n fit below the limit, and until all of it is
// there again.
func (c counts) free(r *Rule, now time.Time, n int64) (fit, whole time.Duration) {
	length, cover := r.length()
	used := int64(0)
	for _, s := range c {
		used += s.N
	}
	leaves := func(s Slot) time.Duration {
		return max(time.Duration((s.At+cover+1)*int64(length)-now.UnixNano()), 0)
	}
	found := used+n <= r.Limit
	for _, s := range c {
		whole = leaves(s)
		if used -= s.N; !found && used+n <= r.Limit {
			fit, found = whole, true
		}
	}
	if !found { // more than there ever is
		fit = whole
	}
	return fit, whole
}

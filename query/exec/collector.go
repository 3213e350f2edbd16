package exec

import (
	"container/heap"
	"slices"
	"sync"
)

// candidate is a row that may be part of the page.
type candidate struct {
	Position
	part int
	row  uint32
}

// collector keeps the first size candidates of an order. Once there are so many it is
// a heap with the last of them on top; before, they stay as they came, most often in
// order.
type collector struct {
	size    int
	compare func(a, b *Position) int

	mu struct {
		sync.Mutex
		kept candidates
	}
}

func newCollector(size int, compare func(a, b *Position) int) *collector {
	c := &collector{size: size, compare: compare}
	c.mu.kept.compare = compare
	return c
}

// wants reports whether a candidate at the position would be kept.
func (c *collector) wants(p *Position) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fits(p)
}

func (c *collector) fits(p *Position) bool {
	if len(c.mu.kept.of) < c.size {
		return true
	}
	return c.size > 0 && c.compare(p, &c.mu.kept.of[0].Position) < 0
}

// full reports whether as many as wanted are kept.
func (c *collector) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.kept.of) >= c.size
}

// last returns the time of the last that is kept, if the collector is full.
func (c *collector) last() (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.kept.of) < c.size || c.size == 0 {
		return 0, false
	}
	return c.mu.kept.of[0].Time, true
}

// lastValue returns the first sort value of the last that is kept, if the collector
// is full.
func (c *collector) lastValue() (SortValue, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.kept.of) < c.size || c.size == 0 {
		return SortValue{}, false
	}
	return c.mu.kept.of[0].Values[0], true
}

// offer keeps the candidates that fit.
func (c *collector) offer(all []candidate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range all {
		if !c.fits(&all[i].Position) {
			continue
		}
		if len(c.mu.kept.of) < c.size {
			if c.mu.kept.of = append(c.mu.kept.of, all[i]); len(c.mu.kept.of) == c.size {
				heap.Init(&c.mu.kept)
			}
			continue
		}
		c.mu.kept.of[0] = all[i]
		heap.Fix(&c.mu.kept, 0)
	}
}

// sorted returns what is kept, in order. Numbers are sorted, and candidates, which are
// large to copy, moved once to where they belong.
func (c *collector) sorted() []candidate {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.mu.kept.of
	from := make([]int32, len(of)) // which candidate belongs here; -1 once it is there
	for i := range from {
		from[i] = int32(i)
	}
	slices.SortFunc(from, func(a, b int32) int { return c.compare(&of[a].Position, &of[b].Position) })
	for first := range of {
		if from[first] < 0 {
			continue
		}
		moved := of[first]
		for at := int32(first); ; {
			next := from[at]
			from[at] = -1
			if next == int32(first) {
				of[at] = moved
				break
			}
			of[at], at = of[next], next
		}
	}
	return of
}

// candidates implements heap.Interface.
type candidates struct {
	of      []candidate
	compare func(a, b *Position) int
}

func (c *candidates) Len() int           { return len(c.of) }
func (c *candidates) Less(i, j int) bool { return c.compare(&c.of[i].Position, &c.of[j].Position) > 0 }
func (c *candidates) Swap(i, j int)      { c.of[i], c.of[j] = c.of[j], c.of[i] }
func (c *candidates) Push(x any)         { c.of = append(c.of, x.(candidate)) }
func (c *candidates) Pop() any {
	last := len(c.of) - 1
	x := c.of[last]
	c.of = c.of[:last]
	return x
}

package exec

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// Page says which of the records found are wanted.
type Page struct {
	Size   int
	Skip   int       // records to leave out before the first
	After  *Position // the record before the first; nil for the first page
	Facets []string  // fields whose most frequent values are wanted
	Total  bool      // the number of all records found is wanted
	Bytes  int       // of the records at most, about; 0 has no limit
	Short  bool      // with Bytes: fewer records are a page too, as there is a next one
}

// Hit is a record found.
type Hit struct {
	ID         model.RecordID
	Record     model.Record
	Position   Position
	Highlights []Highlight // when asked for
}

// RecordsResult is a page.
type RecordsResult struct {
	Hits       []Hit
	HasMore    bool
	Total      uint64
	TotalExact bool // else there are at least Total
	Facets     map[string][]FacetValue
	Outcome
}

// The stretches of rows in which dear conditions are tried, newest first: the
// first is small because a page needs few rows, each next one is bigger. In further parts
// the first one is as large as those tried before let expect.
const (
	windowFirst  = 8 << 10
	windowGrowth = 8
	windowMax    = 512 << 10
)

// nextWindow returns the size of the stretch after one of so many rows with so
// many matches, when need more are wanted: what should do at this rate. Where
// nothing was found it is the biggest, as each stretch costs a look-up.
func nextWindow(size uint32, matches, need uint64) uint32 {
	if matches == 0 {
		return windowMax
	}
	return uint32(min(windowMax, max(uint64(size)*windowGrowth, 2*need*uint64(size)/matches)))
}

// Records finds one page of the records that satisfy the plan.
func Records(ctx context.Context, from Source, p *plan.Plan, page Page, limits Limits) (*RecordsResult, error) {
	s := newSearch(ctx, from, p, page, limits)
	asked := s.ask(s.ctx, s.takeFrom)
	defer asked.end()
	exact, err := s.look()
	if err != nil {
		return nil, err
	}
	if err := asked.wait(); err != nil {
		return nil, err
	}
	return s.result(exact)
}

// newSearch returns a run of Records that has not begun.
func newSearch(ctx context.Context, from Source, p *plan.Plan, page Page, limits Limits) *search {
	s := &search{run: newRun(ctx, from, p, limits), page: page, facets: newFacets(page.Facets, limits.Groups)}
	s.answers = make([]*recordsFound, len(from.Remotes))
	size := page.Size + page.Skip + 1
	if p.ByTime() {
		desc := len(p.Sort) == 0 || p.Sort[0].Desc
		s.desc = desc
		s.found = newCollector(size, func(a, b *Position) int { return compareTimes(desc, a, b) })
	} else {
		s.found = newCollector(size, func(a, b *Position) int { return comparePositions(p.Sort, a, b) })
	}
	s.order()
	return s
}

// look looks for the page in the parts and counts. It reports whether all that
// matches in them is counted.
func (s *search) look() (exact bool, err error) {
	visit := s.visitSorted
	if s.plan.ByTime() {
		visit = s.visitTimed
	}
	err = s.settle(s.each(len(s.queue), func(i int) error {
		return wrapPart(visit(s.queue[i]))
	}))
	if err != nil {
		return false, err
	}
	return s.countLeft()
}

// wrapPart says what was being done when a part gave an error.
func wrapPart(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("search part: %w", err)
}

// search is one run of Records.
type search struct {
	*run
	page   Page
	desc   bool
	queue  []int // parts, those with the first records of the page first
	found  *collector
	facets *facets

	answers []*recordsFound // of the remotes, nil where there is none

	mu struct {
		sync.Mutex
		total   uint64
		tried   uint64 // rows in stretches, and how many of them match
		matched uint64
		atLeast bool      // a remote has not counted all
		left    []stretch // rows that nobody has evaluated
	}
}

// stretch is a range of rows of a part.
type stretch struct {
	part   int
	lo, hi uint32
}

// order queues the parts.
func (s *search) order() {
	s.queue = make([]int, len(s.parts))
	for i := range s.queue {
		s.queue[i] = i
	}
	slices.SortStableFunc(s.queue, func(a, b int) int {
		firstA, lastA := s.parts[a].TimeRange()
		firstB, lastB := s.parts[b].TimeRange()
		switch {
		case s.desc && lastA != lastB:
			return compareInt(lastB, lastA)
		case !s.desc:
			return compareInt(firstA, firstB)
		}
		return compareInt(firstB, firstA)
	})
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// count adds to the total.
func (s *search) count(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.total += n
}

// counted returns the total so far.
func (s *search) counted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.total
}

// leave remembers rows whose number of matches is not known.
func (s *search) leave(i int, lo, hi uint32) {
	if lo >= hi {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.left = append(s.mu.left, stretch{i, lo, hi})
}

// visitTimed looks for the page in one part, in order of time. Dear conditions
// are tried in growing windows until the page is full.
func (s *search) visitTimed(i int) error {
	p := s.parts[i]
	lo, hi, err := s.bounds(p)
	if err != nil || lo >= hi {
		return err
	}
	if s.plan.Cheap && s.page.Total || len(s.page.Facets) > 0 || hi-lo <= windowFirst {
		if len(s.page.Facets) == 0 && !s.reaches(i) {
			s.leave(i, lo, hi) // to be counted when the page is known, as far as that is worth it
			return nil
		}
		rows, err := s.matching(p, lo, hi)
		if err != nil {
			return err
		}
		s.count(rows.GetCardinality())
		if err := s.facets.add(s.ctx, p, rows); err != nil {
			return err
		}
		if !s.reaches(i) {
			return nil // counted, and no times are read of what cannot be shown
		}
		_, err = s.offer(i, rows)
		return err
	}
	if lo, hi, err = s.beyond(p, i, lo, hi); err != nil {
		return err
	}
	for size := s.firstWindow(); lo < hi; {
		if !s.reaches(i) {
			break
		}
		from, to := lo, min(hi, lo+size)
		if s.desc {
			from, to = max(lo, hi-min(size, hi)), hi
		}
		rows, err := s.matching(p, from, to)
		if err != nil {
			return err
		}
		matches := rows.GetCardinality()
		s.count(matches)
		s.try(to-from, matches)
		enough, err := s.offer(i, rows)
		if err != nil {
			return err
		}
		size = nextWindow(to-from, matches, uint64(s.found.size))
		if s.desc {
			hi = from
		} else {
			lo = to
		}
		if enough {
			break
		}
	}
	s.leave(i, lo, hi)
	return nil
}

// firstWindow returns the size of the first stretch of a part.
func (s *search) firstWindow() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.tried == 0 {
		return windowFirst
	}
	if s.mu.matched == 0 {
		return windowMax
	}
	return uint32(min(windowMax, max(windowFirst, 2*uint64(s.found.size)*s.mu.tried/s.mu.matched)))
}

// try notes that a stretch of so many rows was tried, and how many of them match.
func (s *search) try(rows uint32, matches uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.tried, s.mu.matched = s.mu.tried+uint64(rows), s.mu.matched+matches
}

// beyond leaves out the rows before the page, which only count.
func (s *search) beyond(p part.Part, i int, lo, hi uint32) (uint32, uint32, error) {
	if s.page.After == nil {
		return lo, hi, nil
	}
	if s.desc {
		if s.page.After.Time == math.MaxInt64 {
			return lo, hi, nil
		}
		n, err := before(p, s.page.After.Time+1)
		n = min(max(n, lo), hi)
		s.leave(i, n, hi)
		return lo, n, err
	}
	n, err := before(p, s.page.After.Time)
	n = min(max(n, lo), hi)
	s.leave(i, lo, n)
	return n, hi, err
}

// reaches reports whether the part can have a record of the page.
func (s *search) reaches(i int) bool {
	last, full := s.found.last()
	first, end := s.parts[i].TimeRange()
	if after := s.page.After; after != nil && (s.desc && first > after.Time || !s.desc && end < after.Time) {
		return false
	}
	return !full || s.desc && end >= last || !s.desc && first <= last
}

// offerBatch is how many rows beyond the page's size are looked at at once.
const offerBatch = 64

// offer hands rows to the collector, the first of the page first, until no
// more are wanted. It reports whether the last one handed over was refused, so
// that later rows of the part cannot be on the page.
func (s *search) offer(i int, rows *index.DocSet) (enough bool, err error) {
	p := s.parts[i]
	if after := s.page.After; after != nil && !rows.IsEmpty() {
		lo, hi, err := s.beyondOf(p)
		if err != nil {
			return false, err
		}
		rows = index.And(rows, index.DocSetRange(lo, hi))
	}
	it := rows.Iterator()
	next := func() (uint32, bool) {
		if !it.HasNext() {
			return 0, false
		}
		return it.Next(), true
	}
	if s.desc {
		back := rows.ReverseIterator()
		next = func() (uint32, bool) {
			if !back.HasNext() {
				return 0, false
			}
			return back.Next(), true
		}
	}
	for batch := min(s.found.size, offerBatch); ; batch = min(2*batch, windowFirst) {
		if err := s.ctx.Err(); err != nil {
			return false, err
		}
		some := index.NewDocSet()
		for n := 0; n < batch; n++ {
			row, ok := next()
			if !ok {
				break
			}
			some.Add(row)
		}
		if some.IsEmpty() {
			return false, nil
		}
		if enough, err := s.offerSome(i, some); enough || err != nil {
			return enough, err
		}
	}
}

// beyondOf returns the bounds of the rows that are not before the page.
func (s *search) beyondOf(p part.Part) (lo, hi uint32, err error) {
	lo, hi = 0, p.Rows()
	switch {
	case !s.desc:
		lo, err = before(p, s.page.After.Time)
	case s.page.After.Time < math.MaxInt64:
		hi, err = before(p, s.page.After.Time+1)
	}
	return lo, hi, err
}

// offerSome hands over a few rows that follow each other.
func (s *search) offerSome(i int, rows *index.DocSet) (enough bool, err error) {
	times, err := s.parts[i].Times(rows)
	if err != nil {
		return false, err
	}
	ids, err := s.parts[i].IDs(rows)
	if err != nil {
		return false, err
	}
	all := make([]candidate, 0, len(times))
	for n, row := range rows.ToArray() {
		c := candidate{Position: Position{Time: times[n], ID: ids[n]}, part: i, row: row}
		if s.page.After == nil || compareTimes(s.desc, s.page.After, &c.Position) < 0 {
			all = append(all, c)
		}
	}
	s.found.offer(all)
	end := Position{Time: times[len(times)-1], ID: ids[len(ids)-1]}
	if s.desc {
		end = Position{Time: times[0], ID: ids[0]}
	}
	return s.found.full() && !s.found.wants(&end) && len(all) > 0, nil
}

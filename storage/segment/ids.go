package segment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
)

// idPage holds the ids of a page as they are stored: runs of rows that came with
// one entry, and runs of differences to the ordinals expected. An id is found
// from the runs, of which there are few, and none is decoded for each row.
type idPage struct {
	entries column.CodePage
	steps   column.IntRuns
}

// idsPage returns the ids of a page; see borrowed.
func (s *Segment) idsPage(page uint32) (*idPage, func(), error) {
	return borrowed(s, s.cacheKey(cachedIDs, 0, page), pageKey(sectionIDs, page), func(raw []byte, room *pageRoom) (*idPage, int64, error) {
		n := pageLen(s.meta.Rows, page)
		p := &room.ids
		raw, err := p.entries.ParseFirst(raw, n, s.meta.entries)
		if err == nil {
			raw, err = p.steps.Parse(raw, n)
		}
		if err != nil || len(raw) != 0 {
			return nil, 0, errors.Join(fmt.Errorf("ids of page %d: %w", page, ErrCorrupt), err)
		}
		return p, p.entries.Bytes() + 12*int64(p.steps.Runs()), nil
	})
}

// idRun is a stretch of rows of a page that came with one entry.
type idRun struct {
	entry    uint32
	from, to uint32 // places
	first    int64  // ordinal of the first row
	step     int64  // from one row to the next
}

// ordinal returns the ordinal of the row at a place of the run.
func (r *idRun) ordinal(place uint32) int64 { return r.first + r.step*int64(place-r.from) }

// eachRun calls visit with the runs of a page, in order, until it returns false.
func (p *idPage) eachRun(visit func(r *idRun) bool) {
	expect := newExpected(p.entries.Runs())
	at, i, k := uint32(0), 0, 0
	for i < p.entries.Runs() && k < p.steps.Runs() {
		entry, entryEnd := p.entries.Run(i)
		step, stepEnd := p.steps.Run(k)
		end := min(entryEnd, stepEnd)
		// Each row is what the one before lets expect, one more than it, and the
		// difference.
		r := idRun{entry: entry, from: at, to: end, first: expect.of(entry) + step, step: step + 1}
		expect.set(entry, r.ordinal(end-1)+1)
		if !visit(&r) {
			return
		}
		if at = end; at == entryEnd {
			i++
		}
		if at == stepEnd {
			k++
		}
	}
}

// expected is the next ordinal of each entry: in a list while there are few.
type expected struct {
	entries []uint32
	next    []int64
	many    map[uint32]int64
}

// expectedMax is up to how many runs entries are kept in a list.
const expectedMax = 64

func newExpected(runs int) expected {
	if runs > expectedMax {
		return expected{many: map[uint32]int64{}}
	}
	return expected{entries: make([]uint32, 0, runs), next: make([]int64, 0, runs)}
}

func (e *expected) of(entry uint32) int64 {
	if e.many != nil {
		return e.many[entry]
	}
	if i := slices.Index(e.entries, entry); i >= 0 {
		return e.next[i]
	}
	return 0
}

func (e *expected) set(entry uint32, next int64) {
	if e.many != nil {
		e.many[entry] = next
		return
	}
	if i := slices.Index(e.entries, entry); i >= 0 {
		e.next[i] = next
		return
	}
	e.entries, e.next = append(e.entries, entry), append(e.next, next)
}

// entryList is the log entries that the records came with.
type entryList struct {
	indexes     []int64
	first, span []int64 // page of the first record, pages to the last
}

func (s *Segment) entryList() (*entryList, error) {
	return cached(s, s.cacheKey(cachedEntries, 0, 0), func() (*entryList, int64, error) {
		raw, err := s.frame(pageKey(sectionEntries, 0))
		if err != nil {
			return nil, 0, err
		}
		l := &entryList{}
		n := int(s.meta.entries)
		for _, dst := range []*[]int64{&l.indexes, &l.first, &l.span} {
			if *dst, raw, err = column.Ints(nil, raw, n); err != nil {
				return nil, 0, errors.Join(fmt.Errorf("entries: %w", ErrCorrupt), err)
			}
		}
		last := int64(pages(s.meta.Rows)) - 1
		for i := range n {
			if l.first[i] < 0 || l.span[i] < 0 || l.first[i] > last || l.span[i] > last-l.first[i] {
				return nil, 0, fmt.Errorf("entries: %w", ErrCorrupt)
			}
		}
		return l, 24 * int64(n), nil
	})
}

// IDs implements part.Part.
func (s *Segment) IDs(rows *index.DocSet) ([]model.RecordID, error) {
	if n := rows.GetCardinality(); n == 0 || n > knownMax {
		return s.readIDs(rows)
	}
	return few(s, cachedFewIDs, rows.ToArray(), func() ([]model.RecordID, error) { return s.readIDs(rows) })
}

// readIDs reads the ids of rows.
func (s *Segment) readIDs(rows *index.DocSet) ([]model.RecordID, error) {
	list, err := s.entryList()
	if err != nil {
		return nil, err
	}
	out := make([]model.RecordID, 0, rows.GetCardinality())
	err = eachPage(rows, func(page uint32, places []uint32) error {
		ids, done, err := s.idsPage(page)
		if err != nil {
			return err
		}
		defer done()
		ids.eachRun(func(r *idRun) bool {
			index := uint64(list.indexes[r.entry])
			for len(places) > 0 && places[0] < r.to {
				out = append(out, model.RecordID{Shard: s.meta.Shard, Index: index, Ordinal: uint32(r.ordinal(places[0]))})
				places = places[1:]
			}
			return len(places) > 0
		})
		return nil
	})
	return out, err
}

// RowsOf implements part.Leaves.
func (s *Segment) RowsOf(_ context.Context, ids []model.RecordID) (*index.DocSet, error) {
	found := index.NewDocSet()
	for _, id := range ids {
		if id.Shard != s.meta.Shard || id.Index < s.meta.MinIndex || id.Index > s.meta.MaxIndex {
			continue
		}
		list, err := s.entryList()
		if err != nil {
			return nil, err
		}
		entry := slices.Index(list.indexes, int64(id.Index))
		if entry < 0 {
			continue
		}
		for page := list.first[entry]; page <= list.first[entry]+list.span[entry]; page++ {
			p, done, err := s.idsPage(uint32(page))
			if err != nil {
				return nil, err
			}
			p.eachRun(func(r *idRun) bool {
				for place := r.from; r.entry == uint32(entry) && place < r.to; place++ {
					if r.ordinal(place) == int64(id.Ordinal) {
						found.Add(uint32(page)*PageRows + place)
					}
				}
				return true
			})
			done()
		}
	}
	return found, nil
}

package exec

import (
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// sortColumn is a sort key of some rows: the n-th has values[codes[n]].
type sortColumn struct {
	codes  []uint32
	values []SortValue // of no value first
}

// visitSorted looks for the page in one part, in the order of other fields.
// Every match is compared by the code of its first key; the other keys, times
// and ids are read only for rows that may be on the page.
func (s *search) visitSorted(i int) error {
	p := s.parts[i]
	lo, hi, err := s.bounds(p)
	if err != nil || lo >= hi {
		return err
	}
	rows, err := s.matching(p, lo, hi)
	if err != nil || rows.IsEmpty() {
		return err
	}
	s.count(rows.GetCardinality())
	if err := s.facets.add(s.ctx, p, rows); err != nil {
		return err
	}
	if slices.ContainsFunc(s.plan.Sort, func(key plan.SortKey) bool { return s.wide(p, rows, key.Field) }) {
		return s.eachPiece(rows, func(piece *index.DocSet) error { return s.visitSome(i, piece) })
	}
	return s.visitSome(i, rows)
}

// visitSome looks for the page in rows of a part that are read at once.
func (s *search) visitSome(i int, rows *index.DocSet) error {
	p := s.parts[i]
	list := rows.ToArray()
	first, err := s.sortColumn(p, 0, rows, list)
	if err != nil {
		return err
	}
	if first, list = s.narrow(first, list); uint64(len(list)) < rows.GetCardinality() {
		rows = index.DocSetOf(list...)
	}
	keys := []sortColumn{first}
	for k := 1; k < len(s.plan.Sort); k++ {
		key, err := s.sortColumn(p, k, rows, list)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	return s.offerSorted(i, keys, rows, list)
}

// sortColumn reads the k-th sort key of the rows.
func (s *search) sortColumn(p part.Part, k int, rows *index.DocSet, list []uint32) (sortColumn, error) {
	field := s.plan.Sort[k].Field
	source, err := s.gather(p, field, rows, list)
	if err != nil {
		return sortColumn{}, err
	}
	return newSortColumn(field, source), nil
}

// narrow leaves out the rows that by the first key alone cannot be on the
// page: those before it, those after as many as it has, and those after all that
// were found so far if these fill it.
func (s *search) narrow(first sortColumn, list []uint32) (sortColumn, []uint32) {
	counts := make([]int, len(first.values))
	for _, code := range first.codes {
		counts[code]++
	}
	codes := make([]uint32, 0, len(counts))
	for code, n := range counts {
		if n > 0 {
			codes = append(codes, uint32(code))
		}
	}
	compare := func(a, b *SortValue) int { return compareValues(s.plan.Sort[0], a, b) }
	slices.SortFunc(codes, func(a, b uint32) int { return compare(&first.values[a], &first.values[b]) })
	wanted := make([]bool, len(counts))
	found := 0
	last, full := s.found.lastValue()
	for n, code := range codes {
		value := &first.values[code]
		if full && compare(value, &last) > 0 {
			break
		}
		if n > 0 && found >= s.found.size && compare(&first.values[codes[n-1]], value) != 0 {
			break
		}
		place := 1
		if s.page.After != nil {
			place = compare(value, &s.page.After.Values[0])
		}
		if place > 0 {
			found += counts[code]
		}
		wanted[code] = place >= 0
	}
	kept, rows := sortColumn{values: first.values}, make([]uint32, 0, min(len(list), found))
	for n, code := range first.codes {
		if wanted[code] {
			kept.codes, rows = append(kept.codes, code), append(rows, list[n])
		}
	}
	return kept, rows
}

// offerSorted hands over the rows of one part.
func (s *search) offerSorted(i int, keys []sortColumn, rows *index.DocSet, list []uint32) error {
	if len(list) == 0 {
		return nil
	}
	times, err := s.parts[i].Times(rows)
	if err != nil {
		return err
	}
	ids, err := s.parts[i].IDs(rows)
	if err != nil {
		return err
	}
	// Rows of one part are kept apart first, so that the lock is taken once.
	local := newCollector(s.found.size, s.found.compare)
	scratch := make([]SortValue, len(keys))
	at := &Position{Values: scratch} // one for all rows: most are not kept
	for n, row := range list {
		for k := range keys {
			scratch[k] = keys[k].values[keys[k].codes[n]]
		}
		at.Time, at.ID = times[n], ids[n]
		if s.page.After != nil && s.found.compare(s.page.After, at) >= 0 || !local.wants(at) {
			continue
		}
		kept := Position{Values: slices.Clone(scratch), Time: times[n], ID: ids[n]}
		local.offer([]candidate{{Position: kept, part: i, row: row}})
	}
	s.found.offer(local.sorted())
	return nil
}

func newSortColumn(field string, source column) sortColumn {
	field = plan.BaseName(field)
	c := sortColumn{codes: source.codes, values: make([]SortValue, len(source.dict)+1)}
	c.values[0] = SortValue{Class: ClassMissing}
	for n, value := range source.dict {
		if value.isTime {
			c.values[n+1] = SortValue{Class: ClassNumber, Number: value.number, Whole: value.whole}
			continue
		}
		c.values[n+1] = sortValue(field, value.kind, value.text)
	}
	return c
}

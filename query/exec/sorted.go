package exec

import (
	"slices"

	"github.com/stere-log/stere/query/plan"
)

// sortColumn is a sort key of some rows: the n-th has values[codes[n]].
type sortColumn struct {
	codes  []uint32
	values []SortValue // of no value first
}

// visitSorted looks for the page in one part, in the order of other fields.
// Every match is compared, by code; ids are read only for rows that may be on
// the page.
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
	list := rows.ToArray()
	keys := make([]sortColumn, len(s.plan.Sort))
	for k, key := range s.plan.Sort {
		source, err := s.gather(p, key.Field, rows, list)
		if err != nil {
			return err
		}
		keys[k] = newSortColumn(key.Field, source)
	}
	times, err := p.Times(rows)
	if err != nil {
		return err
	}
	ids, err := p.IDs(rows)
	if err != nil {
		return err
	}
	// Rows of one part are kept apart first, so that the lock is taken once.
	local := newCollector(s.found.size, s.found.compare)
	scratch := make([]SortValue, len(keys))
	for n, row := range list {
		for k := range keys {
			scratch[k] = keys[k].values[keys[k].codes[n]]
		}
		c := candidate{Position: Position{Values: scratch, Time: times[n], ID: ids[n]}, part: i, row: row}
		if s.page.After != nil && s.found.compare(s.page.After, &c.Position) >= 0 || !local.wants(&c.Position) {
			continue
		}
		c.Values = slices.Clone(scratch)
		local.offer([]candidate{c})
	}
	s.found.offer(local.sorted())
	return nil
}

func newSortColumn(field string, source column) sortColumn {
	c := sortColumn{codes: source.codes, values: make([]SortValue, len(source.dict)+1)}
	c.values[0] = SortValue{Class: ClassMissing}
	for n, value := range source.dict {
		if field == plan.FieldTime {
			c.values[n+1] = SortValue{Class: ClassNumber, Number: value.number, Whole: value.whole}
			continue
		}
		c.values[n+1] = sortValue(field, value.kind, value.text)
	}
	return c
}

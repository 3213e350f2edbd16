package exec

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// result counts what is left to count and reads the records of the page.
func (s *search) result() (*RecordsResult, error) {
	exact, err := s.countLeft()
	if err != nil {
		return nil, err
	}
	found := s.found.sorted()
	found = found[min(len(found), s.page.Skip):]
	result := &RecordsResult{HasMore: len(found) > s.page.Size}
	found = found[:min(len(found), s.page.Size)]
	if result.Hits, err = s.fetch(found); err != nil {
		return nil, err
	}
	result.Facets = s.facets.result(s.run)
	result.Outcome = s.outcome()
	result.Total = s.mu.total
	result.TotalExact = exact && result.Complete
	return result, nil
}

// countPiece is how many rows are counted at once. Between pieces it is looked
// whether more are worth it.
const countPiece = 128 << 10

// errCounted ends the counting of a total that is large enough.
var errCounted = errors.New("total is large")

// countLeft counts the rows that the page did not need, within CountTime, or
// CountBrief for a large total. It reports whether all are counted.
func (s *search) countLeft() (bool, error) {
	if !s.page.Total {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.limits.CountTime)
	defer cancel()
	counter := &run{outer: s.outer, ctx: ctx, parts: s.parts, plan: s.plan, limits: s.limits}
	var pieces []stretch
	for _, left := range s.mu.left {
		for lo := left.lo; lo < left.hi; lo += min(countPiece, left.hi-lo) {
			pieces = append(pieces, stretch{left.part, lo, lo + min(countPiece, left.hi-lo)})
		}
	}
	started := time.Now()
	err := counter.each(len(pieces), func(i int) error {
		if time.Since(started) > s.limits.CountBrief && s.counted() >= s.limits.CountLarge {
			return errCounted
		}
		rows, err := counter.matching(s.parts[pieces[i].part], pieces[i].lo, pieces[i].hi)
		if err == nil {
			s.count(rows.GetCardinality())
		}
		return err
	})
	if err == nil {
		return true, nil
	}
	if s.outer.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errCounted)) {
		return false, nil
	}
	return false, err
}

// fetch reads the records of the candidates, in their order.
func (s *search) fetch(found []candidate) ([]Hit, error) {
	hits := make([]Hit, len(found))
	byPart := map[int][]int{} // positions in found
	for n, c := range found {
		byPart[c.part] = append(byPart[c.part], n)
	}
	var order []int
	for i := range byPart {
		order = append(order, i)
	}
	slices.Sort(order)
	// The page is small: it is read even when the time budget is over.
	reader := &run{outer: s.outer, ctx: s.outer, limits: s.limits}
	err := reader.each(len(order), func(n int) error {
		i := order[n]
		rows := index.NewDocSet()
		for _, at := range byPart[i] {
			rows.Add(found[at].row)
		}
		records, err := s.parts[i].Records(s.outer, rows)
		if err != nil {
			return wrapPart(err)
		}
		for _, at := range byPart[i] {
			c := found[at]
			record := records[rows.Rank(c.row)-1]
			hits[at] = Hit{ID: c.ID, Record: project(record, s.plan.Fields), Position: c.Position}
		}
		return nil
	})
	return hits, err
}

// project keeps the named fields and what is nested in them, in the order of
// the names.
func project(record model.Record, names []string) model.Record {
	if names == nil {
		return record
	}
	var kept []model.Field
	taken := make([]bool, len(record.Fields))
	for _, name := range names {
		for i, field := range record.Fields {
			if query := model.QueryName(field.Name); !taken[i] && (query == name || len(query) > len(name) && query[:len(name)] == name && query[len(name)] == '.') {
				taken[i] = true
				kept = append(kept, field)
			}
		}
	}
	record.Fields = kept
	return record
}

// Find returns the record with an id; ok is false if no part has it.
func Find(ctx context.Context, parts []part.Part, id model.RecordID) (hit Hit, ok bool, err error) {
	for _, p := range parts {
		rows, err := p.Eval(ctx, index.IDs{Of: []model.RecordID{id}}, nil)
		if err != nil {
			return Hit{}, false, wrapPart(err)
		}
		if rows.IsEmpty() {
			continue
		}
		records, err := p.Records(ctx, rows)
		if err != nil {
			return Hit{}, false, wrapPart(err)
		}
		return Hit{ID: id, Record: records[0], Position: Position{Time: records[0].Time, ID: id}}, true, nil
	}
	return Hit{}, false, nil
}

// Around finds records next to a position that satisfy filters: those before
// it if desc, nearest first.
func Around(ctx context.Context, parts []part.Part, filters []plan.Filter, at Position, desc bool, n int, limits Limits) (*RecordsResult, error) {
	all := index.AllOf{}
	for _, filter := range filters {
		all.Of = append(all.Of, plan.FilterExpr(filter))
	}
	p := &plan.Plan{Expr: all, From: at.Time, To: plan.NoTo, Limit: plan.Unlimited, Sort: []plan.SortKey{{Field: plan.FieldTime, Desc: desc}}}
	if desc {
		p.From, p.To = minTime, nextTime(at.Time)
	}
	return Records(ctx, parts, p, Page{Size: n, After: &at}, limits)
}

package exec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// result reads the records of the page; exact says that all is counted that
// matches in the parts.
func (s *search) result(exact bool) (*RecordsResult, error) {
	found := s.found.sorted()
	found = found[min(len(found), s.page.Skip):]
	result := &RecordsResult{HasMore: len(found) > s.page.Size}
	found = found[:min(len(found), s.page.Size)]
	if err := s.read(found, result); err != nil {
		return nil, err
	}
	if len(result.Hits) == 0 && len(found) > 0 {
		result.HasMore = false // there is nothing that a page could begin after
	}
	result.Facets = s.facets.result(s.run)
	result.Outcome = s.outcome()
	result.Total = s.mu.total
	result.TotalExact = exact && !s.mu.atLeast && result.Complete
	return result, nil
}

// How many records are read before their bytes are counted, and without a bound
// on what they take.
const (
	readFirst = 64
	readMax   = 128
)

// readSlack is how many times the room that a page has left the records that are
// read at once may take: what does not fit is read for nothing.
const readSlack = 3

// read reads the records of the page. With a limit of their bytes it stops before
// the one that does not fit, but not before the first. What is read at once is as
// much as will fit, if it is like what was read before: all that is read at once
// shares the unpacking of the columns.
func (s *search) read(found []candidate, result *RecordsResult) error {
	batch := len(found)
	if s.page.Bytes > 0 {
		batch = readFirst
	}
	bytes := 0
	for done := 0; done < len(found); {
		some := s.readable(found[done:min(len(found), done+batch)])
		ctx := s.outer
		if s.page.Bytes > 0 && len(some) > readMax {
			ctx = part.Bounded(ctx, readSlack*(s.page.Bytes-bytes))
		}
		hits, err := s.fetch(ctx, some)
		if errors.Is(err, part.ErrLarge) {
			batch = max(readFirst, len(some)/readMax)
			continue
		}
		if err != nil {
			return err
		}
		done += len(some)
		if hits, err = s.fetchFar(some, hits); err != nil {
			return err
		}
		if s.page.Bytes == 0 {
			result.Hits = append(result.Hits, hits...)
			continue
		}
		result.Hits = slices.Grow(result.Hits, len(hits))
		for i := range hits {
			if bytes += RecordBytes(&hits[i].Record); bytes > s.page.Bytes && len(result.Hits) > 0 {
				if result.HasMore = result.HasMore || s.page.Short; !s.page.Short {
					s.partial(bytesReason(s.page.Bytes))
				}
				return nil
			}
			result.Hits = append(result.Hits, hits[i])
		}
		if !s.page.Short && s.ctx.Err() != nil && done < len(found) {
			s.partial(timeReason(s.limits.Time))
			return nil
		}
		batch = max(readMax, int(int64(s.page.Bytes-bytes)*int64(len(result.Hits))/int64(max(1, bytes))))
	}
	return nil
}

// readable returns the first of the candidates that are read at once: of those
// that another node must be asked for no more than readMax.
func (s *search) readable(found []candidate) []candidate {
	asked := 0
	for n, c := range found {
		if i := c.part - len(s.parts); i < 0 || int(c.row) < len(s.answers[i].hits) {
			continue
		}
		if asked++; asked > readMax {
			return found[:n]
		}
	}
	return found
}

// bytesReason says that records were left out because they are too large.
func bytesReason(most int) string { return fmt.Sprintf("the records take more than %d bytes", most) }

// RecordBytes returns about what a record takes.
func RecordBytes(record *model.Record) int {
	bytes := cellBytes
	for _, f := range record.Fields {
		bytes += cellBytes + len(f.Name) + len(f.Text)
	}
	return bytes
}

// countPiece is how many rows are counted at once where texts are read for it. Between
// pieces it is looked whether more are worth it.
const countPiece = 128 << 10

// errCounted ends the counting of a total that is large enough.
var errCounted = errors.New("total is large")

// countLeft counts the rows that the page did not need, within CountBrief once the total
// is large, and within CountTime where texts are read for it. It reports whether all are
// counted. Where no text is read a part is counted as a whole, whose rows are kept.
func (s *search) countLeft() (bool, error) {
	if !s.page.Total {
		return false, nil
	}
	ctx, most := s.ctx, uint32(math.MaxUint32)
	if !s.plan.Cheap {
		most = countPiece
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(s.ctx, s.limits.CountTime)
		defer cancel()
	}
	counter := &run{outer: s.outer, ctx: ctx, parts: s.parts, plan: s.plan, limits: s.limits}
	var pieces []stretch
	for _, left := range s.mu.left {
		for lo := left.lo; lo < left.hi; lo += min(most, left.hi-lo) {
			pieces = append(pieces, stretch{left.part, lo, lo + min(most, left.hi-lo)})
		}
	}
	_, all := s.plan.Expr.(index.All)
	known := all && s.plan.Cheap // nothing is read for it
	started := time.Now()
	err := counter.each(len(pieces), func(i int) error {
		if !known && time.Since(started) > s.limits.CountBrief && s.counted() >= s.limits.CountLarge {
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
	if s.outer.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errCounted) || errors.Is(err, errRead)) {
		return false, nil
	}
	return false, err
}

// fetch reads the records of those candidates that are in parts; each is at the
// place of its candidate.
func (s *search) fetch(ctx context.Context, found []candidate) ([]Hit, error) {
	hits := make([]Hit, len(found))
	byPart := map[int][]int{} // positions in found
	for n, c := range found {
		if c.part < len(s.parts) {
			byPart[c.part] = append(byPart[c.part], n)
		}
	}
	var order []int
	for i := range byPart {
		order = append(order, i)
	}
	slices.Sort(order)
	// The page is small: it is read even when the time budget is over.
	reader := &run{outer: ctx, ctx: ctx, limits: s.limits}
	reader.limits.Read = 0
	err := reader.each(len(order), func(n int) error {
		i := order[n]
		rows := index.NewDocSet()
		for _, at := range byPart[i] {
			rows.Add(found[at].row)
		}
		records, err := s.parts[i].Records(ctx, rows)
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

// Project keeps the named fields and what is nested in them, in the order of the
// names; nil names all.
func Project(record model.Record, names []string) model.Record { return project(record, names) }

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

// Find returns the record with an id; ok is false if it was not found, which is
// certain only if the outcome is complete.
func Find(ctx context.Context, from Source, id model.RecordID, limits Limits) (hit Hit, ok bool, outcome Outcome, err error) {
	for _, p := range from.Parts {
		rows, err := p.Eval(ctx, index.IDs{Of: []model.RecordID{id}}, nil)
		if err != nil {
			return Hit{}, false, Outcome{}, wrapPart(err)
		}
		if rows.IsEmpty() {
			continue
		}
		records, err := p.Records(ctx, rows)
		if err != nil {
			return Hit{}, false, Outcome{}, wrapPart(err)
		}
		return newHit(id, records[0]), true, Outcome{Complete: true}, nil
	}
	r := newRun(ctx, Source{Remotes: from.Remotes}, nil, limits)
	record, err := r.findFar(id)
	if err != nil || record == nil {
		return Hit{}, false, r.outcome(), err
	}
	return newHit(id, *record), true, Outcome{Complete: true}, nil
}

// newHit returns the hit of a record in the order of time.
func newHit(id model.RecordID, record model.Record) Hit {
	return Hit{ID: id, Record: record, Position: Position{Time: record.Time, ID: id}}
}

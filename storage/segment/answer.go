package segment

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// A segment never changes, so neither do the answers to questions about it:
// they are kept in the cache like pages, and go with the segment. Rows of
// conditions are kept for the stretches of rows that they were asked for,
// which are the same when the question is asked again.

var _ part.Memo = (*Segment)(nil)

// answerKeyMax is how long a key of an answer may be: expressions with
// thousands of operands are not kept.
const answerKeyMax = 4 << 10

// Memo implements part.Memo.
func (s *Segment) Memo(key string, make func() (value any, bytes int64, err error)) (any, error) {
	if len(key) > answerKeyMax {
		value, _, err := make()
		return value, err
	}
	at := s.cacheKey(cachedAnswer, 0, 0)
	at.text = key
	if value, ok := s.kept(at); ok {
		return value, nil
	}
	value, bytes, err := make()
	if err == nil && bytes >= 0 {
		s.cache.put(at, value, bytes)
	}
	return value, err
}

// Identity implements part.Memo.
func (s *Segment) Identity() string {
	id := binary.BigEndian.AppendUint64([]byte("segment "), s.cache.id)
	return string(binary.BigEndian.AppendUint64(id, s.number))
}

// Sealed implements part.Memo.
func (s *Segment) Sealed() bool { return true }

// Eval implements part.Part. Rows of whole stretches are kept.
func (s *Segment) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	lo, hi, whole := s.stretch(within)
	if !whole {
		return part.Eval(ctx, s, e, within)
	}
	if _, all := e.(index.All); all {
		return index.DocSetRange(lo, hi), nil
	}
	key, ok := part.AppendKey(make([]byte, 0, 64), e)
	if !ok || len(key) > answerKeyMax {
		return part.Eval(ctx, s, e, within)
	}
	at := s.cacheKey(cachedRows, 0, 0)
	at.text = string(key)
	if lo > 0 || hi < s.meta.Rows {
		if all, ok := s.cache.peek(at); ok {
			return index.And(all.(*index.DocSet), index.DocSetRange(lo, hi)), nil
		}
		at.text = string(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(key, lo), hi))
		at.number = 1 // a stretch: its key must not be taken for a whole one's
	}
	return cached(s, at, func() (*index.DocSet, int64, error) {
		words := newTogether(e)
		if words != nil {
			if err := words.findPages(s); err != nil {
				return nil, 0, err
			}
			ctx = words.within(ctx)
		}
		if words != nil || rereads(e) {
			s.cache.rooms.returning(1)
			defer s.cache.rooms.returning(-1)
		}
		rows, err := part.Eval(ctx, s, e, within)
		if err != nil {
			return nil, 0, err
		}
		rows = rows.Clone() // it may be a set that others hold
		rows.RunOptimize()
		return rows, int64(rows.GetSizeInBytes()), nil
	})
}

// rereads reports whether an expression may read pages of codes and texts several times
// because of what a single leaf of it looks for.
func rereads(e index.Expr) bool {
	switch e := e.(type) {
	case index.AllOf:
		return slices.ContainsFunc(e.Of, rereads)
	case index.AnyOf:
		return slices.ContainsFunc(e.Of, rereads)
	case index.Not:
		return rereads(e.Of)
	case index.Leaf:
		switch e.Pred.(type) {
		case index.Prefix, index.Regex:
			return true
		}
	}
	return false
}

// recordsKept is up to how many records, read at once, are kept one by one:
// those of a page, which are shown again and again. More are a scan.
const recordsKept = 1000

// Records implements part.Part.
func (s *Segment) Records(ctx context.Context, rows *index.DocSet) ([]model.Record, error) {
	if rows.GetCardinality() > recordsKept {
		return s.readRecords(ctx, rows)
	}
	asked := rows.ToArray()
	records := make([]model.Record, len(asked))
	var missing []int // in asked
	left := index.NewDocSet()
	for i, row := range asked {
		if record, ok := s.kept(s.cacheKey(cachedRecord, 0, row)); ok {
			records[i] = record.(model.Record)
			continue
		}
		missing = append(missing, i)
		left.Add(row)
	}
	if len(missing) == 0 {
		return records, nil
	}
	read, err := s.readRecords(ctx, left)
	if err != nil {
		return nil, err
	}
	for n, i := range missing {
		record, bytes := compact(read[n])
		records[i] = record
		s.cache.put(s.cacheKey(cachedRecord, 0, asked[i]), record, bytes)
	}
	return records, nil
}

// fieldBytes is what a field takes besides its text.
const fieldBytes = 40

// compact returns a copy of the record whose texts hold on to nothing but
// themselves, and its size.
func compact(r model.Record) (model.Record, int64) {
	var size int
	for i := range r.Fields {
		size += len(r.Fields[i].Text)
	}
	var texts strings.Builder
	texts.Grow(size)
	for i := range r.Fields {
		texts.WriteString(r.Fields[i].Text)
	}
	all := texts.String()
	fields := slices.Clone(r.Fields)
	for i := range fields {
		n := len(fields[i].Text)
		fields[i].Text, all = all[:n], all[n:]
	}
	r.Fields = fields
	return r, int64(size + fieldBytes*len(fields))
}

// stretch returns the rows lo <= row < hi that within is; whole is false if
// it is not all rows between two.
func (s *Segment) stretch(within *index.DocSet) (lo, hi uint32, whole bool) {
	if within == nil {
		return 0, s.meta.Rows, true
	}
	if within.IsEmpty() {
		return 0, 0, false
	}
	lo, hi = within.Minimum(), within.Maximum()+1
	return lo, hi, within.GetCardinality() == uint64(hi-lo)
}

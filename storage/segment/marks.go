package segment

import (
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/storage/column"
)

// Marks are the rows at which the minutes of a segment begin. Most bounds in
// time that are asked for lie between two minutes (steps of charts, spans that
// people type): marks answer them, and no page of times is read.

// markUnit is the distance of marks in nanoseconds.
const markUnit = int64(time.Minute)

// marksShare is how many rows a mark must stand for on average: where records
// are few, their times are no more work than the marks.
const marksShare = 16

// marksOf returns the number of marks of a segment; 0 is none. The first is at
// the minute of the first record, the last at that of the last one.
func (m *Meta) marksOf() int {
	n := column.FloorDiv(m.LastTime, markUnit) - column.FloorDiv(m.FirstTime, markUnit) + 1
	if n > int64(m.Rows)/marksShare {
		return 0
	}
	return int(n)
}

// emitMarks writes how many records each minute has.
func (b *builder) emitMarks() error {
	n := b.meta.marksOf()
	if n == 0 {
		return nil
	}
	counts := make([]int64, n)
	first := column.FloorDiv(b.meta.FirstTime, markUnit)
	for _, t := range b.times {
		counts[column.FloorDiv(t, markUnit)-first]++
	}
	return b.emit(pageKey(sectionTimes, timeMarks), b.compress(b.encoder.AppendInts(nil, counts)))
}

// marks returns for each mark the first row at or after it. Callers have made
// sure that there are some.
func (s *Segment) marks() ([]uint32, error) {
	return cached(s, s.cacheKey(cachedTimes, 0, timeMarks), func() ([]uint32, int64, error) {
		raw, err := s.frame(pageKey(sectionTimes, timeMarks))
		if err != nil {
			return nil, 0, err
		}
		n := s.meta.marksOf()
		counts, rest, err := column.Ints(nil, raw, n)
		if err != nil || len(rest) != 0 {
			return nil, 0, errors.Join(fmt.Errorf("marks: %w", ErrCorrupt), err)
		}
		rows, sum := make([]uint32, n), int64(0)
		for i, count := range counts {
			rows[i] = uint32(sum)
			if count < 0 || count > int64(s.meta.Rows)-sum {
				return nil, 0, fmt.Errorf("marks: %w", ErrCorrupt)
			}
			sum += count
		}
		if sum != int64(s.meta.Rows) {
			return nil, 0, fmt.Errorf("marks: %w", ErrCorrupt)
		}
		return rows, 4 * int64(n), nil
	})
}

// marked returns the first row with a time >= t, which is between the first
// time and the last; ok is false if t has no mark.
func (s *Segment) marked(t int64) (row uint32, ok bool, err error) {
	if t%markUnit != 0 || s.meta.marksOf() == 0 {
		return 0, false, nil
	}
	rows, err := s.marks()
	if err != nil {
		return 0, false, err
	}
	return rows[t/markUnit-column.FloorDiv(s.meta.FirstTime, markUnit)], true, nil
}

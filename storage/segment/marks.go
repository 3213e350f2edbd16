package segment

import (
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

var _ part.Minutes = (*Segment)(nil)

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

// minuteCodes is up to how many values a column has of which the records of each minute
// are counted.
const minuteCodes = 16

// isLevel reports whether it is a column of levels: of them more is stored than of others, as
// most questions name one.
func (c *columnMeta) isLevel() bool {
	return c.path == model.FieldLevel && !c.text && 0 < c.dict && c.dict <= minuteCodes
}

// countsMinutes reports whether it is stored how many records of each minute have which
// value of a column: of levels, by which most charts are split or filtered.
func (m *Meta) countsMinutes(c *columnMeta) bool {
	return m.version >= VersionMinutes && c.isLevel() && m.marksOf() > 0
}

// emitMinutes writes how many records of each minute have each code, code by code.
func (c *columnBuilder) emitMinutes(data *columnData) error {
	if !c.builder.meta.countsMinutes(&c.meta) {
		return nil
	}
	minutes := c.builder.meta.marksOf()
	first := column.FloorDiv(c.builder.meta.FirstTime, markUnit)
	counts := make([]int64, int(c.meta.dict)*minutes)
	for i, row := range data.rows {
		counts[int(data.codes[i])*minutes+int(column.FloorDiv(c.times[row], markUnit)-first)]++
	}
	return c.emit(columnKey(c.number, itemMinute, 0), c.compress(c.encoder.AppendInts(nil, counts)))
}

// minutes returns what emitMinutes wrote.
func (c *columnReader) minutes() ([]int64, error) {
	s := c.segment
	return cached(s, s.cacheKey(itemMinute, c.number, 0), func() ([]int64, int64, error) {
		raw, err := s.frame(columnKey(c.number, itemMinute, 0))
		if err != nil {
			return nil, 0, err
		}
		counts, rest, err := column.Ints(nil, raw, int(c.meta.dict)*s.meta.marksOf())
		left := int64(c.meta.count)
		for _, count := range counts {
			if count < 0 || count > left {
				left = -1
				break
			}
			left -= count
		}
		if err != nil || len(rest) != 0 || left != 0 {
			return nil, 0, errors.Join(fmt.Errorf("minutes of %q: %w", c.meta.path, ErrCorrupt), err)
		}
		return counts, 8 * int64(len(counts)), nil
	})
}

// Minutes implements part.Minutes.
func (s *Segment) Minutes(leaf index.Leaf) (first int64, counts []uint32, err error) {
	first = column.FloorDiv(s.meta.FirstTime, markUnit) * markUnit
	columns := s.named[leaf.Field]
	if len(columns) != 1 || first > s.meta.FirstTime { // it would be before all times
		return 0, nil, nil
	}
	c := columns[0].(*columnReader)
	if !s.meta.countsMinutes(c.meta) {
		return 0, nil, nil
	}
	p, err := s.newProbe(leaf)
	if err != nil || p.hints.Any {
		return 0, nil, err
	}
	codes, err := c.valueCodes(p)
	if err != nil {
		return 0, nil, err
	}
	all, err := c.minutes()
	if err != nil {
		return 0, nil, err
	}
	counts = make([]uint32, s.meta.marksOf())
	for _, code := range codes {
		for minute, count := range all[int(code)*len(counts):][:len(counts)] {
			counts[minute] += uint32(count)
		}
	}
	return first, counts, nil
}

// rareShare is in how many rows at most one has a rare level. Records with such a level are
// what is asked for most, and are few on every page.
const rareShare = 64

// listsRows reports whether it is stored which rows have a code of a column that so many
// have.
func (m *Meta) listsRows(c *columnMeta, count int64) bool {
	return m.version > VersionMinutes && c.isLevel() && c.dict > 1 && count <= int64(m.Rows)/rareShare
}

// emitRare writes which rows have each code that is rare.
func (c *columnBuilder) emitRare(data *columnData) error {
	if !c.builder.meta.listsRows(&c.meta, 0) {
		return nil
	}
	rows := make([][]int64, c.meta.dict)
	counts, last := make([]int64, c.meta.dict), make([]int64, c.meta.dict)
	for _, code := range data.codes {
		counts[code]++
	}
	for i, row := range data.rows {
		if code := data.codes[i]; c.builder.meta.listsRows(&c.meta, counts[code]) {
			rows[code], last[code] = append(rows[code], int64(row)-last[code]), int64(row)
		}
	}
	for code, steps := range rows {
		if len(steps) == 0 {
			continue
		}
		if err := c.emit(columnKey(c.number, itemRare, uint32(code)), c.compress(c.encoder.AppendInts(nil, steps))); err != nil {
			return err
		}
	}
	return nil
}

// rareRows returns the rows that have a code, nil if they are not stored.
func (c *columnReader) rareRows(code uint32) (*index.DocSet, error) {
	s := c.segment
	if !s.meta.listsRows(c.meta, 0) {
		return nil, nil
	}
	counts, err := c.counts()
	if err != nil || !s.meta.listsRows(c.meta, counts[code]) {
		return nil, err
	}
	raw, err := s.frame(columnKey(c.number, itemRare, code))
	if err != nil {
		return nil, err
	}
	corrupt := fmt.Errorf("rows with a level: %w", ErrCorrupt)
	if counts[code] < 1 {
		return nil, corrupt
	}
	steps, rest, err := column.Ints(nil, raw, int(counts[code]))
	if err != nil || len(rest) != 0 {
		return nil, errors.Join(corrupt, err)
	}
	rows, at := make([]uint32, len(steps)), int64(0)
	for i, step := range steps {
		if step < 0 || step == 0 && i > 0 || step >= int64(s.meta.Rows)-at {
			return nil, corrupt
		}
		at += step
		rows[i] = uint32(at)
	}
	return index.DocSetOf(rows...), nil
}

// allRare reports whether it is stored which rows have each of some codes.
func (c *columnReader) allRare(codes []uint32) (bool, error) {
	if !c.segment.meta.listsRows(c.meta, 0) {
		return false, nil
	}
	counts, err := c.counts()
	if err != nil {
		return false, err
	}
	for _, code := range codes {
		if !c.segment.meta.listsRows(c.meta, counts[code]) {
			return false, nil
		}
	}
	return true, nil
}

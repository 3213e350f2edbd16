package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/stere-log/stere/index"
)

// knownTimes are the times of the few rows that were asked for last. To put
// records in order is to ask for their times, and to show them is to ask again.
type knownTimes struct {
	rows   []uint32
	times  []int64
	digits []uint8
}

// knownMax is up to how many times are kept.
const knownMax = 256

// fewBytes is about what a row takes in what is kept of few rows.
const fewBytes = 24

// few returns what read says of a few rows, kept from the last time: a question that is
// asked again asks for the times and ids of the same rows, and to read them takes a page
// for each of those that are far from each other.
func few[T any](s *Segment, item byte, rows []uint32, read func() (T, error)) (T, error) {
	at := s.cacheKey(item, 0, 0)
	text, last := make([]byte, 0, 3*len(rows)), uint32(0)
	for _, row := range rows {
		text, last = binary.AppendUvarint(text, uint64(row-last)), row
	}
	at.text = string(text)
	return cached(s, at, func() (T, int64, error) {
		value, err := read()
		return value, fewBytes * int64(len(rows)), err
	})
}

// some returns the times of some rows, if all are known.
func (k *knownTimes) some(rows []uint32) (*knownTimes, bool) {
	if k == nil || len(rows) > len(k.rows) {
		return nil, false
	}
	if slices.Equal(rows, k.rows) {
		return k, true
	}
	some, at := &knownTimes{rows: rows}, 0
	for _, row := range rows {
		i, found := slices.BinarySearch(k.rows[at:], row)
		if !found {
			return nil, false
		}
		at += i
		some.times, some.digits = append(some.times, k.times[at]), append(some.digits, k.digits[at])
	}
	return some, true
}

// timesOf returns the times of the rows and their digits, in row order. They may
// be shared.
func (s *Segment) timesOf(rows *index.DocSet) (times []int64, digits []uint8, err error) {
	n := rows.GetCardinality()
	if n > knownMax {
		k, err := s.readTimes(rows, n)
		return k.times, k.digits, err
	}
	asked := rows.ToArray()
	if some, ok := s.known.Load().some(asked); ok {
		return some.times, some.digits, nil
	}
	if n == 0 {
		return nil, nil, nil
	}
	k, err := few(s, cachedFewTimes, asked, func() (*knownTimes, error) {
		k, err := s.readTimes(rows, n)
		k.rows = asked
		return k, err
	})
	if err != nil {
		return nil, nil, err
	}
	s.known.Store(k)
	return k.times, k.digits, nil
}

// clockTimes returns the times of rows whose texts have clocks. They are not kept: who reads
// many texts asks for those of each shape on each page, and they would push out answers.
func (s *Segment) clockTimes(rows []uint32) ([]int64, error) {
	if some, ok := s.known.Load().some(rows); ok {
		return some.times, nil
	}
	k, err := s.readTimes(index.DocSetOf(rows...), uint64(len(rows)))
	return k.times, err
}

// readTimes reads the times of n rows.
func (s *Segment) readTimes(rows *index.DocSet, n uint64) (*knownTimes, error) {
	k := &knownTimes{times: make([]int64, 0, n), digits: make([]uint8, 0, n)}
	err := eachPage(rows, func(page uint32, places []uint32) error {
		if len(places) <= timesFew {
			if few, err := s.fewTimes(k, page, places); few || err != nil {
				return err
			}
		}
		p, done, err := s.timePage(page)
		if err != nil {
			return err
		}
		defer done()
		for _, place := range places {
			k.times, k.digits = append(k.times, p.times[place]), append(k.digits, uint8(p.digits[place]))
		}
		return nil
	})
	return k, err
}

// timesFew is up to how many times of a page are decoded alone.
const timesFew = 512

// fewTimes appends times of a page, unless all of them are decoded already or should be: then
// it reports false.
func (s *Segment) fewTimes(k *knownTimes, page uint32, places []uint32) (few bool, err error) {
	at := s.cacheKey(cachedTimes, 0, page)
	if s.cache.holds(at) || s.cache.rooms.has(at) || s.cache.readings.due(at) {
		return false, nil
	}
	s.cache.readings.again(at)
	room, err := s.roomWith(at, pageKey(sectionTimes, page))
	if err != nil {
		return false, err
	}
	defer s.cache.rooms.give(room)
	room.held = false                // who borrows the page needs all that is on it
	before := max(0, len(k.times)-1) // the last one of the page before, too
	times, digits, rest, err := room.decoder.TimesAt(k.times, nil, room.frame, pageLen(s.meta.Rows, page), places)
	if err != nil || len(rest) != 0 || !slices.IsSorted(times[before:]) {
		return false, errors.Join(fmt.Errorf("times of page %d: %w", page, ErrCorrupt), err)
	}
	k.times = times
	for _, have := range digits {
		k.digits = append(k.digits, uint8(have))
	}
	return true, nil
}

// Times implements part.Part.
func (s *Segment) Times(rows *index.DocSet) ([]int64, error) {
	times, _, err := s.timesOf(rows)
	return times, err
}

// TimeDigits implements part.Part.
func (s *Segment) TimeDigits(rows *index.DocSet) ([]uint8, error) {
	_, digits, err := s.timesOf(rows)
	return digits, err
}

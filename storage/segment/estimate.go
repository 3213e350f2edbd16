package segment

import (
	"errors"
	"fmt"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

var _ part.Estimator = (*Segment)(nil)

// Estimate implements part.Estimator: from the counts of dictionary entries
// and the pages that may hold a word. A leaf it knows nothing of may hold for
// every row.
func (s *Segment) Estimate(leaf index.Leaf) (uint64, error) {
	if leaf.Field == "" {
		if rows, in, _ := s.soughtRows(leaf.Pred, index.DocSetRange(0, s.meta.Rows)); len(in) > 0 {
			return rows.GetCardinality(), nil
		}
	}
	p, err := s.newProbe(leaf)
	if err != nil {
		return 0, err
	}
	if s.findsWhole(leaf.Field, &p.hints) {
		return s.estimateWhole(leaf.Field, p.hints.ExactText)
	}
	if !p.narrowed || p.hints.WordPrefix != "" || len(p.hints.Words) == 0 {
		return uint64(s.meta.Rows), nil
	}
	columns := s.columns
	if leaf.Field != "" {
		columns = s.named[leaf.Field]
	}
	var rows uint64
	for _, column := range columns {
		n, err := column.(*columnReader).estimate(p)
		if err != nil {
			return 0, err
		}
		rows += n
	}
	return rows, nil
}

// estimateWhole returns how many rows have a value in the columns of a field, all
// of which are dictionaries.
func (s *Segment) estimateWhole(field, value string) (rows uint64, err error) {
	for _, column := range s.named[field] {
		c := column.(*columnReader)
		number, found, err := c.find(value)
		if err != nil {
			return 0, err
		}
		if !found {
			continue
		}
		counts, err := c.counts()
		if err != nil {
			return 0, err
		}
		rows += uint64(counts[number])
	}
	return rows, nil
}

// estimate guesses how many rows have the probe's first word.
func (c *columnReader) estimate(p *probe) (uint64, error) {
	var rows uint64
	codes := c.ownEntries(p.entries)
	if c.meta.text {
		codes = c.entriesWith(p, p.hints.Words[0])
	}
	if len(codes) > 0 {
		counts, err := c.counts()
		if err != nil {
			return 0, err
		}
		for _, code := range codes {
			rows += uint64(counts[code])
		}
	}
	if !c.meta.text {
		return rows, nil
	}
	for source := range wordSources {
		textPages, err := c.pagesWithWord(p.hints.Words[0], p.along, source)
		if err != nil {
			return 0, err
		}
		rows += uint64(len(textPages)) * looseRows
	}
	refs, err := c.references()
	if err != nil {
		return 0, err
	}
	for _, ref := range refs {
		n, err := ref.column.estimate(p)
		if err != nil {
			return 0, err
		}
		rows += n
	}
	return rows, nil
}

// looseRows is the guess of how many rows of a page have a word in a variable
// or in a text without a shape, if the page has it at all.
const looseRows = 256

// counts returns how often each code occurs.
func (c *columnReader) counts() ([]int64, error) {
	s := c.segment
	return cached(s, s.cacheKey(itemCounts, c.number, 0), func() ([]int64, int64, error) {
		counts, err := c.readCounts()
		if err != nil {
			return nil, 0, errors.Join(fmt.Errorf("counts of %q: %w", c.meta.path, ErrCorrupt), err)
		}
		return counts, 8 * int64(len(counts)), nil
	})
}

func (c *columnReader) readCounts() ([]int64, error) {
	s, size := c.segment, int(c.meta.dict+c.meta.codeBase())
	item := itemCounts
	switch {
	case s.meta.version > 2 && c.meta.chunks == 0:
		return []int64{int64(c.meta.count)}, nil
	case c.countsInDict():
		item = itemDict
	}
	at := s.cacheKey(item, c.number, 0)
	room := s.cache.rooms.holding(at)
	if room == nil {
		var err error
		if room, err = s.roomWith(at, columnKey(c.number, item, 0)); err != nil {
			return nil, err
		}
	}
	defer s.cache.rooms.give(room)
	raw := room.frame
	if item == itemDict {
		var err error
		if _, raw, err = room.decoder.JoinedStrings(raw, int(c.meta.dict)); err != nil {
			return nil, err
		}
	}
	counts, rest, err := column.Ints(nil, raw, size)
	if err == nil && len(rest) != 0 {
		err = ErrCorrupt
	}
	return counts, err
}

package segment

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/column"
)

// needle is a folded text to look for in folded texts.
type needle struct {
	text        string
	left, right bool // the occurrence must not go on in a word on this side
}

// wordNeedle finds a folded word or phrase.
func wordNeedle(folded string) needle { return needle{folded, true, true} }

// plainTexts returns the texts of code 0 on a page.
func (c *columnReader) plainTexts(page, n uint32) ([]string, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(itemPlain, c.number, page), func() ([]string, int64, error) {
		texts, err := c.readPlain(page, n)
		return texts, textBytes(texts), err
	})
}

func (c *columnReader) readPlain(page, n uint32) ([]string, error) {
	raw, err := c.segment.frame(columnKey(c.number, itemPlain, page))
	if err != nil {
		return nil, err
	}
	texts, rest, err := column.Strings(nil, raw, int(n))
	if err != nil || len(rest) != 0 {
		return nil, errors.Join(fmt.Errorf("texts of page %d of %q: %w", page, c.meta.path, ErrCorrupt), err)
	}
	return texts, nil
}

func textBytes(texts []string) int64 {
	bytes := 16 * int64(len(texts))
	for _, text := range texts {
		bytes += int64(len(text))
	}
	return bytes
}

// foldedPage is the folded texts of code 0 on a page, one after the other, so
// that all are searched in one go.
type foldedPage struct {
	text  []byte
	ends  []uint32    // end of each text; a line feed follows it
	often [256]uint32 // how often each byte occurs, in a sample
}

func (c *columnReader) foldedPage(page, n uint32) (*foldedPage, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(cachedFolded, c.number, page), func() (*foldedPage, int64, error) {
		texts, err := c.readPlain(page, n)
		if err != nil {
			return nil, 0, err
		}
		size := len(texts) // the line feeds
		for _, text := range texts {
			size += len(text)
		}
		p := &foldedPage{text: make([]byte, 0, size), ends: make([]uint32, 0, n)}
		for _, text := range texts {
			p.text = append(index.AppendFold(p.text, text), '\n')
			p.ends = append(p.ends, uint32(len(p.text)-1))
		}
		for i := 0; i < len(p.text); i += oftenStep {
			p.often[p.text[i]]++
		}
		return p, int64(len(p.text)) + 4*int64(n) + 4*int64(len(p.often)), nil
	})
}

// oftenStep is of how many bytes of a page one is counted: which is rare shows
// in a sample.
const oftenStep = 7

// rarest returns the place in the text of the byte that is rarest on the page.
func (p *foldedPage) rarest(text string) (place int) {
	for i := range len(text) {
		if p.often[text[i]] < p.often[text[place]] {
			place = i
		}
	}
	return place
}

// next returns where the text begins next in p.text[at:limit], limit if
// nowhere. It looks for the rarest byte only: on a page of logs that is several
// times faster than to look for the first one.
func (p *foldedPage) next(text string, rarest, at, limit int) int {
	for at+len(text) <= limit {
		i := bytes.IndexByte(p.text[at+rarest:limit], text[rarest])
		if i < 0 || at+i+len(text) > limit {
			return limit
		}
		if at += i; string(p.text[at:at+len(text)]) == text {
			return at
		}
		at++
	}
	return limit
}

// find calls hit with the number of each of the texts from <= text < to that
// holds the needle.
func (p *foldedPage) find(n needle, from, to int, hit func(text int)) {
	if n.text == "" || from >= to {
		return
	}
	rarest := p.rarest(n.text)
	begin, limit := 0, int(p.ends[to-1])
	if from > 0 {
		begin = int(p.ends[from-1]) + 1
	}
	first, _ := utf8.DecodeRuneInString(n.text)
	last, _ := utf8.DecodeLastRuneInString(n.text)
	left, right := n.left && index.IsWordRune(first), n.right && index.IsWordRune(last)
	for at := begin; ; {
		start := p.next(n.text, rarest, at, limit)
		if start == limit {
			return
		}
		end := start + len(n.text)
		at = start + 1
		if left && start > 0 {
			if before, _ := utf8.DecodeLastRune(p.text[:start]); index.IsWordRune(before) {
				continue
			}
		}
		if right {
			if after, _ := utf8.DecodeRune(p.text[end:]); index.IsWordRune(after) {
				continue
			}
		}
		text := from + sort.Search(to-from, func(k int) bool { return int(p.ends[from+k]) >= start })
		if end <= int(p.ends[text]) {
			hit(text)
			at = int(p.ends[text]) // once a text is enough
		}
	}
}

// plain looks for the scan's needle in those texts without a shape on a page
// that are in within.
func (s *textScan) plain(page uint32) error {
	codes, err := s.column.codes(page)
	if err != nil {
		return err
	}
	var numbers []uint32
	for place, code := range codes {
		if code == 0 {
			numbers = append(numbers, page*PageRows+uint32(place))
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	folded, err := s.column.foldedPage(page, uint32(len(numbers)))
	if err != nil {
		return err
	}
	asked, err := s.asked(page)
	if err != nil {
		return err
	}
	var hits []uint32
	hit := func(text int) { hits = append(hits, numbers[text]) }
	if asked > len(numbers)/fewTexts {
		folded.find(s.needle, 0, len(numbers), hit)
		return s.add(hits)
	}
	rows, err := s.column.rowsOf(make([]uint32, 0, len(numbers)), numbers)
	if err != nil {
		return err
	}
	for text, row := range rows {
		if s.within.Contains(row) {
			folded.find(s.needle, text, text+1, hit)
		}
	}
	return s.add(hits)
}

// fewTexts is the share of a page's texts, one in so many, up to which they
// are searched one by one.
const fewTexts = 8

// asked returns how many rows of within may be on a page.
func (s *textScan) asked(page uint32) (int, error) {
	first, end, err := s.column.rowSpan(page)
	return int(s.within.CardinalityInRange(uint64(first), uint64(end))), err
}

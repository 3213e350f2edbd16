package segment

import (
	"errors"
	"fmt"
	"sort"
	"strings"
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
	text string
	ends []uint32 // end of each text; a line feed follows it
}

func (c *columnReader) foldedPage(page, n uint32) (*foldedPage, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(cachedFolded, c.number, page), func() (*foldedPage, int64, error) {
		texts, err := c.readPlain(page, n)
		if err != nil {
			return nil, 0, err
		}
		var b strings.Builder
		b.Grow(int(textBytes(texts)))
		p := &foldedPage{ends: make([]uint32, 0, n)}
		for _, text := range texts {
			b.WriteString(index.Fold(text))
			p.ends = append(p.ends, uint32(b.Len()))
			b.WriteByte('\n')
		}
		p.text = b.String()
		return p, int64(len(p.text)) + 4*int64(n), nil
	})
}

// find calls hit with the number of each text that holds the needle.
func (p *foldedPage) find(n needle, hit func(text int)) {
	if n.text == "" {
		return
	}
	first, _ := utf8.DecodeRuneInString(n.text)
	last, _ := utf8.DecodeLastRuneInString(n.text)
	left, right := n.left && index.IsWordRune(first), n.right && index.IsWordRune(last)
	for at := 0; ; {
		i := strings.Index(p.text[at:], n.text)
		if i < 0 {
			return
		}
		start, end := at+i, at+i+len(n.text)
		at = start + 1
		if left && start > 0 {
			if before, _ := utf8.DecodeLastRuneInString(p.text[:start]); index.IsWordRune(before) {
				continue
			}
		}
		if right {
			if after, _ := utf8.DecodeRuneInString(p.text[end:]); index.IsWordRune(after) {
				continue
			}
		}
		text := sort.Search(len(p.ends), func(k int) bool { return int(p.ends[k]) >= start })
		if text == len(p.ends) {
			return
		}
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
	var rows []uint32
	for place, code := range codes {
		if code == 0 {
			rows = append(rows, rowAt(s.list, page*PageRows+uint32(place)))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	folded, err := s.column.foldedPage(page, uint32(len(rows)))
	if err != nil {
		return err
	}
	folded.find(s.needle, func(text int) { s.found.Add(rows[text]) })
	return nil
}

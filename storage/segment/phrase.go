package segment

import (
	"context"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model/shape"
)

// rowsWithPhrase returns the rows of within that hold a phrase. Where the
// shape itself holds it no text is read; else some word of the phrase must be
// in a variable, or the text is without a shape.
func (c *columnReader) rowsWithPhrase(ctx context.Context, p *probe, within *index.DocSet) (*index.DocSet, error) {
	codes := c.ownEntries(p.entries)
	names, err := c.shapesOf(codes)
	if err != nil {
		return nil, err
	}
	static := codes[:0]
	for i, code := range codes {
		if p.pred.Match(c.meta.kind, shape.Literal(names[i], shape.Placeholder)) {
			static = append(static, code)
		}
	}
	found, err := c.rowsOfCodes(ctx, static, within)
	if err != nil {
		return nil, err
	}
	rest := index.AndNot(within, found)
	if p.sought && rest.GetCardinality() <= directRowMax {
		if p.later != nil {
			p.later.add(c, p.pred, rest)
			return found, nil
		}
		rows, err := c.verify(ctx, p.pred, rest)
		if err != nil {
			return nil, err
		}
		return index.Or(found, rows), nil
	}
	plain, err := c.plainWithPhrase(ctx, p, rest)
	if err != nil {
		return nil, err
	}
	found = index.Or(found, plain)
	if rest, err = c.besideShape(p, rest); err != nil || rest.IsEmpty() {
		return found, err
	}
	// What holds the phrase has its longest word. Short ones, such as numbers, are in the
	// variables of nearly everything, which would be read.
	if rest, err = c.rowsWithWordIn(ctx, p, longest(p.hints.Words), rest, variableWords); err != nil || rest.IsEmpty() {
		return found, err
	}
	loose := index.NewDocSet()
	for _, word := range p.hints.Words {
		rows, err := c.rowsWithLooseWord(ctx, p, word, nil, index.AndNot(rest, loose), variableWords)
		if err != nil {
			return nil, err
		}
		loose = index.Or(loose, rows)
	}
	referring, err := c.phraseByReference(ctx, p, index.AndNot(rest, loose))
	if err != nil {
		return nil, err
	}
	loose = index.Or(loose, referring)
	for i := range p.hints.Words {
		if loose, err = c.rowsWithWord(ctx, p, i, loose); err != nil || loose.IsEmpty() {
			return found, err
		}
	}
	rows, err := c.verify(ctx, p.pred, loose)
	if err != nil {
		return nil, err
	}
	return index.Or(found, rows), nil
}

// besideShape returns the rows of within that may hold a phrase, and not in the shape alone:
// some word of it is in a variable then, or in a value that the text refers to, and each there
// or in a shape. Of most phrases that somebody watches for, filters and the term index tell
// that none is, and no page of codes is read.
func (c *columnReader) besideShape(p *probe, within *index.DocSet) (*index.DocSet, error) {
	refs, err := c.references()
	if err != nil || len(refs) > 0 && !onlyWords(p.pred.(index.Phrase).Folded()) {
		return within, err // it may reach into a value without a word of it being there
	}
	var pages []uint32
	refers := false
	for _, word := range p.hints.Words {
		some, err := c.pagesWithWord(word, p.along, variableWords)
		if err != nil {
			return nil, err
		}
		pages = union(pages, some)
		may, err := mayRefer(refs, p, word)
		if err != nil {
			return nil, err
		}
		if !may && len(some) == 0 && len(c.entriesWith(p, word)) == 0 {
			return index.NewDocSet(), nil
		}
		refers = refers || may
	}
	if refers {
		return within, nil
	}
	rows := index.NewDocSet()
	for _, page := range pages {
		first, end, err := c.rowSpan(page)
		if err != nil {
			return nil, err
		}
		rows.AddRange(uint64(first), uint64(end))
	}
	return index.And(rows, within), nil
}

// mayRefer reports whether some value that texts refer to may have a word.
func mayRefer(refs []reference, p *probe, word string) (bool, error) {
	for _, ref := range refs {
		if may, err := ref.column.mayHave(p, word); err != nil || may {
			return may, err
		}
	}
	return false, nil
}

// mayHave reports whether some value may have a word of the probe's hint.
func (c *columnReader) mayHave(p *probe, word string) (bool, error) {
	if len(c.entriesWith(p, word)) > 0 {
		return true, nil
	}
	if !c.meta.text {
		return false, nil
	}
	for source := range wordSources {
		if pages, err := c.pagesWithWord(word, p.along, source); err != nil || len(pages) > 0 {
			return err == nil, err
		}
	}
	refs, err := c.references()
	if err != nil {
		return false, err
	}
	return mayRefer(refs, p, word)
}

// onlyWords reports whether there is nothing but words and spaces in a phrase.
func onlyWords(phrase string) bool {
	return !strings.ContainsFunc(phrase, func(r rune) bool { return r != ' ' && !index.IsWordRune(r) })
}

// longest returns the place of the longest word.
func longest(words []string) (at int) {
	for i, word := range words {
		if len(word) > len(words[at]) {
			at = i
		}
	}
	return at
}

// phraseByReference returns the rows of within in which the phrase may reach
// into a value that the text refers to. What does so has a word of the phrase,
// unless it is about punctuation.
func (c *columnReader) phraseByReference(ctx context.Context, p *probe, within *index.DocSet) (*index.DocSet, error) {
	if !onlyWords(p.pred.(index.Phrase).Folded()) {
		var err error
		for i := range p.hints.Words {
			if within, err = c.rowsWithWord(ctx, p, i, within); err != nil || within.IsEmpty() {
				return within, err
			}
		}
		return c.eachReference(ctx, within, func(_ reference, left *index.DocSet) (*index.DocSet, error) { return left, nil })
	}
	found := index.NewDocSet()
	for i := range p.hints.Words {
		rows, err := c.rowsByReference(ctx, p.wordProbe(i), index.AndNot(within, found))
		if err != nil {
			return nil, err
		}
		found = index.Or(found, rows)
	}
	return found, nil
}

// plainWithPhrase returns the rows of within without a shape that hold the
// phrase: only pages that may have all its words are read.
func (c *columnReader) plainWithPhrase(ctx context.Context, p *probe, within *index.DocSet) (*index.DocSet, error) {
	scan := textScan{column: c, within: within, needle: wordNeedle(p.pred.(index.Phrase).Folded())}
	for i, word := range p.hints.Words {
		for _, source := range []wordSource{plainWords, longWords} {
			pages, err := c.pagesWithWord(word, p.along, source)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				pages = c.alsoWith(source, scan.pages[source], pages)
			}
			scan.pages[source] = pages
		}
	}
	return scan.run(ctx)
}

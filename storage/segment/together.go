package segment

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

var _ part.AnyLeaf = (*Segment)(nil)

// AnyLeaf implements part.AnyLeaf: pages of codes and of variables are read once for words
// that any of may be in a field.
func (s *Segment) AnyLeaf(ctx context.Context, leaves []index.Leaf, within *index.DocSet) (*index.DocSet, error) {
	found, left := index.NewDocSet(), within
	leaves = slices.DeleteFunc(slices.Clone(leaves), func(leaf index.Leaf) bool {
		if leaf.Field != "" {
			return false
		}
		rows, _, exact := s.soughtRows(leaf.Pred, left)
		if exact {
			found.Or(rows)
		}
		return exact || rows.IsEmpty()
	})
	if len(leaves) == 0 {
		return found, nil
	}
	known, within := found, index.AndNot(within, found)
	if left = within; left.IsEmpty() {
		return found, nil
	}
	words, others := wordsAmong(leaves)
	found = index.NewDocSet()
	if len(words) > 0 {
		probes, err := s.wordProbes(words)
		if err != nil {
			return nil, err
		}
		columns := s.columns
		if field := words[0].Field; field != "" {
			columns = s.named[field]
		}
		if found, err = eachAmong(columns, within, func(c part.Column, left *index.DocSet) (*index.DocSet, error) {
			return c.(*columnReader).anyWord(ctx, probes, left)
		}); err != nil {
			return nil, err
		}
		left = index.AndNot(within, found)
	}
	var later untried
	rest, err := eachAmong(others, left, func(leaf index.Leaf, left *index.DocSet) (*index.DocSet, error) {
		if left.IsEmpty() {
			return left, nil
		}
		return s.leafBut(ctx, leaf, left, &later)
	})
	if err != nil {
		return nil, err
	}
	tried, err := later.try(ctx, index.AndNot(left, rest))
	if err != nil {
		return nil, err
	}
	return index.Or(index.Or(known, found), index.Or(rest, tried)), nil
}

// untried are texts of which it is not known yet whether they satisfy one of several
// predicates: each is read once for all.
type untried struct{ of []untriedTexts }

// untriedTexts are those of rows of a column.
type untriedTexts struct {
	column *columnReader
	preds  anyPredicate
	rows   *index.DocSet
}

// add adds the texts that rows have in a column, for a predicate.
func (u *untried) add(c *columnReader, pred index.Predicate, rows *index.DocSet) {
	for i := range u.of {
		if of := &u.of[i]; of.column == c {
			of.preds, of.rows = append(of.preds, pred), index.Or(of.rows, rows)
			return
		}
	}
	u.of = append(u.of, untriedTexts{c, anyPredicate{pred}, rows})
}

// try returns the rows of within that satisfy one of the predicates.
func (u *untried) try(ctx context.Context, within *index.DocSet) (*index.DocSet, error) {
	return eachAmong(u.of, within, func(of untriedTexts, left *index.DocSet) (*index.DocSet, error) {
		if left = index.And(of.rows, left); left.IsEmpty() {
			return left, nil
		}
		return of.column.verify(ctx, of.preds, left)
	})
}

// anyPredicate is satisfied by what satisfies one of several.
type anyPredicate []index.Predicate

// Match implements index.Predicate.
func (a anyPredicate) Match(kind model.Kind, text string) bool {
	return slices.ContainsFunc(a, func(p index.Predicate) bool { return p.Match(kind, text) })
}

// Hints implements index.Predicate.
func (a anyPredicate) Hints() index.Hints { return index.Hints{} }

// eachAmong returns what is found of each of a list, the next of which is looked for only among
// the rows that are left.
func eachAmong[T any](list []T, within *index.DocSet, find func(one T, left *index.DocSet) (*index.DocSet, error)) (*index.DocSet, error) {
	found, left := index.NewDocSet(), within
	for _, one := range list {
		rows, err := find(one, left)
		if err != nil {
			return nil, err
		}
		found = index.Or(found, rows)
		if left = index.AndNot(left, rows); left.IsEmpty() {
			break
		}
	}
	return found, nil
}

// wordsAmong returns those of the leaves that look for words, if there are several, and the
// others.
func wordsAmong(leaves []index.Leaf) (words, others []index.Leaf) {
	for _, leaf := range leaves {
		if _, ok := leaf.Pred.(index.Word); ok {
			words = append(words, leaf)
		} else {
			others = append(others, leaf)
		}
	}
	if len(words) == 1 {
		return nil, leaves
	}
	return words, others
}

// wordProbes returns the probes of leaves that look for words in a field, or in any.
func (s *Segment) wordProbes(leaves []index.Leaf) ([]*probe, error) {
	words, probes := make([]string, len(leaves)), make([]*probe, len(leaves))
	for i, leaf := range leaves {
		words[i] = leaf.Pred.(index.Word).Folded
	}
	for i, leaf := range leaves {
		var err error
		if probes[i], err = s.newProbe(leaf); err != nil {
			return nil, err
		}
		probes[i].along = words
	}
	return probes, nil
}

// anyWord returns the rows of within that have one of the words.
func (c *columnReader) anyWord(ctx context.Context, probes []*probe, within *index.DocSet) (*index.DocSet, error) {
	var codes []uint32
	for _, p := range probes {
		codes = append(codes, c.ownEntries(p.entries)...)
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	found, err := c.rowsOfCodes(ctx, codes, within)
	if err != nil || !c.meta.text {
		return found, err
	}
	referring, err := c.eachReference(ctx, index.AndNot(within, found), func(ref reference, left *index.DocSet) (*index.DocSet, error) {
		return ref.column.anyWord(ctx, probes, left)
	})
	if err != nil {
		return nil, err
	}
	found = index.Or(found, referring)
	loose, err := c.anyLooseWord(ctx, probes, codes, index.AndNot(within, found))
	if err != nil {
		return nil, err
	}
	return index.Or(found, loose), nil
}

// anyLooseWord returns the rows of within with one of the words in a variable or in a text
// without a shape. Shapes in skip are not looked at.
func (c *columnReader) anyLooseWord(ctx context.Context, probes []*probe, skip []uint32, within *index.DocSet) (*index.DocSet, error) {
	scan := textScan{column: c, within: within, skip: skip}
	scan.test = scan.hasAny
	var words, plain map[uint32][]wordOfScan // by page; plain are those for texts without a shape
	for _, p := range probes {
		one, err := c.wordOfScan(p)
		if err != nil {
			return nil, err
		}
		if one.pages[longWords], err = c.longPagesWith(wordNeedle(one.word), one.pages[longWords], within); err != nil {
			return nil, err
		}
		words = one.onPages(words, one.pages[variableWords])
		plain = one.onPages(plain, union(one.pages[plainWords], one.pages[longWords]))
	}
	scan.pages[variableWords], scan.pages[plainWords] = slices.Sorted(maps.Keys(words)), slices.Sorted(maps.Keys(plain))
	scan.begin = func(page uint32, source wordSource) {
		if scan.any = words[page]; source != variableWords {
			scan.any = plain[page]
		}
	}
	return scan.run(ctx)
}

// wordOfScan is a word that is looked for with others.
type wordOfScan struct {
	word  string
	bytes column.Needle
	pages wordPages // that may have it
}

// wordOfScan returns the word of a probe with the pages that may have it.
func (c *columnReader) wordOfScan(p *probe) (one wordOfScan, err error) {
	one = wordOfScan{word: p.hints.Words[0], bytes: column.NewNeedle(p.hints.Words[0])}
	for source := range wordSources {
		if one.pages[source], err = c.pagesWithWord(one.word, p.along, source); err != nil {
			return one, err
		}
	}
	return one, nil
}

// onPages adds the word to those of pages.
func (w *wordOfScan) onPages(words map[uint32][]wordOfScan, pages []uint32) map[uint32][]wordOfScan {
	if words == nil && len(pages) > 0 {
		words = map[uint32][]wordOfScan{}
	}
	for _, page := range pages {
		words[page] = append(words[page], *w)
	}
	return words
}

// hasAny reports whether a variable has one of the words.
func (s *textScan) hasAny(text string) bool {
	return slices.ContainsFunc(s.any, func(w wordOfScan) bool { return index.HasWord(text, w.word) })
}

// anyPlainHits returns which of the values, of the n texts without a shape on a page, have
// one of the scan's words: the page is unpacked once for all.
func (s *textScan) anyPlainHits(page, n uint32, values []uint32) (hits []uint32, err error) {
	needsLong := slices.ContainsFunc(s.any, func(w wordOfScan) bool { return on(w.pages[longWords], page) }) &&
		!slices.ContainsFunc(s.any, func(w wordOfScan) bool { return on(w.pages[plainWords], page) })
	p, err := s.column.openPlain(page, n, needsLong)
	if err != nil {
		return nil, err
	}
	defer p.done()
	for _, w := range s.any {
		found, err := p.holding(wordNeedle(w.word), values, on(w.pages[plainWords], page), on(w.pages[longWords], page))
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	slices.Sort(hits)
	hits = slices.Compact(hits)
	s.column.keepFound(page, p, hits)
	return hits, nil
}

// together is the words that one expression looks for: what unpacks a page of
// texts to look for one of them looks for the others too, so that the page is
// not unpacked for each.
type together struct {
	words  []string
	fields []string // in which they are looked for
	mu     sync.Mutex
	found  map[togetherKey]togetherHits
}

type togetherKey struct {
	column, page uint32
	word         string
}

// togetherHits are those of the values tried that hold a word.
type togetherHits struct{ tried, hits []uint32 }

// Limits of what is looked for together.
const (
	togetherWords = 16
	togetherHeld  = 1 << 12 // pages of words
)

// togetherName is the name of a together in a context.
type togetherName struct{}

// newTogether returns the words of an expression, nil if there are not several.
func newTogether(e index.Expr) *together {
	t := &together{found: map[togetherKey]togetherHits{}}
	t.collect(e)
	if len(t.words) < 2 || len(t.words) > togetherWords {
		return nil
	}
	return t
}

// within returns a context in which the words are looked for together.
func (t *together) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, togetherName{}, t)
}

// findPages finds the pages that may hold any of the words, so that filters, which are
// large, are read once for all of them.
func (t *together) findPages(s *Segment) error {
	for _, field := range t.fields {
		meets, err := s.meeting(field)
		if err != nil {
			return err
		}
		for number, met := range meets {
			c := s.columns[number].(*columnReader)
			if !met || !c.hasFilters() {
				continue
			}
			if _, err := c.pagesWithWord(t.words[0], t.words, plainWords); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect notes the words of an expression that are looked for alone.
func (t *together) collect(e index.Expr) {
	switch e := e.(type) {
	case index.AllOf:
		for _, of := range e.Of {
			t.collect(of)
		}
	case index.AnyOf:
		for _, of := range e.Of {
			t.collect(of)
		}
	case index.Not:
		t.collect(e.Of)
	case index.Leaf:
		word, ok := e.Pred.(index.Word)
		if !ok {
			return
		}
		if !slices.Contains(t.words, word.Folded) {
			t.words = append(t.words, word.Folded)
		}
		if e.Field != "" && !slices.Contains(t.fields, e.Field) {
			t.fields = append(t.fields, e.Field)
		}
	}
}

// known returns which of the values hold the word, if all were tried.
func (t *together) known(key togetherKey, values []uint32) (hits []uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of, ok := t.found[key]
	if !ok {
		return nil, false
	}
	if common := intersect(of.tried, values); len(common) < len(values) {
		return nil, false
	}
	return intersect(of.hits, values), true
}

// note keeps which of the values hold the word.
func (t *together) note(key togetherKey, hits togetherHits) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.found) < togetherHeld {
		t.found[key] = hits
	}
}

// plainHits returns which of the values, of the n texts without a shape on a
// page, hold the scan's needle.
func (s *textScan) plainHits(ctx context.Context, page, n uint32, values []uint32) ([]uint32, error) {
	if s.any != nil {
		return s.anyPlainHits(page, n, values)
	}
	t, _ := ctx.Value(togetherName{}).(*together)
	key := togetherKey{s.column.number, page, s.word}
	if t != nil && s.word != "" {
		if hits, ok := t.known(key, values); ok {
			return hits, nil
		}
	}
	p, err := s.column.openPlain(page, n, on(s.pages[longWords], page) && !on(s.pages[plainWords], page))
	if err != nil {
		return nil, err
	}
	defer p.done()
	hits, err := p.holding(s.needle, values, on(s.pages[plainWords], page), on(s.pages[longWords], page))
	if err != nil {
		return nil, err
	}
	s.column.keepFound(page, p, hits)
	if t == nil || !slices.Contains(t.words, s.word) {
		return hits, nil
	}
	var tried []uint32
	for _, word := range t.words {
		if word == s.word {
			continue
		}
		short, err := s.column.pagesWithWord(word, t.words, plainWords)
		if err != nil {
			return nil, err
		}
		long, err := s.column.pagesWithWord(word, t.words, longWords)
		if err != nil {
			return nil, err
		}
		mayShort, mayLong := on(short, page), s.column.longOn(long, page)
		if !mayShort && !mayLong {
			continue
		}
		if tried == nil {
			tried = slices.Clone(values)
		}
		others, err := p.holding(wordNeedle(word), tried, mayShort, mayLong)
		if err != nil {
			return nil, err
		}
		t.note(togetherKey{key.column, page, word}, togetherHits{tried, others})
	}
	return hits, nil
}

// on reports whether a page is among pages.
func on(pages []uint32, page uint32) bool {
	_, found := slices.BinarySearch(pages, page)
	return found
}

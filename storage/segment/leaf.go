package segment

import (
	"context"
	"fmt"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

var _ part.Leaves = (*Segment)(nil)

// Choice of how to find the rows of codes.
const (
	directRowMax = 2048 // so few rows are looked at directly
)

// Leaf implements part.Leaves.
func (s *Segment) Leaf(ctx context.Context, leaf index.Leaf, within *index.DocSet) (*index.DocSet, error) {
	return s.leafBut(ctx, leaf, within, nil)
}

// leafBut is Leaf without those rows that are found by trying texts, if there is an untried
// that takes these.
func (s *Segment) leafBut(ctx context.Context, leaf index.Leaf, within *index.DocSet, later *untried) (*index.DocSet, error) {
	columns, in := s.columns, []map[uint32]struct{}(nil)
	if leaf.Field != "" {
		columns = s.named[leaf.Field]
	} else {
		var exact bool
		if within, in, exact = s.soughtRows(leaf.Pred, within); exact || within.IsEmpty() {
			return within, nil
		}
		if len(in) > 0 {
			columns = slices.DeleteFunc(slices.Clone(columns), func(c part.Column) bool { return !inEach(in, c.(*columnReader).number) })
		}
	}
	p, err := s.newProbe(leaf)
	if err != nil {
		return nil, err
	}
	p.sought, p.later = len(in) > 0, later
	found, left := index.NewDocSet(), within
	for _, column := range columns {
		c := column.(*columnReader)
		if p.narrowed && !c.meta.text && !p.hints.Exact && len(c.ownEntries(p.entries)) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := c.leaf(ctx, p, left)
		if err != nil {
			return nil, err
		}
		if rows.IsEmpty() {
			continue
		}
		found.Or(rows)
		if left = index.AndNot(left, rows); left.IsEmpty() {
			break
		}
	}
	return found, nil
}

// probe is a predicate with what the term index knows of it.
type probe struct {
	pred  index.Predicate
	hints index.Hints
	// entries are the numbers of the dictionary entries that hold all words
	// of the hint, or a word with the prefix; meaningful if narrowed.
	entries  []uint32
	perWord  [][]uint32 // of each word of the hint
	narrowed bool
	exact    bool // an entry in entries satisfies pred, no need to try
	regex    *regexHint
	along    []string // words that will be looked for besides that of the hint
	sought   bool     // the rows that are looked at are known to have words of the hint
	later    *untried // takes the texts that have to be tried; nil: they are tried at once
}

func (s *Segment) newProbe(leaf index.Leaf) (*probe, error) {
	pred := leaf.Pred
	p := &probe{pred: pred, hints: pred.Hints()}
	p.along = p.hints.Words
	if s.findsWhole(leaf.Field, &p.hints) {
		return p, nil
	}
	singles, err := s.singlesOf(leaf.Field)
	if err != nil {
		return nil, err
	}
	for _, word := range p.hints.Words {
		entries, err := s.knownLookup(leaf.Field, word, singles)
		if err != nil {
			return nil, err
		}
		p.perWord = append(p.perWord, entries)
		p.narrow(entries)
	}
	if p.hints.WordPrefix != "" {
		entries, err := s.lookupPrefix(p.hints.WordPrefix, singles)
		if err != nil {
			return nil, err
		}
		p.narrow(entries)
	}
	switch pred.(type) {
	case index.Word, index.Prefix:
		p.exact = true
	}
	if re, ok := pred.(index.Regex); ok {
		p.regex = newRegexHint(re.Re)
	}
	return p, nil
}

// findsWhole reports whether a leaf on a field asks for whole values of
// dictionaries alone: these are found in them, and their words need not be
// looked up.
func (s *Segment) findsWhole(field string, hints *index.Hints) bool {
	if field == "" || !hints.Exact {
		return false
	}
	for _, column := range s.named[field] {
		if column.(*columnReader).meta.text {
			return false
		}
	}
	return true
}

// singlesOf returns those columns whose dictionary is their own index that a
// leaf on a field can meet. A dictionary that is not among them need not be read.
func (s *Segment) singlesOf(field string) ([]*columnReader, error) {
	if field == "" || len(s.singles) == 0 {
		return s.singles, nil
	}
	meets, err := s.meeting(field)
	if err != nil {
		return nil, err
	}
	var singles []*columnReader
	for _, c := range s.singles {
		if meets[c.number] {
			singles = append(singles, c)
		}
	}
	return singles, nil
}

// meeting reports by number which columns a leaf on a field can meet: its own and what
// these refer to.
func (s *Segment) meeting(field string) ([]bool, error) {
	meets := make([]bool, len(s.columns))
	for _, column := range s.named[field] {
		meets[column.(*columnReader).number] = true
	}
	// References lead to columns with lower numbers.
	for number := len(meets) - 1; number >= 0; number-- {
		if !meets[number] {
			continue
		}
		refs, err := s.columns[number].(*columnReader).references()
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			meets[ref.column.number] = true
		}
	}
	return meets, nil
}

// narrow keeps the entries that are in the list too.
func (p *probe) narrow(entries []uint32) {
	if !p.narrowed {
		p.entries, p.narrowed = entries, true
		return
	}
	p.entries = intersect(p.entries, entries)
}

// intersect returns what two ascending lists share.
func intersect(a, b []uint32) []uint32 {
	var out []uint32
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			out = append(out, a[i])
			i++
			j++
		}
	}
	return out
}

// leaf returns the rows of within whose value satisfies the predicate.
func (c *columnReader) leaf(ctx context.Context, p *probe, within *index.DocSet) (*index.DocSet, error) {
	if p.hints.Any {
		if c.meta.kind == model.Null {
			return index.NewDocSet(), nil
		}
		rows, err := c.presence()
		if err != nil {
			return nil, err
		}
		return index.And(rows, within), nil
	}
	if c.meta.text {
		return c.textLeaf(ctx, p, within)
	}
	codes, err := c.valueCodes(p)
	if err != nil {
		return nil, err
	}
	return c.rowsOfCodes(ctx, codes, within)
}

// ownEntries returns the codes of those entries that are in this column.
func (c *columnReader) ownEntries(entries []uint32) []uint32 {
	lo, _ := slices.BinarySearch(entries, c.meta.words)
	hi, _ := slices.BinarySearch(entries, c.meta.words+c.meta.dict)
	codes := make([]uint32, 0, hi-lo)
	for _, entry := range entries[lo:hi] {
		codes = append(codes, entry-c.meta.words+c.meta.codeBase())
	}
	return codes
}

// valueCodes returns the codes of the values that satisfy the predicate.
func (c *columnReader) valueCodes(p *probe) ([]uint32, error) {
	var candidates []uint32
	switch {
	case p.hints.Exact:
		number, found, err := c.find(p.hints.ExactText)
		if err != nil || !found {
			return nil, err
		}
		candidates = []uint32{number}
	case p.narrowed:
		candidates = c.ownEntries(p.entries)
		if p.exact {
			return candidates, nil
		}
	default:
		values, err := c.dict()
		if err != nil {
			return nil, err
		}
		var codes []uint32
		for code, value := range values {
			if p.pred.Match(c.meta.kind, value) {
				codes = append(codes, uint32(code))
			}
		}
		return codes, nil
	}
	values, err := c.entriesOf(candidates)
	if err != nil {
		return nil, err
	}
	codes := candidates[:0]
	for i, code := range candidates {
		if p.pred.Match(c.meta.kind, values[i]) {
			codes = append(codes, code)
		}
	}
	return codes, nil
}

// rowsOfCodes returns the rows of within that have one of the codes.
func (c *columnReader) rowsOfCodes(ctx context.Context, codes []uint32, within *index.DocSet) (*index.DocSet, error) {
	size := c.meta.dict + c.meta.codeBase()
	rare, err := c.allRare(codes)
	switch {
	case err != nil:
		return nil, err
	case len(codes) == 0:
		return index.NewDocSet(), nil
	case rare:
		return c.eachCodeRows(ctx, codes, within)
	case len(codes) == int(size):
		rows, err := c.presence()
		if err != nil {
			return nil, err
		}
		return index.And(rows, within), nil
	case within.GetCardinality() <= directRowMax:
		return c.directRows(ctx, codes, within)
	case len(codes) == 1:
		rows, err := c.codeRows(ctx, codes[0])
		if err != nil {
			return nil, err
		}
		return index.And(rows, within), nil
	}
	rows, err := c.scanCodes(ctx, codes, within)
	if err != nil {
		return nil, err
	}
	return index.And(rows, within), nil
}

// eachCodeRows is rowsOfCodes code by code.
func (c *columnReader) eachCodeRows(ctx context.Context, codes []uint32, within *index.DocSet) (*index.DocSet, error) {
	found := index.NewDocSet()
	for _, code := range codes {
		rows, err := c.codeRows(ctx, code)
		if err != nil {
			return nil, err
		}
		found.Or(index.And(rows, within))
	}
	return found, nil
}

// directRows looks at each row of within.
func (c *columnReader) directRows(ctx context.Context, codes []uint32, within *index.DocSet) (*index.DocSet, error) {
	present, places, err := c.places(within)
	if err != nil {
		return nil, err
	}
	found := index.NewDocSet()
	own, err := c.codesAt(ctx, make([]uint32, 0, len(places)), present, places)
	if err != nil {
		return nil, err
	}
	for i, code := range own {
		if _, ok := slices.BinarySearch(codes, code); ok {
			found.Add(present[i])
		}
	}
	return found, nil
}

// codeRows returns the rows that have a code.
func (c *columnReader) codeRows(ctx context.Context, code uint32) (*index.DocSet, error) {
	s := c.segment
	return cached(s, s.cacheKey(cachedCodeRows, c.number, code), func() (*index.DocSet, int64, error) {
		rows, err := c.rareRows(code)
		if rows == nil && err == nil {
			rows, err = c.scanCodes(ctx, []uint32{code}, nil)
		}
		if err != nil {
			return nil, 0, err
		}
		rows.RunOptimize()
		return rows, int64(rows.GetSizeInBytes()), nil
	})
}

// pageLists tells on which pages each code occurs.
type pageLists struct {
	start []uint32 // code -> its first place in pages; start[code+1] ends it
	pages []uint32
	all   []bool // the code is on all pages (or on none: a code not in use)
}

// pagesOf reports for each page whether one of the codes may be on it.
func (c *columnReader) pagesOf(codes []uint32) ([]bool, error) {
	on := make([]bool, c.pages())
	if len(on) == 1 || c.meta.dict+c.meta.codeBase() == 1 {
		for page := range on {
			on[page] = true
		}
		return on, nil // such a column has no lists
	}
	lists, err := c.pageLists()
	if err != nil {
		return nil, err
	}
	for _, code := range codes {
		if lists.all[code] {
			for page := range on {
				on[page] = true
			}
			break
		}
		for _, page := range lists.pages[lists.start[code]:lists.start[code+1]] {
			on[page] = true
		}
	}
	return on, nil
}

func (c *columnReader) pageLists() (*pageLists, error) {
	s := c.segment
	return cached(s, s.cacheKey(itemPages, c.number, 0), func() (*pageLists, int64, error) {
		raw, err := s.frame(columnKey(c.number, itemPages, 0))
		if err != nil {
			return nil, 0, err
		}
		size := c.meta.dict + c.meta.codeBase()
		l := &pageLists{start: make([]uint32, 0, size+1), pages: make([]uint32, 0, len(raw)), all: make([]bool, size)}
		r := wire.NewReader(raw)
		for code := range size {
			l.start = append(l.start, uint32(len(l.pages)))
			n := r.Bounded(c.pages())
			l.all[code] = n == 0
			page := uint64(0)
			for range n {
				page += r.Uvarint()
				if page >= uint64(c.pages()) {
					r.Fail()
				}
				if r.Failed() {
					break
				}
				l.pages = append(l.pages, uint32(page))
			}
		}
		l.start = append(l.start, uint32(len(l.pages)))
		if !r.Done() {
			return nil, 0, fmt.Errorf("pages of %q: %w", c.meta.path, ErrCorrupt)
		}
		return l, 4*int64(len(l.pages)) + 5*int64(size), nil
	})
}

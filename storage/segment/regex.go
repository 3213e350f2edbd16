package segment

import (
	"context"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/column"
)

// literalMin is the shortest literal that is worth a look.
const literalMin = 3

// regexHint holds literals that every match of an expression contains.
type regexHint struct {
	literals []literal
	prog     *syntax.Prog
}

// literal is a text that matches contain. Begins and ends say that in each of them no word
// goes on before it, or behind it.
type literal struct {
	text         string
	begins, ends bool
}

func newRegexHint(re *regexp.Regexp) *regexHint {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return &regexHint{} // it compiled, so this is another dialect: no hint
	}
	h := &regexHint{}
	h.collect(parsed, false, false)
	if h.prog, err = syntax.Compile(parsed.Simplify()); err != nil {
		return &regexHint{}
	}
	return h
}

// collect adds the case-sensitive literals that a match must contain. Begins and ends say
// that no word goes on beside what the expression matches.
func (h *regexHint) collect(re *syntax.Regexp, begins, ends bool) {
	switch re.Op {
	case syntax.OpLiteral:
		if text := string(re.Rune); re.Flags&syntax.FoldCase == 0 && len(text) >= literalMin && utf8.ValidString(text) {
			h.literals = append(h.literals, literal{text, begins, ends})
		}
	case syntax.OpCapture:
		h.collect(re.Sub[0], begins, ends)
	case syntax.OpPlus: // one of several: what is beside it may be itself
		h.collect(re.Sub[0], false, false)
	case syntax.OpConcat:
		for i, sub := range re.Sub {
			starts, stops := begins, ends
			if i > 0 {
				starts = besideWord(re.Sub[i-1], false)
			}
			if i < len(re.Sub)-1 {
				stops = besideWord(re.Sub[i+1], true)
			}
			h.collect(sub, starts, stops)
		}
	}
}

// besideWordMax is up to how many runes of a class are looked at.
const besideWordMax = 64

// besideWord reports whether a match of the expression always begins, or ends, with a rune
// that is no part of a word, or stands at an end of the text or of a line.
func besideWord(re *syntax.Regexp, first bool) bool {
	of := func(runes []rune) rune {
		if first {
			return runes[0]
		}
		return runes[len(runes)-1]
	}
	switch re.Op {
	case syntax.OpLiteral:
		return re.Flags&syntax.FoldCase == 0 && !index.IsWordRune(of(re.Rune))
	case syntax.OpCharClass:
		count := 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if count++; count > besideWordMax || index.IsWordRune(r) {
					return false
				}
			}
		}
		return count > 0
	case syntax.OpBeginText, syntax.OpBeginLine:
		return !first
	case syntax.OpEndText, syntax.OpEndLine:
		return first
	case syntax.OpCapture, syntax.OpPlus:
		return besideWord(re.Sub[0], first)
	}
	return false
}

// narrowRegex leaves out rows whose text cannot hold a literal.
func (c *columnReader) narrowRegex(ctx context.Context, hint *regexHint, within *index.DocSet) (*index.DocSet, error) {
	if len(hint.literals) == 0 || c.meta.dict == 0 || !c.hasFilters() {
		return within, nil
	}
	for _, one := range hint.literals {
		literal, pieces := one.text, one.pieces()
		form := formOf(literal)
		if form == literalOther || within.IsEmpty() {
			continue
		}
		codes, err := c.staticCodes(hint, literal)
		if err != nil {
			return nil, err
		}
		found, err := c.rowsOfCodes(ctx, codes, within)
		if err != nil {
			return nil, err
		}
		rest := index.AndNot(within, found)
		var loose *index.DocSet
		if form == literalPiece {
			loose, err = c.rowsInside(ctx, pieces[0], codes, rest)
		} else {
			loose, err = c.rowsAcross(ctx, literal, codes, rest)
		}
		if err != nil {
			return nil, err
		}
		referring, err := c.rowsTouching(ctx, one, index.AndNot(rest, loose))
		if err != nil {
			return nil, err
		}
		loose = index.Or(loose, referring)
		plain := textScan{column: c, within: rest, needle: needle{text: index.Fold(literal)}}
		if plain.pages, err = c.pagesWithPieces(pieces, plainWords, longWords); err != nil {
			return nil, err
		}
		texts, err := plain.run(ctx)
		if err != nil {
			return nil, err
		}
		within = index.Or(index.Or(found, loose), texts)
	}
	return within, nil
}

// staticCodes returns the codes of those shapes with a literal in their static
// text that the expression may match there.
func (c *columnReader) staticCodes(h *regexHint, literal string) ([]uint32, error) {
	var codes []uint32
	relaxed := newRelaxed(h.prog, literal)
	err := c.entriesContaining(literal, func(entry uint32, name string) {
		// What a shape marks, no literal of this form has.
		if relaxed == nil || relaxed.mayMatch(name) {
			codes = append(codes, entry+1)
		}
	})
	return codes, err
}

// literalForm tells where an occurrence of a literal can be, by the facts of
// shapes: a variable starts and ends at word borders, and only words with
// digits or bytes beyond ASCII, and UUIDs, are in variables.
type literalForm uint8

const (
	literalOther literalForm = iota // anywhere
	literalPiece                    // a piece of one word: in the static text or within one variable
	literalText                     // in the static text, but for the pieces of words at its ends
)

func formOf(literal string) literalForm {
	var letter, separator bool
	for i := 0; i < len(literal); i++ {
		switch b := literal[i]; {
		case b >= utf8.RuneSelf, b >= '0' && b <= '9', b == shape.Placeholder, b == shape.Escape, b == shape.Reference, b == '-':
			return literalOther
		case index.IsWordRune(rune(b)):
			letter = true
		default:
			separator = true
		}
	}
	switch {
	case !letter:
		return literalOther
	case separator:
		return literalText
	}
	return literalPiece
}

// wordPiece is a piece of a word as it is written. Begins and ends say that the word does so
// with it.
type wordPiece literal

// pieces returns the pieces of words that a literal is made of.
func (l literal) pieces() (pieces []wordPiece) {
	for start, end := index.NextWord(l.text, 0); start < len(l.text); start, end = index.NextWord(l.text, end) {
		pieces = append(pieces, wordPiece{l.text[start:end], start > 0 || l.begins, end < len(l.text) || l.ends})
	}
	return pieces
}

// pagesWithPieces returns the text pages that may hold words with all the pieces, which have
// no bytes beyond ASCII, in each of the sources.
func (c *columnReader) pagesWithPieces(pieces []wordPiece, sources ...wordSource) (pages wordPages, err error) {
	for _, source := range sources {
		if pages[source] = c.allPages(); source == longWords {
			pages[source] = c.longPages()
		}
	}
	if !c.hasFilters() {
		return pages, nil
	}
	for _, piece := range pieces {
		folded := index.Fold(piece.text)
		var some wordPages
		switch {
		case piece.begins && piece.ends:
			for _, source := range sources {
				if some[source], err = c.pagesWithWord(folded, nil, source); err != nil {
					return pages, err
				}
			}
		case piece.begins:
			some, err = c.pagesWithPrefix(folded, slices.Clone(sources)...)
		case piece.ends:
			some, err = c.pagesWithSuffix(folded, slices.Clone(sources)...)
		default:
			continue
		}
		if err != nil {
			return pages, err
		}
		for _, source := range sources {
			pages[source] = c.alsoWith(source, pages[source], some[source])
		}
	}
	return pages, nil
}

// rowsInside returns the rows of within with a piece of a word in a variable.
func (c *columnReader) rowsInside(ctx context.Context, piece wordPiece, skip []uint32, within *index.DocSet) (rows *index.DocSet, err error) {
	scan := textScan{column: c, within: within, skip: skip, bytes: column.NewNeedle(index.Fold(piece.text)),
		test: func(text string) bool { return strings.Contains(text, piece.text) }}
	if scan.pages, err = c.pagesWithPieces([]wordPiece{piece}, variableWords); err != nil {
		return nil, err
	}
	return scan.run(ctx)
}

// rowsWithLoosePiece adds to found the rows of within with a piece of a word
// in a variable or in a text without a shape.
func (c *columnReader) rowsWithLoosePiece(ctx context.Context, piece wordPiece, skip []uint32, found, within *index.DocSet) (*index.DocSet, error) {
	rest := index.AndNot(within, found)
	loose, err := c.rowsInside(ctx, piece, skip, rest)
	if err != nil {
		return nil, err
	}
	plain := textScan{column: c, within: rest, needle: needle{text: index.Fold(piece.text)}}
	if plain.pages, err = c.pagesWithPieces([]wordPiece{piece}, plainWords, longWords); err != nil {
		return nil, err
	}
	texts, err := plain.run(ctx)
	if err != nil {
		return nil, err
	}
	return index.Or(index.Or(found, loose), texts), nil
}

// rowsAcross returns the rows of within with a variable in which a word ends
// with the first piece of a word in the literal or starts with its last.
func (c *columnReader) rowsAcross(ctx context.Context, literal string, skip []uint32, within *index.DocSet) (*index.DocSet, error) {
	notWord := func(r rune) bool { return !index.IsWordRune(r) }
	head := index.Fold(literal[:strings.IndexFunc(literal, notWord)])
	tail := index.Fold(literal[strings.LastIndexFunc(literal, notWord)+1:])
	found := index.NewDocSet()
	if head != "" {
		pages, err := c.pagesWithSuffix(head, variableWords)
		if err != nil {
			return nil, err
		}
		scan := textScan{column: c, within: within, skip: skip, bytes: column.NewNeedle(head),
			test: func(text string) bool { return hasWordSuffix(text, head) }}
		scan.pages = pages
		if found, err = scan.run(ctx); err != nil {
			return nil, err
		}
	}
	if tail == "" {
		return found, nil
	}
	pages, err := c.pagesWithPrefix(tail, variableWords)
	if err != nil {
		return nil, err
	}
	prefix := index.Prefix{Folded: tail}
	scan := textScan{column: c, within: index.AndNot(within, found), skip: skip, bytes: column.NewNeedle(tail),
		test: func(text string) bool { return prefix.Match(c.meta.kind, text) }}
	scan.pages = pages
	rows, err := scan.run(ctx)
	if err != nil {
		return nil, err
	}
	return index.Or(found, rows), nil
}

// hasWordSuffix reports whether a word of text ends with the folded suffix.
func hasWordSuffix(text, suffix string) bool {
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		if strings.HasSuffix(index.Fold(text[start:end]), suffix) {
			return true
		}
	}
	return false
}

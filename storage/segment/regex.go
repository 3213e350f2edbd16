package segment

import (
	"context"
	"regexp"
	"regexp/syntax"
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
	literals []string
	prog     *syntax.Prog
}

func newRegexHint(re *regexp.Regexp) *regexHint {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return &regexHint{} // it compiled, so this is another dialect: no hint
	}
	h := &regexHint{}
	h.collect(parsed)
	if h.prog, err = syntax.Compile(parsed.Simplify()); err != nil {
		return &regexHint{}
	}
	return h
}

// collect adds the case-sensitive literals that a match must contain.
func (h *regexHint) collect(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		if text := string(re.Rune); re.Flags&syntax.FoldCase == 0 && len(text) >= literalMin && utf8.ValidString(text) {
			h.literals = append(h.literals, text)
		}
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
		for _, sub := range re.Sub {
			h.collect(sub)
		}
	}
}

// narrowRegex leaves out rows whose text cannot hold a literal.
func (c *columnReader) narrowRegex(ctx context.Context, hint *regexHint, within *index.DocSet) (*index.DocSet, error) {
	if len(hint.literals) == 0 || c.meta.dict == 0 || !c.hasFilters() {
		return within, nil
	}
	for _, literal := range hint.literals {
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
			loose, err = c.rowsInside(ctx, literal, codes, rest)
		} else {
			loose, err = c.rowsAcross(ctx, literal, codes, rest)
		}
		if err != nil {
			return nil, err
		}
		referring, err := c.rowsTouching(ctx, literal, index.AndNot(rest, loose))
		if err != nil {
			return nil, err
		}
		loose = index.Or(loose, referring)
		plain := textScan{column: c, within: rest, needle: needle{text: index.Fold(literal)}}
		plain.pages[plainWords], plain.pages[longWords] = c.allPages(), c.longPages()
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

// rowsInside returns the rows of within with the literal in a variable.
func (c *columnReader) rowsInside(ctx context.Context, literal string, skip []uint32, within *index.DocSet) (*index.DocSet, error) {
	scan := textScan{column: c, within: within, skip: skip, bytes: column.NewNeedle(index.Fold(literal)),
		test: func(text string) bool { return strings.Contains(text, literal) }}
	scan.pages[variableWords] = c.allPages()
	return scan.run(ctx)
}

// rowsWithLoosePiece adds to found the rows of within with a piece of a word
// in a variable or in a text without a shape.
func (c *columnReader) rowsWithLoosePiece(ctx context.Context, piece string, skip []uint32, found, within *index.DocSet) (*index.DocSet, error) {
	rest := index.AndNot(within, found)
	loose, err := c.rowsInside(ctx, piece, skip, rest)
	if err != nil {
		return nil, err
	}
	plain := textScan{column: c, within: rest, needle: needle{text: index.Fold(piece)}}
	plain.pages[plainWords], plain.pages[longWords] = c.allPages(), c.longPages()
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
		scan.pages[variableWords] = pages
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
	scan.pages[variableWords] = pages
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

package segment

import (
	"context"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
)

// literalMin is the shortest literal that is worth a look.
const literalMin = 3

// regexHint holds literals that every match of an expression contains.
type regexHint struct{ literals []string }

func newRegexHint(re *regexp.Regexp) *regexHint {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return &regexHint{} // it compiled, so this is another dialect: no hint
	}
	h := &regexHint{}
	h.collect(parsed)
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

// narrowRegex leaves out rows whose shape shows that no literal is in the
// text. It relies on two facts of shapes: a variable starts and ends at word
// borders, and each of its words holds a digit or a byte beyond ASCII.
func (c *columnReader) narrowRegex(ctx context.Context, hint *regexHint, within *index.DocSet) (*index.DocSet, error) {
	if len(hint.literals) == 0 || c.meta.dict == 0 || !c.hasFilters() {
		return within, nil
	}
	shapes, err := c.dict()
	if err != nil {
		return nil, err
	}
	summary, err := c.summary()
	if err != nil {
		return nil, err
	}
	for _, literal := range hint.literals {
		if !staysStatic(literal, &summary.edges[variableWords]) {
			continue
		}
		codes := []uint32{0} // texts without a shape are always tried
		for i, name := range shapes {
			if strings.Contains(name, literal) {
				codes = append(codes, uint32(i)+1)
			}
		}
		if within, err = c.rowsOfCodes(ctx, codes, within); err != nil {
			return nil, err
		}
		if within.IsEmpty() {
			break
		}
	}
	return within, nil
}

// staysStatic reports whether an occurrence of literal can only lie in the
// static text of a shape: it holds a letter and a byte that is in no word, no
// digit, and neither its first nor its last piece of a word is one with which
// a word of a variable ends or starts.
func staysStatic(literal string, edges *edges) bool {
	var letter, separator bool
	for i := 0; i < len(literal); i++ {
		switch b := literal[i]; {
		case b >= utf8.RuneSelf, b >= '0' && b <= '9', b == 0x11, b == 0x12:
			return false
		case index.IsWordRune(rune(b)):
			letter = true
		default:
			separator = true
		}
	}
	if !letter || !separator {
		return false
	}
	notWord := func(r rune) bool { return !index.IsWordRune(r) }
	head := literal[:strings.IndexFunc(literal, notWord)]
	tail := literal[strings.LastIndexFunc(literal, notWord)+1:]
	return (head == "" || !edges.mayEnd(index.Fold(head))) && (tail == "" || !edges.mayStart(index.Fold(tail)))
}

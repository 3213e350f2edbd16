package plan

import (
	resyntax "regexp/syntax"
	"slices"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// PhrasePrefix matches texts that contain the text literally, whatever the
// case, not inside a longer word at its start; its end may go on.
type PhrasePrefix struct {
	folded string
	hints  index.Hints
}

// newPhrasePrefix returns the predicate for a text as typed.
func newPhrasePrefix(text string) PhrasePrefix {
	p := PhrasePrefix{folded: index.Fold(text)}
	words := index.Words(text)
	last, _ := utf8.DecodeLastRuneInString(p.folded)
	if n := len(words); n > 0 && index.IsWordRune(last) {
		p.hints.WordPrefix = words[n-1]
		words = words[:n-1]
	}
	p.hints.Words = words
	return p
}

// Match implements index.Predicate.
func (p PhrasePrefix) Match(_ model.Kind, text string) bool {
	return index.HasPhrase(index.Fold(text), p.folded, false)
}

// Hints implements index.Predicate.
func (p PhrasePrefix) Hints() index.Hints { return p.hints }

// Key implements part.Keyed: two texts with one folded form match the same.
func (p PhrasePrefix) Key() string { return "phrase prefix " + p.folded }

// regexWords returns folded words that every text contains which the
// expression matches. Only words that the expression spells out between
// characters that end words are certain.
func regexWords(expression string) []string {
	tree, err := resyntax.Parse(expression, resyntax.Perl)
	if err != nil {
		return nil
	}
	var words []string
	var walk func(*resyntax.Regexp)
	walk = func(re *resyntax.Regexp) {
		switch re.Op {
		case resyntax.OpCapture, resyntax.OpPlus:
			walk(re.Sub[0])
		case resyntax.OpConcat:
			for i, sub := range re.Sub {
				if sub.Op != resyntax.OpLiteral {
					walk(sub)
					continue
				}
				begins := i > 0 && re.Sub[i-1].Op == resyntax.OpBeginText
				ends := i+1 < len(re.Sub) && re.Sub[i+1].Op == resyntax.OpEndText
				words = append(words, literalWords(sub, begins, ends)...)
			}
		case resyntax.OpLiteral:
			words = append(words, literalWords(re, false, false)...)
		}
	}
	walk(tree)
	slices.Sort(words)
	return slices.Compact(words)
}

// literalWords returns the words of a literal that cannot go on outside it.
// Begins and ends say that the text begins and ends with the literal.
func literalWords(re *resyntax.Regexp, begins, ends bool) []string {
	if re.Flags&resyntax.FoldCase != 0 {
		return nil // folding in expressions is not folding in words
	}
	text := string(re.Rune)
	var words []string
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		if (start > 0 || begins) && (end < len(text) || ends) {
			words = append(words, index.Fold(text[start:end]))
		}
	}
	return words
}

package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error says what is wrong with a query text and where.
type Error struct {
	Line       int // from 1
	Column     int // from 1, in characters
	Message    string
	Expected   []string // what could have stood there
	Suggestion string   // what was perhaps meant
}

// NewError returns an error about the text at a position.
func NewError(text string, at Pos, format string, args ...any) *Error {
	offset := min(max(int(at), 0), len(text))
	before := text[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return &Error{
		Line:    strings.Count(before, "\n") + 1,
		Column:  utf8.RuneCountInString(before[start:]) + 1,
		Message: fmt.Sprintf(format, args...),
	}
}

// Expect adds what could have stood there.
func (e *Error) Expect(what ...string) *Error {
	e.Expected = append(e.Expected, what...)
	return e
}

// Suggest adds what was perhaps meant, if anything.
func (e *Error) Suggest(what string) *Error {
	e.Suggestion = what
	return e
}

// Inside returns the error as one about a text that contains at a position the
// text that it is about.
func (e *Error) Inside(text string, at Pos) *Error {
	start := NewError(text, at, "")
	moved := *e
	if e.Line == 1 {
		moved.Column += start.Column - 1
	}
	moved.Line += start.Line - 1
	return &moved
}

// Error implements error, on one line. What was perhaps meant says more than all
// that could have stood there.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "query line %d column %d: %s", e.Line, e.Column, e.Message)
	switch {
	case e.Suggestion != "":
		b.WriteString("; did you mean " + e.Suggestion + "?")
	case len(e.Expected) > 0:
		b.WriteString("; expected " + strings.Join(e.Expected, ", "))
	}
	return b.String()
}

// caretWidth is how much of a long line Caret shows before the position.
const caretWidth = 60

// Caret returns the line of the text in which the error is, and below it a
// caret that points at the column.
func (e *Error) Caret(text string) string {
	lines := strings.Split(text, "\n")
	if e.Line < 1 || e.Line > len(lines) {
		return ""
	}
	line := []rune(strings.ReplaceAll(strings.TrimSuffix(lines[e.Line-1], "\r"), "\t", " "))
	column := min(max(e.Column-1, 0), len(line))
	lead := ""
	if column > caretWidth {
		line, column, lead = line[column-caretWidth:], caretWidth, "…"
	}
	tail := ""
	if len(line) > 2*caretWidth {
		line, tail = line[:2*caretWidth], "…"
	}
	return lead + string(line) + tail + "\n" + strings.Repeat(" ", column+utf8.RuneCountInString(lead)) + "^"
}

// Nearest returns the candidate that is closest to the word, if it is close
// enough to have been meant, else "".
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", max(1, utf8.RuneCountInString(word)/3)+1
	for _, candidate := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// nearestMax bounds the words that distance compares.
const nearestMax = 64

// distance counts the edits (insert, delete, replace, swap neighbours) that
// turn a into b.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s) > nearestMax || len(t) > nearestMax {
		return nearestMax
	}
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}

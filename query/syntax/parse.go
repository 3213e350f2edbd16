package syntax

import (
	"regexp"
	resyntax "regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/internal/regexsize"
)

// Parse reads a query. An error is an *Error.
func Parse(text string) (*Query, error) {
	if len(text) > TextMax {
		return nil, NewError(text, TextMax, "the query is longer than %d bytes", TextMax)
	}
	if !utf8.ValidString(text) {
		at := strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError })
		return nil, NewError(text, Pos(at), "the query is not valid UTF-8")
	}
	p := &parser{scanner: scanner{text: text}}
	p.space()
	query, err := p.query()
	if err == nil && p.has(")") {
		err = p.fail("this parenthesis was never opened").Suggest(`")"`)
	}
	if err != nil {
		return nil, err
	}
	return query, nil
}

// query reads a query up to the end or a parenthesis that it did not open.
func (p *parser) query() (*Query, error) {
	query := &Query{Text: p.text, Filter: All{}}
	if !p.end() && !p.has(")") && (!p.has("|") || p.has("||")) {
		filter, err := p.or(scope{})
		if err != nil {
			return nil, err
		}
		query.Filter = filter
	}
	for !p.end() && !p.has(")") {
		p.take("|")
		pipe, err := p.pipe()
		if err != nil {
			return nil, err
		}
		if query.Pipes = append(query.Pipes, pipe); len(query.Pipes) > PipesMax {
			return nil, NewError(p.text, pipe.At(), "the query has more than %d pipes", PipesMax)
		}
	}
	return query, nil
}

// parser reads a tree by recursive descent. Each method starts at something
// that is not white space and leaves the scanner so.
type parser struct {
	scanner
	depth   int
	queries int // in parentheses so far
	inside  int // those that the scanner is in
}

// scope is what a condition stands in: the field of field:( ... ), if any.
type scope struct {
	field  string
	inside bool
}

// fail returns an error about where the scanner stands.
func (p *parser) fail(format string, args ...any) *Error {
	return NewError(p.text, Pos(p.pos), format, args...)
}

// deeper counts a level of nesting.
func (p *parser) deeper() error {
	if p.depth++; p.depth > DepthMax {
		return p.fail("the query is nested deeper than %d levels", DepthMax)
	}
	return nil
}

func (p *parser) or(in scope) (Node, error) {
	var of []Node
	for {
		node, err := p.and(in)
		if err != nil {
			return nil, err
		}
		of = append(of, node)
		name, size := p.keyword()
		if name != "OR" {
			if len(of) == 1 {
				return node, nil
			}
			return Or{Of: of}, nil
		}
		p.pos += size
		p.space()
	}
}

func (p *parser) and(in scope) (Node, error) {
	var of []Node
	for {
		node, err := p.unary(in)
		if err != nil {
			return nil, err
		}
		of = append(of, node)
		name, size := p.keyword()
		if name == "AND" {
			p.pos += size
			p.space()
			continue
		}
		if name == "OR" || p.end() || p.has(")") || p.has("|") {
			if len(of) == 1 {
				return node, nil
			}
			return And{Of: of}, nil
		}
	}
}

func (p *parser) unary(in scope) (Node, error) {
	name, size := p.keyword()
	switch {
	case name == "NOT":
	case name != "":
		return nil, p.fail("%s needs a condition before and after it", name).
			Expect("a condition").Suggest(`"` + p.text[p.pos:p.pos+size] + `"`)
	case p.has("!"):
		size = 1
	case p.negation():
		size = 1
	default:
		return p.term(in)
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	p.pos += size
	p.space()
	if p.end() || p.has(")") || p.has("|") {
		return nil, p.fail("a condition must follow the negation").Expect("a condition")
	}
	node, err := p.unary(in)
	return Not{Of: node}, err
}

// negation reports whether a '-' stands here that negates what follows.
func (p *parser) negation() bool {
	return p.has("-") && !boundary(p.rest()[1:]) && !p.has("--") && !p.has("->") || p.has("-(")
}

func (p *parser) term(in scope) (Node, error) {
	switch {
	case p.end() || p.has("|") || p.has(")"):
		return nil, p.fail("a condition is missing").Expect("a word", `a "phrase"`, "field:value", "(")
	case p.has("("):
		return p.group(in)
	case in.inside:
		return p.valueAt(in.field, p.pos)
	case p.has(`"`):
		return p.quotedTerm()
	case p.function() != "":
		return p.call("", p.pos)
	case p.has("/"):
		start := p.pos
		if node, ok, err := p.regexTerm("", start); ok || err != nil {
			return node, err
		}
	}
	start := p.pos
	if name := fieldName(p.rest()); name != "" {
		p.pos += len(name)
		if op, _ := p.comparison(); op != "" {
			return p.fieldTerm(name, start)
		}
		if size, not := p.isIn(); size > 0 {
			return p.inTerm(name, start, size, not)
		}
		p.pos = start
	}
	return p.word("", start)
}

// group reads a parenthesised condition.
func (p *parser) group(in scope) (Node, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	open := p.pos
	p.pos++
	p.space()
	if p.has(")") {
		return nil, NewError(p.text, Pos(open), "the parentheses are empty").Expect("a condition").Suggest(`"()"`)
	}
	node, err := p.or(in)
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, NewError(p.text, Pos(open), "this parenthesis is never closed").Expect(")")
	}
	p.space()
	return node, nil
}

// comparison reports which separator stands after a field name: ":" or the
// first byte of a comparison, also after white space; "" if none.
func (p *parser) comparison() (op string, spaced bool) {
	rest := p.rest()
	switch {
	case strings.HasPrefix(rest, ":"):
		// A colon inside http://, ::1, C:\ belongs to the word.
		if after := rest[1:]; strings.HasPrefix(after, "//") || strings.HasPrefix(after, ":") || strings.HasPrefix(after, `\`) {
			return "", false
		}
		return ":", false
	case strings.HasPrefix(rest, "!="), strings.HasPrefix(rest, ">"), strings.HasPrefix(rest, "<"):
		return rest[:1], false
	}
	trimmed := strings.TrimLeft(rest, " \t")
	if len(trimmed) < len(rest) && (strings.HasPrefix(trimmed, ">") || strings.HasPrefix(trimmed, "<") || strings.HasPrefix(trimmed, "!=")) {
		return trimmed[:1], true
	}
	return "", false
}

// fieldTerm reads what follows a field name that comparison has approved.
func (p *parser) fieldTerm(name string, start int) (Node, error) {
	if name == "" {
		return nil, NewError(p.text, Pos(start), "a field name is empty").Expect("a field name")
	}
	colon := p.take(":")
	if !colon {
		p.space()
	}
	if colon && (boundary(p.rest()) && !p.has("(") || p.end()) {
		word := p.text[start:p.pos]
		return nil, p.fail("a value must follow %s directly", word).
			Expect("a word", `a "phrase"`, "a comparison", "a range", "a /regex/", "*").Suggest(`"` + strings.ReplaceAll(word, `"`, ``) + `"`)
	}
	if p.has("(") {
		return p.group(scope{field: name, inside: true})
	}
	return p.valueAt(name, start)
}

// quotedTerm reads a phrase, or a quoted field name and its value.
func (p *parser) quotedTerm() (Node, error) {
	start := p.pos
	text, err := p.quotedText()
	if err != nil {
		return nil, err
	}
	if op, spaced := p.comparison(); op != "" && !spaced {
		return p.fieldTerm(text, start)
	}
	if size, not := p.isIn(); size > 0 && text != "" {
		return p.inTerm(text, start, size, not)
	}
	return p.phrase("", text, start)
}

func (p *parser) quotedText() (string, error) {
	text, closed := p.quoted()
	if !closed {
		return "", p.fail("this quote is never closed").Expect(`"`)
	}
	return text, nil
}

// phrase ends a condition on a quoted text that was just read.
func (p *parser) phrase(field, text string, start int) (Node, error) {
	match := Match{Pos: Pos(start), Field: field, Op: Contains, Value: Value{Text: text, Quoted: field != "" && isNumber(text)}}
	if p.take("*") {
		if text == "" {
			return nil, NewError(p.text, Pos(start), "a prefix is empty").Suggest("*")
		}
		match.Op, match.Value.Quoted = Prefix, false
	}
	return match, p.ended()
}

// ended checks that a term ends here, and reads the white space after it.
func (p *parser) ended() error {
	if !boundary(p.rest()) {
		return p.fail("a space must follow").Expect("a space", ")", "|", "the end")
	}
	p.space()
	return nil
}

// regexTerm reads a regular expression if one stands here.
func (p *parser) regexTerm(field string, start int) (Node, bool, error) {
	open := p.pos
	expression, ok := p.regex()
	if !ok {
		return nil, false, nil
	}
	if err := CheckRegex(expression); err != nil {
		return nil, false, NewError(p.text, Pos(open), "%s", err).Suggest(`"` + escape(p.text[open:p.pos]) + `" to find it as text`)
	}
	p.space()
	return Match{Pos: Pos(start), Field: field, Op: Regex, Value: Value{Text: expression}}, true, nil
}

// CheckRegex reports whether an expression is valid and within the limits.
func CheckRegex(expression string) error {
	if len(expression) > RegexMax {
		return &regexError{"the regular expression is longer than 1024 bytes"}
	}
	tree, err := resyntax.Parse(expression, resyntax.Perl)
	if err != nil {
		return &regexError{strings.Replace(err.Error(), "error parsing regexp: ", "the regular expression is wrong: ", 1)}
	}
	if regexsize.AtMost(tree) > 4*RegexInst { // nobody compiles it to see that
		return &regexError{"the regular expression is too big"}
	}
	program, err := resyntax.Compile(tree.Simplify())
	if err != nil || len(program.Inst) > RegexInst {
		return &regexError{"the regular expression is too big"}
	}
	if _, err := regexp.Compile(expression); err != nil {
		return &regexError{"the regular expression is wrong"}
	}
	return nil
}

// regexError is a fault of a regular expression.
type regexError struct{ text string }

// Error implements error.
func (e *regexError) Error() string { return e.text }

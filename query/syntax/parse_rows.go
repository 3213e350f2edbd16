package syntax

import (
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// rowPipe reads what follows the name of a pipe that works on rows one by one
// or on all of them; nil if there is no such pipe.
func (p *parser) rowPipe(name string, at Pos) (Pipe, error) {
	switch name {
	case "where":
		cond, err := p.expression()
		return &Where{Pos: at, Cond: cond}, err
	case "eval":
		set, err := p.assignments()
		return &Eval{Pos: at, Set: set}, err
	case "rename":
		return p.rename(at)
	case "drop":
		names, err := p.names(p.column)
		return &Drop{Pos: at, Names: names}, err
	case "extract":
		return p.extract(at)
	case "parse":
		return p.parseFormat(at)
	case "dedup":
		p.takeWord("by")
		names, err := p.names(p.column)
		return &Dedup{Pos: at, By: names}, err
	case "fill":
		if p.end() || p.has("|") || p.has(")") {
			return &Fill{Pos: at}, nil
		}
		set, err := p.assignments()
		return &Fill{Pos: at, Set: set}, err
	case "sample":
		return p.sample(at)
	case "union":
		query, err := p.subquery()
		return &Union{Pos: at, Sub: query}, err
	case "join":
		return p.join(at)
	case "lookup":
		return p.lookup(at)
	case "context":
		n, err := p.number(1)
		if err == nil && n > ContextMax {
			err = NewError(p.text, at, "context shows at most %d records on each side", ContextMax)
		}
		return &Context{Pos: at, N: n}, err
	case "compare":
		ago, err := p.duration()
		return &Compare{Pos: at, Ago: ago}, err
	case "timeline":
		p.takeWord("by")
		by, err := p.name("a field")
		return &Timeline{Pos: at, By: by}, err
	}
	return nil, nil
}

// assignments reads name = expression, between commas.
func (p *parser) assignments() (set []Assign, err error) {
	err = p.list(func() error {
		name, err := p.column()
		if err != nil {
			return err
		}
		if p.has("==") || !p.takeMark("=") {
			return p.fail("what %q is set to is missing", name.Text).Expect("=")
		}
		to, err := p.expression()
		set = append(set, Assign{Name: name, To: to})
		return err
	})
	return set, err
}

// names reads names between commas.
func (p *parser) names(read func() (Name, error)) (names []Name, err error) {
	err = p.list(func() error {
		name, err := read()
		names = append(names, name)
		return err
	})
	return names, err
}

// fieldList reads field names between commas.
func (p *parser) fieldList() ([]Name, error) {
	return p.names(func() (Name, error) { return p.name("a field") })
}

func (p *parser) rename(at Pos) (Pipe, error) {
	rename := &Rename{Pos: at}
	err := p.list(func() error {
		from, err := p.column()
		if err != nil {
			return err
		}
		if !p.takeWord("as") {
			return p.fail("the new name of %q is missing", from.Text).Expect("as")
		}
		to, err := p.name("a name")
		rename.Pairs = append(rename.Pairs, RenamePair{From: from, To: to})
		return err
	})
	return rename, err
}

func (p *parser) extract(at Pos) (Pipe, error) {
	extract := &Extract{Pos: at, Start: Pos(p.pos)}
	switch {
	case p.has("/"):
		expression, ok := p.regex()
		if !ok {
			return nil, p.fail("the regular expression is never closed").Expect("/")
		}
		extract.Pattern, extract.Regex = expression, true
		if err := CheckRegex(expression); err != nil {
			return nil, NewError(p.text, extract.Start, "%s", err)
		}
		tree, err := syntax.Parse(expression, syntax.Perl)
		if err != nil || !slices.ContainsFunc(tree.CapNames(), func(name string) bool { return name != "" }) {
			return nil, NewError(p.text, extract.Start, "the regular expression has no named group").Expect("(?P<name>...)")
		}
	case p.has(`"`):
		text, err := p.quotedText()
		if err != nil {
			return nil, err
		}
		extract.Pattern = text
		if _, fault := SplitPattern(text); fault != "" {
			return nil, NewError(p.text, extract.Start, "%s", fault).Expect(`"<ip> - <user>"`, "/(?P<name>...)/")
		}
	default:
		return nil, p.fail("a pattern is missing").Expect(`"<ip> - <user>"`, "/(?P<name>...)/")
	}
	p.space()
	from, err := p.from()
	extract.From = from
	return extract, err
}

// from reads the field that a text is taken from, if one is named.
func (p *parser) from() (Name, error) {
	if !p.takeWord("from") {
		return Name{}, nil
	}
	return p.name("a field")
}

// PatternPart is a piece of a pattern: a text, then a field up to the next
// text.
type PatternPart struct {
	Text  string
	Field string // "" for what is left out, and behind the last text
	Last  bool   // there is no field after the text
}

// SplitPattern takes a pattern apart; fault says what is wrong with it.
func SplitPattern(pattern string) (parts []PatternPart, fault string) {
	if len(pattern) > PatternMax {
		return nil, "the pattern is longer than " + strconv.Itoa(PatternMax) + " bytes"
	}
	named := 0
	rest := pattern
	for {
		text, after, open := strings.Cut(rest, "<")
		if !open {
			parts = append(parts, PatternPart{Text: text, Last: true})
			break
		}
		name, more, closed := strings.Cut(after, ">")
		switch {
		case !closed:
			return nil, "a < of the pattern is never closed"
		case text == "" && len(parts) > 0:
			return nil, "two fields of the pattern have no text between them"
		}
		if name = strings.TrimSpace(name); name == "_" {
			name = ""
		}
		if name != "" {
			named++
		}
		parts = append(parts, PatternPart{Text: text, Field: name})
		rest = more
	}
	if named == 0 {
		return nil, "the pattern names no field"
	}
	if named > ListMax {
		return nil, "the pattern names more than " + strconv.Itoa(ListMax) + " fields"
	}
	return parts, ""
}

func (p *parser) parseFormat(at Pos) (Pipe, error) {
	start := p.pos
	format := strings.ToLower(p.pipeWord())
	if format != "json" && format != "logfmt" {
		return nil, NewError(p.text, Pos(start), "there is no format %q", format).Expect(formats...).Suggest(Nearest(format, formats))
	}
	from, err := p.from()
	return &ParseFormat{Pos: at, Format: format, From: from}, err
}

func (p *parser) sample(at Pos) (Pipe, error) {
	start := Pos(p.pos)
	word := p.pipeWord()
	fault := NewError(p.text, start, "how much of the records is missing").Expect("10 for one in 10", "5%")
	if percent, ok := strings.CutSuffix(word, "%"); ok {
		whole, fraction, _ := strings.Cut(percent, ".")
		if len(fraction) > 4 || len(whole) > 3 || whole == "" {
			return nil, fault
		}
		n, err := strconv.Atoi(whole + fraction + strings.Repeat("0", 4-len(fraction)))
		if err != nil || n <= 0 || n > millionth {
			return nil, fault
		}
		return &Sample{Pos: at, Millionths: n}, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > NumberMax {
		return nil, fault
	}
	return &Sample{Pos: at, OneIn: n}, nil
}

func (p *parser) join(at Pos) (Pipe, error) {
	join := &Join{Pos: at, Inner: p.takeWord("inner")}
	p.takeWord("by")
	names, err := p.fieldList()
	if err != nil {
		return nil, err
	}
	join.By = names
	join.Sub, err = p.subquery()
	return join, err
}

func (p *parser) lookup(at Pos) (Pipe, error) {
	if p.queries++; p.queries > QueriesMax {
		return nil, NewError(p.text, at, "there are more than %d lookups and queries inside the query", QueriesMax)
	}
	table, err := p.name("a lookup table")
	if err != nil {
		return nil, err
	}
	lookup := &Lookup{Pos: at, Table: table}
	if !p.takeWord("on") {
		return nil, p.fail("the field whose value is looked up is missing").Expect("on")
	}
	if lookup.On, err = p.column(); err != nil || !p.takeWord("as") {
		return lookup, err
	}
	lookup.As, err = p.name("a name")
	return lookup, err
}

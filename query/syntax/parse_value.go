package syntax

import "strings"

// word reads a bare word, prefix or star.
func (p *parser) word(field string, start int) (Node, error) {
	at := p.pos
	text := p.token("")
	if (field == "_time" || field == "timestamp") && stretchWord(text) {
		text = p.stretch(text)
	}
	match := Match{Pos: Pos(start), Field: field, Op: Contains, Value: Value{Text: text}}
	stem := strings.TrimSuffix(text, "*")
	switch {
	case text == "":
		return nil, p.fail("a value is missing").Expect("a word", `a "phrase"`)
	case p.has(`"`):
		return nil, p.quoteAfter(text)
	case text == "*" && field == "":
		p.space()
		return All{}, nil
	case text == "*":
		match.Op, match.Value.Text = Exists, ""
	case strings.Contains(stem, "*"):
		return nil, NewError(p.text, Pos(at+strings.Index(text, "*")), "'*' can stand only at the end of a word").
			Expect("a word", "word*", "a /regex/").Suggest("/" + wildcard(text) + "/")
	case stem != text:
		match.Op, match.Value.Text = Prefix, stem
	}
	p.space()
	return match, nil
}

// quoteAfter is the error for a quote that directly follows a bare word.
func (p *parser) quoteAfter(text string) error {
	err := p.fail("a quote cannot follow a word directly").Expect("a space")
	if name, ok := strings.CutSuffix(text, "="); ok && fieldName(name) == name && name != "" {
		if value, closed := p.quoted(); closed {
			return err.Suggest(name + `:="` + escape(value) + `"`)
		}
	}
	return err
}

// wildcard turns a word with stars into a regular expression.
func wildcard(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '*':
			b.WriteString(`\S*`)
		case strings.ContainsRune(`\.+?()|[]{}^$/`, r):
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// valueAt reads one value of a field that was named at start.
func (p *parser) valueAt(field string, start int) (Node, error) {
	switch {
	case p.has(`"`):
		text, err := p.quotedText()
		if err != nil {
			return nil, err
		}
		return p.phrase(field, text, start)
	case p.has("/"):
		if node, ok, err := p.regexTerm(field, start); ok || err != nil {
			return node, err
		}
	case p.has("["), p.has("{"):
		return p.rangeTerm(field, start)
	case p.function() != "":
		return p.call(field, start)
	}
	for _, c := range [...]struct {
		text string
		op   Op
	}{{">=", GreaterEqual}, {"<=", LessEqual}, {">", Greater}, {"<", Less}, {"=", Equal}, {"!=", Equal}} {
		if !p.take(c.text) {
			continue
		}
		p.space()
		if p.has(otherField) {
			return p.versus(field, start, c.op, c.text == "!=")
		}
		value, err := p.operand(c.text, "")
		if err != nil {
			return nil, err
		}
		if c.op == Equal {
			value.Quoted = false
		}
		match := Match{Pos: Pos(start), Field: field, Op: c.op, Value: value}
		if err := p.ended(); err != nil {
			return nil, err
		}
		if c.text == "!=" {
			return Not{Of: match}, nil
		}
		return match, nil
	}
	return p.word(field, start)
}

// operand reads the value after an operator, or a bound if stop is not "".
func (p *parser) operand(after, stop string) (Value, error) {
	if p.has(`"`) {
		text, err := p.quotedText()
		return Value{Text: text, Quoted: isNumber(text)}, err
	}
	if after != "=" && after != "!=" && (p.has("=") || p.has("<") || p.has(">")) {
		return Value{}, p.fail("a value must follow %s", after).Expect("a number", "a word", `a "text"`)
	}
	text := p.token(stop)
	if text == "" {
		return Value{}, p.fail("a value must follow %s", after).Expect("a number", "a word", `a "text"`)
	}
	if stop != "" && text == "*" {
		return Value{Open: true}, nil
	}
	return Value{Text: text}, nil
}

// bracketStop ends a bare bound of a range.
const bracketStop = "]}"

// rangeTerm reads [a TO b], {a TO b}, [a..b] and mixtures.
func (p *parser) rangeTerm(field string, start int) (Node, error) {
	open := p.pos
	match := Match{Pos: Pos(start), Field: field, Op: Range, LowOpen: p.has("{")}
	p.pos++
	p.space()
	var err error
	first, quoted := p.pos, p.has(`"`)
	if match.Value, err = p.operand("the bracket", bracketStop); err != nil {
		return nil, err
	}
	low, high, dots := strings.Cut(match.Value.Text, "..")
	if dots = dots && !quoted; dots {
		p.pos = first + len(low) + len("..")
		match.Value, match.High = bound(low), bound(high)
		p.pos += len(high)
	} else {
		p.space()
		if word := p.token(bracketStop); !strings.EqualFold(word, "TO") {
			p.pos -= len(word)
			return nil, p.fail("a range needs two bounds").Expect("TO").Suggest(`[1 TO 5], or quotes around a text with brackets`)
		}
		p.space()
		if match.High, err = p.operand("TO", bracketStop); err != nil {
			return nil, err
		}
	}
	p.space()
	if match.HighOpen = p.take("}"); !match.HighOpen && !p.take("]") {
		return nil, NewError(p.text, Pos(open), "this bracket is never closed").Expect("]", "}")
	}
	return match, p.ended()
}

// bound is a bound of [low..high], where nothing means no bound.
func bound(text string) Value {
	if text == "" || text == "*" {
		return Value{Open: true}
	}
	return Value{Text: text}
}

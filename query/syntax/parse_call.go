package syntax

import (
	"net/netip"
	"strings"
)

// The functions of conditions.
const (
	functionIn       = "in"
	functionExact    = "exact"
	functionCase     = "case"
	functionContains = "contains"
	functionIP       = "ip"
)

// functions are the functions of conditions.
var functions = [...]string{functionIn, functionExact, functionCase, functionContains, functionIP}

// otherField begins the name of a field whose value is compared with.
const otherField = "field("

// argumentStop ends a bare argument of a function.
const argumentStop = ","

// function returns the function that is called here, "" if none is.
func (p *parser) function() string {
	for _, name := range functions {
		if rest := p.rest(); len(rest) > len(name) && rest[len(name)] == '(' && strings.EqualFold(rest[:len(name)], name) {
			return name
		}
	}
	return ""
}

// call reads a call of a function on the values of a field, of any field if
// that is "".
func (p *parser) call(field string, start int) (Node, error) {
	name := p.function()
	if field == "" && (name == functionIn || name == functionExact) {
		return nil, p.fail("%s needs a field", name).Expect("field:" + name + "(...)").Suggest(`"` + name + `" to find the word`)
	}
	p.pos += len(name)
	if name == functionIn {
		return p.set(field, start)
	}
	open := p.pos
	texts, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if name == functionIP {
		for _, text := range texts {
			if _, _, err := ParseAddresses(text); err != nil {
				return nil, NewError(p.text, Pos(open), "%s", err).Expect("10.0.0.0/8", "10.0.0.1..10.0.0.9", "2001:db8::/32", "10.0.0.7")
			}
		}
		return Net{Pos: Pos(start), Field: field, Of: texts}, nil
	}
	if len(texts) != 1 {
		return nil, NewError(p.text, Pos(open), "%s takes one text", name).Expect(name + `("text")`)
	}
	match := Match{Pos: Pos(start), Field: field, Value: Value{Text: texts[0]}}
	switch name {
	case functionExact:
		match.Op = Equal
	case functionCase:
		match.Op = Case
	case functionContains:
		match.Op = Substring
	}
	if texts[0] == "" && match.Op != Equal {
		return nil, NewError(p.text, Pos(open), "the text is empty").Suggest("*")
	}
	return match, nil
}

// arguments reads texts between commas in parentheses, and what ends the term.
func (p *parser) arguments() ([]string, error) {
	open := p.pos
	p.take("(")
	var texts []string
	for {
		p.space()
		if p.end() {
			return nil, NewError(p.text, Pos(open), "this parenthesis is never closed").Expect(")")
		}
		value, err := p.operand("the parenthesis", argumentStop)
		if err != nil {
			return nil, err
		}
		text := value.Text
		if value.Open {
			text = "*"
		}
		if texts = append(texts, text); len(texts) > ValuesMax {
			return nil, p.fail("the list is longer than %d", ValuesMax)
		}
		if p.space(); p.take(")") {
			return texts, p.ended()
		}
		if !p.take(",") {
			return nil, p.fail("the next value must follow after a comma").Expect(",", ")")
		}
	}
}

// isIn reports whether "in (" or "not in (" follows a field name; size is how
// far away the parenthesis is.
func (p *parser) isIn() (size int, not bool) {
	probe := p.scanner
	probe.space()
	if probe.pos == p.pos {
		return 0, false
	}
	word := func(want string) bool {
		rest := probe.rest()
		if len(rest) < len(want) || !strings.EqualFold(rest[:len(want)], want) {
			return false
		}
		probe.pos += len(want)
		return true
	}
	if word("not") {
		from := probe.pos
		if probe.space(); probe.pos == from {
			return 0, false
		}
		not = true
	}
	if !word(functionIn) {
		return 0, false
	}
	if probe.space(); !probe.has("(") {
		return 0, false
	}
	return probe.pos - p.pos, not
}

// inTerm reads the set after "field in" or "field not in".
func (p *parser) inTerm(field string, start, size int, not bool) (Node, error) {
	p.pos += size
	node, err := p.set(field, start)
	if not {
		node = Not{Of: node}
	}
	return node, err
}

// set reads what stands in the parentheses of in(...): values or a query.
func (p *parser) set(field string, start int) (Node, error) {
	if field == "_time" || field == "timestamp" {
		return nil, NewError(p.text, Pos(start), "_time cannot be one of a set").Suggest("_time:[2024-01-01 TO 2024-01-31]")
	}
	if !p.piped() {
		values, err := p.arguments()
		if err != nil {
			return nil, err
		}
		return In{Pos: Pos(start), Field: field, Values: values}, nil
	}
	sub, err := p.subquery()
	if err != nil {
		return nil, err
	}
	return In{Pos: Pos(start), Field: field, Sub: sub}, nil
}

// piped reports whether the parentheses that open here hold a query: a bar
// outside quotes and regular expressions.
func (p *parser) piped() bool {
	probe := p.scanner
	probe.pos++
	for depth := 1; !probe.end(); {
		switch rest := probe.rest(); {
		case rest[0] == '"':
			if _, closed := probe.quoted(); !closed {
				return false
			}
			continue
		case strings.HasPrefix(rest, "||"):
			probe.pos++
		case rest[0] == '/':
			if _, ok := probe.regex(); ok {
				continue
			}
		case rest[0] == '|':
			return true
		case rest[0] == '(':
			depth++
		case rest[0] == ')':
			if depth--; depth == 0 {
				return false
			}
		}
		probe.pos++
	}
	return false
}

// subquery reads a query in parentheses and the white space after them.
func (p *parser) subquery() (*Subquery, error) {
	open := p.pos
	if !p.take("(") {
		return nil, p.fail("a query in parentheses is missing").Expect("(query)")
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.queries++; p.queries > QueriesMax {
		return nil, NewError(p.text, Pos(open), "there are more than %d queries inside the query", QueriesMax)
	}
	p.space()
	first := p.pos
	p.inside++
	query, err := p.query()
	p.inside--
	if err != nil {
		return nil, err
	}
	last := p.pos
	if !p.takeMark(")") {
		return nil, NewError(p.text, Pos(open), "this parenthesis is never closed").Expect(")")
	}
	return &Subquery{Pos: Pos(first), Text: strings.TrimSpace(p.text[first:last]), Query: query}, nil
}

// versus reads the field that a field is compared with.
func (p *parser) versus(field string, start int, op Op, not bool) (Node, error) {
	at := p.pos
	p.take(otherField)
	p.space()
	other := ""
	if p.has(`"`) {
		text, err := p.quotedText()
		if err != nil {
			return nil, err
		}
		other = text
	} else {
		other = p.token("")
	}
	p.space()
	switch {
	case other == "":
		return nil, p.fail("a field name is missing").Expect("a field name")
	case !p.take(")"):
		return nil, NewError(p.text, Pos(at+len(otherField)-1), "this parenthesis is never closed").Expect(")")
	}
	for _, name := range [...]string{field, other} {
		if name == "_time" || name == "timestamp" || name == "_id" {
			return nil, NewError(p.text, Pos(start), "%s cannot be compared with a field", name)
		}
	}
	var node Node = Versus{Pos: Pos(start), Field: field, Op: op, Other: other}
	if not {
		node = Not{Of: node}
	}
	return node, p.ended()
}

// stretchWord reports whether a second word belongs to a time: last 15m.
func stretchWord(text string) bool {
	switch strings.ToLower(text) {
	case "last", "this", "previous":
		return true
	}
	return false
}

// stretch reads the second word of a time, if there is one.
func (p *parser) stretch(first string) string {
	from := p.pos
	p.space()
	if second := p.token(""); second != "" && p.pos > from {
		return first + " " + second
	}
	p.pos = from
	return first
}

// ParseAddresses reads a network (10.0.0.0/8), a range (10.0.0.1..10.0.0.9) or
// an address and returns the first and the last address.
func ParseAddresses(text string) (first, last netip.Addr, err error) {
	if low, high, ok := strings.Cut(text, ".."); ok {
		first, err = netip.ParseAddr(low)
		if err == nil {
			last, err = netip.ParseAddr(high)
		}
		if err != nil || first.Is4() != last.Is4() || last.Less(first) {
			return first, last, &addressError{text}
		}
		return first.WithZone(""), last.WithZone(""), nil
	}
	if !strings.Contains(text, "/") {
		if first, err = netip.ParseAddr(text); err != nil {
			return first, last, &addressError{text}
		}
		return first.WithZone(""), first.WithZone(""), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return first, last, &addressError{text}
	}
	prefix = prefix.Masked()
	raw := prefix.Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(raw)*8; bit++ {
		raw[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ = netip.AddrFromSlice(raw)
	return prefix.Addr(), last, nil
}

// addressError is a fault of an address.
type addressError struct{ text string }

// Error implements error.
func (e *addressError) Error() string { return "\"" + e.text + "\" is no IP network, range or address" }

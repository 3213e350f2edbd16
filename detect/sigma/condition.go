package sigma

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stere-log/stere/query/syntax"
)

// tokensOf cuts a condition into words, parentheses and bars.
func tokensOf(text string) []string {
	for _, mark := range []string{"(", ")", "|"} {
		text = strings.ReplaceAll(text, mark, " "+mark+" ")
	}
	return strings.Fields(text)
}

// parser translates a condition: or binds less than and, and that less than not.
type parser struct {
	*translator
	at     *yaml.Node
	tokens []string
	depth  int
	size   int // bytes of the selections that were put in
}

// put takes a selection into the condition. The same one may stand there any number of
// times, so what comes of all is bounded.
func (p *parser) put(text string) (string, error) {
	if p.size += len(text); p.size > syntax.TextMax {
		return "", fault(p.at, "the rule makes a query of more than %d bytes", syntax.TextMax)
	}
	return text, nil
}

// parse translates all of it.
func (p *parser) parse() (string, error) {
	if slices.Contains(p.tokens, "|") {
		return "", fault(p.at, "aggregations behind a bar are not supported: a condition of a rate or count over a window is set where the rule acts")
	}
	text, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fault(p.at, "%q is not expected in the condition", p.tokens[0])
	}
	return text, err
}

// takes takes the next word if it is this, in any case.
func (p *parser) takes(word string) bool {
	if len(p.tokens) > 0 && strings.EqualFold(p.tokens[0], word) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

// or translates what stands between ors.
func (p *parser) or() (string, error) { return p.several("or", " OR ", p.and) }

// and translates what stands between ands.
func (p *parser) and() (string, error) { return p.several("and", " AND ", p.not) }

// several translates operands with a word between them.
func (p *parser) several(word, with string, operand func() (string, error)) (string, error) {
	var all []string
	for {
		text, err := operand()
		if err != nil {
			return "", err
		}
		all = append(all, text)
		if !p.takes(word) {
			return joined(all, with), nil
		}
	}
}

// not translates one operand.
func (p *parser) not() (string, error) {
	if p.depth++; p.depth > depthMax {
		return "", fault(p.at, "the condition is nested more than %d deep", depthMax)
	}
	defer func() { p.depth-- }()
	switch {
	case p.takes("not"):
		text, err := p.not()
		return "NOT (" + text + ")", err
	case p.takes("("):
		text, err := p.or()
		if err == nil && !p.takes(")") {
			err = fault(p.at, "a parenthesis is not closed in the condition")
		}
		return text, err
	case len(p.tokens) == 0:
		return "", fault(p.at, "the condition ends where a selection is expected")
	}
	word := p.tokens[0]
	p.tokens = p.tokens[1:]
	if (word == "1" || strings.EqualFold(word, "all") || strings.EqualFold(word, "any")) && p.takes("of") {
		return p.of(word)
	}
	text, ok := p.selections[word]
	if !ok {
		return "", fault(p.at, "there is no selection %q; there are: %s", word, strings.Join(p.names, ", "))
	}
	return p.put(text)
}

// of translates "1 of x*" and "all of them".
func (p *parser) of(quantity string) (string, error) {
	if len(p.tokens) == 0 {
		return "", fault(p.at, "%s of what?", quantity)
	}
	pattern := p.tokens[0]
	p.tokens = p.tokens[1:]
	var all []string
	for _, name := range p.names {
		matched, err := path.Match(pattern, name)
		if err != nil {
			return "", fault(p.at, "%q is no pattern of names", pattern)
		}
		if matched || pattern == "them" && !strings.HasPrefix(name, "_") {
			text, err := p.put(p.selections[name])
			if err != nil {
				return "", err
			}
			all = append(all, text)
		}
	}
	if len(all) == 0 {
		return "", fault(p.at, "no selection is called %q", pattern)
	}
	if strings.EqualFold(quantity, "all") {
		return joined(all, " AND "), nil
	}
	return joined(all, " OR "), nil
}

// Package sigma turns detection rules of the Sigma format into queries.
//
// Translate takes one rule and answers with the query that finds what it describes. It
// understands a subset, and what it does not it refuses with the line and what stands
// there: a rule that finds something else than its author meant is worse than none.
//
// Supported: selections as maps, lists of maps and lists of keywords, also under '|all'; the modifiers
// contains, startswith, endswith, all, re with i, m and s, cidr, exists, cased, gt, gte,
// lt, lte, windash, and base64 and base64offset, also of wide (utf16le); the wildcards *
// and ?; null; conditions of and, or, not, parentheses, "1 of" and "all of" with names,
// patterns of names, and them. Refused: aggregations, correlations, time frames, all
// other modifiers and files of several rules.
package sigma

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stere-log/stere/internal/yamlcheck"
	"github.com/stere-log/stere/query/syntax"
)

// Limits of rules.
const (
	RuleMax   = 256 << 10 // bytes of a rule
	valuesMax = 1_000     // of a field
	depthMax  = 30        // parentheses
)

// Rule is what a rule of Sigma says, with its condition as a query.
type Rule struct {
	ID          string   `json:"id,omitempty"`
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Level       string   `json:"level,omitempty"` // informational, low, medium, high, critical
	Tags        []string `json:"tags,omitempty"`
	Query       string   `json:"query"`
}

// Options say how the fields of rules are called in records.
type Options struct {
	Prefix string            // of every field that Names does not have, as "metadata."
	Names  map[string]string // by the name in rules
}

// Error is what is wrong with a rule, or not understood.
type Error struct {
	Line    int
	Message string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// fault makes an error at a node of a rule.
func fault(at *yaml.Node, format string, args ...any) error {
	line := 0
	if at != nil {
		line = at.Line
	}
	return &Error{Line: line, Message: fmt.Sprintf(format, args...)}
}

// noYAML makes an error of one of the library.
func noYAML(err error) error {
	line, why := yamlcheck.Unreadable(err)
	return &Error{Line: line, Message: fmt.Sprintf("the rule is no YAML: %.300s", why)}
}

// Translate turns a rule into a query.
func Translate(text []byte, options Options) (*Rule, error) {
	if len(text) > RuleMax {
		return nil, fault(nil, "the rule has %d bytes, at most %d", len(text), RuleMax)
	}
	var bad *yamlcheck.Error
	if err := yamlcheck.Check(text); errors.As(err, &bad) {
		return nil, &Error{Line: bad.Line, Message: bad.Message}
	}
	var body struct {
		ID, Title, Description, Level string
		Tags                          []string
		Detection                     yaml.Node
		Correlation                   yaml.Node
	}
	documents := yaml.NewDecoder(bytes.NewReader(text))
	if err := documents.Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return nil, noYAML(err)
	}
	var another yaml.Node
	switch err := documents.Decode(&another); {
	case err == nil:
		return nil, fault(&another, "several documents are not supported: translate each rule by itself")
	case !errors.Is(err, io.EOF):
		return nil, noYAML(err)
	}
	switch {
	case body.Correlation.Kind != 0:
		return nil, fault(&body.Correlation, "correlations are not supported, only rules with a detection")
	case body.Title == "":
		return nil, fault(nil, "the rule has no title")
	case body.Detection.Kind != yaml.MappingNode:
		return nil, fault(&body.Detection, "the rule has no detection")
	}
	t := translator{options: options, selections: map[string]string{}}
	query, err := t.detection(&body.Detection)
	if err != nil {
		return nil, err
	}
	if _, err := syntax.Parse(query); err != nil {
		return nil, fault(&body.Detection, "the rule makes no valid query: %v", err)
	}
	return &Rule{ID: body.ID, Title: body.Title, Description: body.Description, Level: body.Level, Tags: body.Tags, Query: query}, nil
}

// translator translates the detection of a rule.
type translator struct {
	options    Options
	selections map[string]string // as conditions of the query language
	names      []string          // in their order
}

// detection translates the selections, then the condition.
func (t *translator) detection(node *yaml.Node) (string, error) {
	var conditions []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		switch name.Value {
		case "condition":
			conditions = append(conditions, value)
			if value.Kind == yaml.SequenceNode {
				conditions = value.Content
			}
			continue
		case "timeframe":
			return "", fault(name, "timeframe is not supported: a condition of a rate or count over a window is set where the rule acts")
		}
		text, err := t.selection(value)
		if err != nil {
			return "", err
		}
		t.selections[name.Value] = text
		t.names = append(t.names, name.Value)
	}
	if len(conditions) == 0 {
		return "", fault(node, "the detection has no condition")
	}
	var all []string
	for _, condition := range conditions {
		p := parser{translator: t, at: condition, tokens: tokensOf(condition.Value)}
		text, err := p.parse()
		if err != nil {
			return "", err
		}
		all = append(all, text)
	}
	return joined(all, " OR "), nil
}

// joined puts conditions together.
func joined(all []string, with string) string {
	if len(all) == 1 {
		return all[0]
	}
	return "(" + strings.Join(all, with) + ")"
}

// selection translates a map, whose members must all hold, or a list, of which one
// must.
func (t *translator) selection(node *yaml.Node) (string, error) {
	switch node.Kind {
	case yaml.MappingNode:
		if len(node.Content) == 2 && node.Content[0].Value == allKeywords {
			return keywords(node.Content[1], " AND ")
		}
		var all []string
		for i := 0; i+1 < len(node.Content); i += 2 {
			text, err := t.field(node.Content[i], node.Content[i+1])
			if err != nil {
				return "", err
			}
			all = append(all, text)
		}
		if len(all) == 0 {
			return "", fault(node, "the selection is empty")
		}
		return joined(all, " AND "), nil
	case yaml.SequenceNode:
		var any []string
		for _, one := range node.Content {
			text, err := t.selection(one)
			if err != nil {
				return "", err
			}
			any = append(any, text)
		}
		if len(any) == 0 {
			return "", fault(node, "the selection is empty")
		}
		return joined(any, " OR "), nil
	case yaml.ScalarNode:
		return keyword(node)
	}
	return "", fault(node, "a selection is a map, a list of maps or a list of keywords")
}

// allKeywords is the only member of a map whose values are keywords that all stand there.
const allKeywords = "|all"

// keywords translates a list of them.
func keywords(node *yaml.Node, with string) (string, error) {
	var all []string
	for _, one := range node.Content {
		if one.Kind != yaml.ScalarNode {
			return "", fault(one, "a keyword is a text")
		}
		text, err := keyword(one)
		if err != nil {
			return "", err
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "", fault(node, "want a list of keywords")
	}
	return joined(all, with), nil
}

// keyword is a text that stands anywhere in the message.
func keyword(node *yaml.Node) (string, error) {
	text := strings.Trim(node.Value, "*")
	if text == "" {
		return "", fault(node, "an empty keyword finds everything")
	}
	if strings.ContainsAny(text, "*?") {
		return "message:" + expression(text, "", "", false), nil
	}
	return "message:contains(" + syntax.QuoteValue(text) + ")", nil
}

// named returns how a field is called in records.
func (t *translator) named(field string) string {
	if name, ok := t.options.Names[field]; ok {
		return syntax.QuoteField(name)
	}
	return syntax.QuoteField(t.options.Prefix + field)
}

// field translates a member of a map: a field with modifiers, and its values.
func (t *translator) field(name, value *yaml.Node) (string, error) {
	parts := strings.Split(name.Value, "|")
	field, asked := t.named(parts[0]), parts[1:]
	if parts[0] == "" {
		return "", fault(name, "keywords with other modifiers than one all are not supported")
	}
	for _, m := range asked {
		if known := modifiers(); !slices.Contains(known, m) {
			return "", fault(name, "the modifier %q is not supported; these are: %s", m, strings.Join(known, ", "))
		}
	}
	values := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		values = value.Content
	}
	if len(values) == 0 || len(values) > valuesMax {
		return "", fault(value, "%s has %d values, want 1 to %d", parts[0], len(values), valuesMax)
	}
	all := make([]string, 0, len(values))
	for _, v := range values {
		if v.Kind != yaml.ScalarNode {
			return "", fault(v, "a value of %s is a text, a number, true, false or null", parts[0])
		}
		texts, cased, err := variants(asked, v)
		if err != nil {
			return "", err
		}
		var any []string
		for _, one := range texts {
			text, err := match(field, asked, one, cased)
			if err != nil {
				return "", err
			}
			any = append(any, text)
		}
		all = append(all, joined(any, " OR "))
	}
	if slices.Contains(asked, "all") {
		return joined(all, " AND "), nil
	}
	return joined(all, " OR "), nil
}

// match is one comparison of a field with a value.
func match(field string, asked []string, v *yaml.Node, cased bool) (string, error) {
	has := func(m string) bool { return slices.Contains(asked, m) }
	cased = cased || has("cased")
	comparisons := []struct{ modifier, operator string }{{"gte", ">="}, {"gt", ">"}, {"lte", "<="}, {"lt", "<"}}
	for _, c := range comparisons {
		if has(c.modifier) {
			return field + c.operator + syntax.QuoteValue(v.Value), nil
		}
	}
	switch {
	case has("re"):
		flags := ""
		for _, flag := range []string{"i", "m", "s"} {
			if has(flag) {
				flags += flag
			}
		}
		if flags != "" {
			flags = "(?" + flags + ")"
		}
		return field + ":/" + flags + slashes(v.Value) + "/", nil
	case has("cidr"):
		if _, err := netip.ParsePrefix(v.Value); err != nil {
			return "", fault(v, "%.80q is no network, want for example 10.0.0.0/8", v.Value)
		}
		return field + ":ip(" + v.Value + ")", nil
	case has("exists"):
		if v.Value == "false" {
			return "NOT " + field + ":*", nil
		}
		return field + ":*", nil
	case v.Tag == "!!null":
		return "NOT " + field + ":*", nil
	case has("contains"):
		return contains(field, v, cased)
	case has("startswith"):
		return field + ":" + expression(v.Value, "^", "", cased), nil
	case has("endswith"):
		return field + ":" + expression(v.Value, "", "$", cased), nil
	case v.Value == "*":
		return field + ":*", nil
	case v.Value == "":
		return field + `:""`, nil
	case v.Tag == "!!int" || v.Tag == "!!float" || v.Tag == "!!bool":
		return field + ":=" + syntax.QuoteValue(v.Value), nil
	}
	return field + ":" + expression(v.Value, "^", "$", cased), nil
}

// slashes returns a regular expression that does not end early where it stands between
// slashes, nor late.
func slashes(value string) string {
	var b strings.Builder
	escaped := false
	for _, r := range value {
		if r == '/' && !escaped {
			b.WriteByte('\\')
		}
		escaped = r == '\\' && !escaped
		b.WriteRune(r)
	}
	if escaped { // of nothing: a backslash
		b.WriteByte('\\')
	}
	return b.String()
}

// contains is a text within the value of a field.
func contains(field string, v *yaml.Node, cased bool) (string, error) {
	text := strings.Trim(v.Value, "*")
	if text == "" {
		return "", fault(v, "an empty text is contained in everything")
	}
	if cased || strings.ContainsAny(text, `*?`) {
		return field + ":" + expression(text, "", "", cased), nil
	}
	return field + ":contains(" + syntax.QuoteValue(text) + ")", nil
}

// expression makes a regular expression of a value with wildcards; \ takes the meaning
// from a wildcard and from itself.
func expression(value, before, after string, cased bool) string {
	var b strings.Builder
	b.WriteString("/")
	if !cased {
		b.WriteString("(?i)")
	}
	b.WriteString(before)
	runes := []rune(value)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '\\' && i+1 < len(runes) && strings.ContainsRune(`*?\`, runes[i+1]):
			i++
			writeLiteral(&b, runes[i])
		case r == '*':
			b.WriteString(".*")
		case r == '?':
			b.WriteString(".")
		default:
			writeLiteral(&b, r)
		}
	}
	b.WriteString(after)
	b.WriteString("/")
	return b.String()
}

// writeLiteral writes a character that stands for itself.
func writeLiteral(b *strings.Builder, r rune) {
	if strings.ContainsRune(`\.+*?()|[]{}^$/`, r) {
		b.WriteByte('\\')
	}
	b.WriteRune(r)
}

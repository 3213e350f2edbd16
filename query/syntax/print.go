package syntax

import (
	"strconv"
	"strings"
	"unicode"
)

// String prints the query so that Parse reads the same tree again.
func (q *Query) String() string {
	dst := appendNode(nil, q.Filter, false)
	for _, pipe := range q.Pipes {
		dst = append(dst, " | "...)
		dst = pipe.appendTo(dst)
	}
	return string(dst)
}

// Print prints one condition.
func Print(node Node) string { return string(appendNode(nil, node, false)) }

// appendNode prints a node, in parentheses if it is a list inside something.
func appendNode(dst []byte, node Node, inside bool) []byte {
	switch n := node.(type) {
	case All:
		return append(dst, '*')
	case And:
		return appendList(dst, n.Of, " AND ", inside)
	case Or:
		return appendList(dst, n.Of, " OR ", inside)
	case Not:
		return appendNode(append(dst, "NOT "...), n.Of, true)
	case Match:
		return appendMatch(dst, n)
	case In:
		return appendIn(dst, n)
	case Net:
		if n.Field != "" {
			dst = append(appendField(dst, n.Field), ':')
		}
		return appendArguments(append(dst, functionIP...), n.Of)
	case Versus:
		dst = append(appendField(dst, n.Field), ops[n.Op]...)
		dst = appendField(append(dst, otherField...), n.Other)
		return append(dst, ')')
	}
	return dst
}

// appendIn prints a condition on a set of values.
func appendIn(dst []byte, n In) []byte {
	dst = append(appendField(dst, n.Field), ':')
	if n.Sub == nil {
		return appendArguments(append(dst, functionIn...), n.Values)
	}
	dst = append(append(dst, functionIn...), '(')
	dst = append(dst, n.Sub.Query.String()...)
	return append(dst, ')')
}

// appendArguments prints a list of texts in parentheses.
func appendArguments(dst []byte, texts []string) []byte {
	for i, text := range texts {
		dst = append(dst, map[bool]string{true: "(", false: ", "}[i == 0]...)
		dst = appendQuoted(dst, text)
	}
	return append(dst, ')')
}

func appendList(dst []byte, of []Node, between string, inside bool) []byte {
	if inside {
		dst = append(dst, '(')
	}
	for i, node := range of {
		if i > 0 {
			dst = append(dst, between...)
		}
		dst = appendNode(dst, node, true)
	}
	if inside {
		dst = append(dst, ')')
	}
	return dst
}

// ops is how the operators with a value look.
var ops = [...]string{Equal: ":=", Less: "<", LessEqual: "<=", Greater: ">", GreaterEqual: ">="}

func appendMatch(dst []byte, m Match) []byte {
	if m.Field != "" {
		dst = appendField(dst, m.Field)
		if m.Op < Equal || m.Op > GreaterEqual {
			dst = append(dst, ':')
		}
	}
	switch m.Op {
	case Contains:
		return appendValue(dst, m.Value, m.Field != "")
	case Prefix:
		return append(appendValue(dst, m.Value, false), '*')
	case Exists:
		return append(dst, '*')
	case Range:
		dst = append(dst, map[bool]byte{false: '[', true: '{'}[m.LowOpen])
		dst = append(appendValue(dst, m.Value, true), " TO "...)
		dst = appendValue(dst, m.High, true)
		return append(dst, map[bool]byte{false: ']', true: '}'}[m.HighOpen])
	case Regex:
		return appendRegex(dst, m.Value.Text)
	case Case:
		return appendArguments(append(dst, functionCase...), []string{m.Value.Text})
	case Substring:
		return appendArguments(append(dst, functionContains...), []string{m.Value.Text})
	}
	dst = append(dst, ops[m.Op]...)
	return appendValue(dst, m.Value, m.Op != Equal)
}

// appendValue prints a value, bare where that reads back as the same.
// Numbers says that a bare number differs from a quoted one here.
func appendValue(dst []byte, v Value, numbers bool) []byte {
	switch {
	case v.Open:
		return append(dst, '*')
	case numbers && isNumber(v.Text):
		if !v.Quoted {
			return append(dst, v.Text...)
		}
	case bare(v.Text):
		return append(dst, v.Text...)
	}
	return appendQuoted(dst, v.Text)
}

// bare reports whether a text needs no quotes as a value.
func bare(text string) bool {
	for i, r := range text {
		word := unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_'
		if !word && (i == 0 || r != '.' && r != '-' && r != '@') {
			return false
		}
	}
	return text != "" && !isKeyword(text) && !strings.Contains(text, "..")
}

// isKeyword reports whether a bare word means something else than itself.
func isKeyword(text string) bool {
	switch strings.ToLower(text) {
	case "and", "or", "not", "to":
		return true
	}
	return false
}

// QuoteField returns a field name as it can stand in a condition.
func QuoteField(name string) string { return string(appendField(nil, name)) }

// appendField prints a field name of a condition.
func appendField(dst []byte, name string) []byte {
	if fieldName(name) == name {
		return append(dst, name...)
	}
	return appendQuoted(dst, name)
}

func appendQuoted(dst []byte, text string) []byte {
	dst = append(dst, '"')
	dst = append(dst, escape(text)...)
	return append(dst, '"')
}

func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
}

func appendRegex(dst []byte, expression string) []byte {
	dst = append(dst, '/')
	for i := 0; i < len(expression); i++ {
		switch c := expression[i]; {
		case c == '/':
			dst = append(dst, '\\', '/')
		case c == '\\' && i+1 < len(expression):
			i++
			dst = append(dst, c, expression[i])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '/')
}

func (p *Fields) appendTo(dst []byte) []byte {
	dst = append(dst, "fields "...)
	for i, name := range p.Names {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendName(dst, name.Text)
	}
	return dst
}

func (p *Sort) appendTo(dst []byte) []byte {
	dst = append(dst, "sort by "...)
	for i, key := range p.Keys {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendName(dst, key.Name.Text)
		if key.Desc {
			dst = append(dst, " desc"...)
		}
	}
	return dst
}

func (p *Limit) appendTo(dst []byte) []byte {
	return strconv.AppendInt(append(dst, "limit "...), int64(p.N), 10)
}

func (p *Offset) appendTo(dst []byte) []byte {
	return strconv.AppendInt(append(dst, "offset "...), int64(p.N), 10)
}

// QuoteValue returns a text as a value can stand in a condition.
func QuoteValue(text string) string { return string(appendValue(nil, Value{Text: text}, false)) }

// QuoteName returns a name as it can stand in a pipe.
func QuoteName(name string) string { return string(appendName(nil, name)) }

// appendName prints a name in a pipe.
func appendName(dst []byte, name string) []byte {
	if fieldName(name) == name && !pipeKeyword(name) {
		return append(dst, name...)
	}
	return appendQuoted(dst, name)
}

// pipeKeyword reports whether a bare name means something else in a pipe.
func pipeKeyword(name string) bool {
	switch strings.ToLower(name) {
	case "by", "as", "asc", "desc", "bucket", "of", "tz", "offset", "buckets":
		return true
	}
	return false
}

// nameToo reports whether a word that means something in a pipe is a name where
// a name must stand.
func nameToo(word string) bool {
	switch strings.ToLower(word) {
	case "bucket", "of", "tz", "offset", "buckets":
		return true
	}
	return false
}

func (p *Stats) appendTo(dst []byte) []byte {
	dst = append(dst, "stats "...)
	for i, agg := range p.Aggs {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, agg.Func...), '(')
		switch {
		case agg.Where != nil:
			dst = appendNode(dst, agg.Where, false)
		case agg.Field != "":
			dst = appendName(dst, agg.Field)
		}
		dst = append(dst, ')')
		if agg.As != "" {
			dst = appendName(append(dst, " as "...), agg.As)
		}
	}
	for i, key := range p.By {
		dst = append(dst, map[bool]string{true: " by (", false: ", "}[i == 0]...)
		dst = appendKey(dst, key)
	}
	if len(p.By) > 0 {
		dst = append(dst, ')')
	}
	return dst
}

// appendKey prints a field or bucket.
func appendKey(dst []byte, key Key) []byte {
	dst = appendName(dst, key.Field)
	if key.Cut() {
		dst = appendBucket(append(dst, ':'), key)
	}
	return dst
}

// appendBucket prints how a key cuts.
func appendBucket(dst []byte, key Key) []byte {
	switch {
	case key.Width != "":
		dst = append(dst, key.Width...)
	case key.Months > 0:
		dst = append(strconv.AppendInt(dst, int64(key.Months), 10), "mo"...)
	default:
		dst = append(dst, FormatDuration(key.Bucket)...)
	}
	if key.Zone != "" {
		dst = appendQuoted(append(dst, " tz "...), key.Zone)
	}
	if key.Offset > 0 {
		dst = append(append(dst, " offset "...), FormatDuration(key.Offset)...)
	}
	return dst
}

func (p *Top) appendTo(dst []byte) []byte {
	dst = append(dst, map[bool]string{true: "rare ", false: "top "}[p.Rare]...)
	dst = strconv.AppendInt(dst, int64(p.N), 10)
	return appendNames(append(dst, ' '), p.Fields)
}

func (p *Histogram) appendTo(dst []byte) []byte {
	dst = appendName(append(dst, "histogram "...), p.Key.Field)
	if p.Key.Cut() {
		return appendBucket(append(dst, " by "...), p.Key)
	}
	return strconv.AppendInt(append(dst, " buckets "...), int64(p.Buckets), 10)
}

func (p *Facets) appendTo(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, "facets "...), int64(p.N), 10)
	if len(p.Of) > 0 {
		dst = appendNames(append(dst, " of "...), p.Of)
	}
	return dst
}

func (p *Patterns) appendTo(dst []byte) []byte {
	return strconv.AppendInt(append(dst, "patterns "...), int64(p.N), 10)
}

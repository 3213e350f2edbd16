package plan

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// Subqueries returns the queries inside the conditions of a query, the filter and
// those of count_if, in the order in which Options.Sets has what they find. Those
// inside them are not among them.
func Subqueries(query *syntax.Query) []*syntax.Subquery {
	var subs []*syntax.Subquery
	var walk func(syntax.Node)
	walk = func(node syntax.Node) {
		switch n := node.(type) {
		case syntax.And:
			for _, operand := range n.Of {
				walk(operand)
			}
		case syntax.Or:
			for _, operand := range n.Of {
				walk(operand)
			}
		case syntax.Not:
			walk(n.Of)
		case syntax.In:
			if n.Sub != nil {
				subs = append(subs, n.Sub)
			}
		}
	}
	walk(query.Filter)
	for _, pipe := range query.Pipes {
		if stats, ok := pipe.(*syntax.Stats); ok {
			for _, agg := range stats.Aggs {
				if agg.Where != nil {
					walk(agg.Where)
				}
			}
		}
	}
	return subs
}

// set lowers "is one of".
func (l *lowering) set(n syntax.In) (index.Expr, error) {
	values := n.Values
	if n.Sub != nil {
		if len(l.sets) == 0 {
			return nil, syntax.NewError(l.text, n.Sub.Pos, "a query inside a query cannot be used here")
		}
		values, l.sets = l.sets[0], l.sets[1:]
	}
	field := QueryName(n.Field)
	if field == model.FieldID {
		return l.ids(n, values)
	}
	if len(values) <= setLookups {
		var any index.AnyOf
		for _, value := range values {
			any.Of = append(any.Of, equal(field, value))
		}
		return any, nil
	}
	return index.Leaf{Field: field, Pred: newOneOf(field, values)}, nil
}

// ids lowers "the id is one of"; what a query found that is no id is no id of
// any record.
func (l *lowering) ids(n syntax.In, values []string) (index.Expr, error) {
	var ids index.IDs
	for _, value := range values {
		id, err := model.ParseRecordID(value)
		switch {
		case err == nil:
			ids.Of = append(ids.Of, id)
		case n.Sub == nil:
			return nil, syntax.NewError(l.text, n.Pos, "%q is no record id", value).Expect("the id of a record, such as 1-2f-0")
		}
	}
	return ids, nil
}

// setLookups is how many values are looked up one by one. From then on it
// costs less to look at every distinct value that there is.
const setLookups = 64

// OneOf matches values, and arrays with an element, that are exactly one of a
// set.
type OneOf struct {
	values map[string]struct{}
	key    string // "" if the set is too large for one
}

// oneOfKeyMax is the size of a key in bytes from which on answers are not kept.
const oneOfKeyMax = 16 << 10

// newOneOf returns the predicate for a set of values of a field.
func newOneOf(field string, values []string) OneOf {
	p := OneOf{values: make(map[string]struct{}, len(values))}
	size := 0
	for _, value := range values {
		p.values[value] = struct{}{}
		size += len(value) + binary.MaxVarintLen32
		if parsed, ok := model.ParseLevel(value); ok && model.IsLevel(field) {
			p.values[parsed.String()] = struct{}{}
		}
	}
	if size > oneOfKeyMax {
		return p
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	key := []byte("one of ")
	for _, value := range slices.Compact(sorted) {
		key = append(binary.AppendUvarint(key, uint64(len(value))), value...)
	}
	p.key = string(key)
	return p
}

// Match implements index.Predicate.
func (p OneOf) Match(kind model.Kind, text string) bool {
	if _, ok := p.values[text]; ok {
		return true
	}
	return slices.ContainsFunc(elements(kind, text), func(element any) bool {
		text, ok := elementText(element)
		_, in := p.values[text]
		return ok && in
	})
}

// Hints implements index.Predicate.
func (p OneOf) Hints() index.Hints { return index.Hints{} }

// Key implements part.Keyed.
func (p OneOf) Key() string { return p.key }

// Addresses matches texts that contain an IP address of one of several ranges.
type Addresses struct {
	ranges []addressRange
	hints  index.Hints
	key    string
}

// addressRange is from first to last address, both included.
type addressRange struct{ first, last netip.Addr }

// newAddresses returns the predicate for networks and ranges as typed, which
// the parser has checked.
func newAddresses(texts []string) Addresses {
	p := Addresses{key: "addresses " + strings.Join(texts, " ")}
	for _, text := range texts {
		if first, last, err := syntax.ParseAddresses(text); err == nil {
			p.ranges = append(p.ranges, addressRange{first, last})
		}
	}
	if len(p.ranges) == 1 {
		p.hints.Words = commonOctets(p.ranges[0])
	}
	return p
}

// commonOctets returns the leading numbers that all IPv4 addresses of a range
// share; each is a word of every text that contains such an address.
func commonOctets(r addressRange) []string {
	if !r.first.Is4() {
		return nil
	}
	first, last := strings.Split(r.first.String(), "."), strings.Split(r.last.String(), ".")
	n := 0
	for n < len(first) && first[n] == last[n] {
		n++
	}
	return slices.Compact(slices.Sorted(slices.Values(first[:n])))
}

// Match implements index.Predicate.
func (p Addresses) Match(_ model.Kind, text string) bool { return len(p.Spans(text, 1)) > 0 }

// Spans returns where the first n addresses are.
func (p Addresses) Spans(text string, n int) (spans [][2]int) {
	for at := 0; at < len(text) && len(spans) < n; {
		start := strings.IndexFunc(text[at:], addressRune)
		if start < 0 {
			break
		}
		start += at
		at = len(text)
		if size := strings.IndexFunc(text[start:], func(r rune) bool { return !addressRune(r) }); size > 0 {
			at = start + size
		}
		if p.has(text[start:at]) {
			spans = append(spans, [2]int{start, at})
		}
	}
	return spans
}

// addressRune reports whether a character can be part of an address.
func addressRune(r rune) bool {
	return r == '.' || r == ':' || r == '_' || index.IsWordRune(r)
}

// has reports whether a run of such characters is an address of the ranges,
// perhaps with a port behind it or a mark before or behind it.
func (p Addresses) has(run string) bool {
	run = strings.Trim(run, ".")
	if host, _, found := strings.Cut(run, ":"); found && strings.Count(host, ".") == 3 {
		run = host
	}
	at, err := netip.ParseAddr(run)
	if err != nil {
		at, err = netip.ParseAddr(strings.TrimSuffix(run, ":"))
	}
	return err == nil && slices.ContainsFunc(p.ranges, func(r addressRange) bool {
		return at.Is4() == r.first.Is4() && !at.Less(r.first) && !r.last.Less(at)
	})
}

// Hints implements index.Predicate.
func (p Addresses) Hints() index.Hints { return p.hints }

// Key implements part.Keyed.
func (p Addresses) Key() string { return p.key }

// CaseWord matches like index.Phrase, and case counts.
type CaseWord struct {
	text   string
	phrase index.Phrase
}

// newCaseWord returns the predicate for a text as typed.
func newCaseWord(text string) CaseWord { return CaseWord{text: text, phrase: index.NewPhrase(text)} }

// Match implements index.Predicate.
func (p CaseWord) Match(_ model.Kind, text string) bool { return index.HasPhrase(text, p.text, true) }

// Spans returns where the first n are.
func (p CaseWord) Spans(text string, n int) [][2]int {
	return places(text, p.text, n, func(at int) bool {
		end := at + len(p.text)
		return !index.Joined(text, p.text, at) && !index.Joined(text, text[end:], end)
	})
}

// places returns the bounds of the first n places where a text occurs and that
// are good.
func places(text, want string, n int, good func(at int) bool) (spans [][2]int) {
	for at := 0; len(spans) < n; {
		i := strings.Index(text[at:], want)
		if i < 0 {
			break
		}
		if at += i; good(at) {
			spans = append(spans, [2]int{at, at + len(want)})
		}
		at += len(want)
	}
	return spans
}

// Hints implements index.Predicate.
func (p CaseWord) Hints() index.Hints { return p.phrase.Hints() }

// Key implements part.Keyed.
func (p CaseWord) Key() string { return "case " + p.text }

// Substring matches texts in which a text occurs anywhere, whatever the case.
type Substring struct {
	folded string
	hints  index.Hints
}

// newSubstring returns the predicate for a text as typed.
func newSubstring(text string) Substring {
	p := Substring{folded: index.Fold(text)}
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		if start > 0 && end < len(text) { // else the word can go on outside
			p.hints.Words = append(p.hints.Words, index.Fold(text[start:end]))
		}
	}
	return p
}

// Match implements index.Predicate.
func (p Substring) Match(_ model.Kind, text string) bool {
	return strings.Contains(index.Fold(text), p.folded)
}

// Spans returns where the first n are.
func (p Substring) Spans(text string, n int) [][2]int {
	folded := index.Fold(text)
	if len(folded) != len(text) {
		return nil // places in one are not places in the other
	}
	return places(folded, p.folded, n, func(int) bool { return true })
}

// Hints implements index.Predicate.
func (p Substring) Hints() index.Hints { return p.hints }

// Key implements part.Keyed.
func (p Substring) Key() string { return "substring " + p.folded }

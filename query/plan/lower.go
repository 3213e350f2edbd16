package plan

import (
	"math"
	"regexp"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// lowering turns conditions into expressions.
type lowering struct {
	text   string
	now    time.Time
	sets   [][]string // of the queries inside that are not lowered yet
	lights []index.Leaf
}

// conjunction lowers the operands of the outermost AND; conditions on the time
// among them narrow the bounds of the plan instead.
func (l *lowering) conjunction(node syntax.Node, p *Plan) ([]index.Expr, error) {
	of := []syntax.Node{node}
	if and, ok := node.(syntax.And); ok {
		of = and.Of
	}
	var all []index.Expr
	for _, operand := range of {
		if inner, ok := operand.(syntax.And); ok {
			more, err := l.conjunction(inner, p)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
			continue
		}
		e, err := l.node(operand, true)
		if err != nil {
			return nil, err
		}
		switch e := e.(type) {
		case index.All:
		case index.Times:
			p.From, p.To = max(p.From, e.From), min(p.To, e.To)
		default:
			all = append(all, e)
		}
	}
	return all, nil
}

// node lowers a condition; shown says that what matches it is worth showing.
func (l *lowering) node(node syntax.Node, shown bool) (index.Expr, error) {
	switch n := node.(type) {
	case syntax.All:
		return index.All{}, nil
	case syntax.And:
		of, err := l.nodes(n.Of, shown)
		return index.AllOf{Of: of}, err
	case syntax.Or:
		of, err := l.nodes(n.Of, shown)
		return index.AnyOf{Of: of}, err
	case syntax.Not:
		e, err := l.node(n.Of, false)
		return index.Not{Of: e}, err
	case syntax.Match:
		e, err := l.match(n)
		if shown && err == nil {
			l.light(e)
		}
		return e, err
	case syntax.In:
		return l.set(n)
	case syntax.Net:
		leaf := index.Leaf{Field: QueryName(n.Field), Pred: newAddresses(n.Of)}
		if shown {
			l.light(leaf)
		}
		return leaf, nil
	case syntax.Versus:
		return index.Versus{Field: QueryName(n.Field), Op: indexOps[n.Op], Other: QueryName(n.Other)}, nil
	}
	return nil, syntax.NewError(l.text, 0, "unknown condition %T", node)
}

// light remembers a condition on one value as worth showing.
func (l *lowering) light(e index.Expr) {
	if all, ok := e.(index.AllOf); ok && len(all.Of) > 0 {
		e = all.Of[len(all.Of)-1] // a regular expression after its words
	}
	if leaf, ok := e.(index.Leaf); ok {
		l.lights = append(l.lights, leaf)
	}
}

func (l *lowering) nodes(of []syntax.Node, shown bool) ([]index.Expr, error) {
	lowered := make([]index.Expr, len(of))
	for i, node := range of {
		var err error
		if lowered[i], err = l.node(node, shown); err != nil {
			return nil, err
		}
	}
	return lowered, nil
}

// match lowers a condition on values.
func (l *lowering) match(m syntax.Match) (index.Expr, error) {
	m.Field = QueryName(m.Field)
	switch m.Field {
	case FieldTime:
		return l.time(m)
	case model.FieldID:
		return l.id(m)
	case model.FieldLevel, model.FieldDetectedLevel:
		if e, ok := level(m); ok {
			return e, nil
		}
	}
	switch m.Op {
	case syntax.Contains:
		return contains(m), nil
	case syntax.Prefix:
		return index.Leaf{Field: m.Field, Pred: prefix(m.Value.Text)}, nil
	case syntax.Exists:
		return index.Leaf{Field: m.Field, Pred: index.Exists{}}, nil
	case syntax.Equal:
		return whole(m.Field, m.Value.Text), nil
	case syntax.Regex:
		return l.regex(m)
	case syntax.Range:
		return index.Leaf{Field: m.Field, Pred: between(m)}, nil
	case syntax.Case:
		return index.Leaf{Field: m.Field, Pred: newCaseWord(m.Value.Text)}, nil
	case syntax.Substring:
		return index.Leaf{Field: m.Field, Pred: newSubstring(m.Value.Text)}, nil
	}
	return index.Leaf{Field: m.Field, Pred: compare(m.Op, m.Value)}, nil
}

// wholeMax is the number from which on float64 takes different whole numbers
// for the same.
const wholeMax = 1 << 53

// contains lowers "contains the word or phrase". A bare number also matches
// values that are the same number in other digits (404 and 404.0), where
// float64 tells numbers apart.
func contains(m syntax.Match) index.Expr {
	leaf := index.Leaf{Field: m.Field, Pred: phrase(m.Value.Text)}
	switch number, ok := index.ParseNumber(m.Value.Text); {
	case m.Value.Text == "" && m.Field == "":
		return index.All{}
	case m.Value.Text == "":
		return index.Leaf{Field: m.Field, Pred: index.Equal{}}
	case ok && !m.Value.Quoted && m.Field != "" && math.Abs(number) < wholeMax:
		same := index.Range{Numeric: true, Low: number, High: number, HasLow: true, HasHigh: true}
		return index.AnyOf{Of: []index.Expr{leaf, index.Leaf{Field: m.Field, Pred: same}}}
	}
	return leaf
}

// phrase returns the predicate for a text: one word if that is all it is.
func phrase(text string) index.Predicate {
	if start, end := index.NextWord(text, 0); start == 0 && end == len(text) && text != "" {
		return index.Word{Folded: index.Fold(text)}
	}
	return index.NewPhrase(text)
}

// prefix returns the predicate for a text that goes on.
func prefix(text string) index.Predicate {
	if start, end := index.NextWord(text, 0); start == 0 && end == len(text) {
		return index.Prefix{Folded: index.Fold(text)}
	}
	return newPhrasePrefix(text)
}

// indexOps are the comparisons in the words of package index.
var indexOps = map[syntax.Op]index.Op{
	syntax.Less: index.Less, syntax.LessEqual: index.LessEqual, syntax.Greater: index.Greater, syntax.GreaterEqual: index.GreaterEqual,
	syntax.Equal: index.Same,
}

// compare returns the range of a comparison; a quoted number compares as text.
func compare(op syntax.Op, value syntax.Value) index.Range {
	r := index.Compare(indexOps[op], value.Text)
	if value.Quoted {
		r.Numeric, r.Low, r.High = false, math.Inf(-1), math.Inf(1)
	}
	return r
}

// between returns the range of two bounds: of numbers if both are, else of
// texts.
func between(m syntax.Match) index.Range {
	r := index.Range{Low: math.Inf(-1), High: math.Inf(1), LowOpen: m.LowOpen, HighOpen: m.HighOpen,
		HasLow: !m.Value.Open, HasHigh: !m.High.Open, LowText: m.Value.Text, HighText: m.High.Text}
	low, lowNumber := index.ParseNumber(m.Value.Text)
	high, highNumber := index.ParseNumber(m.High.Text)
	lowNumber = lowNumber && !m.Value.Quoted
	highNumber = highNumber && !m.High.Quoted
	r.Numeric = (lowNumber || m.Value.Open) && (highNumber || m.High.Open) && (lowNumber || highNumber)
	if r.Numeric && lowNumber {
		r.Low = low
	}
	if r.Numeric && highNumber {
		r.High = high
	}
	r.LowOpen = r.LowOpen && r.HasLow
	r.HighOpen = r.HighOpen && r.HasHigh
	return r
}

// id lowers conditions on the record id.
func (l *lowering) id(m syntax.Match) (index.Expr, error) {
	switch m.Op {
	case syntax.Exists:
		return index.All{}, nil
	case syntax.Contains, syntax.Equal:
		id, err := model.ParseRecordID(m.Value.Text)
		if err != nil {
			return nil, syntax.NewError(l.text, m.Pos, "%q is no record id", m.Value.Text).Expect("the id of a record, such as 1-2f-0")
		}
		return index.IDs{Of: []model.RecordID{id}}, nil
	}
	return nil, syntax.NewError(l.text, m.Pos, "_id can only be compared as a whole").Expect("_id:ID")
}

// equal lowers "the whole value is", where a level may be written otherwise.
func equal(field, value string) index.Expr {
	if !model.IsLevel(field) {
		return whole(field, value)
	}
	leaf := index.Leaf{Field: field, Pred: index.Equal{Text: value}}
	parsed, ok := model.ParseLevel(value)
	if !ok || parsed.String() == value {
		return leaf
	}
	return index.AnyOf{Of: []index.Expr{index.Leaf{Field: field, Pred: index.Equal{Text: parsed.String()}}, leaf}}
}

// level lowers conditions on the level whose values are levels; others are
// conditions like those on any field.
func level(m syntax.Match) (index.Expr, bool) {
	low, lowOK := model.ParseLevel(m.Value.Text)
	high, highOK := model.ParseLevel(m.High.Text)
	last := model.LevelCritical
	switch m.Op {
	case syntax.Equal:
		return equal(m.Field, m.Value.Text), true
	case syntax.Contains:
		if !lowOK {
			return nil, false
		}
		leaf := index.Leaf{Field: m.Field, Pred: index.Equal{Text: low.String()}}
		return index.AnyOf{Of: []index.Expr{leaf, index.Leaf{Field: m.Field, Pred: phrase(m.Value.Text)}}}, true
	case syntax.Less:
		return levels(m.Field, model.LevelTrace, low-1, lowOK)
	case syntax.LessEqual:
		return levels(m.Field, model.LevelTrace, low, lowOK)
	case syntax.Greater:
		return levels(m.Field, low+1, last, lowOK)
	case syntax.GreaterEqual:
		return levels(m.Field, low, last, lowOK)
	case syntax.Range:
		if m.Value.Open {
			low, lowOK = model.LevelTrace, true
		} else if m.LowOpen {
			low++
		}
		if m.High.Open {
			high, highOK = last, true
		} else if m.HighOpen && highOK {
			high--
		}
		return levels(m.Field, low, high, lowOK && highOK)
	}
	return nil, false
}

// levels returns the expression for levels from low to high.
func levels(field string, low, high model.Level, ok bool) (index.Expr, bool) {
	any := index.AnyOf{}
	for _, l := range model.Levels() {
		if l >= low && l <= high {
			any.Of = append(any.Of, index.Leaf{Field: field, Pred: index.Equal{Text: l.String()}})
		}
	}
	return any, ok
}

// regex lowers a regular expression; without a field it is one on the message.
// Words that every match contains narrow the records that are tried.
func (l *lowering) regex(m syntax.Match) (index.Expr, error) {
	if m.Field == "" {
		m.Field = model.FieldMessage
	}
	re, err := regexp.Compile(m.Value.Text)
	if err != nil {
		return nil, syntax.NewError(l.text, m.Pos, "the regular expression is wrong: %s", err)
	}
	leaf := index.Leaf{Field: m.Field, Pred: index.Regex{Re: re}}
	words := regexWords(m.Value.Text)
	if len(words) == 0 {
		return leaf, nil
	}
	all := index.AllOf{}
	for _, word := range words {
		all.Of = append(all.Of, index.Leaf{Field: m.Field, Pred: index.Word{Folded: word}})
	}
	all.Of = append(all.Of, leaf)
	return all, nil
}

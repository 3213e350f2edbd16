package exec

import (
	"cmp"
	"math"
	"strconv"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
)

// Position is a record's place in the order of an answer: its sort values,
// then time and id, which no two records share.
type Position struct {
	Values []SortValue
	Time   int64
	ID     model.RecordID
}

// SortsOf returns how many sort values the positions of a plan have.
func SortsOf(p *plan.Plan) int {
	if p.ByTime() {
		return 0
	}
	return len(p.Sort)
}

// Class orders values of different types: numbers, texts, nothing.
type Class uint8

// The classes.
const (
	ClassNumber Class = iota + 1
	ClassText
	ClassMissing
)

// SortValue is a value as it is ordered.
type SortValue struct {
	Class  Class
	Number float64 // of ClassNumber
	Whole  int64   // the same number where it is whole and beyond 2^53, else 0
	Text   string  // of ClassText: its first bytes, which need not be UTF-8
}

// compare orders values of ascending order; nothing comes last.
func (v SortValue) compare(w SortValue) int {
	switch {
	case v.Class != w.Class:
		return cmp.Compare(v.Class, w.Class)
	case v.Number < w.Number:
		return -1
	case v.Number > w.Number:
		return 1
	}
	return cmp.Or(cmp.Compare(v.Number, w.Number), cmp.Compare(v.Whole, w.Whole), cmp.Compare(v.Text, w.Text))
}

// sortValue returns how a field's value is ordered: levels by severity,
// numbers by size, texts byte by byte.
func sortValue(field string, kind model.Kind, text string) SortValue {
	if kind == model.Null {
		return SortValue{Class: ClassMissing}
	}
	if model.IsLevel(field) {
		if level, ok := model.ParseLevel(text); ok {
			return SortValue{Class: ClassNumber, Number: float64(level)}
		}
	}
	if number, ok := index.ParseNumber(text); ok {
		whole, _ := strconv.ParseInt(text, 10, 64)
		return numberValue(number, whole)
	}
	return SortValue{Class: ClassText, Text: text[:min(len(text), sortTextMax)]}
}

// numberValue returns how a number is ordered. Its digits count only where
// float64 has not enough: 404 and 404.0 are equal.
func numberValue(number float64, whole int64) SortValue {
	if math.Abs(number) < wholeMax {
		whole = 0
	}
	return SortValue{Class: ClassNumber, Number: number, Whole: whole}
}

// sortTextMax is how many bytes of a text count for the order: cursors carry
// sort values, and must not become as long as records.
const sortTextMax = 256

// comparePositions orders by sort keys, then newest first. Nothing comes last
// in either direction.
func comparePositions(keys []plan.SortKey, a, b *Position) int {
	for i := range min(len(keys), len(a.Values), len(b.Values)) {
		if order := compareValues(keys[i], &a.Values[i], &b.Values[i]); order != 0 {
			return order
		}
	}
	return compareTimes(true, a, b)
}

// compareValues orders by one sort key.
func compareValues(key plan.SortKey, v, w *SortValue) int {
	order := v.compare(*w)
	if key.Desc && v.Class != ClassMissing && w.Class != ClassMissing {
		return -order
	}
	return order
}

// compareTimes orders by time and id, newest first if desc.
func compareTimes(desc bool, a, b *Position) int {
	order := cmp.Compare(a.Time, b.Time)
	if order == 0 { // cmp.Or would look at the ids of all
		order = a.ID.Compare(b.ID)
	}
	if desc {
		return -order
	}
	return order
}

package expr

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// TextMax is how many bytes a computed text has at most; a longer one is null.
const TextMax = 1 << 20

// Kind says what a value is.
type Kind uint8

// The kinds. Int and Float are computed, Number is one that keeps its digits.
const (
	Null Kind = iota
	Bool
	Int
	Float
	Number
	Text
	JSON
	Time
)

// Value is a value of a row. The zero value is null: nothing there.
type Value struct {
	Kind  Kind
	Int   int64 // of Int; of Time, Unix nanoseconds; of Bool, 0 or 1
	Float float64
	Text  string // of Number, Text and JSON
}

// OfField returns the value of a stored field.
func OfField(kind model.Kind, text string) Value {
	switch kind {
	case model.Bool:
		return OfBool(text == "true")
	case model.Number:
		if whole, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(whole, 10) == text {
			return OfInt(whole)
		}
		return Value{Kind: Number, Text: text}
	case model.String:
		return OfText(text)
	case model.JSON:
		return Value{Kind: JSON, Text: text}
	}
	return Value{}
}

// OfInt returns a whole number.
func OfInt(v int64) Value { return Value{Kind: Int, Int: v} }

// OfBool returns true or false.
func OfBool(v bool) Value {
	if v {
		return Value{Kind: Bool, Int: 1}
	}
	return Value{Kind: Bool}
}

// OfText returns a text, null if it is too long.
func OfText(text string) Value {
	if len(text) > TextMax {
		return Value{}
	}
	return Value{Kind: Text, Text: text}
}

// OfTime returns a time in Unix nanoseconds.
func OfTime(at int64) Value { return Value{Kind: Time, Int: at} }

// wholeMax is the number up to which float64 holds every whole number.
const wholeMax = 1 << 53

// ofFloat returns a computed number: a whole one as such, null for what JSON
// cannot hold.
func ofFloat(v float64) Value {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return Value{}
	case v == math.Trunc(v) && math.Abs(v) <= wholeMax:
		return OfInt(int64(v))
	}
	return Value{Kind: Float, Float: v}
}

// OfAny returns the value of a table's cell.
func OfAny(v any) Value {
	switch v := v.(type) {
	case int64:
		return OfInt(v)
	case float64:
		return Value{Kind: Float, Float: v}
	case json.Number:
		return Value{Kind: Number, Text: string(v)}
	case bool:
		return OfBool(v)
	case string:
		return Value{Kind: Text, Text: v}
	}
	return Value{}
}

// Any returns the value for a table's cell; times as they are written.
func (v Value) Any() any {
	switch v.Kind {
	case Bool:
		return v.Int != 0
	case Int:
		return v.Int
	case Float:
		return v.Float
	case Number:
		if f, err := strconv.ParseFloat(v.Text, 64); err == nil && strings.Contains(v.Text, ".") && strconv.FormatFloat(f, 'f', -1, 64) == v.Text {
			return f
		}
		return json.Number(v.Text)
	case Text, JSON:
		return v.Text
	case Time:
		return FormatTime(v.Int)
	}
	return nil
}

// Field returns the value as a record keeps it.
func (v Value) Field() (model.Kind, string) {
	switch v.Kind {
	case Bool:
		return model.Bool, strconv.FormatBool(v.Int != 0)
	case Int, Float, Number:
		return model.Number, v.String()
	case Text, Time:
		return model.String, v.String()
	case JSON:
		return model.JSON, v.Text
	}
	return model.Null, ""
}

// String returns the value as a text; null is "".
func (v Value) String() string {
	switch v.Kind {
	case Bool:
		return strconv.FormatBool(v.Int != 0)
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Float:
		return strconv.FormatFloat(v.Float, 'f', -1, 64)
	case Number, Text, JSON:
		return v.Text
	case Time:
		return FormatTime(v.Int)
	}
	return ""
}

// FormatTime writes a time as answers do.
func FormatTime(at int64) string { return time.Unix(0, at).UTC().Format(time.RFC3339Nano) }

// True reports whether a condition holds.
func (v Value) True() bool { return v.Kind == Bool && v.Int != 0 }

// number is a value that reads as a number.
type number struct {
	whole bool
	i     int64
	f     float64
}

// number returns what the value reads as.
func (v Value) number() (number, bool) {
	switch v.Kind {
	case Int:
		return number{whole: true, i: v.Int, f: float64(v.Int)}, true
	case Float:
		return number{f: v.Float}, true
	case Number, Text:
		f, ok := index.ParseNumber(v.Text)
		if !ok {
			return number{}, false
		}
		i, err := strconv.ParseInt(v.Text, 10, 64)
		return number{whole: err == nil, i: i, f: f}, true
	}
	return number{}, false
}

// compare orders two numbers.
func (n number) compare(m number) int {
	if n.whole && m.whole {
		return cmp.Compare(n.i, m.i)
	}
	return cmp.Compare(n.f, m.f)
}

// timeForms are the forms of times that a text is understood in.
var timeForms = [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", time.DateOnly}

// firstYear and lastYear bound the times that nanoseconds can hold.
const (
	firstYear = 1678
	lastYear  = 2261
)

// time returns the time that the value reads as.
func (v Value) time() (int64, bool) {
	switch v.Kind {
	case Time:
		return v.Int, true
	case Text:
		if len(v.Text) < len(time.DateOnly) || v.Text[0] < '0' || v.Text[0] > '9' {
			return 0, false
		}
		for _, form := range timeForms {
			if t, err := time.Parse(form, v.Text); err == nil && t.Year() >= firstYear && t.Year() <= lastYear {
				return t.UnixNano(), true
			}
		}
	}
	return 0, false
}

// Equal reports whether two values are the same where one is a key of a join:
// numbers by size, everything else as texts.
func Equal(v, w Value) bool { return equal(v, w, false) }

// equal compares; levels says that names of levels are compared by severity.
func equal(v, w Value, levels bool) bool {
	if v.Kind == Null || w.Kind == Null {
		return v.Kind == w.Kind
	}
	order, ok := order(v, w, levels)
	if ok {
		return order == 0
	}
	return false
}

// order compares two values; ok is false where neither comes first.
func order(v, w Value, levels bool) (result int, ok bool) {
	if v.Kind == Null || w.Kind == Null {
		return 0, false
	}
	if levels {
		a, okA := model.ParseLevel(v.Text)
		b, okB := model.ParseLevel(w.Text)
		if okA && okB {
			return cmp.Compare(a, b), true
		}
	}
	if v.Kind == Time || w.Kind == Time {
		a, okA := v.time()
		b, okB := w.time()
		return cmp.Compare(a, b), okA && okB
	}
	a, okA := v.number()
	b, okB := w.number()
	switch {
	case okA && okB:
		return a.compare(b), true
	case okA != okB:
		return 0, false
	}
	return strings.Compare(v.String(), w.String()), true
}

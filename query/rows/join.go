package rows

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/query/expr"
)

// Limits of what is joined.
const (
	JoinRowsMax  = 10_000
	JoinBytesMax = 1 << 20
)

// JoinSet is what another query found, to be looked up: the values of columns
// by those of others.
type JoinSet struct {
	Columns []string // that are added
	keys    []string // in order
	values  map[string][]expr.Value
	texts   map[string][]string // the same, of keys that are not in values: "" is no value
	bytes   int
}

// NewJoinSet returns an empty set that adds columns.
func NewJoinSet(columns []string) *JoinSet {
	return &JoinSet{Columns: columns, values: map[string][]expr.Value{}, texts: map[string][]string{}}
}

// Add adds the row of some keys; the first one counts, and none without a key.
// It reports whether there is room for more.
func (s *JoinSet) Add(row *Row, by []string) bool {
	key, ok := joinKey(row, by)
	if _, known := s.values[key]; !ok || known {
		return true
	}
	values := make([]expr.Value, len(s.Columns))
	for i, name := range s.Columns {
		values[i] = row.Get(name)
	}
	return s.add(key, values)
}

// AddTexts is Add for the texts of the columns of a row with one key, which it keeps: a
// text takes a fraction of what a value takes. "" is no value.
func (s *JoinSet) AddTexts(key string, texts []string) bool {
	joined, ok := appendJoinKey(nil, expr.OfText(key))
	if !ok || s.texts[string(joined)] != nil {
		return true
	}
	bytes := 0
	for _, text := range texts {
		bytes += valueMin + len(text)
	}
	if !s.take(string(joined), bytes) {
		return false
	}
	s.texts[string(joined)] = texts
	return true
}

func (s *JoinSet) add(key string, values []expr.Value) bool {
	bytes := 0
	for i := range values {
		bytes += valueMin + len(values[i].Text)
	}
	if !s.take(key, bytes) {
		return false
	}
	s.values[key] = values
	return true
}

// take notes a key whose values have so many bytes; it reports whether there was room.
func (s *JoinSet) take(key string, bytes int) bool {
	bytes += len(key)
	if len(s.keys) >= JoinRowsMax || s.bytes+bytes > JoinBytesMax {
		return false
	}
	s.keys, s.bytes = append(s.keys, key), s.bytes+bytes
	return true
}

// of returns the value of a column, by its place, for a key that is there.
func (s *JoinSet) of(key string, column int) expr.Value {
	texts := s.texts[key]
	switch {
	case texts == nil:
		return s.values[key][column]
	case texts[column] == "":
		return expr.Value{}
	}
	return expr.OfText(texts[column])
}

// has reports whether there is a key.
func (s *JoinSet) has(key string) bool { return s.values[key] != nil || s.texts[key] != nil }

// joinKey returns a text that is equal for rows whose values are equal; ok is
// false if one is null.
func joinKey(row *Row, by []string) (key string, ok bool) {
	var dst []byte
	for _, name := range by {
		if dst, ok = appendJoinKey(dst, row.Get(name)); !ok {
			return "", false
		}
	}
	return string(dst), true
}

// appendJoinKey appends the part of a key that one value is.
func appendJoinKey(dst []byte, v expr.Value) (key []byte, ok bool) {
	text, tag := v.String(), byte(1)
	switch v.Kind {
	case expr.Null:
		return dst, false
	case expr.Number, expr.Float, expr.Text:
		if f, number := index.ParseNumber(text); number && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			text = strconv.FormatInt(int64(f), 10) // 5 and 5.0 are equal
		}
	}
	dst = binary.AppendUvarint(append(dst, tag), uint64(len(text)))
	return append(dst, text...), true
}

// Join adds the columns of a set to each row: those of the row there whose
// values are equal. Inner leaves out rows without one.
type Join struct {
	By    []string
	Inner bool
	Set   *JoinSet
}

// Apply implements Op.
func (o *Join) Apply(row *Row) bool {
	key, ok := joinKey(row, o.By)
	if !ok || !o.Set.has(key) {
		return !o.Inner
	}
	for i, name := range o.Set.Columns {
		row.Set(name, o.Set.of(key, i))
	}
	return true
}

// Back implements Op.
func (o *Join) Back(want *Names) bool {
	matters := o.Inner
	for _, name := range o.Set.Columns {
		matters = matters || (*want)[name]
	}
	if matters {
		want.Add(o.By...)
	}
	return matters
}

// valueMin is the least that a value takes.
const valueMin = 1

// Append appends the set in the form that TakeJoinSet takes.
func (s *JoinSet) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.Columns)))
	for _, name := range s.Columns {
		dst = appendText(dst, name)
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.keys)))
	for _, key := range s.keys {
		dst = appendText(dst, key)
		for i := range s.Columns {
			dst = appendValue(dst, s.of(key, i))
		}
	}
	return dst
}

// joinColumnsMax is how many columns a set adds at most.
const joinColumnsMax = FieldsMax

// TakeJoinSet takes a set. Bytes that make no sense make the reader fail.
func TakeJoinSet(r *wire.Reader) *JoinSet {
	s := NewJoinSet(nil)
	columns := r.Bounded(joinColumnsMax)
	for i := uint32(0); i < columns && !r.Failed(); i++ {
		s.Columns = append(s.Columns, r.String())
	}
	keys := r.Bounded(JoinRowsMax)
	for i := uint32(0); i < keys && !r.Failed(); i++ {
		key := r.String()
		values := make([]expr.Value, 0, min(len(s.Columns), r.Len()))
		for range s.Columns {
			if values = append(values, takeValue(r)); r.Failed() {
				return s
			}
		}
		if _, known := s.values[key]; known {
			r.Fail()
		}
		for _, v := range values {
			s.bytes += valueMin + len(v.Text)
		}
		s.keys, s.bytes = append(s.keys, key), s.bytes+len(key)
		s.values[key] = values
	}
	return s
}

// appendText appends a text with its length in front.
func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// appendValue appends a value.
func appendValue(dst []byte, v expr.Value) []byte {
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case expr.Bool, expr.Int, expr.Time:
		return binary.AppendVarint(dst, v.Int)
	case expr.Float:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float))
	case expr.Number, expr.Text, expr.JSON:
		return appendText(dst, v.Text)
	}
	return dst
}

// takeValue takes a value.
func takeValue(r *wire.Reader) expr.Value {
	v := expr.Value{Kind: expr.Kind(r.Byte())}
	switch v.Kind {
	case expr.Null:
	case expr.Bool:
		if v.Int = r.Varint(); v.Int != 0 && v.Int != 1 {
			r.Fail()
		}
	case expr.Int, expr.Time:
		v.Int = r.Varint()
	case expr.Float:
		const size = 8
		if taken := r.Take(size); !r.Failed() {
			v.Float = math.Float64frombits(binary.LittleEndian.Uint64(taken))
		}
		if math.IsNaN(v.Float) || math.IsInf(v.Float, 0) {
			r.Fail()
		}
	case expr.Number, expr.Text, expr.JSON:
		v.Text = r.String()
	default:
		r.Fail()
	}
	return v
}

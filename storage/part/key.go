package part

import (
	"encoding/binary"
	"math"

	"github.com/stere-log/stere/index"
)

// Keyed is implemented by predicates from outside package index whose answers
// may be kept: equal keys of one type mean equal predicates.
type Keyed interface {
	// Key begins with the name of the type and says everything that decides
	// what the predicate matches; it is "" if that is too much to keep.
	Key() string
}

// The first byte of each thing in a key.
const (
	keyAll byte = iota + 1
	keyAllOf
	keyAnyOf
	keyNot
	keyTimes
	keyIDs
	keyWord
	keyPrefix
	keyPhrase
	keyEqual
	keyRange
	keyRegex
	keyExists
	keyOther
	keyVersus
)

// AppendKey appends bytes that tell e from every expression that can have
// another answer over the same part; ok is false if there are none, because a
// predicate is not known here.
func AppendKey(dst []byte, e index.Expr) (key []byte, ok bool) {
	switch e := e.(type) {
	case index.All:
		return append(dst, keyAll), true
	case index.AllOf:
		return appendKeys(append(dst, keyAllOf), e.Of)
	case index.AnyOf:
		return appendKeys(append(dst, keyAnyOf), e.Of)
	case index.Not:
		return AppendKey(append(dst, keyNot), e.Of)
	case index.Versus:
		dst = append(dst, keyVersus, byte(e.Op))
		return appendText(appendText(dst, e.Field), e.Other), true
	case index.Times:
		dst = binary.BigEndian.AppendUint64(append(dst, keyTimes), uint64(e.From))
		return binary.BigEndian.AppendUint64(dst, uint64(e.To)), true
	case index.IDs:
		dst = binary.AppendUvarint(append(dst, keyIDs), uint64(len(e.Of)))
		for _, id := range e.Of {
			dst = appendText(dst, id.String())
		}
		return dst, true
	case index.Leaf:
		return appendPredicate(dst, e)
	}
	return dst, false
}

// appendKeys appends the keys of operands.
func appendKeys(dst []byte, operands []index.Expr) (key []byte, ok bool) {
	dst = binary.AppendUvarint(dst, uint64(len(operands)))
	for _, operand := range operands {
		if dst, ok = AppendKey(dst, operand); !ok {
			return dst, false
		}
	}
	return dst, true
}

// appendPredicate appends the key of a leaf.
func appendPredicate(dst []byte, leaf index.Leaf) (key []byte, ok bool) {
	switch p := leaf.Pred.(type) {
	case index.Word:
		dst = appendText(append(dst, keyWord), p.Folded)
	case index.Prefix:
		dst = appendText(append(dst, keyPrefix), p.Folded)
	case index.Phrase:
		dst = appendText(append(dst, keyPhrase), p.Folded())
	case index.Equal:
		dst = appendText(append(dst, keyEqual), p.Text)
	case index.Range:
		dst = appendRange(append(dst, keyRange), p)
	case index.Regex:
		dst = appendText(append(dst, keyRegex), p.Re.String())
	case index.Exists:
		dst = append(dst, keyExists)
	case Keyed:
		key := p.Key()
		if key == "" {
			return dst, false
		}
		dst = appendText(append(dst, keyOther), key)
	default:
		return dst, false
	}
	return appendText(dst, leaf.Field), true
}

// appendRange appends the bounds of a range.
func appendRange(dst []byte, r index.Range) []byte {
	flags := byte(0)
	for bit, set := range [...]bool{r.Numeric, r.HasLow, r.HasHigh, r.LowOpen, r.HighOpen} {
		if set {
			flags |= 1 << bit
		}
	}
	dst = binary.BigEndian.AppendUint64(append(dst, flags), math.Float64bits(r.Low))
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(r.High))
	return appendText(appendText(dst, r.LowText), r.HighText)
}

// appendText appends a text that says how long it is.
func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

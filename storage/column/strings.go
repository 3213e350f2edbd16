package column

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// DecodedMax is the largest text in bytes that one array decodes to.
const DecodedMax = 256 << 20

// Encodings of strings.
const (
	stringsPlain    = 0x01 // ints of lengths, bytes
	stringsConstant = 0x02 // length, bytes
	stringsIntegers = 0x03 // ints
	stringsPadded   = 0x04 // digits, ints
	stringsDecimals = 0x05 // fraction digits, ints of value * 10^digits
	stringsHexLower = 0x06 // ints of lengths in digits, nibbles, two a byte
	stringsHexUpper = 0x07 // the same with upper-case digits
	stringsUUID     = 0x08 // 16 bytes each
	stringsIPv4     = 0x09 // ints
	stringsDict     = 0x0a // distinct count, strings, codes
	stringsAffix    = 0x0b // prefix, suffix, strings between
	stringsSorted   = 0x0c // integers, padded, decimals or ipv4 in another order
	stringsHexInts  = 0x0d // digits, ints
)

// Nesting of string encodings: a dictionary holds an affix holds the rest.
const nestingMax = 3

// AppendStrings appends the cheapest encoding of values to dst. There may be
// at most CountMax values with at most DecodedMax bytes.
func AppendStrings(dst []byte, values []string) []byte {
	var e Encoder
	return e.AppendStrings(dst, values)
}

func (e *Encoder) appendStrings(dst []byte, values []string, depth int) []byte {
	if len(values) == 0 {
		return append(dst, stringsConstant, 0)
	}
	first := values[0]
	prefix, suffix, total := affixes(values)
	if prefix == len(first) && total == len(first)*len(values) {
		if depth == nestingMax {
			e.different = values[:1]
		}
		dst = binary.AppendUvarint(append(dst, stringsConstant), uint64(len(first)))
		return append(dst, first...)
	}
	before := len(dst)
	coded, typed := e.appendTyped(dst, values)
	if depth == nestingMax {
		// The dictionary goes after the typed form, to be compared with it.
		best := len(coded) - before
		if dict, ok := e.appendDict(coded, values, total); ok {
			if size := len(dict) - len(coded); !typed || size < best {
				return append(dict[:before], dict[len(coded):]...)
			}
			coded = dict[:len(coded)]
		}
	}
	if typed {
		return coded
	}
	if depth > 0 && prefix+suffix > 0 && total <= DecodedMax {
		dst = binary.AppendUvarint(append(dst, stringsAffix), uint64(prefix))
		dst = append(dst, first[:prefix]...)
		dst = binary.AppendUvarint(dst, uint64(suffix))
		dst = append(dst, first[len(first)-suffix:]...)
		inner := resize(&e.inner, len(values))
		for i, value := range values {
			inner[i] = value[prefix : len(value)-suffix]
		}
		return e.appendStrings(dst, inner, 0)
	}
	return e.appendPlain(dst, values, total)
}

func (e *Encoder) appendPlain(dst []byte, values []string, total int) []byte {
	dst = e.appendLengths(append(dst, stringsPlain), values)
	dst = slices.Grow(dst, total)
	for _, value := range values {
		dst = append(dst, value...)
	}
	return dst
}

func (e *Encoder) appendLengths(dst []byte, values []string) []byte {
	lengths := resize(&e.numbers, len(values))
	for i, value := range values {
		lengths[i] = int64(len(value))
	}
	return e.AppendInts(dst, lengths)
}

// affixes returns the lengths of the common prefix and of the common suffix
// of what is left, and the total length.
func affixes(values []string) (prefix, suffix, total int) {
	first := values[0]
	prefix, suffix, total = len(first), len(first), len(first)
	shortest := len(first)
	for _, value := range values[1:] {
		total += len(value)
		shortest = min(shortest, len(value))
		prefix, suffix = min(prefix, len(value)), min(suffix, len(value))
		if value[:prefix] != first[:prefix] {
			i := 0
			for value[i] == first[i] {
				i++
			}
			prefix = i
		}
		if value[len(value)-suffix:] != first[len(first)-suffix:] {
			i := 0
			for value[len(value)-1-i] == first[len(first)-1-i] {
				i++
			}
			suffix = i
		}
	}
	return prefix, min(suffix, shortest-prefix), total
}

// dictProbe is how many values appendDict looks at before it judges whether
// they repeat at all.
const dictProbe = 1024

// appendDict writes distinct values and codes, if values repeat enough.
func (e *Encoder) appendDict(dst []byte, values []string, total int) ([]byte, bool) {
	if len(values) < 4 {
		return dst, false
	}
	e.distinct.Reset(min(len(values)/2+1, len(values)))
	codes := resize(&e.codes, len(values))
	bytes := 0
	for i, value := range values {
		code, isNew := e.distinct.Number(value)
		if isNew {
			if known := int(code); known >= len(values)/2 || i >= dictProbe && known > i-i/8 {
				return dst, false
			}
			bytes += len(value) + 1
		}
		codes[i] = code
	}
	distinct := e.distinct.values
	e.different = distinct
	if codesCost := packedLen(len(codes), widthOf(uint64(len(distinct)))); codesCost+bytes > total {
		return dst, false
	}
	dst = binary.AppendUvarint(append(dst, stringsDict), uint64(len(distinct)))
	dst = e.appendStrings(dst, distinct, 1)
	return e.appendFirstSeen(dst, codes, len(distinct)), true
}

// Strings appends the n strings at the start of src to dst and returns them
// with the rest of src. They share an allocation, never with src.
func Strings(dst []string, src []byte, n int) ([]string, []byte, error) {
	if err := checkCount(n); err != nil {
		return nil, nil, err
	}
	return (&Decoder{}).decodeStrings(dst, src, n, nestingMax, nil)
}

// StringsAt is Strings of those values alone whose places are in at; the rest
// is decoded as far as their encoding demands.
func StringsAt(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	return (&Decoder{}).StringsAt(dst, src, n, at)
}

func (d *Decoder) stringsAt(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	if err := checkCount(n); err != nil {
		return nil, nil, err
	}
	for _, place := range at {
		if int(place) >= n {
			return nil, nil, fmt.Errorf("decode string %d of %d: %w", place, n, ErrCorrupt)
		}
	}
	if at == nil {
		at = []uint32{}
	}
	return d.decodeStrings(dst, src, n, nestingMax, at)
}

// selected returns the values at some places, all of them for nil.
func selected[T any](values []T, at []uint32) []T {
	if at == nil {
		return values
	}
	chosen := make([]T, len(at))
	for i, place := range at {
		chosen[i] = values[place]
	}
	return chosen
}

// decodeStrings decodes n strings; where at is not nil, it returns those at
// these places.
func (d *Decoder) decodeStrings(dst []string, src []byte, n, depth int, at []uint32) ([]string, []byte, error) {
	encoding, src, err := readByte(src, "encoding of strings")
	if err != nil {
		return nil, nil, err
	}
	switch encoding {
	case stringsPlain:
		return d.decodePlain(dst, src, n, at)
	case stringsConstant:
		return d.decodeConstant(dst, src, n, at)
	case stringsDict:
		if depth > 0 {
			return d.decodeDict(dst, src, n, depth, at)
		}
	case stringsAffix:
		if depth > 0 {
			return d.decodeAffix(dst, src, n, at)
		}
	case stringsIntegers, stringsPadded, stringsDecimals, stringsIPv4:
		return d.decodeNumeric(dst, src, n, encoding, at)
	case stringsSorted:
		return d.decodeSorted(dst, src, n, at)
	case stringsHexInts:
		return d.decodeHexNumbers(dst, src, n, at)
	case stringsHexLower, stringsHexUpper:
		return d.decodeHex(dst, src, n, encoding, at)
	case stringsUUID:
		return d.decodeUUID(dst, src, n, at)
	}
	return nil, nil, fmt.Errorf("decode strings: encoding %#x: %w", encoding, ErrCorrupt)
}

func (d *Decoder) decodeConstant(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	text, src, err := readText(src, "constant")
	if err != nil {
		return nil, nil, err
	}
	if at != nil {
		n = len(at)
	}
	all, added := grow(dst, n)
	value := string(text)
	for i := range added {
		added[i] = value
	}
	return all, src, nil
}

func readText(src []byte, what string) ([]byte, []byte, error) {
	length, src, err := readUvarint(src, what)
	if err != nil {
		return nil, nil, err
	}
	return readBytes(src, length, what)
}

func (d *Decoder) decodePlain(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	lengths, src, err := d.ints(src, n)
	if err != nil {
		return nil, nil, err
	}
	total, err := sumLengths(lengths, uint64(len(src)))
	if err != nil {
		return nil, nil, err
	}
	if at != nil {
		return appendParts(dst, src[:total], lengths, at), src[total:], nil
	}
	var text string
	if !d.lends {
		text = string(src[:total])
	} else if text = unsafe.String(unsafe.SliceData(src), int(total)); dst == nil {
		dst = d.values[:0]
	}
	addUp(lengths)
	dst = appendTexts(dst, text, lengths)
	if d.lends {
		d.values = dst
	}
	return dst, src[total:], nil
}

// addUp makes of lengths the places where strings end.
func addUp(lengths []int64) {
	for i := 1; i < len(lengths); i++ {
		lengths[i] += lengths[i-1]
	}
}

// appendParts appends the strings at some places of a text. The lengths become
// the places where strings end.
func appendParts(dst []string, text []byte, lengths []int64, at []uint32) []string {
	if len(at) > 0 {
		addUp(lengths)
	}
	for _, place := range at {
		begin := int64(0)
		if place > 0 {
			begin = lengths[place-1]
		}
		dst = append(dst, string(text[begin:lengths[place]]))
	}
	return dst
}

// sumLengths adds lengths up and checks that none is negative and the sum is
// within a limit.
func sumLengths(lengths []int64, limit uint64) (uint64, error) {
	total := uint64(0)
	for _, length := range lengths {
		if length < 0 || uint64(length) > limit-total {
			return 0, fmt.Errorf("decode string of %d bytes: %w", length, ErrCorrupt)
		}
		total += uint64(length)
	}
	return total, nil
}

func (d *Decoder) decodeDict(dst []string, src []byte, n, depth int, at []uint32) ([]string, []byte, error) {
	if at != nil && len(at) <= n/asideShare {
		return d.decodeDictAt(dst, src, n, depth, at)
	}
	// Only those values are copied that are asked for.
	copies := at != nil && !d.lends
	d.lends = d.lends || copies
	distinct, src, err := d.readDict(src, n, depth, nil)
	d.lends = d.lends && !copies
	if err != nil {
		return nil, nil, err
	}
	codes, src, err := d.dictCodes(src, n, len(distinct))
	if err != nil {
		return nil, nil, err
	}
	codes = selected(codes, at)
	all, added := grow(dst, len(codes))
	for i, code := range codes {
		if added[i] = distinct[code]; copies {
			added[i] = strings.Clone(added[i])
		}
	}
	return all, src, nil
}

// asideShare is of how many values, one in so many, only those distinct ones are made
// that are asked for: their encoding is then read twice, first for where it ends.
const asideShare = 8

// decodeDictAt is decodeDict for few places.
func (d *Decoder) decodeDictAt(dst []string, src []byte, n, depth int, at []uint32) ([]string, []byte, error) {
	_, rest, err := d.readDict(src, n, depth, []uint32{})
	if err != nil {
		return nil, nil, err
	}
	count, _, err := readUvarint(src, "distinct count")
	if err != nil {
		return nil, nil, err
	}
	codes, rest, err := d.dictCodes(rest, n, int(count))
	if err != nil {
		return nil, nil, err
	}
	chosen, _, err := d.readDict(src, n, depth, selected(codes, at))
	return append(dst, chosen...), rest, err
}

// readDict returns the distinct strings of a dictionary of n values, or those at some
// places.
func (d *Decoder) readDict(src []byte, n, depth int, at []uint32) ([]string, []byte, error) {
	count, src, err := readUvarint(src, "distinct count")
	if err != nil || count > uint64(n) {
		return nil, nil, fmt.Errorf("decode %d distinct of %d strings: %w", count, n, ErrCorrupt)
	}
	return d.decodeStrings(nil, src, int(count), min(depth-1, 1), at)
}

// codesOf is Codes in the decoder's memory, which ages need too.
func (d *Decoder) codesOf(src []byte, n int) ([]uint32, []byte, error) {
	if len(src) == 0 || src[0] != codesRecent {
		return Codes(d.codes[:0], src, n)
	}
	ages, src, err := d.ints(src[1:], n)
	if err != nil {
		return nil, nil, err
	}
	codes, err := appendRecent(d.codes[:0], ages)
	return codes, src, err
}

// dictCodes returns which of the distinct strings each of n values is.
func (d *Decoder) dictCodes(src []byte, n, distinct int) ([]uint32, []byte, error) {
	codes, src, err := d.codesOf(src, n)
	if err != nil {
		return nil, nil, err
	}
	d.codes = codes
	for _, code := range codes {
		if int(code) >= distinct {
			return nil, nil, fmt.Errorf("decode code %d of %d strings: %w", code, distinct, ErrCorrupt)
		}
	}
	return codes, src, nil
}

func (d *Decoder) decodeAffix(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	prefix, src, err := readText(src, "prefix")
	if err != nil {
		return nil, nil, err
	}
	suffix, src, err := readText(src, "suffix")
	if err != nil {
		return nil, nil, err
	}
	inner, src, err := d.decodeStrings(nil, src, n, 0, at)
	if err != nil {
		return nil, nil, err
	}
	affix := len(prefix) + len(suffix)
	total := 0
	for _, value := range inner {
		if total += affix + len(value); total > DecodedMax {
			return nil, nil, fmt.Errorf("decode strings with %d common bytes: %w", affix, ErrTooLong)
		}
	}
	b := d.newBuilder(len(inner), total, false) // inner may be in what is lent
	for _, value := range inner {
		b.text = append(append(append(b.text, prefix...), value...), suffix...)
		b.end()
	}
	return b.strings(dst), src, nil
}

package column

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Needle is a text to look for, as the set of its bytes: a string without one
// of them cannot hold it.
type Needle struct {
	bytes []byte // each once, letters in lower case
	any   bool   // nothing is known
}

// NewNeedle returns the needle of a text in lower case. Bytes beyond ASCII
// tell nothing, because folding may lead to or from them.
func NewNeedle(folded string) Needle {
	var n Needle
	for i := 0; i < len(folded); i++ {
		if folded[i] >= 0x80 {
			return Needle{any: true}
		}
		if bytes.IndexByte(n.bytes, folded[i]) < 0 {
			n.bytes = append(n.bytes, folded[i])
		}
	}
	return n
}

// Within reports whether all that is known of the needle is among bytes.
func (n Needle) Within(bytes string) bool {
	return n.any || within(n.bytes, func(b byte) bool { return strings.IndexByte(bytes, b) >= 0 })
}

// MayHold reports whether some string at the start of src may hold the
// needle, whatever its case, as far as the encoding alone can tell.
func MayHold(src []byte, n Needle) bool {
	if n.any || len(n.bytes) == 0 {
		return true
	}
	missing := n.bytes
	for depth := 0; depth <= nestingMax && len(src) > 0; depth++ {
		encoding, body := src[0], src[1:]
		var err error
		switch encoding {
		case stringsIntegers, stringsPadded, stringsDecimals, stringsIPv4:
			return within(missing, isDecimalByte)
		case stringsHexLower, stringsHexUpper, stringsHexInts, stringsUUID:
			return within(missing, isHexByte)
		case stringsConstant:
			text, _, err := readText(body, "constant")
			return err != nil || len(without(missing, text)) == 0
		case stringsAffix:
			var prefix, suffix []byte
			if prefix, body, err = readText(body, "prefix"); err != nil {
				return true
			}
			if suffix, body, err = readText(body, "suffix"); err != nil {
				return true
			}
			missing = without(without(missing, prefix), suffix)
			src = body
		case stringsSorted:
			src = body
		case stringsDict:
			if _, src, err = readUvarint(body, "distinct count"); err != nil {
				return true
			}
		default:
			return true
		}
		if len(missing) == 0 {
			return true
		}
	}
	return true
}

// isDecimalByte reports whether numbers and IPv4 addresses are made of b.
func isDecimalByte(b byte) bool { return b >= '+' && b <= '9' || b == ':' }

func isHexByte(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b == '-' }

func within(needle []byte, in func(byte) bool) bool {
	for _, b := range needle {
		if !in(b) {
			return false
		}
	}
	return true
}

// without returns the bytes of the needle that are not in text, in any case.
// Folding may lead from beyond ASCII to any of them (U+212A to k), so a text
// with such bytes may have them all.
func without(needle, text []byte) []byte {
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return nil
		}
	}
	var missing []byte
	for _, b := range needle {
		upper := b
		if b >= 'a' && b <= 'z' {
			upper = b - 'a' + 'A'
		}
		if bytes.IndexByte(text, b) < 0 && bytes.IndexByte(text, upper) < 0 {
			missing = append(missing, b)
		}
	}
	return missing
}

// Match tells which of the n strings at the start of src satisfy test: nil if
// none does. A string that is stored once is tried once.
func Match(src []byte, n int, test func(string) bool) ([]bool, error) {
	if err := checkCount(n); err != nil {
		return nil, err
	}
	encoding, body, err := readByte(src, "encoding of strings")
	if err != nil {
		return nil, err
	}
	switch encoding {
	case stringsConstant:
		text, _, err := readText(body, "constant")
		if err != nil || !test(string(text)) {
			return nil, err
		}
		hits := make([]bool, n)
		for i := range hits {
			hits[i] = true
		}
		return hits, nil
	case stringsDict:
		return matchDict(body, n, test)
	}
	values, _, err := Strings(nil, src, n)
	if err != nil {
		return nil, err
	}
	return MatchEach(values, test), nil
}

// MatchEach tells which of the values satisfy test: nil if none does.
func MatchEach(values []string, test func(string) bool) []bool {
	var hits []bool
	for i, value := range values {
		if test(value) {
			if hits == nil {
				hits = make([]bool, len(values))
			}
			hits[i] = true
		}
	}
	return hits
}

func matchDict(src []byte, n int, test func(string) bool) ([]bool, error) {
	distinct, src, err := readDict(src, n, nestingMax)
	if err != nil {
		return nil, err
	}
	matching := MatchEach(distinct, test)
	if matching == nil {
		return nil, nil
	}
	codes, _, err := dictCodes(src, n, len(distinct))
	if err != nil {
		return nil, err
	}
	hits := make([]bool, n)
	for i, code := range codes {
		hits[i] = matching[code]
	}
	return hits, nil
}

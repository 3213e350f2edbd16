package column

import "fmt"

// Alphabet bounds which bytes the strings of an array are made of.
type Alphabet uint8

// The alphabets, each within the next.
const (
	Digits Alphabet = iota // digits and "+-.:"
	Hex                    // hexadecimal digits and '-'
	Any
)

// StringsAlphabet tells from the encoding alone which bytes the strings of an
// array can be made of.
func StringsAlphabet(src []byte) Alphabet {
	if len(src) == 0 {
		return Any
	}
	switch src[0] {
	case stringsIntegers, stringsPadded, stringsDecimals, stringsIPv4:
		return Digits
	case stringsHexLower, stringsHexUpper, stringsUUID:
		return Hex
	}
	return Any
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
	return matchEach(values, test), nil
}

func matchEach(values []string, test func(string) bool) []bool {
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
	count, src, err := readUvarint(src, "distinct count")
	if err != nil || count > uint64(n) {
		return nil, fmt.Errorf("match %d distinct of %d strings: %w", count, n, ErrCorrupt)
	}
	distinct, src, err := decodeStrings(nil, src, int(count), min(nestingMax-1, 1))
	if err != nil {
		return nil, err
	}
	matching := matchEach(distinct, test)
	if matching == nil {
		return nil, nil
	}
	codes, _, err := Codes(nil, src, n)
	if err != nil {
		return nil, err
	}
	hits := make([]bool, n)
	for i, code := range codes {
		if int(code) >= len(distinct) {
			return nil, fmt.Errorf("match code %d of %d strings: %w", code, len(distinct), ErrCorrupt)
		}
		hits[i] = matching[code]
	}
	return hits, nil
}

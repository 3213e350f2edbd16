package column

import (
	"fmt"
	"math"
	"slices"
)

// Joined is an array of strings as one text, to be searched in one go. Each
// distinct string of a dictionary is in it once.
type Joined struct {
	Text  []byte   // of all, one after the other; may be a part of what they were read from
	Ends  []uint32 // of each in Text
	Codes []uint32 // which of them each value is; nil: each its own
}

// JoinedStrings returns the n strings at the start of src, joined, with the
// rest of src.
func JoinedStrings(src []byte, n int) (Joined, []byte, error) {
	if err := checkCount(n); err != nil {
		return Joined{}, nil, err
	}
	encoding, body, err := readByte(src, "encoding of strings")
	if err != nil {
		return Joined{}, nil, err
	}
	switch encoding {
	case stringsPlain:
		return joinedPlain(body, n)
	case stringsDict:
		distinct, rest, err := readDict(body, n, nestingMax)
		if err != nil {
			return Joined{}, nil, err
		}
		joined, err := join(distinct)
		if err != nil {
			return Joined{}, nil, err
		}
		joined.Codes, rest, err = dictCodes(rest, n, len(distinct))
		return joined, rest, err
	}
	values, rest, err := Strings(nil, src, n)
	if err != nil {
		return Joined{}, nil, err
	}
	joined, err := join(values)
	return joined, rest, err
}

// join copies strings into one text.
func join(values []string) (Joined, error) {
	total := 0
	for _, value := range values {
		if total += len(value); total > DecodedMax {
			return Joined{}, fmt.Errorf("join %d strings: %w", len(values), ErrTooLong)
		}
	}
	joined := Joined{Text: make([]byte, 0, total), Ends: make([]uint32, 0, len(values))}
	for _, value := range values {
		joined.Text = append(joined.Text, value...)
		joined.Ends = append(joined.Ends, uint32(len(joined.Text)))
	}
	return joined, nil
}

// joinedPlain leaves the bytes of plain strings where they are.
func joinedPlain(src []byte, n int) (Joined, []byte, error) {
	lengths, src, err := Ints(nil, src, n)
	if err != nil {
		return Joined{}, nil, err
	}
	total, err := sumLengths(lengths, min(uint64(len(src)), math.MaxUint32))
	if err != nil {
		return Joined{}, nil, err
	}
	joined := Joined{Text: slices.Clip(src[:total]), Ends: make([]uint32, n)}
	end := uint32(0)
	for i, length := range lengths {
		end += uint32(length)
		joined.Ends[i] = end
	}
	return joined, src[total:], nil
}

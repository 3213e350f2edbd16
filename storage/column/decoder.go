package column

import (
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// Decoder decodes arrays in memory that it uses again. What its methods return
// is good until the next one is called, but for the strings of StringsAt, which
// are copies. The zero value is ready; a Decoder is for one goroutine.
type Decoder struct {
	lends   bool // strings may lie in what follows and in what they are read from
	numbers []int64
	runs    intRuns
	codes   []uint32
	ends    []uint32
	text    []byte
	joined  []byte
	values  []string
	page    CodePage
	steps   IntRuns
}

// StringsAt is the function with its name.
func (d *Decoder) StringsAt(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	d.lends = false
	return d.stringsAt(dst, src, n, at)
}

// JoinedStrings is the function with its name.
func (d *Decoder) JoinedStrings(src []byte, n int) (Joined, []byte, error) {
	d.lends = true
	return d.joinedStrings(src, n)
}

// Bytes returns about how much memory the decoder holds.
func (d *Decoder) Bytes() int {
	numbers := cap(d.numbers) + cap(d.runs.heads) + cap(d.runs.lengths) + cap(d.steps.values) + cap(d.steps.room.heads) + cap(d.steps.room.lengths)
	return 8*numbers + 4*(cap(d.codes)+cap(d.ends)+cap(d.steps.ends)) + int(d.page.Bytes()) + cap(d.text) + cap(d.joined) + 16*cap(d.values)
}

// ints decodes n integers, which are good until the next ones.
func (d *Decoder) ints(src []byte, n int) ([]int64, []byte, error) {
	if err := checkCount(n); err != nil {
		return nil, nil, err
	}
	numbers, rest, err := decodeInts(d.numbers[:0], src, n, &d.runs)
	if err == nil {
		d.numbers = numbers
	}
	return numbers, rest, err
}

// builder collects strings in one allocation, or in the decoder's memory.
type builder struct {
	decoder *Decoder
	text    []byte
	ends    []uint32
}

// newBuilder returns a builder; only one at a time may be lent memory.
func (d *Decoder) newBuilder(n, size int, lent bool) *builder {
	if d.lends && lent {
		return &builder{decoder: d, text: d.text[:0], ends: d.ends[:0]}
	}
	return &builder{text: make([]byte, 0, size), ends: make([]uint32, 0, n)}
}

// end closes the string that was appended to b.text.
func (b *builder) end() { b.ends = append(b.ends, uint32(len(b.text))) }

// strings appends the collected strings to dst. The builder must not be used
// afterwards: they alias its text.
func (b *builder) strings(dst []string) []string {
	if b.decoder != nil {
		b.decoder.text, b.decoder.ends = b.text, b.ends
		if dst == nil {
			dst = b.decoder.values[:0]
		}
	}
	all := appendTexts(dst, unsafe.String(unsafe.SliceData(b.text), len(b.text)), b.ends)
	if b.decoder != nil {
		b.decoder.values = all
	}
	return all
}

// appendTexts appends the pieces of a text that end there.
func appendTexts[T uint32 | int64](dst []string, text string, ends []T) []string {
	all, added := grow(dst, len(ends))
	begin := T(0)
	for i, end := range ends {
		added[i] = text[begin:end]
		begin = end
	}
	return all
}

// Strings end within 32 bits.
const _ = uint32(DecodedMax)

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
	return (&Decoder{}).JoinedStrings(src, n)
}

func (d *Decoder) joinedStrings(src []byte, n int) (Joined, []byte, error) {
	if err := checkCount(n); err != nil {
		return Joined{}, nil, err
	}
	encoding, body, err := readByte(src, "encoding of strings")
	if err != nil {
		return Joined{}, nil, err
	}
	switch encoding {
	case stringsPlain:
		return d.joinedPlain(body, n)
	case stringsDict:
		distinct, rest, err := d.readDict(body, n, nestingMax, nil)
		if err != nil {
			return Joined{}, nil, err
		}
		joined, err := d.join(distinct)
		if err != nil {
			return Joined{}, nil, err
		}
		joined.Codes, rest, err = d.dictCodes(rest, n, len(distinct))
		return joined, rest, err
	}
	values, rest, err := d.decodeStrings(nil, src, n, nestingMax, nil)
	if err != nil {
		return Joined{}, nil, err
	}
	joined, err := d.join(values)
	return joined, rest, err
}

// join copies strings into one text.
func (d *Decoder) join(values []string) (Joined, error) {
	total := 0
	for _, value := range values {
		if total += len(value); total > DecodedMax {
			return Joined{}, fmt.Errorf("join %d strings: %w", len(values), ErrTooLong)
		}
	}
	joined := Joined{Text: slices.Grow(d.joined[:0], total), Ends: slices.Grow(d.ends[:0], len(values))}
	for _, value := range values {
		joined.Text = append(joined.Text, value...)
		joined.Ends = append(joined.Ends, uint32(len(joined.Text)))
	}
	d.joined, d.ends = joined.Text, joined.Ends
	return joined, nil
}

// joinedPlain leaves the bytes of plain strings where they are.
func (d *Decoder) joinedPlain(src []byte, n int) (Joined, []byte, error) {
	lengths, src, err := d.ints(src, n)
	if err != nil {
		return Joined{}, nil, err
	}
	total, err := sumLengths(lengths, min(uint64(len(src)), math.MaxUint32))
	if err != nil {
		return Joined{}, nil, err
	}
	joined := Joined{Text: slices.Clip(src[:total]), Ends: slices.Grow(d.ends[:0], n)[:n]}
	d.ends = joined.Ends
	end := uint32(0)
	for i, length := range lengths {
		end += uint32(length)
		joined.Ends[i] = end
	}
	return joined, src[total:], nil
}

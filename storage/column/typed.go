package column

import (
	"fmt"
	"slices"
	"strconv"
)

// Limits of typed strings.
const (
	digitsMax = 18 // decimal digits that always fit an int64
	uuidLen   = 36

	hexDigitsMax = 16 // hexadecimal digits that always fit an int64

	addressMin = len("0.0.0.0")
	numericMax = 21 // bytes of the text of a number or an address
)

const (
	lowerDigits = "0123456789abcdef"
	upperDigits = "0123456789ABCDEF"
)

// The two digits of each byte. Read only.
var lowerPairs, upperPairs = pairsOf(lowerDigits), pairsOf(upperDigits)

func pairsOf(digits string) (pairs [256][2]byte) {
	for b := range pairs {
		pairs[b] = [2]byte{digits[b>>4], digits[b&15]}
	}
	return pairs
}

// appendTyped writes values that all have one of the known forms; if they have
// none, dst comes back. The first byte of the first value rules most forms out.
func (e *Encoder) appendTyped(dst []byte, values []string) ([]byte, bool) {
	first := values[0]
	if first == "" {
		return e.appendHexAny(dst, values)
	}
	c := first[0]
	if c-'0' <= 9 || c == '-' {
		if coded, ok := e.appendNumeric(dst, values); ok {
			return coded, true
		}
	}
	if hexValue(c, 'a') > 15 && hexValue(c, 'A') > 15 {
		return dst, false
	}
	if coded, ok := appendUUID(dst, values); ok {
		return coded, true
	}
	return e.appendHexAny(dst, values)
}

func (e *Encoder) appendHexAny(dst []byte, values []string) ([]byte, bool) {
	if coded, ok := e.appendHex(dst, values, stringsHexLower); ok {
		return coded, true
	}
	return e.appendHex(dst, values, stringsHexUpper)
}

// appendNumeric writes values that are numbers or addresses.
func (e *Encoder) appendNumeric(dst []byte, values []string) ([]byte, bool) {
	first := values[0]
	if e.parse(values, parseInteger) {
		return e.appendNumbers(dst, values, stringsIntegers), true
	}
	if digits := len(first); digits <= digitsMax && e.parse(values, func(s string) (int64, bool) {
		if len(s) != digits {
			return 0, false
		}
		return parseDigits(s)
	}) {
		return e.appendNumbers(dst, values, stringsPadded, byte(digits)), true
	}
	scale := 0
	for scale < len(first) && first[len(first)-1-scale] != '.' {
		scale++
	}
	if scale == 0 || scale == len(first) {
		return dst, false
	}
	if scale < digitsMax && e.parse(values, func(s string) (int64, bool) { return parseDecimal(s, scale) }) {
		return e.appendNumbers(dst, values, stringsDecimals, byte(scale)), true
	}
	if e.parse(values, parseIPv4) {
		return e.appendNumbers(dst, values, stringsIPv4), true
	}
	return dst, false
}

// parse sets e.numbers to what parse makes of all values, if it can.
func (e *Encoder) parse(values []string, parse func(string) (int64, bool)) bool {
	if _, ok := parse(values[0]); !ok {
		return false
	}
	numbers := resize(&e.numbers, len(values))
	for i, value := range values {
		number, ok := parse(value)
		if !ok {
			return false
		}
		numbers[i] = number
	}
	return true
}

// appendNumbers writes e.numbers after a header. The order of values that
// ascend as texts is known without being written, so that they may lie in the
// order of the numbers.
func (e *Encoder) appendNumbers(dst []byte, values []string, header ...byte) []byte {
	if len(values) >= skewedMin && ascend(values) && !slices.IsSorted(e.numbers) {
		slices.Sort(e.numbers)
		dst = append(dst, stringsSorted)
	}
	return e.AppendInts(append(dst, header...), e.numbers)
}

// ascend reports whether values ascend strictly.
func ascend(values []string) bool {
	for i, value := range values[1:] {
		if value <= values[i] {
			return false
		}
	}
	return true
}

// parseDigits reads a run of decimal digits.
func parseDigits(s string) (int64, bool) {
	if len(s) == 0 || len(s) > digitsMax {
		return 0, false
	}
	v := int64(0)
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		v = v*10 + int64(c)
	}
	return v, true
}

// parseInteger reads an integer that formats back to the same text.
func parseInteger(s string) (int64, bool) {
	negative := len(s) > 1 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	v, ok := parseDigits(s)
	if !ok || s[0] == '0' && (len(s) > 1 || negative) {
		return 0, false
	}
	if negative {
		v = -v
	}
	return v, true
}

// parseDecimal reads a decimal with exactly scale fraction digits that
// formats back to the same text, as the integer value * 10^scale.
func parseDecimal(s string, scale int) (int64, bool) {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	point := len(s) - 1 - scale
	if point < 1 || s[point] != '.' || len(s)-1 > digitsMax || s[0] == '0' && point > 1 {
		return 0, false
	}
	whole, ok1 := parseDigits(s[:point])
	fraction, ok2 := parseDigits(s[point+1:])
	if !ok1 || !ok2 {
		return 0, false
	}
	for range scale {
		whole *= 10
	}
	v := whole + fraction
	if negative {
		if v == 0 {
			return 0, false
		}
		v = -v
	}
	return v, true
}

// parseIPv4 reads a dotted address that formats back to the same text.
func parseIPv4(s string) (int64, bool) {
	v, octet, digits, dots := int64(0), 0, 0, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			if digits > 0 && octet == 0 {
				return 0, false
			}
			octet = octet*10 + int(c-'0')
			digits++
			if octet > 255 {
				return 0, false
			}
		case c == '.' && digits > 0 && dots < 3:
			v = v<<8 | int64(octet)
			octet, digits = 0, 0
			dots++
		default:
			return 0, false
		}
	}
	return v<<8 | int64(octet), dots == 3 && digits > 0
}

// numeric is the form of texts that are stored as numbers.
type numeric struct {
	encoding byte
	digits   int    // of padded ones, and behind the point of decimals
	power    uint64 // 10 to the digits of decimals
}

// readForm reads what stands before the numbers.
func readForm(encoding byte, src []byte) (form numeric, rest []byte, err error) {
	form = numeric{encoding: encoding, power: 1}
	if encoding != stringsPadded && encoding != stringsDecimals {
		return form, src, nil
	}
	digits, src, err := readByte(src, "digits")
	if err != nil {
		return form, nil, err
	}
	if digits == 0 || digits > digitsMax {
		return form, nil, fmt.Errorf("decode strings of %d digits: %w", digits, ErrCorrupt)
	}
	for form.digits = int(digits); digits > 0; digits-- {
		form.power *= 10
	}
	return form, src, nil
}

// least is how many bytes a text has at least.
func (f numeric) least() int {
	if f.encoding == stringsIPv4 {
		return addressMin
	}
	return max(1, f.digits)
}

// append writes a number.
func (f numeric) append(dst []byte, number int64) ([]byte, error) {
	switch f.encoding {
	case stringsIntegers:
		return strconv.AppendInt(dst, number, 10), nil
	case stringsPadded:
		if number < 0 {
			return nil, fmt.Errorf("decode padded integer %d: %w", number, ErrCorrupt)
		}
		return appendZeroPadded(dst, uint64(number), f.digits), nil
	case stringsDecimals:
		return appendDecimal(dst, number, f.digits), nil
	case stringsIPv4:
		return appendAddress(dst, uint32(number)), nil
	}
	return nil, fmt.Errorf("decode numbers: encoding %#x: %w", f.encoding, ErrCorrupt)
}

// mayHave reports whether the text of a number may have one of some numbers as a word.
func (f numeric) mayHave(number int64, words []uint64) bool {
	magnitude := uint64(number)
	if number < 0 {
		magnitude = -magnitude
	}
	switch f.encoding {
	case stringsDecimals:
		return slices.Contains(words, magnitude/f.power) || slices.Contains(words, magnitude%f.power)
	case stringsIPv4:
		address := uint32(number)
		return slices.ContainsFunc(words, func(word uint64) bool {
			return uint64(address>>24) == word || uint64(address>>16&0xff) == word || uint64(address>>8&0xff) == word || uint64(address&0xff) == word
		})
	}
	return slices.Contains(words, magnitude)
}

func (d *Decoder) decodeNumeric(dst []string, src []byte, n int, encoding byte, at []uint32) ([]string, []byte, error) {
	form, src, err := readForm(encoding, src)
	if err != nil {
		return nil, nil, err
	}
	if n > DecodedMax/form.least() {
		return nil, nil, fmt.Errorf("decode %d strings of %d bytes or more: %w", n, form.least(), ErrTooLong)
	}
	numbers, src, err := d.ints(src, n)
	if err != nil {
		return nil, nil, err
	}
	numbers = selected(numbers, at)
	b := d.newBuilder(len(numbers), min(len(numbers)*8, DecodedMax), true)
	for _, number := range numbers {
		if len(b.text) > DecodedMax-numericMax {
			return nil, nil, fmt.Errorf("decode %d numbers: %w", n, ErrTooLong)
		}
		if b.text, err = form.append(b.text, number); err != nil {
			return nil, nil, err
		}
		b.end()
	}
	return b.strings(dst), src, nil
}

// appendZeroPadded writes the given number of digits of v, zeros first.
func appendZeroPadded(dst []byte, v uint64, digits int) []byte {
	start := len(dst)
	for range digits {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= start && v > 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

func appendDecimal(dst []byte, number int64, scale int) []byte {
	magnitude := uint64(number)
	if number < 0 {
		dst = append(dst, '-')
		magnitude = -magnitude
	}
	power := uint64(1)
	for range scale {
		power *= 10
	}
	dst = strconv.AppendUint(dst, magnitude/power, 10)
	return appendZeroPadded(append(dst, '.'), magnitude%power, scale)
}

func appendAddress(dst []byte, v uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		dst = strconv.AppendUint(dst, uint64(v>>shift&0xff), 10)
		if shift > 0 {
			dst = append(dst, '.')
		}
	}
	return dst
}

// The values of hexadecimal digits of each case, 16 for other bytes. Read only.
var lowerValues, upperValues = valuesOf('a'), valuesOf('A')

func valuesOf(ten byte) (values [256]byte) {
	for c := range values {
		values[c] = hexValue(byte(c), ten)
	}
	return values
}

// hexValue returns the value of a hexadecimal digit of one case, or 16.
func hexValue(c, ten byte) byte {
	if d := c - '0'; d <= 9 {
		return d
	}
	if d := c - ten; d <= 5 {
		return d + 10
	}
	return 16
}

func (e *Encoder) appendHex(dst []byte, values []string, encoding byte) ([]byte, bool) {
	digits := &lowerValues
	if encoding == stringsHexUpper {
		digits = &upperValues
	}
	for _, value := range values {
		all := byte(0) // of the values: 16 in it is no digit
		for i := 0; i < len(value); i++ {
			all |= digits[value[i]]
		}
		if all > 15 {
			return dst, false
		}
	}
	if coded, ok := e.appendHexNumbers(dst, values, encoding); ok {
		return coded, true
	}
	dst = e.appendLengths(append(dst, encoding), values)
	half, pending := byte(0), false
	for _, value := range values {
		i := 0
		if pending && value != "" {
			dst, pending = append(dst, half<<4|digits[value[0]]), false
			i = 1
		}
		for ; i+1 < len(value); i += 2 {
			dst = append(dst, digits[value[i]]<<4|digits[value[i+1]])
		}
		if i < len(value) {
			half, pending = digits[value[i]], true
		}
	}
	if pending {
		dst = append(dst, half<<4)
	}
	return dst, true
}

// appendHexNumbers writes hexadecimal values of one length as integers, if they
// are so near each other that this is worth losing their bytes: equal ones
// elsewhere in the frame look alike only as bytes.
func (e *Encoder) appendHexNumbers(dst []byte, values []string, encoding byte) ([]byte, bool) {
	digits := len(values[0])
	if encoding != stringsHexLower || digits == 0 || digits > hexDigitsMax {
		return dst, false
	}
	numbers := resize(&e.numbers, len(values))
	for i, value := range values {
		if len(value) != digits {
			return dst, false
		}
		v := uint64(0)
		for j := 0; j < len(value); j++ {
			v = v<<4 | uint64(lowerValues[value[j]])
		}
		numbers[i] = int64(v)
	}
	before := len(dst)
	dst = e.AppendInts(append(dst, stringsHexInts, byte(digits)), numbers)
	size := len(values) * digits / 2
	if len(dst)-before < size/2 || len(dst)-before < size-size/16 && ascend(values) {
		return dst, true
	}
	return dst[:before], false
}

func (d *Decoder) decodeHexNumbers(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	digits, src, err := readByte(src, "digits")
	if err != nil || digits == 0 || digits > hexDigitsMax {
		return nil, nil, fmt.Errorf("decode strings of %d hexadecimal digits: %w", digits, ErrCorrupt)
	}
	if n > DecodedMax/int(digits) {
		return nil, nil, fmt.Errorf("decode %d strings of %d hexadecimal digits: %w", n, digits, ErrTooLong)
	}
	numbers, src, err := d.ints(src, n)
	if err != nil {
		return nil, nil, err
	}
	numbers = selected(numbers, at)
	b := d.newBuilder(len(numbers), len(numbers)*int(digits), true)
	for _, number := range numbers {
		for shift := 4 * int(digits-1); shift >= 0; shift -= 4 {
			b.text = append(b.text, lowerDigits[uint64(number)>>shift&15])
		}
		b.end()
	}
	return b.strings(dst), src, nil
}

// decodeSorted decodes numbers and puts their texts in order.
func (d *Decoder) decodeSorted(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	encoding, src, err := readByte(src, "encoding of sorted strings")
	if err != nil {
		return nil, nil, err
	}
	if !isNumeric(encoding) {
		return nil, nil, fmt.Errorf("decode sorted strings: encoding %#x: %w", encoding, ErrCorrupt)
	}
	values, src, err := d.decodeNumeric(nil, src, n, encoding, nil)
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(values)
	return append(dst, selected(values, at)...), src, nil
}

// isNumeric reports whether an encoding is one of integers.
func isNumeric(encoding byte) bool {
	return encoding >= stringsIntegers && encoding <= stringsDecimals || encoding == stringsIPv4
}

func (d *Decoder) decodeHex(dst []string, src []byte, n int, encoding byte, at []uint32) ([]string, []byte, error) {
	lengths, src, err := d.ints(src, n)
	if err != nil {
		return nil, nil, err
	}
	total, err := sumLengths(lengths, min(uint64(len(src))*2, DecodedMax))
	if err != nil {
		return nil, nil, err
	}
	pairs := &lowerPairs
	if encoding == stringsHexUpper {
		pairs = &upperPairs
	}
	packed, rest := src[:(total+1)/2], src[(total+1)/2:]
	if at != nil {
		if len(at) > 0 {
			addUp(lengths)
		}
		for _, place := range at {
			begin := int64(0)
			if place > 0 {
				begin = lengths[place-1]
			}
			text := make([]byte, 0, lengths[place]-begin)
			for i := begin; i < lengths[place]; i++ {
				text = append(text, pairs[packed[i/2]][i%2])
			}
			dst = append(dst, string(text))
		}
		return dst, rest, nil
	}
	b := d.newBuilder(n, 2*len(packed), true)
	b.text = slices.Grow(b.text, 2*len(packed))
	text := b.text[len(b.text) : len(b.text)+2*len(packed)]
	for i, pair := range packed {
		*(*[2]byte)(text[2*i:]) = pairs[pair]
	}
	b.text = b.text[:len(b.text)+len(text)]
	end := uint32(0)
	for _, length := range lengths {
		end += uint32(length)
		b.ends = append(b.ends, end)
	}
	return b.strings(dst), rest, nil
}

// uuidDash reports whether a dash belongs at this place of a UUID.
func uuidDash(i int) bool { return i == 8 || i == 13 || i == 18 || i == 23 }

func appendUUID(dst []byte, values []string) ([]byte, bool) {
	before := len(dst)
	dst = append(dst, stringsUUID)
	for _, value := range values {
		if len(value) != uuidLen || value[8] != '-' || value[13] != '-' || value[18] != '-' || value[23] != '-' {
			return dst[:before], false
		}
		all := byte(0) // of the values: 16 in it is no digit
		for i := 0; i < uuidLen; i += 2 {
			if uuidDash(i) {
				i++
			}
			high, low := lowerValues[value[i]], lowerValues[value[i+1]]
			all |= high | low
			dst = append(dst, high<<4|low)
		}
		if all > 15 {
			return dst[:before], false
		}
	}
	return dst, true
}

func (d *Decoder) decodeUUID(dst []string, src []byte, n int, at []uint32) ([]string, []byte, error) {
	if n > DecodedMax/uuidLen {
		return nil, nil, fmt.Errorf("decode %d uuids: %w", n, ErrTooLong)
	}
	packed, src, err := readBytes(src, uint64(n)*16, "uuids")
	if err != nil {
		return nil, nil, err
	}
	if at != nil {
		chosen := make([]byte, 0, 16*len(at))
		for _, place := range at {
			chosen = append(chosen, packed[16*place:][:16]...)
		}
		packed, n = chosen, len(at)
	}
	b := d.newBuilder(n, n*uuidLen, true)
	for i, pair := range packed {
		if at := i % 16; at == 4 || at == 6 || at == 8 || at == 10 {
			b.text = append(b.text, '-')
		}
		b.text = append(b.text, lowerPairs[pair][:]...)
		if i%16 == 15 {
			b.end()
		}
	}
	return b.strings(dst), src, nil
}

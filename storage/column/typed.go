package column

import (
	"fmt"
	"strconv"
)

// Limits of typed strings.
const (
	digitsMax = 18 // decimal digits that always fit an int64
	uuidLen   = 36
)

const (
	lowerDigits = "0123456789abcdef"
	upperDigits = "0123456789ABCDEF"
)

// appendTyped writes values that all have one of the known forms; if they have
// none, dst comes back.
func appendTyped(dst []byte, values []string) ([]byte, bool) {
	for _, try := range [...]func([]byte, []string) ([]byte, bool){
		appendIntegers, appendPadded, appendDecimals, appendIPv4, appendUUID,
	} {
		if coded, ok := try(dst, values); ok {
			return coded, true
		}
	}
	if coded, ok := appendHex(dst, values, stringsHexLower); ok {
		return coded, true
	}
	if coded, ok := appendHex(dst, values, stringsHexUpper); ok {
		return coded, true
	}
	return dst, false
}

// appendNumbers writes values that parse understands as integers.
func appendNumbers(dst []byte, values []string, parse func(string) (int64, bool)) ([]byte, bool) {
	if _, ok := parse(values[0]); !ok {
		return dst, false // most attempts end here, before anything is allocated
	}
	numbers := make([]int64, len(values))
	for i, value := range values {
		number, ok := parse(value)
		if !ok {
			return dst, false
		}
		numbers[i] = number
	}
	return AppendInts(dst, numbers), true
}

func appendIntegers(dst []byte, values []string) ([]byte, bool) {
	return appendNumbers(append(dst, stringsIntegers), values, parseInteger)
}

func appendPadded(dst []byte, values []string) ([]byte, bool) {
	digits := len(values[0])
	if digits == 0 || digits > digitsMax {
		return dst, false
	}
	return appendNumbers(append(dst, stringsPadded, byte(digits)), values, func(s string) (int64, bool) {
		if len(s) != digits {
			return 0, false
		}
		return parseDigits(s)
	})
}

func appendDecimals(dst []byte, values []string) ([]byte, bool) {
	first := values[0]
	scale := 0
	for scale < len(first) && first[len(first)-1-scale] != '.' {
		scale++
	}
	if scale == 0 || scale == len(first) || scale > digitsMax-1 {
		return dst, false
	}
	return appendNumbers(append(dst, stringsDecimals, byte(scale)), values, func(s string) (int64, bool) {
		return parseDecimal(s, scale)
	})
}

func appendIPv4(dst []byte, values []string) ([]byte, bool) {
	return appendNumbers(append(dst, stringsIPv4), values, parseIPv4)
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

func decodeNumeric(dst []string, src []byte, n int, encoding byte) ([]string, []byte, error) {
	digits := byte(0)
	var err error
	if encoding == stringsPadded || encoding == stringsDecimals {
		if digits, src, err = readByte(src, "digits"); err != nil {
			return nil, nil, err
		}
		if digits == 0 || digits > digitsMax {
			return nil, nil, fmt.Errorf("decode strings of %d digits: %w", digits, ErrCorrupt)
		}
	}
	numbers, src, err := Ints(nil, src, n)
	if err != nil {
		return nil, nil, err
	}
	b := newBuilder(n, n*8)
	for _, number := range numbers {
		switch encoding {
		case stringsIntegers:
			b.text = strconv.AppendInt(b.text, number, 10)
		case stringsPadded:
			if number < 0 {
				return nil, nil, fmt.Errorf("decode padded integer %d: %w", number, ErrCorrupt)
			}
			b.text = appendZeroPadded(b.text, uint64(number), int(digits))
		case stringsDecimals:
			b.text = appendDecimal(b.text, number, int(digits))
		case stringsIPv4:
			b.text = appendAddress(b.text, uint32(number))
		}
		b.end()
	}
	return b.strings(dst), src, nil
}

// appendZeroPadded writes v with at least the given digits.
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

func appendHex(dst []byte, values []string, encoding byte) ([]byte, bool) {
	ten := byte('a')
	if encoding == stringsHexUpper {
		ten = 'A'
	}
	for _, value := range values {
		for i := 0; i < len(value); i++ {
			if hexValue(value[i], ten) > 15 {
				return dst, false
			}
		}
	}
	lengths := make([]int64, len(values))
	for i, value := range values {
		lengths[i] = int64(len(value))
	}
	dst = AppendInts(append(dst, encoding), lengths)
	half, pending := byte(0), false
	for _, value := range values {
		for i := 0; i < len(value); i++ {
			digit := hexValue(value[i], ten)
			if pending {
				dst = append(dst, half<<4|digit)
			}
			half, pending = digit, !pending
		}
	}
	if pending {
		dst = append(dst, half<<4)
	}
	return dst, true
}

func decodeHex(dst []string, src []byte, n int, encoding byte) ([]string, []byte, error) {
	lengths, src, err := Ints(nil, src, n)
	if err != nil {
		return nil, nil, err
	}
	total, err := sumLengths(lengths, uint64(len(src))*2)
	if err != nil {
		return nil, nil, err
	}
	digits := lowerDigits
	if encoding == stringsHexUpper {
		digits = upperDigits
	}
	packed := (total + 1) / 2
	b := newBuilder(n, int(packed*2))
	for _, pair := range src[:packed] {
		b.text = append(b.text, digits[pair>>4], digits[pair&15])
	}
	end := 0
	for _, length := range lengths {
		end += int(length)
		b.ends = append(b.ends, end)
	}
	return b.strings(dst), src[packed:], nil
}

// uuidDash reports whether a dash belongs at this place of a UUID.
func uuidDash(i int) bool { return i == 8 || i == 13 || i == 18 || i == 23 }

func appendUUID(dst []byte, values []string) ([]byte, bool) {
	for _, value := range values {
		if len(value) != uuidLen {
			return dst, false
		}
		for i := 0; i < uuidLen; i++ {
			if uuidDash(i) && value[i] != '-' || !uuidDash(i) && hexValue(value[i], 'a') > 15 {
				return dst, false
			}
		}
	}
	dst = append(dst, stringsUUID)
	for _, value := range values {
		for i := 0; i < uuidLen; i += 2 {
			if uuidDash(i) {
				i++
			}
			dst = append(dst, hexValue(value[i], 'a')<<4|hexValue(value[i+1], 'a'))
		}
	}
	return dst, true
}

func decodeUUID(dst []string, src []byte, n int) ([]string, []byte, error) {
	packed, src, err := readBytes(src, uint64(n)*16, "uuids")
	if err != nil {
		return nil, nil, err
	}
	b := newBuilder(n, n*uuidLen)
	for i, pair := range packed {
		if at := i % 16; at == 4 || at == 6 || at == 8 || at == 10 {
			b.text = append(b.text, '-')
		}
		b.text = append(b.text, lowerDigits[pair>>4], lowerDigits[pair&15])
		if i%16 == 15 {
			b.end()
		}
	}
	return b.strings(dst), src, nil
}

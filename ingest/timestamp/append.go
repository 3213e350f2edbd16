package timestamp

// Append writes a time in the canonical form: RFC 3339 in UTC with 'Z' and
// exactly this many fraction digits (at most DigitsMax).
func Append(dst []byte, nanos int64, digits uint8) []byte {
	seconds, fraction := nanos/1_000_000_000, nanos%1_000_000_000
	if fraction < 0 {
		seconds--
		fraction += 1_000_000_000
	}
	days, rest := seconds/86_400, seconds%86_400
	if rest < 0 {
		days--
		rest += 86_400
	}
	year, month, day := civil(days)
	dst = pad(dst, year, 4)
	dst = append(dst, '-')
	dst = pad(dst, month, 2)
	dst = append(dst, '-')
	dst = pad(dst, day, 2)
	dst = append(dst, 'T')
	dst = pad(dst, rest/3600, 2)
	dst = append(dst, ':')
	dst = pad(dst, rest/60%60, 2)
	dst = append(dst, ':')
	dst = pad(dst, rest%60, 2)
	digits = min(digits, DigitsMax)
	if digits > 0 {
		dst = append(dst, '.')
		for i := digits; i < DigitsMax; i++ {
			fraction /= 10
		}
		dst = pad(dst, fraction, int(digits))
	}
	return append(dst, 'Z')
}

// civil is the inverse of daysSinceEpoch.
func civil(days int64) (year, month, day int64) {
	days += 719_468
	era := days / 146_097
	if days < 0 {
		era = (days - 146_096) / 146_097
	}
	ofEra := days - era*146_097
	yearOfEra := (ofEra - ofEra/1_460 + ofEra/36_524 - ofEra/146_096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*ofYear + 2) / 153
	day = ofYear - (153*m+2)/5 + 1
	month = m + 3
	year = yearOfEra + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

func pad(dst []byte, n int64, width int) []byte {
	start := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := start + width - 1; i >= start; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

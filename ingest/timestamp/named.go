package timestamp

import "time"

// parseCommonLog reads the form of web servers: 26/Jan/2019:19:45:47 +0330.
func parseCommonLog(s string) (Time, bool) {
	day, ok1 := number(s, 0, 2)
	month, ok2 := monthAt(s, 3)
	year, ok3 := number(s, 7, 4)
	if !ok1 || !ok2 || !ok3 || s[6] != '/' || s[11] != ':' {
		return Time{}, false
	}
	return finish(s, 12, year, month, day)
}

// finish reads a clock and a zone at s[at:] and puts them to the date.
func finish(s string, at, year, month, day int) (Time, bool) {
	c, ok := parseClock(s, at)
	if !ok {
		return Time{}, false
	}
	offset, ok := parseZone(s[c.end:])
	if !ok {
		return Time{}, false
	}
	return assemble(year, month, day, c, offset)
}

// parseNamed reads the forms that start with the name of a day or a month.
func parseNamed(s string, now time.Time) (Time, bool) {
	if isWeekday(s) {
		switch {
		case len(s) > 5 && s[3] == ',' && s[4] == ' ':
			return parseRFC1123(s[5:])
		case len(s) > 4 && s[3] == ' ':
			return parseASCTime(s[4:])
		}
		return Time{}, false
	}
	return parseSyslog(s, now)
}

// parseRFC1123 reads 02 Jan 2006 15:04:05 GMT (also a one-digit day and a
// numeric zone).
func parseRFC1123(s string) (Time, bool) {
	day, rest, ok := dayOf(s)
	if !ok || len(rest) < 18 || rest[0] != ' ' || rest[4] != ' ' || rest[9] != ' ' {
		return Time{}, false
	}
	month, ok1 := monthAt(rest, 1)
	year, ok2 := number(rest, 5, 4)
	if !ok1 || !ok2 {
		return Time{}, false
	}
	return finish(rest, 10, year, month, day)
}

// parseASCTime reads Jan _2 15:04:05 2006, with an optional fraction.
func parseASCTime(s string) (Time, bool) {
	month, day, c, ok := monthDayClock(s)
	if !ok || len(s) != c.end+5 || s[c.end] != ' ' {
		return Time{}, false
	}
	year, ok := number(s, c.end+1, 4)
	if !ok {
		return Time{}, false
	}
	return assemble(year, month, day, c, 0)
}

// yearsBack is how far parseSyslog looks for a year that has the day: 29
// February is at most eight years away.
const yearsBack = 9

// futureMax is how far in the future a time without a year may be: a sender's
// clock or zone may be off by up to a day.
const futureMax = 24 * time.Hour

// parseSyslog reads Jan _2 15:04:05, with an optional fraction. The year is the
// latest that does not put the time more than futureMax after now.
func parseSyslog(s string, now time.Time) (Time, bool) {
	month, day, c, ok := monthDayClock(s)
	if !ok || c.end != len(s) {
		return Time{}, false
	}
	latest := now.Add(futureMax).UnixNano()
	year := now.UTC().Year() + 1
	for y := year; y > year-yearsBack; y-- {
		if t, ok := assemble(y, month, day, c, 0); ok && t.Nanos <= latest {
			return t, true
		}
	}
	return Time{}, false
}

// monthDayClock reads Jan _2 15:04:05.
func monthDayClock(s string) (month, day int, c clock, ok bool) {
	month, ok = monthAt(s, 0)
	if !ok || len(s) < 5 || s[3] != ' ' {
		return 0, 0, c, false
	}
	rest := s[4:]
	if rest[0] == ' ' {
		rest = rest[1:]
	}
	day, rest, ok = dayOf(rest)
	if !ok || len(rest) < 1 || rest[0] != ' ' {
		return 0, 0, c, false
	}
	c, ok = parseClock(s, len(s)-len(rest)+1)
	return month, day, c, ok
}

// dayOf reads one or two digits and returns what follows.
func dayOf(s string) (day int, rest string, ok bool) {
	if day, ok = number(s, 0, 2); ok {
		return day, s[2:], true
	}
	if day, ok = number(s, 0, 1); ok {
		return day, s[1:], true
	}
	return 0, s, false
}

// monthAt reads an English month of three letters, in any case.
func monthAt(s string, at int) (int, bool) {
	switch letters(s, at) {
	case 'j'<<16 | 'a'<<8 | 'n':
		return 1, true
	case 'f'<<16 | 'e'<<8 | 'b':
		return 2, true
	case 'm'<<16 | 'a'<<8 | 'r':
		return 3, true
	case 'a'<<16 | 'p'<<8 | 'r':
		return 4, true
	case 'm'<<16 | 'a'<<8 | 'y':
		return 5, true
	case 'j'<<16 | 'u'<<8 | 'n':
		return 6, true
	case 'j'<<16 | 'u'<<8 | 'l':
		return 7, true
	case 'a'<<16 | 'u'<<8 | 'g':
		return 8, true
	case 's'<<16 | 'e'<<8 | 'p':
		return 9, true
	case 'o'<<16 | 'c'<<8 | 't':
		return 10, true
	case 'n'<<16 | 'o'<<8 | 'v':
		return 11, true
	case 'd'<<16 | 'e'<<8 | 'c':
		return 12, true
	}
	return 0, false
}

// isWeekday reports whether s starts with an English day of three letters.
func isWeekday(s string) bool {
	switch letters(s, 0) {
	case 'm'<<16 | 'o'<<8 | 'n', 't'<<16 | 'u'<<8 | 'e', 'w'<<16 | 'e'<<8 | 'd', 't'<<16 | 'h'<<8 | 'u', 'f'<<16 | 'r'<<8 | 'i', 's'<<16 | 'a'<<8 | 't', 's'<<16 | 'u'<<8 | 'n':
		return true
	}
	return false
}

// letters packs the three bytes at s[at:] in lower case, "abc" as 'a'<<16 |
// 'b'<<8 | 'c', so that names compare without a string.
func letters(s string, at int) uint32 {
	if len(s) < at+3 {
		return 0
	}
	const lower = 0x202020
	return (uint32(s[at])<<16 | uint32(s[at+1])<<8 | uint32(s[at+2])) | lower
}

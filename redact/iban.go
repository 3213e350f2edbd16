package redact

// ibanLengths has the length of the account numbers of each country, in the
// order of the code of its two letters.
var ibanLengths = func() (table [26 * 26]uint8) {
	for code, length := range map[string]uint8{
		"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
		"CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
		"FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
		"IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
		"LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
		"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
		"SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26,
		"UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
	} {
		table[int(code[0]-'A')*26+int(code[1]-'A')] = length
	}
	return table
}()

// Characters of an IBAN.
const (
	ibanMin = 15
	ibanMax = 34
)

// ibanLength returns how long an IBAN that begins with these two letters and two
// digits is, 0 if none does.
func ibanLength(text string) int {
	if len(text) < 4 || !is(text[0], classUpper) || !is(text[1], classUpper) || !is(text[2], classDigit) || !is(text[3], classDigit) {
		return 0
	}
	return int(ibanLengths[int(text[0]-'A')*26+int(text[1]-'A')])
}

// compactIBAN looks at the word text[start:end].
func (s *Scanner) compactIBAN(start, end int) {
	if n := ibanLength(s.text[start:end]); n > 0 && n == end-start && isIBAN(s.text[start:end]) {
		s.add(IBAN, start, end)
	}
}

// spacedIBAN looks at a run of digits and gaps that may be in the middle of an
// IBAN written in groups of four: its country is at most six groups before.
func (s *Scanner) spacedIBAN(from, to int) {
	text := s.text
	if to-from < 9 || s.ibanEnd > from {
		return
	}
	for ; from < to && !is(text[from], classGap); from++ { // the digits of the country's group
	}
	for start := from - 4; start >= 0 && start >= from-6*5; start -= 5 {
		if n := ibanLength(text[start:]); n > 0 && (start == 0 || !is(text[start-1], classAlnum)) {
			s.groupedIBAN(start, n)
			return
		}
		if start == 0 || !is(text[start-1], classGap) {
			return
		}
	}
}

// groupedIBAN looks at groups of four from text[start] on that should have n
// characters.
func (s *Scanner) groupedIBAN(start, n int) {
	text := s.text
	var room [ibanMax]byte
	out := room[:0]
	i := start
	for i < len(text) && len(out) < n {
		switch c := text[i]; {
		case is(c, classDigit|classUpper):
			out = append(out, c)
		case len(out)%4 != 0 || !is(c, classGap):
			return
		}
		i++
	}
	if len(out) == n && (i == len(text) || !is(text[i], classAlnum)) && isIBAN(string(out)) {
		s.ibanEnd = i
		s.add(IBAN, start, i)
	}
}

// isIBAN checks alphabet and remainder.
func isIBAN(text string) bool {
	if len(text) < ibanMin || len(text) > ibanMax {
		return false
	}
	rest := 0
	for i := range len(text) {
		c := text[(i+4)%len(text)]
		switch {
		case is(c, classDigit):
			rest = (rest*10 + int(c-'0')) % 97
		case is(c, classUpper):
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}

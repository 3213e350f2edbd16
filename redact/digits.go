package redact

import (
	"strings"
)

// group is a run of digits in a run of digits and gaps.
type group struct{ start, end int }

func (g group) len() int { return g.end - g.start }

// cardGroups are the ways in which the digits of cards are written apart.
var cardGroups = [][]int{{4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}, {4, 4, 4, 4, 3}, {4, 3, 3, 3}}

// digits looks at a run of digits and gaps.
func (s *Scanner) digits(from, to int) {
	cards, ssns, ibans := s.on(Card), s.on(SSN), s.on(IBAN)
	if ibans {
		s.spacedIBAN(from, to)
	}
	var last [5]group // the groups before the one at hand, the nearest last
	count := 0        // of them that are joined by the same single gap
	var gap byte
	for i := from; i < to; {
		if !is(s.text[i], classDigit) {
			i++
			continue
		}
		g := group{start: i}
		for i < to && is(s.text[i], classDigit) {
			i++
		}
		g.end = i
		joined := count > 0 && last[4].end+1 == g.start && (count == 1 || s.text[g.start-1] == gap)
		if !joined {
			count = 0
		} else {
			gap = s.text[g.start-1]
		}
		copy(last[:], last[1:])
		last[4] = g
		count = min(count+1, 5)
		if cards && g.len() >= cardDigitsMin {
			s.compactCard(g)
		}
		if cards && count >= 3 {
			s.groupedCard(last[5-count:], to)
		}
		if ssns && count >= 3 && gap == '-' && last[2].len() == 3 && last[3].len() == 2 && g.len() == 4 {
			s.dashedSSN(last[2].start, g.end)
		}
	}
}

// Digits of a card.
const (
	cardDigitsMin = 13
	cardDigitsMax = 19
)

// compactCard looks at digits that stand together.
func (s *Scanner) compactCard(g group) {
	if g.len() > cardDigitsMax || !isCard(s.text[g.start:g.end]) || !s.standsAlone(g.start, g.end) {
		return
	}
	switch s.labelOf(g.start) {
	case labelNumber:
		return // one number in ten has the right check digit
	case labelCard:
	default:
		// Few issuers have cards of other lengths, and ids have any.
		if n := g.len(); n == 13 || n > 16 {
			return
		}
	}
	s.add(Card, g.start, g.end)
}

// groupedCard looks at groups of digits, the last of which is the newest: some
// at the end may be a card.
func (s *Scanner) groupedCard(groups []group, to int) {
	var room [cardDigitsMax]byte
next:
	for _, form := range cardGroups {
		if len(groups) < len(form) {
			continue
		}
		of := groups[len(groups)-len(form):]
		digits := room[:0]
		for i, g := range of {
			if g.len() != form[i] {
				continue next
			}
			digits = append(digits, s.text[g.start:g.end]...)
		}
		first, last := of[0], of[len(of)-1]
		if !isCard(string(digits)) || !s.standsAlone(first.start, last.end) {
			continue
		}
		// More groups of the same size are a table or a dump.
		if len(groups) > len(form) && groups[len(groups)-len(form)-1].len() == first.len() || s.groupFollows(last, to) {
			continue
		}
		s.add(Card, first.start, last.end)
	}
}

// groupFollows reports whether another group of the same size follows after a
// gap.
func (s *Scanner) groupFollows(g group, to int) bool {
	if g.end >= to || g.end+1 >= to || !is(s.text[g.end+1], classDigit) {
		return false
	}
	end := g.end + 1
	for end < to && is(s.text[end], classDigit) {
		end++
	}
	return end-g.end-1 == g.len()
}

// standsAlone reports whether digits are a number of their own and no part of a
// word, a fraction or an id.
func (s *Scanner) standsAlone(start, end int) bool {
	text := s.text
	if start > 0 {
		switch c := text[start-1]; {
		case is(c, classAlnum), c == '_', c == '.', c == '-', c == '+', c == '#', c >= 0x80:
			return false
		}
	}
	if end < len(text) {
		switch c := text[end]; {
		case is(c, classAlnum), c == '_', c >= 0x80:
			return false
		case c == '.' || c == '-' || c == ':' || c == ',':
			return end+1 == len(text) || !is(text[end+1], classAlnum)
		}
	}
	return true
}

// isCard reports whether digits are of an issuer and have the check digit.
func isCard(digits string) bool { return hasIssuer(digits) && luhn(digits) }

// hasIssuer checks the first digits and the length.
func hasIssuer(digits string) bool {
	n := len(digits)
	if n < cardDigitsMin || n > cardDigitsMax {
		return false
	}
	six := 0
	for i := range 6 {
		six = 10*six + int(digits[i]-'0')
	}
	two, three, four := six/10000, six/1000, six/100
	switch {
	case two/10 == 4: // Visa
		return n == 13 || n == 16 || n == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720: // Mastercard
		return n == 16
	case two == 34 || two == 37: // American Express
		return n == 15
	case three >= 300 && three <= 305, two == 36: // Diners
		return n == 14 || n == 16
	case two == 38 || two == 39:
		return n == 14 || n == 16
	case four >= 3528 && four <= 3589: // JCB
		return n >= 16
	case four == 6011, three >= 644 && three <= 649, two == 65: // Discover
		return n >= 16
	case two == 62, four == 8171: // UnionPay
		return n >= 16
	case four >= 2200 && four <= 2204: // Mir
		return n >= 16
	case four == 5018 || four == 5020 || four == 5038 || four == 5893 || four == 6304 || four == 6759 || four >= 6761 && four <= 6763: // Maestro
		return true
	case two == 60 || two == 81 || four == 6521 || four == 6522: // RuPay
		return n == 16
	}
	return false
}

// luhn checks the check digit of a card.
func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// dashedSSN looks at a number in the form of a social security number. So many
// other numbers have that form that it must be said to be one.
func (s *Scanner) dashedSSN(start, end int) {
	if !isSSN(s.text[start:end]) || s.labelOf(start) != labelSSN || end < len(s.text) && is(s.text[end], classAlnum) {
		return
	}
	if start == 0 || !is(s.text[start-1], classAlnum) && s.text[start-1] != '-' {
		s.add(SSN, start, end)
	}
}

// isSSN reports whether a text is a social security number that could have been
// given to somebody: 123-45-6789, 123 45 6789 or 123456789.
func isSSN(text string) bool {
	if len(text) == 11 && text[3] == text[6] && (text[3] == '-' || text[3] == ' ') {
		text = text[:3] + text[4:6] + text[7:]
	}
	if len(text) != 9 || strings.Trim(text, "0123456789") != "" {
		return false
	}
	area := text[:3]
	return area != "000" && area != "666" && area[0] != '9' && text[3:5] != "00" && text[5:] != "0000"
}

// label is what the word before a number, or the name of a field, says that it
// is.
type label uint8

const (
	labelCard   label = iota + 1
	labelSSN          // a social security number
	labelNumber       // some other number: an id, a count, a time
	labelPhone
)

// labelBytesMax is how far before a number its label is looked for.
const labelBytesMax = 40

// labelOf returns what the words before text[at] say, or the field's name if the
// text begins there.
func (s *Scanner) labelOf(at int) label {
	from := max(0, at-labelBytesMax)
	before := s.text[from:at]
	end := len(before)
	for end > 0 && !is(before[end-1], classAlnum) {
		end--
	}
	if end == 0 && from == 0 {
		return s.label
	}
	return labelIn(before)
}

// labelWordsMax is how many words before a number may say what it is.
const labelWordsMax = 3

// labelIn returns what the last words of a text say. What makes a number harmless
// must be the name right before it: "order 4711" and "orderNumber=4711", but
// not "orders paid with 4711".
func labelIn(text string) label {
	near := true
	for range labelWordsMax {
		end := len(text)
		for end > 0 && !is(text[end-1], classLetter) {
			end--
		}
		start := end
		for start > 0 && is(text[start-1], classLetter) {
			// userId is two words
			if start < end && is(text[start], classUpper) && is(text[start-1], classLower) {
				break
			}
			start--
		}
		if start == end {
			return 0
		}
		word := text[start:end]
		switch l := labelOfWord(word); {
		case l == labelNumber && !near:
		case l != 0:
			return l
		}
		text = text[:start]
		joined := text != "" && (text[len(text)-1] == '_' || text[len(text)-1] == '-' || text[len(text)-1] == '.' || is(text[len(text)-1], classLetter))
		near = near && (joined || isNumberWord(word))
	}
	return 0
}

// isNumberWord reports whether a word only says that a number follows.
func isNumberWord(word string) bool {
	switch strings.ToLower(word) {
	case "number", "no", "nr", "num", "is", "code":
		return true
	}
	return false
}

// wordBytesMax is how long a word may be that says something.
const wordBytesMax = 12

func labelOfWord(word string) label {
	if len(word) > wordBytesMax {
		return 0
	}
	switch strings.ToLower(word) {
	case "card", "cards", "cc", "ccn", "pan", "credit", "debit", "visa", "mastercard", "amex", "payment", "cardno", "cardnumber", "creditcard":
		return labelCard
	case "ssn", "ssns", "social", "security", "socialsec":
		return labelSSN
	case "id", "ids", "uid", "gid", "pid", "uuid", "guid", "order", "orders", "orderid", "trace", "traceid", "span", "spanid", "request", "requestid", "req", "invoice", "txn", "tx", "seq", "sequence", "offset",
		"ts", "time", "timestamp", "epoch", "nonce", "hash", "build", "ticket", "tracking", "sku", "serial", "imei", "imsi", "iccid", "barcode", "ean", "isbn", "block", "blk", "size", "bytes", "count", "counter",
		"total", "version", "rev", "revision", "commit", "snowflake", "job", "batch", "shipment", "parcel", "waybill", "ref", "reference", "zxid", "lsn", "xid", "sessionid",
		"thread", "row", "partition", "checksum", "crc", "nanos", "ns", "us", "micros", "duration", "elapsed", "latency":
		return labelNumber
	case "phone", "phones", "telephone", "tel", "mobile", "cell", "cellphone", "msisdn", "fax", "phonenumber":
		return labelPhone
	}
	return 0
}

package redact

import (
	"net/netip"
	"slices"
	"strings"
)

// Parts of an e-mail address.
const (
	mailNameMax = 64
	mailHostMax = 255
)

// mail looks at the '@' at text[at].
func (s *Scanner) mail(at int) {
	text := s.text
	start := at
	for start > s.mailEnd && at-start < mailNameMax && is(text[start-1], classLocal) {
		start--
	}
	if start > s.mailEnd && start > 0 && is(text[start-1], classLocal) {
		return // longer than names are
	}
	for start < at && (text[start] == '.' || text[start] == '-' || text[start] == '+' || text[start] == '%') {
		start++
	}
	if start > 0 && start < at && text[start-1] == '\\' && at-start > 1 && strings.IndexByte("nrt", text[start]) >= 0 {
		start++ // an escape that nobody undid
	}
	end := at + 1
	for end < len(text) && end-at <= mailHostMax && (is(text[end], classAlnum) || text[end] == '.' || text[end] == '-') {
		end++
	}
	host := strings.TrimRight(text[at+1:end], ".-")
	end = at + 1 + len(host)
	if start == at || text[at-1] == '.' || !isMailHost(host) {
		return
	}
	// git@github.com:name/of is where a repository is, and a principal of
	// Kerberos has no mail.
	switch {
	case end+1 < len(text) && text[end] == ':' && is(text[end+1], classLetter|classDigit) && text[start:at] == "git":
		return
	case start > 0 && text[start-1] == '/' && host == strings.ToUpper(host):
		return
	}
	s.mailEnd = end
	s.add(Email, start, end)
}

// isMailHost reports whether a text is the name of a host on the Internet, and
// not the name of a file.
func isMailHost(host string) bool {
	labels := strings.Split(host, ".")
	if len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' {
			return false
		}
	}
	top := labels[len(labels)-1]
	if len(top) < 2 || len(top) > 24 {
		return false
	}
	for i := range len(top) {
		if !is(top[i], classLetter) {
			return strings.HasPrefix(top, "xn--")
		}
	}
	return !slices.Contains([]string{"png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "js", "css", "ts", "map", "html", "json", "xml", "zip", "gz", "tgz", "tar", "jar", "so", "dll", "exe",
		"log", "txt", "service", "socket", "timer", "mount", "target", "scope", "slice", "local", "localhost", "localdomain", "lan", "internal", "class", "java", "py", "go"}, strings.ToLower(top))
}

// Digits of a telephone number with its country.
const (
	phoneDigitsMin = 10
	phoneDigitsMax = 15
	phoneBytesMax  = 24
)

// phones looks for numbers in international form, +49 30 1234567.
func (s *Scanner) phones(text string) {
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '+')
		if i < 0 {
			return
		}
		start := at + i
		at = start + 1
		if start > 0 && (is(text[start-1], classAlnum) || strings.IndexByte("_/+.-", text[start-1]) >= 0) || at == len(text) || text[at] < '1' || text[at] > '9' {
			continue
		}
		if end, digits := phoneEnd(text, at); digits >= phoneDigitsMin && digits <= phoneDigitsMax && isCountry(text[at:end]) {
			s.add(Phone, start, end)
			at = end
		}
	}
}

// phoneEnd returns where a telephone number ends and how many digits it has.
func phoneEnd(text string, from int) (end, digits int) {
	end = from
	open := 0
	for i := from; i < len(text) && i-from <= phoneBytesMax; i++ {
		switch c := text[i]; {
		case is(c, classDigit):
			digits++
			end = i + 1
		case c == '(' && open == 0:
			open++
		case c == ')' && open == 1:
			open++
		case c == ' ' || c == '-' || c == '.' || c == '/':
			if i > from && !is(text[i-1], classDigit) && text[i-1] != ')' {
				return end, digits
			}
		case is(c, classAlnum) || c == '_' || c == ':':
			if end == i {
				return end, 0 // an id or a time
			}
			return end, digits
		default:
			return end, digits
		}
	}
	if end < len(text) && is(text[end], classAlnum) {
		return end, 0
	}
	return end, digits
}

// isCountry reports whether there is a country whose code a number begins with.
func isCountry(number string) bool {
	switch number[0] {
	case '1':
		// North America: the first digit of area and exchange is 2 to 9.
		digits := strings.Map(func(c rune) rune {
			if c >= '0' && c <= '9' {
				return c
			}
			return -1
		}, number)
		return len(digits) == 11 && digits[1] >= '2' && digits[4] >= '2'
	case '2':
		return number[1] != '8' || number[1] == '7'
	case '8':
		return strings.IndexByte("01245678", number[1]) >= 0
	}
	return true
}

// labelledPhone looks at a number that a key says to be a telephone's.
func (s *Scanner) labelledPhone(start int, _ bool) {
	from := start
	if from < len(s.text) && s.text[from] == '+' {
		from++
	}
	if from == len(s.text) || !is(s.text[from], classDigit) && s.text[from] != '(' {
		return
	}
	if end, digits := phoneEnd(s.text, from); digits >= 7 && digits <= phoneDigitsMax {
		s.add(Phone, start, end)
	}
}

// addressBytesMax is how long an IP address may be.
const addressBytesMax = 45

// addresses looks for IP addresses but those of this machine and of none.
func (s *Scanner) addresses(text string) {
	for i := 0; i < len(text); i++ {
		if !isAddressByte(text[i]) {
			continue
		}
		start := i
		dots, colons := 0, 0
		for i < len(text) && isAddressByte(text[i]) {
			switch text[i] {
			case '.':
				dots++
			case ':':
				colons++
			}
			i++
		}
		if dots < 3 && colons < 2 || start > 0 && (is(text[start-1], classAlnum) || text[start-1] == '_' || text[start-1] == '-') {
			continue
		}
		if i < len(text) && (is(text[i], classAlnum) || text[i] == '_') {
			continue
		}
		end := start + len(strings.TrimRight(text[start:i], ".:"))
		if colons == 1 { // an address and a port
			end = start + strings.IndexByte(text[start:i], ':')
		}
		if end-start > addressBytesMax {
			continue
		}
		if ip, err := netip.ParseAddr(text[start:end]); err == nil && !ip.IsLoopback() && !ip.IsUnspecified() {
			s.add(IP, start, end)
		}
	}
}

func isAddressByte(c byte) bool {
	return is(c, classDigit) || c == '.' || c == ':' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

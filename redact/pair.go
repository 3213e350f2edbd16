package redact

import "strings"

// pair looks at a key and a value around the mark at text[at], '=' or ':'. It
// reads them as written in logs, in query strings, in JSON and in code:
//
//	password=x  pwd: x  "password":"x"  \"password\":\"x\"  PASSWORD => 'x'
func (s *Scanner) pair(at int) {
	text := s.text
	if at < s.valueEnd || at+1 >= len(text) {
		return
	}
	end := at
	for end > 0 && at-end < 2 && text[end-1] == ' ' {
		end--
	}
	for end > 0 && at-end < 8 && !is(text[end-1], classAlnum) && (text[end-1] == '"' || text[end-1] == '\'' || text[end-1] == '\\' || text[end-1] == ']' || text[end-1] == '`') {
		end--
	}
	if !mayEnd(text[:end]) {
		return
	}
	start := end
	for start > 0 && end-start < keyBytesMax && is(text[start-1], classKey) {
		start--
	}
	m := s.meaningOf(lastKey(text[start:end]))
	if !m.ok || !s.on(m.detector) {
		return
	}
	from := at + 1
	if from < len(text) && (text[from] == '=' || text[from] == '>') {
		from++ // := => ==
	}
	s.value(m, from, text[at] == ':')
}

// judgedMax is how much of a value is looked at to judge it. A value that is left
// may have keys and values in it, which are judged again.
const judgedMax = 512

// gapMax is how many spaces may be between a mark and its value.
const gapMax = 4

// value looks at the value of a key that says something.
func (s *Scanner) value(m meaning, from int, colon bool) {
	text := s.text
	for gap := 0; from < len(text) && (text[from] == ' ' || text[from] == '\t') && gap < gapMax; gap++ {
		from++
	}
	start, end, quoted := s.valueAt(from, m.detector)
	if start >= end {
		return
	}
	value := text[start:min(end, start+judgedMax)]
	switch m.label {
	case labelSSN:
		s.labelledSSN(start)
		return
	case labelPhone:
		s.labelledPhone(start, quoted)
		return
	}
	switch {
	case isIgnored(value):
		return
	case m.detector == Authorization:
		skip := schemeEnd(value)
		if skip == 0 && !looksSecret(value) || isIgnored(value[skip:]) {
			return
		}
		start += skip
	case m.detector == Password && (isPath(value) || !quoted && colon && isSaid(value)):
		return
	case m.weak && !looksSecret(value):
		return
	}
	s.valueEnd = end
	s.add(m.detector, start, end)
}

// valueAt returns the bounds of the value at text[from].
func (s *Scanner) valueAt(from int, d Detector) (start, end int, quoted bool) {
	text := s.text
	start = from
	slants := 0
	for start < len(text) && text[start] == '\\' && slants < 8 {
		slants++
		start++
	}
	if start < len(text) && (text[start] == '"' || text[start] == '\'' || text[start] == '`') {
		quote := text[start]
		start++
		if end, ok := quoteEnd(text, start, quote, slants); ok {
			return start, end, true
		}
	} else {
		start = from
	}
	if markerEnd(text[start:]) > 0 {
		return start, start, false
	}
	if d == Authorization {
		return start, s.headerEnd(start), false
	}
	return start, s.plainEnd(start), false
}

// quoteEnd returns where a quoted value ends. Slants is how many backslashes
// were before the quote that began it: as many are before the one that ends it.
func quoteEnd(text string, from int, quote byte, slants int) (int, bool) {
	run := 0
	for i := from; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			run++
		case c == quote && run == slants:
			return i - slants, true
		case c == quote && slants > 0 && run < slants:
			return i - run, true // the text around the value ends
		case c == '\n':
			return 0, false
		default:
			run = 0
			continue
		}
		if text[i] == quote {
			run = 0
		}
	}
	return 0, false
}

// plainEnd is plainEnd of the text, found once for all values that end there.
func (s *Scanner) plainEnd(i int) int {
	if i < len(s.text) && s.text[i] == '{' {
		return plainEnd(s.text, i)
	}
	if i < s.plainFrom || i > s.plainTo {
		s.plainFrom, s.plainTo = i, plainEnd(s.text, i)
	}
	return s.plainTo
}

// plainEnd returns where a value without quotes ends.
func plainEnd(text string, i int) int {
	if i < len(text) && text[i] == '{' { // {SSHA}...
		if end := strings.IndexByte(text[i:min(len(text), i+schemeMax)], '}'); end > 1 && i+end+1 < len(text) && is(text[i+end+1], classBase) {
			i += end + 1
		}
	}
	for ; i < len(text); i++ {
		switch text[i] {
		case ' ', '\t', '\n', '\r', '&', ';', ',', '"', '\'', '`', ')', '}', ']', '<', '>', '|', '\\':
			return i
		}
	}
	return i
}

// schemeMax bounds the name of a hash in braces before it.
const schemeMax = 24

// headerEnd returns where the value of an Authorization header ends: behind the
// credentials, or at the end of the line if they have parameters.
func (s *Scanner) headerEnd(start int) int {
	rest := s.text[start:min(len(s.text), start+headerBytesMax)]
	skip := schemeEnd(rest[:min(len(rest), judgedMax)])
	switch strings.ToLower(rest[:skip]) {
	case "digest ", "aws4-hmac-sha256 ", "hmac ", "signature ":
		if i := strings.IndexAny(rest, "\n\r\"'`"); i >= 0 {
			rest = rest[:i]
		}
		return start + len(strings.TrimRight(rest, " "))
	}
	return s.plainEnd(start + skip)
}

// headerBytesMax bounds the parameters of an Authorization header.
const headerBytesMax = 8 << 10

// labelledSSN looks at a number that a key says to be a social security number.
func (s *Scanner) labelledSSN(start int) {
	for _, n := range []int{11, 9} {
		end := start + n
		if end <= len(s.text) && isSSN(s.text[start:end]) && (end == len(s.text) || !is(s.text[end], classAlnum)) {
			s.add(SSN, start, end)
			return
		}
	}
}

// urlUserMax bounds the part of a URL before the host.
const urlUserMax = 512

// url looks at what follows the slashes of a URL: a user and a password before
// the host.
func (s *Scanner) url(from int) {
	s.webhook(from)
	if !s.on(URLPassword) {
		return
	}
	text := s.text
	most := min(len(text), from+urlUserMax)
	colon, sign := -1, -1
loop:
	for i := from; i < most; i++ {
		switch c := text[i]; c {
		case ':':
			if colon < 0 {
				colon = i
			}
		case '@':
			sign = i
		case '/', '?', '#', ' ', '\t', '\n', '\r', '"', '\'', '<', '>', '`', '|', ',', ';':
			if sign < 0 && colon >= 0 && (c == '#' || c == '?' || c == '/') && strings.Trim(text[colon+1:i], "0123456789") != "" && s.signFollows(i, most) {
				continue // not allowed in a password, but people do
			}
			break loop
		}
	}
	if colon < 0 || sign < colon+2 {
		return
	}
	if value := text[colon+1 : sign]; !isIgnored(value) {
		s.add(URLPassword, colon+1, sign)
		s.mailEnd = max(s.mailEnd, sign+1)
	}
}

// webhook looks at the address of a hook, whose path is its secret.
func (s *Scanner) webhook(from int) {
	for _, hook := range []struct {
		prefix   string
		detector Detector
	}{
		{"hooks.slack.com/services/", SlackToken}, {"hooks.slack.com/workflows/", SlackToken}, {"discord.com/api/webhooks/", ServiceToken}, {"discordapp.com/api/webhooks/", ServiceToken},
	} {
		if !strings.HasPrefix(s.text[from:], hook.prefix) {
			continue
		}
		start := from + len(hook.prefix)
		if end := s.plainEnd(start); end-start >= wordMin {
			s.add(hook.detector, start, end)
		}
	}
}

// signFollows reports whether an '@' follows before anything that ends a URL's
// host for sure.
func (s *Scanner) signFollows(i, most int) bool {
	for i++; i < most; i++ {
		switch s.text[i] {
		case '@':
			return true
		case '/', '?', '#', ' ', '\t', '\n', '\r', '"', '\'', '<', '>', '`', '|', ',', ';', ':', '=', '&':
			return false
		}
	}
	return false
}

// element looks at an element of XML whose end begins at text[at].
func (s *Scanner) element(at int) {
	text := s.text
	if at+3 >= len(text) || text[at+1] != '/' {
		return
	}
	end := at + 2
	for end < len(text) && end-at < keyBytesMax && (is(text[end], classKey) || text[end] == ':') {
		end++
	}
	if end == len(text) || text[end] != '>' || !mayEnd(text[at+2:end]) {
		return
	}
	m := s.meaningOf(lastKey(text[at+2 : end]))
	if !m.ok || m.label != 0 {
		return
	}
	start := at
	for start > s.elementEnd && text[start-1] != '>' && text[start-1] != '<' {
		start--
	}
	s.elementEnd = at
	if start == 0 || text[start-1] != '>' {
		return
	}
	if value := text[start:at]; !isIgnored(value) && (!m.weak || looksSecret(value)) {
		s.add(m.detector, start, at)
	}
}

// flags looks at flags of command lines whose value is the next word:
// --password x.
func (s *Scanner) flags(text string) {
	const flag = " --"
	for at := 0; ; {
		i := strings.Index(text[at:], flag)
		if i < 0 {
			return
		}
		start := at + i + len(flag)
		end := start
		for end < len(text) && end-start < keyBytesMax && is(text[end], classKey) {
			end++
		}
		at = end
		if end+1 >= len(text) || text[end] != ' ' || text[end+1] == '-' || !mayEnd(text[start:end]) {
			continue
		}
		if m := s.meaningOf(lastKey(text[start:end])); m.ok && m.label == 0 && s.on(m.detector) {
			s.value(m, end+1, false)
		}
	}
}

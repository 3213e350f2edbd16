package redact

import (
	"encoding/base64"
	"math/bits"
	"strings"
	"unsafe"
)

// wordMin is the least length of a word that is looked at.
const wordMin = 15

// word looks at the long word text[start:end].
func (s *Scanner) word(start, end int) {
	text := s.text
	if is(text[start], classUpper) && end-start <= ibanMax && s.on(IBAN) {
		s.compactIBAN(start, end)
	}
	s.scheme(start)
	s.prefixed(start, end, start)
	if start > 0 && text[start-1] == '\\' && end-start > 5 {
		// An escape that nobody undid: \nghp_ or \u003dghp_
		switch text[start] {
		case 'n', 'r', 't':
			s.prefixed(start+1, end, start)
		case 'u':
			s.prefixed(start+5, end, start)
		}
	}
	// The word goes on for longer than a block behind what is looked at.
	for i := start; i < end-wordMin; i += blockBytes {
		for m := joiners(blockAt(text, i)); m != 0; m &= m - 1 {
			at := i + bits.TrailingZeros64(m)/8
			switch {
			case at >= end-wordMin:
				return
			case text[at] == '~':
				s.azure(at, start, end)
			default:
				s.prefixed(at+1, end, start)
			}
		}
	}
}

// prefix is what the tokens of a service begin with.
type prefix struct {
	text     string
	detector Detector
	min, max int   // characters after the prefix
	class    uint8 // of them
	dots     bool  // dots may be among them
}

const classToken = classAlnum // letters and digits

// prefixes are the tokens that are known by their beginning, by its first byte.
// Lengths are those that the services document or have issued, with room for
// longer ones; a mistyped token is a secret all the same, so check sums in them
// are not verified.
var prefixes = func() (table [256][]prefix) {
	const more = 512
	for _, p := range []prefix{
		{"AKIA", AWSKey, 16, 16, classUpper | classDigit, false}, {"ASIA", AWSKey, 16, 16, classUpper | classDigit, false},
		{"ABIA", AWSKey, 16, 16, classUpper | classDigit, false}, {"ACCA", AWSKey, 16, 16, classUpper | classDigit, false},
		{"AIza", GCPKey, 35, 35, classWord, false}, {"GOCSPX-", GCPKey, 28, 28, classWord, false},
		{"ghp_", GitHubToken, 36, 255, classToken, false}, {"gho_", GitHubToken, 36, 255, classToken, false},
		{"ghu_", GitHubToken, 36, 255, classToken, false}, {"ghs_", GitHubToken, 36, 255, classToken, false},
		{"ghr_", GitHubToken, 36, 255, classToken, false}, {"github_pat_", GitHubToken, 36, 255, classWord, false},
		{"glpat-", GitLabToken, 20, more, classWord, true}, {"gldt-", GitLabToken, 20, more, classWord, true}, {"glrt-", GitLabToken, 20, more, classWord, true},
		{"glcbt-", GitLabToken, 20, more, classWord, true}, {"glptt-", GitLabToken, 20, more, classWord, false}, {"glsoat-", GitLabToken, 20, more, classWord, true},
		{"glft-", GitLabToken, 20, more, classWord, true}, {"glagent-", GitLabToken, 40, more, classWord, true}, {"gloas-", GitLabToken, 20, more, classWord, false},
		{"xoxb-", SlackToken, 20, more, classWord, false}, {"xoxp-", SlackToken, 20, more, classWord, false}, {"xoxa-", SlackToken, 20, more, classWord, false},
		{"xoxo-", SlackToken, 20, more, classWord, false}, {"xoxr-", SlackToken, 20, more, classWord, false}, {"xoxs-", SlackToken, 20, more, classWord, false},
		{"xoxe-", SlackToken, 20, more, classWord, false}, {"xoxe.", SlackToken, 20, more, classWord, true}, {"xoxc-", SlackToken, 20, more, classWord, false},
		{"xoxd-", SlackToken, 20, more, classWord, false}, {"xapp-", SlackToken, 20, more, classWord, false},
		{"sk_live_", StripeKey, 16, 247, classToken, false}, {"sk_test_", StripeKey, 16, 247, classToken, false},
		{"rk_live_", StripeKey, 16, 247, classToken, false}, {"rk_test_", StripeKey, 16, 247, classToken, false}, {"whsec_", StripeKey, 24, 247, classToken, false},
		{"npm_", NPMToken, 36, 36, classToken, false},
		{"pypi-AgE", ServiceToken, 50, more, classWord, false}, {"rubygems_", ServiceToken, 48, 48, classToken, false},
		{"sk-ant-", ServiceToken, 32, more, classWord, false}, {"sk-proj-", ServiceToken, 32, more, classWord, false}, {"sk-", ServiceToken, 48, 48, classToken, false},
		{"hf_", ServiceToken, 34, 40, classToken, false}, {"dop_v1_", ServiceToken, 64, 64, classToken, false}, {"doo_v1_", ServiceToken, 64, 64, classToken, false},
		{"dapi", ServiceToken, 32, 36, classToken, false}, {"shpat_", ServiceToken, 32, 32, classToken, false},
		{"shpss_", ServiceToken, 32, 32, classToken, false}, {"shpca_", ServiceToken, 32, 32, classToken, false}, {"shppa_", ServiceToken, 32, 32, classToken, false},
		{"sq0atp-", ServiceToken, 22, 60, classWord, false}, {"sq0csp-", ServiceToken, 43, 60, classWord, false},
		{"glsa_", ServiceToken, 40, 60, classWord, false}, {"glc_", ServiceToken, 40, more, classBase, false}, {"lin_api_", ServiceToken, 40, 60, classToken, false},
		{"ATATT3", ServiceToken, 60, more, classBase, false}, {"ATCTT3", ServiceToken, 60, more, classBase, false}, {"NRAK-", ServiceToken, 27, 27, classToken, false},
		{"PMAK-", ServiceToken, 50, 80, classWord, false}, {"dckr_pat_", ServiceToken, 24, 40, classWord, false}, {"sbp_", ServiceToken, 40, 40, classToken, false},
		{"pscale_tkn_", ServiceToken, 32, 64, classWord, false}, {"AGE-SECRET-KEY-1", ServiceToken, 58, 58, classToken, false},
		{"stere_", ServiceToken, 32, 128, classWord, false},
		{"tfp_", ServiceToken, 40, 80, classWord, false}, {"figd_", ServiceToken, 40, 80, classWord, false}, {"sntrys_", ServiceToken, 60, more, classBase, false},
	} {
		table[p.text[0]] = append(table[p.text[0]], p)
	}
	return table
}()

// seconds are the second bytes of prefixes, by their first: a bit for each of the
// letters, of the upper and lower ones alike.
var seconds = func() (table [256]uint32) {
	for c, of := range prefixes {
		for _, p := range of {
			table[c] |= 1 << (p.text[1] & 31)
		}
	}
	return table
}()

// prefixed looks at a token that begins at text[start] and is in the word that
// begins at word and ends at end.
func (s *Scanner) prefixed(start, end, word int) {
	text := s.text
	c := text[start]
	if c == 'e' && strings.HasPrefix(text[start:], "eyJ") {
		s.jwt(start, end)
		return
	}
	if seconds[c]>>(text[start+1]&31)&1 == 0 {
		s.dotted(start, end, word)
		return
	}
	for _, p := range prefixes[c] {
		if !strings.HasPrefix(text[start:], p.text) {
			continue
		}
		from := start + len(p.text)
		to := from
		for to < len(text) && to-from <= p.max && (is(text[to], p.class) || p.dots && text[to] == '.' && to+1 < len(text) && is(text[to+1], classAlnum)) {
			to++
		}
		switch n := to - from; {
		case n < p.min, n > p.max, to < len(text) && is(text[to], classAlnum) && p.min == p.max:
			continue
		case p.detector == ServiceToken && !varied(text[from:to]):
			continue
		}
		s.add(p.detector, start, to)
		if p.detector == AWSKey {
			s.awsSecret(to)
		}
		return
	}
	s.dotted(start, end, word)
}

// varied reports whether a text has digits among its letters, or capitals among
// small ones.
func varied(text string) bool {
	var seen uint8
	for i := range len(text) {
		seen |= classes[text[i]] & classAlnum
	}
	return seen != classLower && seen != classUpper && seen != classDigit
}

// dotted looks at the long word of a token whose beginning ends in a dot or a
// colon before the word.
func (s *Scanner) dotted(start, end, word int) {
	text := s.text
	if start != word || start < 3 || text[start-1] != '.' && text[start-1] != ':' {
		return
	}
	before := text[max(0, start-12):start]
	switch n := end - start; {
	case strings.HasSuffix(before, "hvs.") || strings.HasSuffix(before, "hvb."):
		if n >= 20 {
			s.add(ServiceToken, start-4, end)
		}
	case strings.HasSuffix(before, "ya29."):
		if n >= 20 {
			s.add(GCPKey, start-5, end)
		}
	case strings.HasSuffix(before, "SG."):
		if n == 22 && end+43 < len(text) && text[end] == '.' {
			s.add(ServiceToken, start-3, wordEnd(text, end+1))
		}
	case strings.HasSuffix(before, "atlasv1."):
		from := start - len("atlasv1.")
		if n >= 60 && from >= 15 && text[from-1] == '.' {
			s.add(ServiceToken, from-15, end)
		}
	case strings.HasSuffix(before, ":") && n == 35 && strings.HasPrefix(text[start:], "AA"):
		// A bot of Telegram: its number, a colon, 35 characters.
		from := start - 1
		for from > 0 && start-from <= 11 && is(text[from-1], classDigit) {
			from--
		}
		if digits := start - 1 - from; digits >= 8 && digits <= 10 {
			s.add(ServiceToken, from, end)
		}
	}
}

// wordEnd returns the end of the word at text[i].
func wordEnd(text string, i int) int {
	for i+blockBytes <= len(text) {
		if m := others(blockAt(text, i)); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += blockBytes
	}
	for i < len(text) && is(text[i], classWord) {
		i++
	}
	return i
}

// azure looks at the client secret of an application: three characters, a
// digit, "Q~" and the rest.
func (s *Scanner) azure(at, start, end int) {
	text := s.text
	from := at - 5
	if from < start && from > 0 && text[start-1] == '.' {
		from = max(from, 0)
	}
	if from < max(0, start-4) || text[at-1] != 'Q' || !is(text[at-2], classDigit) {
		return
	}
	to := at + 1
	for to < len(text) && to-at <= 40 && (is(text[to], classWord) || text[to] == '.') {
		to++
	}
	if n := to - at - 1; n >= 31 && n <= 35 {
		s.add(AzureKey, from, to)
	}
}

// awsSecretBytes is the length of the secret that belongs to a key of AWS.
const awsSecretBytes = 40

// awsSecretNear is how far behind the key's id it is looked for.
const awsSecretNear = 96

// awsSecret looks for the secret that belongs to a key id which ends at
// text[from].
func (s *Scanner) awsSecret(from int) {
	text := s.text[:min(len(s.text), from+awsSecretNear+awsSecretBytes)]
	for i := from; i < len(text); i++ {
		if !is(text[i], classBase) || text[i] == '=' {
			continue
		}
		start := i
		for i < len(text) && is(text[i], classBase) && text[i] != '=' {
			i++
		}
		if i-start == awsSecretBytes && isMixed(text[start:i]) {
			s.add(AWSKey, start, i)
			return
		}
	}
}

// isMixed reports whether capitals, small letters and digits are in a text.
func isMixed(text string) bool {
	var seen uint8
	for i := range len(text) {
		seen |= classes[text[i]]
	}
	return seen&classUpper != 0 && seen&classLower != 0 && seen&classDigit != 0
}

// jwtHeaderMax bounds the header of a token that is decoded.
const jwtHeaderMax = 4096

// joseTriesMax is how many beginnings of a word are decoded that look like one of a
// header.
const joseTriesMax = 4

// jwt looks at a JSON Web Token whose header is the word text[start:end].
func (s *Scanner) jwt(start, end int) {
	text := s.text
	if end >= len(text) || text[end] != '.' || end-start > jwtHeaderMax {
		return
	}
	if s.joseEnd != end {
		s.joseEnd, s.joseTries = end, 0
	}
	if s.joseTries++; s.joseTries > joseTriesMax || !isJOSE(text[start:end]) {
		return
	}
	last := wordEnd(text, end+1)
	if last == end+1 {
		return
	}
	// A signature may be missing; an encrypted token has five parts.
	for range 3 {
		if last >= len(text) || text[last] != '.' {
			break
		}
		last = wordEnd(text, last+1)
		if last == len(text) {
			break
		}
	}
	if text[last-1] == '.' && last-1 > end+1 && (last == len(text) || !is(text[last], classAlnum)) {
		last-- // the end of a sentence
	}
	s.add(JWT, start, last)
}

// isJOSE reports whether a text is the header of a token.
func isJOSE(text string) bool {
	var room [512]byte
	header, err := base64.RawURLEncoding.AppendDecode(room[:0], unsafe.Slice(unsafe.StringData(text), len(text)))
	if err != nil || len(header) == 0 || header[0] != '{' {
		return false
	}
	plain := string(header)
	return strings.Contains(plain, `"alg"`) || strings.Contains(plain, `"typ"`)
}

// scheme looks whether "Bearer" or "Basic" stands before the word at
// text[start].
func (s *Scanner) scheme(start int) {
	if start < 6 || s.text[start-1] != ' ' {
		return
	}
	if last := s.text[start-2] | 0x20; last != 'r' && last != 'c' {
		return
	}
	before := s.text[:start-1]
	from := start - 1
	for from > 0 && start-from <= 8 && is(before[from-1], classAlnum) {
		from--
	}
	if name := before[from:]; !strings.EqualFold(name, "bearer") && !strings.EqualFold(name, "basic") {
		return
	}
	end := start
	for end < len(s.text) && (is(s.text[end], classBase) || s.text[end] == '.' || s.text[end] == '~') {
		end++
	}
	value := strings.TrimRight(s.text[start:end], ".")
	if looksSecret(value) {
		s.add(Authorization, start, start+len(value))
	}
}

const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
	pemDash  = "-----"
)

// pemTypeMax is how long the words between dashes may be.
const pemTypeMax = 64

// pem looks for private keys in the text. One whose end is missing goes to the
// end of the text: what follows can only be more of it.
func (s *Scanner) pem(text string) {
	for at := 0; ; {
		i := strings.Index(text[at:], pemBegin)
		if i < 0 {
			return
		}
		start := at + i
		at = start + len(pemBegin)
		kind, _, ok := strings.Cut(text[at:min(len(text), at+pemTypeMax)], pemDash)
		if !ok || !strings.Contains(kind, "PRIVATE KEY") {
			continue
		}
		at += len(kind) + len(pemDash)
		end := len(text)
		if i := strings.Index(text[at:], pemEnd); i >= 0 {
			at += i + len(pemEnd)
			if i := strings.Index(text[at:], pemDash); i >= 0 && i <= pemTypeMax {
				at += i + len(pemDash)
			}
			end = at
		}
		s.add(PrivateKey, start, end)
		if end == len(text) {
			return
		}
	}
}

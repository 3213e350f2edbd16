package redact

import (
	"strings"
	"unsafe"
)

// meaning is what a key says of its value.
type meaning struct {
	detector Detector
	weak     bool // the value must look like a secret too
	label    label
	ok       bool
}

// keyWord is the end of a key that says something of its value.
type keyWord struct {
	suffix string // without separators, in small letters
	exact  bool   // it is the whole key, not only its end
	meaning
}

// vocabulary is the ends of keys that say something, by their last three letters.
type vocabulary struct {
	number [26 * 26 * 26]uint8   // of a list, 0 for none
	lists  [][]keyWord           // of each the first that fits counts
	before [][beforeBytes]uint32 // of each the letters before those three, the nearest first
}

// endingBytes is how many letters at the end of a key lead to a list.
const endingBytes = 3

// beforeBytes is how many letters before those are known of a list. The ends of most
// keys are those of many other words: of "authorization" they are those of "station".
const beforeBytes = 3

// ending numbers three letters in any case, -1 if they are none.
func ending(a, b, c byte) int {
	a, b, c = a|0x20-'a', b|0x20-'a', c|0x20-'a'
	if a >= 26 || b >= 26 || c >= 26 {
		return -1
	}
	return (int(a)*26+int(b))*26 + int(c)
}

// add puts a word behind the others that end alike.
func (v *vocabulary) add(word keyWord) {
	n := len(word.suffix)
	at := ending(word.suffix[n-3], word.suffix[n-2], word.suffix[n-1])
	if v.number[at] == 0 {
		v.number[at] = uint8(len(v.lists))
		v.lists = append(v.lists, nil)
		v.before = append(v.before, [beforeBytes]uint32{})
	}
	list := v.number[at]
	v.lists[list] = append(v.lists[list], word)
	for i := range v.before[list] {
		switch at := n - endingBytes - 1 - i; {
		case at >= 0:
			v.before[list][i] |= 1 << (word.suffix[at] - 'a')
		case !word.exact: // anything may be before it
			v.before[list][i] = ^uint32(0)
		}
	}
}

// follows reports whether a key of a list may go on backwards with these bytes, of
// which one that is neither letter nor digit is no part of it, and says nothing.
func (v *vocabulary) follows(list uint8, before string) bool {
	for i, letters := range &v.before[list] {
		if i == len(before) {
			return true
		}
		c := before[len(before)-1-i]
		if !is(c, classAlnum) {
			return true
		}
		if letters != ^uint32(0) && (is(c, classDigit) || letters>>(c|0x20-'a')&1 == 0) {
			return false
		}
	}
	return true
}

// keyWords are the ends of keys that say something.
var keyWords = func() *vocabulary {
	v := &vocabulary{lists: make([][]keyWord, 1), before: make([][beforeBytes]uint32, 1)}
	add := func(m meaning, exact bool, suffixes ...string) {
		m.ok = true
		for _, suffix := range suffixes {
			v.add(keyWord{suffix, exact, m})
		}
	}
	// Keys of pages and positions are no secrets.
	for _, suffix := range []string{"nexttoken", "pagetoken", "prevtoken", "previoustoken", "continuationtoken", "continuetoken", "synctoken", "scrolltoken", "resumetoken",
		"cursortoken", "publickey", "primarykey", "foreignkey", "partitionkey", "publickeytoken", "elevatedtoken", "unexpectedtoken", "invalidtoken", "cancellationtoken", "canceltoken"} {
		v.add(keyWord{suffix: suffix})
	}
	add(meaning{detector: Password}, false, "password", "passwd", "passphrase", "pswd", "passwort", "userpwd", "dbpwd", "rootpwd", "adminpwd", "mysqlpwd")
	add(meaning{detector: Password}, true, "pwd", "passcode", "otp", "cvv", "cvc")
	add(meaning{detector: Password, weak: true}, true, "pass", "dbpass", "userpass", "mysqlpass", "smtppass", "redispass")
	add(meaning{detector: AWSKey, weak: true}, false, "awssecretaccesskey", "awssecretkey", "awssessiontoken")
	add(meaning{detector: AzureKey, weak: true}, false, "accountkey", "sharedaccesskey")
	add(meaning{detector: Authorization}, false, "authorization", "xauthtoken")
	add(meaning{detector: Secret, weak: true}, false, "secret", "token", "apikey", "secretkey", "secretaccesskey", "accesskey", "privatekey", "encryptionkey", "signingkey", "masterkey",
		"authkey", "sharedkey", "sessionkey", "xamzsignature", "xgoogsignature", "credential", "credentials", "clientsecret", "licensekey", "webhookkey", "storagekey")
	add(meaning{detector: Secret, weak: true}, true, "sig", "cookie", "setcookie", "auth", "phpsessid", "jsessionid")
	add(meaning{detector: SSN, label: labelSSN}, false, "ssn", "socialsecuritynumber", "socialsecurity")
	add(meaning{detector: Phone, label: labelPhone}, false, "phone", "phonenumber", "telephone", "mobile", "mobilenumber", "cellphone", "msisdn", "fax")
	add(meaning{detector: Phone, label: labelPhone}, true, "tel", "cell")
	return v
}()

// keyBytesMax bounds keys; what is longer is none.
const keyBytesMax = 64

// mayEnd reports whether a key that says something may end where a text does.
func mayEnd(text string) bool {
	n := len(text)
	if n < endingBytes {
		return false
	}
	at := ending(text[n-3], text[n-2], text[n-1])
	return at >= 0 && keyWords.number[at] != 0 && keyWords.follows(keyWords.number[at], text[:n-endingBytes])
}

// meaningOf returns what a key says of its value.
func (s *Scanner) meaningOf(key string) meaning {
	s.folded = fold(s.folded[:0], key)
	return meaningOf(unsafe.String(unsafe.SliceData(s.folded), len(s.folded)))
}

// fold appends a key without case and separators.
func fold(dst []byte, key string) []byte {
	for i := range len(key) {
		if c := key[i]; is(c, classAlnum) {
			if is(c, classUpper) {
				c |= 0x20
			}
			dst = append(dst, c)
		}
	}
	return dst
}

// meaningOf is what a key without case and separators says.
func meaningOf(folded string) meaning {
	if !mayEnd(folded) {
		return meaning{}
	}
	n := len(folded)
	for _, word := range keyWords.lists[keyWords.number[ending(folded[n-3], folded[n-2], folded[n-1])]] {
		if word.exact && folded == word.suffix || !word.exact && strings.HasSuffix(folded, word.suffix) {
			return word.meaning
		}
	}
	return meaning{}
}

// lastKey returns what follows the last dot of a key.
func lastKey(key string) string {
	return key[strings.LastIndexByte(key, '.')+1:]
}

// isIgnored reports whether a value says that there is none, or not what it is.
func isIgnored(value string) bool {
	if value == "" || markerEnd(value) == len(value) {
		return true
	}
	switch value[0] {
	case '$', '%', '{', '<', '[':
		// A place for a value: ${PASSWORD}, $(cat f), %s, {{ .x }}, <hidden>, [FILTERED]
		return isPlace(value)
	case '*', 'x', 'X', '.', '-', '#', '?', '\xe2':
		if strings.Trim(value, value[:1]) == "" || strings.Trim(value, "•●") == "" {
			return true
		}
	}
	if len(value) > ignoredMax {
		return false
	}
	switch strings.ToLower(value) {
	case "null", "nil", "none", "undefined", "true", "false", "yes", "no", "on", "off", "n/a", "na", "empty", "unset", "blank", "missing", "hidden", "redacted", "masked", "filtered",
		"required", "optional", "string", "str", "bool", "int", "bytes", "object", "(null)", "(none)", "(hidden)", "(redacted)", "0", "omitted", "encrypted", "changeit...":
		return true
	}
	return false
}

const ignoredMax = 12

func isPlace(value string) bool {
	switch {
	case strings.HasPrefix(value, "${"), strings.HasPrefix(value, "$("), strings.HasPrefix(value, "{{"), value == "{}", value == "[]":
		return true
	case value[0] == '$':
		return len(value) > 1 && strings.Trim(value[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == ""
	case value[0] == '%':
		return len(value) == 2 || strings.HasPrefix(value, "%%") || value == "%(s)"
	case value[0] == '<':
		return strings.IndexByte(value, '>') == len(value)-1 || !strings.Contains(value, ">")
	case value[0] == '[':
		return strings.Trim(value[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz]") == ""
	}
	return false
}

// isSaid reports whether a word that follows "password:" goes on with a
// sentence.
func isSaid(value string) bool {
	if len(value) > ignoredMax {
		return false
	}
	switch strings.ToLower(strings.TrimRight(value, ".,;:!")) {
	case "must", "too", "cannot", "can't", "should", "has", "have", "was", "not", "is", "are", "the", "a", "an", "invalid", "incorrect", "wrong", "expired", "changed", "updated",
		"reset", "ok", "success", "successful", "failed", "failure", "error", "denied", "accepted", "rejected", "valid", "set", "enabled", "disabled", "unknown", "for", "from", "of",
		"with", "and", "or", "to", "in", "at", "by", "user", "mismatch", "mismatched", "matched", "match", "weak", "strong", "unchanged", "please", "enter", "will", "could", "does", "did",
		"but", "if", "when", "it", "this", "that", "your", "no", "old", "new", "same", "unauthorized", "forbidden", "bad", "verified", "checked", "authentication", "auth", "field", "value":
		return true
	}
	return false
}

// worthHiding reports whether a value of a field with a weak name is one.
func worthHiding(value string) bool {
	return len(value) >= 4 && !isPath(value) && !strings.ContainsAny(value, " \t\n") || looksSecret(value) || strings.Contains(value, "=")
}

// secretMin is how long a secret is at least that is told by its looks.
const secretMin = 8

// looksSecret reports whether a value looks as if it was made by chance: letters
// and digits, or long and of both cases; but not a path, a URL, a name.
func looksSecret(value string) bool {
	if len(value) == awsSecretBytes && isMixed(value) && strings.IndexFunc(value, func(c rune) bool { return c >= 0x80 || !is(byte(c), classBase) }) < 0 {
		return true // one in 64 begins as paths do
	}
	if len(value) < secretMin || isPath(value) || strings.Contains(value, "://") {
		return false
	}
	var seen uint8
	digits, letters, changes := 0, 0, 0
	var before uint8
	for i := range len(value) {
		class := classes[value[i]] & classAlnum
		if value[i] == ' ' || value[i] == '\t' {
			return false
		}
		if class&classDigit != 0 {
			digits++
		} else if class != 0 {
			letters++
		}
		if class != before && before != 0 && class != 0 {
			changes++
		}
		before = class
		seen |= class
	}
	switch {
	case letters == 0:
		return false // a number, a date, an address
	case digits >= 2 && letters >= 2:
		return true
	case digits >= 1 && letters >= 7 && changes >= 1:
		return true
	}
	return len(value) >= 16 && seen&classUpper != 0 && seen&classLower != 0 && changes >= 5
}

// isPath reports whether a value is the path of a file or of a resource.
func isPath(value string) bool {
	if value == "" {
		return false
	}
	switch {
	case value[0] == '/', value[0] == '~', strings.HasPrefix(value, "./"), strings.HasPrefix(value, "../"):
		return !strings.ContainsAny(value, "+=") && (strings.Count(value, "/") >= 2 || len(value) < 24)
	case len(value) > 2 && is(value[0], classLetter) && value[1] == ':' && (value[2] == '\\' || value[2] == '/'):
		return true
	}
	// projects/p/secrets/s, in small letters
	if strings.Count(value, "/") < 1 || strings.ContainsAny(value, "+=") {
		return false
	}
	for i := range len(value) {
		if is(value[i], classUpper) {
			return false
		}
	}
	return true
}

// schemeEnd returns where in the value of an Authorization header the
// credentials begin.
func schemeEnd(value string) int {
	scheme, _, ok := strings.Cut(value, " ")
	if !ok || len(scheme) > len("AWS4-HMAC-SHA256") {
		return 0
	}
	switch strings.ToLower(scheme) {
	case "bearer", "basic", "token", "digest", "negotiate", "ntlm", "apikey", "api-key", "aws4-hmac-sha256", "hmac", "signature":
		return len(scheme) + 1
	}
	return 0
}

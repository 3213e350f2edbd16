package pattern

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// trait says what kind of token stands at a position.
type trait uint16

const (
	hasGap     trait = 1 << iota // varies by its form
	identifier                   // a name of something: dotted, camel case, with underscores
	function                     // a word of the language that says how things are: not, is, was
	action                       // opened, closing, successfully
	literal                      // true, null
	unit                         // ms, seconds
	capitals                     // nothing but capital letters
	bare                         // no letter and no gap
	learned                      // varied before
	enclosed                     // in quotes or brackets
	nameCue                      // after it a name comes: user, host
	cue                          // after it the name of something is to be expected
	method                       // of a request: GET
	plainly                      // has a word of the language in which nothing varies
	tells                        // and this says what happened
)

// tokenTraits are traits of tokens, which are told once while a set learns.
type tokenTraits map[string]trait

// of returns the traits of a token.
func (t tokenTraits) of(token string) trait {
	known, met := t[token]
	if !met {
		known = traitsOf(token) | plainTraits(token)
		t[token] = known
	}
	return known
}

// traitsOf returns the traits of a token.
func traitsOf(token string) trait {
	if token == tail {
		return bare
	}
	if strings.Contains(token, wild) {
		return learned
	}
	word := strings.Trim(token, around)
	var t trait
	if introduces(token) {
		t |= cue
	}
	if isNameCue(token) {
		t |= nameCue
	}
	if isEnclosed(token) {
		t |= enclosed
	}
	if script := scriptIn(word); script && acts(word) {
		t |= action
	} else if !script && strings.IndexByte(token, gap) >= 0 {
		t |= hasGap // beside letters of a script without spaces a gap is one word of several
	}
	lower, upper, inner, others := 0, 0, false, 0
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c >= 'a' && c <= 'z' || c >= utf8.RuneSelf:
			lower++
		case c >= 'A' && c <= 'Z':
			upper++
			inner = inner || i > 0 && word[i-1] >= 'a' && word[i-1] <= 'z'
		case c == '\'':
		default:
			others++
		}
	}
	if lower+upper == 0 && t&hasGap == 0 {
		return t | bare
	}
	if inner || others > 0 {
		t |= identifier
	}
	if lower == 0 && upper > 1 {
		t |= capitals
	}
	if isMethod(word) {
		t |= method
	}
	if others == 0 {
		folded := strings.ToLower(word)
		of := wordTraits(folded)
		if of == 0 && (actsElsewhere(folded) || !inner && (!isUpper(word) || lower == 0) && isParticiple(folded)) {
			of = action // getClient is no participle, and Florida none either
		}
		t |= of
	}
	return t
}

// plainTraits returns the traits of the word in a token in which nothing varies, unless that
// is a name: one in capitals or with other characters than letters.
func plainTraits(token string) trait {
	if strings.Contains(token, hole) || strings.Contains(token, wild) {
		return 0
	}
	word := token[strings.LastIndexAny(token, "=([{<\"'`")+1:]
	word = strings.Trim(word, around)
	if len(word) < 2 {
		return 0
	}
	lower := false
	for i, c := range word {
		switch {
		case unicode.IsLower(c) || c > unicode.MaxASCII:
			lower = true
		case unicode.IsUpper(c) && i == 0:
		default:
			return 0
		}
	}
	if !lower {
		return 0
	}
	if traitsOf(word)&action != 0 {
		return plainly | tells
	}
	return plainly
}

// isMethod reports whether a word is the method of a request. There are so few that they
// say what happened, unless most of them come.
func isMethod(word string) bool {
	switch word {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE":
		return true
	}
	return false
}

// wordTraits returns the traits of a word of the language.
func wordTraits(word string) trait {
	switch word {
	case "a", "an", "the", "is", "are", "was", "were", "be", "been", "being", "not", "no", "none", "cannot", "can", "can't", "could", "couldn't",
		"unable", "will", "won't", "would", "should", "may", "might", "must", "has", "have", "had", "do", "does", "did", "don't", "doesn't",
		"didn't", "and", "or", "but", "if", "then", "else", "when", "while", "because", "since", "until", "than", "that", "this", "these",
		"those", "it", "its", "there", "of", "for", "from", "to", "in", "on", "at", "by", "with", "without", "into", "onto", "over", "under",
		"before", "after", "between", "during", "as", "so", "too", "all", "any", "some", "only", "already", "still", "again", "new", "up", "down",
		"out", "off", "via", "per", "we", "you", "your", "i":
		t := trait(function)
		if word == "none" {
			t = literal
		}
		return t
	case "true", "false", "null", "nil", "undefined", "(null)":
		return literal
	case "ns", "us", "ms", "s", "sec", "secs", "second", "seconds", "msec", "msecs", "millisecond", "milliseconds", "min", "mins", "minute", "minutes",
		"hour", "hours", "hrs", "day", "days", "kbps", "mbps":
		return unit
	case "failed", "failure", "fail", "fails", "error", "errors", "ok", "success", "successful", "successfully", "start", "stop", "begin", "end", "open", "close",
		"read", "write", "send", "receive", "sent", "lost", "found", "set", "get", "put", "add", "remove", "delete", "create", "init", "exit", "enter", "leave",
		"enable", "disable", "warning", "invalid", "timeout", "complete", "done", "shutdown", "connect", "disconnect", "begins", "ends", "starts", "stops",
		"began", "went", "came", "got", "run", "ran", "kill", "accept", "reject", "allow", "deny", "load", "unload", "update", "request", "response", "reply", "post", "head", "patch", "options":
		return action
	}
	if len(word) > 4 {
		for _, suffix := range []string{"ed", "ing", "ly"} {
			if strings.HasSuffix(word, suffix) {
				return action
			}
		}
	}
	return 0
}

// actsElsewhere reports whether a word says what happened in French, German, Spanish or
// Portuguese, as some words do that are frequent in messages.
func actsElsewhere(word string) bool {
	switch word {
	case "démarrage", "arrêt", "échec", "échoue", "réussi", "réussie", "début", "fin", "erreur", "répond", "expire", "introuvable",
		"ende", "fehler", "beendet", "erfolgreich", "fehlgeschlagen", "abgebrochen", "abgelaufen", "abgelehnt", "antwortet", "anmeldung", "abmeldung",
		"inicio", "fallo", "éxito", "detenido", "erro", "falha", "sucesso", "início":
		return true
	}
	return false
}

// isParticiple reports whether a word looks like a participle of one of these languages.
func isParticiple(word string) bool {
	if len(word) < 6 {
		return false
	}
	for _, suffix := range []string{"é", "ée", "és", "ées", "iert", "ado", "ada", "ido", "ida"} {
		if strings.HasSuffix(word, suffix) {
			return true
		}
	}
	for _, prefix := range []string{"ab", "an", "auf", "aus", "ein", "her", "hin", "nach", "um", "vor", "weg", "zurück", "zu"} {
		if rest := strings.TrimPrefix(word, prefix); strings.HasPrefix(rest, "ge") {
			word = rest
			break
		}
	}
	return strings.HasPrefix(word, "ge") && (strings.HasSuffix(word, "t") || strings.HasSuffix(word, "en"))
}

// isNothing reports whether a token is a dash that stands for what is not there.
func isNothing(token string) bool { return strings.Trim(token, around) == "-" }

// introduces reports whether after a token the name of something is to be expected.
func introduces(token string) bool {
	if token == "" {
		return false
	}
	switch token[len(token)-1] {
	case '=', ':', '\'', '"', '#', '@':
		return true
	}
	switch strings.ToLower(strings.Trim(token, around)) {
	case "user", "users", "username", "group", "host", "hostname", "for", "from", "by", "to", "on", "at", "of", "in", "into", "with", "named", "called", "name", "id", "file", "directory",
		"dir", "path", "node", "server", "client", "service", "process", "task", "job", "thread", "class", "type", "component", "module", "device", "interface", "port",
		"address", "addr", "domain", "table", "database", "key", "value", "session", "package", "container", "image", "volume", "instance", "as", "via", "queue", "topic", "partition", "command", "request", "url", "using", "version":
		return true
	}
	return false
}

// isNameCue reports whether after a token only a name can come.
func isNameCue(token string) bool {
	switch strings.ToLower(strings.Trim(token, around)) {
	case "user", "username", "login", "account", "host", "hostname", "file", "filename", "directory", "folder", "path", "database", "table", "url", "named", "called":
		return true
	}
	return false
}

// isEnclosed reports whether a token stands in quotes or brackets.
func isEnclosed(token string) bool {
	if len(token) < 3 {
		return false
	}
	if token = strings.TrimRight(token, ",;:."); len(token) < 2 {
		return false
	}
	last := token[len(token)-1]
	switch token[0] {
	case '"', '\'', '`':
		return last == token[0]
	case '[':
		return last == ']'
	case '(':
		return last == ')'
	case '<':
		return last == '>'
	case '{':
		return last == '}'
	}
	return false
}

package meaning

import "strings"

// idMax is more than any id of a trace has, with what stands around it.
const idMax = 64

// TraceParent takes a header of W3C Trace Context apart: version, trace, span, flags. ""
// is what it has not, or what is all zeros.
func TraceParent(text string) (trace, span string) {
	parts := strings.SplitN(strings.TrimSpace(text[:min(len(text), idMax)]), "-", 5)
	if len(parts) < 4 || len(parts[0]) != 2 || !isHex(parts[0]) || strings.EqualFold(parts[0], "ff") || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 || !isHex(parts[3]) {
		return "", ""
	}
	if trace, span = TraceID(parts[1]), TraceID(parts[2]); trace == "" || span == "" {
		return "", ""
	}
	return trace, span
}

// TraceID returns the id of a trace or of a span in its usual form: 32 or 16 hexadecimal
// digits, a UUID without its dashes, or 15 to 20 decimal digits; "" for anything else.
func TraceID(text string) string {
	text = strings.TrimSpace(text[:min(len(text), idMax)])
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		text = strings.ReplaceAll(text, "-", "")
	}
	hex := (len(text) == 32 || len(text) == 16) && isHex(text)
	decimal := len(text) >= 15 && len(text) <= 20 && strings.Trim(text, "0123456789") == ""
	if !hex && !decimal || strings.Trim(text, "0") == "" {
		return ""
	}
	return strings.ToLower(text)
}

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdefABCDEF") == "" }

// Words of which the names of ids are made.
const (
	traceWord = "trace"
	spanWord  = "span"
)

// MayHaveTrace reports whether messages of an outline may have the id of a trace.
func MayHaveTrace(outline string) bool { return findFold(outline, traceWord) >= 0 }

// TraceOf returns the ids of the trace and the span that a message names, as
// traceparent=…, trace_id: …, "traceId":"…" and the like; "" for what it does not name.
func TraceOf(message string) (trace, span string) {
	message = message[:min(len(message), EvidenceMax)]
	for rest := message; trace == ""; {
		at := findFold(rest, traceWord)
		if at < 0 {
			return "", ""
		}
		rest = rest[at+len(traceWord):]
		value, parent := named(rest)
		if parent {
			if trace, span = TraceParent(value); trace != "" {
				return trace, span
			}
			continue
		}
		trace = TraceID(value)
	}
	for rest := message; span == ""; {
		at := findFold(rest, spanWord)
		if at < 0 {
			return trace, ""
		}
		rest = rest[at+len(spanWord):]
		value, _ := named(rest)
		span = TraceID(value)
	}
	return trace, span
}

// named returns the value of a name whose first word ends where the text begins: what can
// be an id after "id", "parent" or nothing, quotes, and a colon or an equals sign. parent
// says that it was "parent".
func named(text string) (value string, parent bool) {
	text = strings.TrimLeft(text, "_.-")
	switch {
	case len(text) >= 6 && strings.EqualFold(text[:6], "parent"):
		text, parent = text[6:], true
	case len(text) >= 2 && strings.EqualFold(text[:2], "id"):
		text = text[2:]
	}
	text = strings.TrimLeft(text, `"'\ `)
	if text == "" || text[0] != ':' && text[0] != '=' {
		return "", parent
	}
	text = strings.TrimLeft(text[1:], `"'\ `)
	end := 0
	for end < len(text) && (isLetter(text[end]) || text[end] >= '0' && text[end] <= '9' || text[end] == '-') {
		end++
	}
	return text[:end], parent
}

// findFold returns where a word in lower case stands in a text, whatever the case there;
// -1: nowhere.
func findFold(text, word string) int {
	for at := 0; at+len(word) <= len(text); at++ {
		if text[at]|0x20 == word[0] && strings.EqualFold(text[at:at+len(word)], word) {
			return at
		}
	}
	return -1
}

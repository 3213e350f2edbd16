package meaning

import (
	"strings"

	"github.com/stere-log/stere/model"
)

// Limits of what is looked at for a level.
const (
	levelTokens = 12      // of the first line
	klogBytes   = 256     // of a line, up to where it says who wrote it
	objectMax   = 8 << 10 // of a JSON object
)

// DetectLevel returns the level that a text tells by its form, LevelNone if it tells none:
// in a JSON object or after the name of a level, as the priority of syslog, at the start
// as programs write it, or as the status of a request. Words inside a sentence tell
// nothing: "0 errors" is no error.
func DetectLevel(text string) model.Level {
	text = strings.TrimLeft(text, " \t\r\n\ufeff")
	if strings.HasPrefix(text, "{") {
		return levelOfObject(text[:min(len(text), objectMax)])
	}
	if level, ok := priority(text); ok {
		return level
	}
	line, rest, _ := strings.Cut(text, "\n")
	if level, ok := klog(line); ok {
		return level
	}
	if level, _ := levelOfKey(line); level != model.LevelNone {
		return level
	}
	if level := levelOfBrackets(line); level != model.LevelNone {
		return level
	}
	if level := levelOfTokens(line); level != model.LevelNone {
		return level
	}
	if status := requestStatus(line); status > 0 {
		return levelOfStatus(status)
	}
	if level := levelOfStart(line); level != model.LevelNone {
		return level
	}
	if isException(strings.TrimRight(line, " \r")) && strings.HasPrefix(strings.TrimLeft(rest, " \t"), "at ") {
		return model.LevelError // without a message, with the stack
	}
	return model.LevelNone
}

// levelOfBrackets reads a level among the parts in brackets that a line begins with:
// [2024-01-01T10:00:00,000][INFO ][o.e.n.Node], [0.5s][info][gc].
func levelOfBrackets(line string) model.Level {
	for n := 0; n < bracketsMax && strings.HasPrefix(line, "["); n++ {
		end := strings.IndexByte(line, ']')
		if end < 0 {
			return model.LevelNone
		}
		if n > 0 {
			if level := word(strings.TrimSpace(line[1:end])); level != model.LevelNone {
				return level
			}
		}
		line = line[end+1:]
	}
	return model.LevelNone
}

// bracketsMax is how many parts in brackets are looked at.
const bracketsMax = 4

// LevelOfOutline is DetectLevel for all messages with an outline; sure is false if it
// depends on what varies in them.
func LevelOfOutline(outline string) (level model.Level, sure bool) {
	text := strings.TrimLeft(outline, " \t\r\n\ufeff")
	varies := strings.ContainsFunc(text, isGap)
	line, _, _ := strings.Cut(text, "\n")
	switch {
	case !varies:
	case strings.HasPrefix(text, "{"):
		named := false
		for _, key := range levelKeys {
			named = named || indexFold(text, `"`+key+`"`) >= 0
		}
		return model.LevelNone, !named
	case strings.HasPrefix(text, "<"), strings.Contains(line, "HTTP/"), isKlogOutline(text):
		return model.LevelNone, false
	}
	if _, sure := levelOfKey(line); !sure {
		return model.LevelNone, false
	}
	return DetectLevel(outline), true
}

// isKlogOutline reports whether a line that klog writes may have an outline.
func isKlogOutline(outline string) bool {
	return len(outline) > 5 && classes[outline[0]] == classGap && outline[1] == ' ' && classes[outline[2]] == classGap && outline[3] == '.' && strings.Contains(outline, "] ")
}

func isGap(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }

// LevelOfStatus returns the level of a request that was answered with a status of HTTP.
func LevelOfStatus(status string) model.Level {
	if len(status) != 3 || status[0] < '1' || status[0] > '5' || strings.Trim(status, "0123456789") != "" {
		return model.LevelNone
	}
	return levelOfStatus(int(status[0]-'0') * 100)
}

func levelOfStatus(status int) model.Level {
	switch {
	case status >= 500:
		return model.LevelError
	case status >= 400:
		return model.LevelWarn
	}
	return model.LevelInfo
}

// levelKeys are the names of values that are levels.
var levelKeys = []string{"level", "lvl", "severity", "loglevel", "log_level", "log.level", "levelname", "severity_text", "@level"}

func isLevelKey(name string) bool {
	for _, key := range levelKeys {
		if strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// indexFold is strings.Index, whatever the case of ASCII letters.
func indexFold(text, lower string) int {
	for i := 0; i+len(lower) <= len(text); i++ {
		if text[i]|0x20 == lower[0]|0x20 && strings.EqualFold(text[i:i+len(lower)], lower) {
			return i
		}
	}
	return -1
}

// word returns the level that a word is; words that say other things as well are none.
func word(text string) model.Level {
	if len(text) < 3 || len(text) > len("informational") {
		return model.LevelNone
	}
	switch strings.ToLower(text) {
	case "config", "success", "audit", "detail", "failure", "note", "verbose", "silly", "statement", "log", "fine", "inf":
		return model.LevelNone
	}
	level, _ := model.ParseLevel(text)
	return level
}

// priority reads the priority of syslog: <34>.
func priority(text string) (model.Level, bool) {
	if !strings.HasPrefix(text, "<") {
		return model.LevelNone, false
	}
	end := strings.IndexByte(text[:min(len(text), 5)], '>')
	if end < 2 {
		return model.LevelNone, false
	}
	n := 0
	for _, c := range text[1:end] {
		if c < '0' || c > '9' {
			return model.LevelNone, false
		}
		n = n*10 + int(c-'0')
	}
	if n > 191 {
		return model.LevelNone, false
	}
	return [...]model.Level{
		model.LevelCritical, model.LevelCritical, model.LevelCritical, model.LevelError, model.LevelWarn, model.LevelInfo, model.LevelInfo, model.LevelDebug,
	}[n%8], true
}

// klog reads the start of lines of glog and klog: E0315 10:11:12.123456 7 file.go:8] text.
func klog(line string) (model.Level, bool) {
	const form = "X0000 00:00:00."
	if len(line) < len(form) || !strings.Contains(line[:min(len(line), klogBytes)], "] ") {
		return model.LevelNone, false
	}
	for i := 1; i < len(form); i++ {
		if isDigit := line[i] >= '0' && line[i] <= '9'; isDigit != (form[i] == '0') || !isDigit && line[i] != form[i] {
			return model.LevelNone, false
		}
	}
	return letter(line[0])
}

// letter returns the level of which a letter is the first.
func letter(c byte) (model.Level, bool) {
	switch c {
	case 'T', 'V':
		return model.LevelTrace, true
	case 'D':
		return model.LevelDebug, true
	case 'I':
		return model.LevelInfo, true
	case 'W':
		return model.LevelWarn, true
	case 'E':
		return model.LevelError, true
	case 'F', 'C':
		return model.LevelCritical, true
	}
	return model.LevelNone, false
}

// levelOfKey reads level=error and the like; sure is false if there is one that varies.
func levelOfKey(line string) (level model.Level, sure bool) {
	for from := 0; from < len(line); {
		at := strings.IndexAny(line[from:], "=:")
		if at < 0 {
			return model.LevelNone, true
		}
		at += from
		from = at + 1
		start := at
		for start > 0 && (isNameByte(line[start-1])) {
			start--
		}
		if !isLevelKey(line[start:at]) || line[at] == ':' && start > 0 && line[start-1] != ' ' && line[start-1] != ',' {
			continue
		}
		value := strings.TrimLeft(line[at+1:], ` "'`)
		if value != "" && classes[value[0]] == classGap {
			return model.LevelNone, false
		}
		end := 0
		for end < len(value) && isNameByte(value[end]) {
			end++
		}
		if level := value[:end]; level != "" {
			if l := levelValue(level); l != model.LevelNone {
				return l, true
			}
		}
	}
	return model.LevelNone, true
}

func isNameByte(c byte) bool {
	class := classes[c]
	return class == classLower || class == classUpper || class == classDigit || class == classJoint || c == '.' || c == '@'
}

// levelValue reads the value of a level: a word, or a number of pino and bunyan.
func levelValue(text string) model.Level {
	switch text {
	case "10":
		return model.LevelTrace
	case "20":
		return model.LevelDebug
	case "30":
		return model.LevelInfo
	case "40":
		return model.LevelWarn
	case "50":
		return model.LevelError
	case "60":
		return model.LevelCritical
	}
	if strings.Trim(text, "0123456789") == "" {
		return model.LevelNone
	}
	level, _ := model.ParseLevel(text)
	return level
}

// levelOfTokens reads a level where programs write it at the start of a line.
func levelOfTokens(line string) model.Level {
	first := true // no word came yet
	times := 0    // tokens before with digits
	n := 0
	for len(line) > 0 && n < levelTokens {
		line = strings.TrimLeft(line, " \t")
		end := strings.IndexAny(line, " \t|")
		if end < 0 {
			end = len(line)
		}
		token := line[:end]
		line = strings.TrimLeft(line[end:], "|")
		if token == "" {
			continue
		}
		n++
		if level := levelOfToken(token, first); level != model.LevelNone {
			return level
		}
		if len(token) == 1 && first && times > 0 {
			if level, ok := letter(token[0]); ok {
				return level
			}
		}
		if first && times > 1 {
			if level := word(strings.Trim(token, "-,:;")); level != model.LevelNone {
				return level // after date and time
			}
		}
		if strings.ContainsAny(token, "0123456789") || strings.ContainsFunc(token, isGap) {
			times++
		} else if strings.ContainsFunc(token, func(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' || r >= 0x80 }) && token[0] != '[' {
			first = false
		}
	}
	return model.LevelNone
}

// levelOfToken reads [error], ERROR, ERROR:root:, [core:error] anywhere, and error: as
// the first word.
func levelOfToken(token string, first bool) model.Level {
	core := strings.Trim(token, `[](){}<>"'`)
	opened := core != token && strings.IndexByte("[(<{", token[0]) >= 0
	if opened {
		if at := strings.LastIndexByte(core, ':'); at >= 0 && at+1 < len(core) {
			if level := word(core[at+1:]); level != model.LevelNone && strings.HasSuffix(token, "]") {
				return level // of Apache: [core:error]
			}
		}
	}
	name, _, colon := strings.Cut(core, ":")
	name = strings.TrimRight(name, ",;-]")
	level := word(name)
	if opened && name == "Note" && strings.HasSuffix(token, "]") {
		return model.LevelInfo // of MySQL
	}
	upper := strings.ToUpper(name) == name
	switch {
	case level == model.LevelNone:
		if first && colon && upper && (name == "LOG" || name == "STATEMENT" || name == "DETAIL" || name == "HINT" || name == "CONTEXT") {
			return model.LevelInfo // of PostgreSQL
		}
		if colon && upper && name == "LOG" {
			return model.LevelInfo
		}
		return model.LevelNone
	case upper, opened && (strings.HasSuffix(token, "]") || strings.HasSuffix(token, ">") || strings.HasSuffix(token, "]:")), colon && first:
		return level
	}
	return model.LevelNone
}

// levelOfStart reads how reports of programs begin that died.
func levelOfStart(line string) model.Level {
	switch {
	case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "), strings.HasPrefix(line, "Segmentation fault"), strings.HasPrefix(line, "Kernel panic"):
		return model.LevelCritical
	case strings.HasPrefix(line, "Traceback (most recent call last)"), strings.HasPrefix(line, "Exception in thread "), strings.HasPrefix(line, "Caused by: "), strings.HasPrefix(line, "npm ERR!"):
		return model.LevelError
	}
	if name, _, colon := strings.Cut(line, ":"); colon && isException(name) {
		return model.LevelError
	}
	return model.LevelNone
}

// isException reports whether a text is the name of an exception.
func isException(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '$' }) &&
		(strings.HasSuffix(name, "Exception") || strings.HasSuffix(name, "Error"))
}

// requestStatus returns the status of HTTP in a line of an access log: what follows the
// request, 0 if there is none.
func requestStatus(line string) int {
	for {
		at := strings.Index(line, "HTTP/")
		if at < 0 {
			return 0
		}
		inside := at > 0 && isNameByte(line[at-1]) && line[at-1] != '.'
		line = line[at+len("HTTP/"):]
		if inside {
			continue
		}
		end := strings.IndexByte(line[:min(len(line), 5)], '"')
		if end < 0 || len(line) < end+5 || line[end+1] != ' ' || len(line) > end+5 && line[end+5] != ' ' {
			continue
		}
		if status := line[end+2 : end+5]; LevelOfStatus(status) != model.LevelNone {
			return int(status[0]-'0')*100 + int(status[1]-'0')*10 + int(status[2]-'0')
		}
	}
}

// levelOfObject reads the level among the values of a JSON object, not of objects in it.
func levelOfObject(text string) model.Level {
	depth, key := 0, ""
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '{', '[':
			depth++
			key = ""
		case '}', ']':
			depth--
		case ',':
			key = ""
		case '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(text) {
				return model.LevelNone
			}
			value := text[i+1 : end]
			i = end
			if depth != 1 {
				continue
			}
			if key == "" {
				key = value
			} else if isLevelKey(key) {
				if level := levelValue(value); level != model.LevelNone {
					return level
				}
			}
		default:
			if depth == 1 && c >= '0' && c <= '9' && isLevelKey(key) {
				end := i
				for end < len(text) && text[end] >= '0' && text[end] <= '9' {
					end++
				}
				if level := levelValue(text[i:end]); level != model.LevelNone {
					return level
				}
				i = end - 1
			}
		}
	}
	return model.LevelNone
}

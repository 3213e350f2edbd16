package pattern

import (
	"hash/maphash"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of outlines.
const (
	TokensMax = 64          // tokens of an outline that are looked at; what follows is the tail
	TextMax   = 8 << 10     // bytes of a text that are looked at
	memoryMax = 1 << 10     // fields that are remembered, and names of values
	maskedLen = 128         // bytes of such a field
	namesMax  = 4 * TextMax // bytes of the names of a JSON object's values
	repeatMax = 6           // tokens that are looked for again
	quotedMax = 32          // tokens of a quoted value
	rowCommas = 3           // commas of values that are each a token
	codeMin   = 4           // bytes of a name in capitals, of words with underscores
)

const (
	gap  = 0x11 // in tokens: something that varies
	hole = "\x11"
	wild = "\x14" // in patterns: what was learned to vary
	tail = "…"    // the rest of a text that is too long, or of one with further lines
)

// learnedBytes replaces what in a message is as what was learned to vary; nothing changes it.
var learnedBytes = strings.NewReplacer(wild, hole, wide, hole, reason, hole)

// Punctuation: what stands around a field, and what stands between things. Other
// punctuation holds the parts of names, paths, addresses and numbers together.
const (
	opening = "([{<\"'`"
	closing = ")]}>\"'`,;:.!?"
	around  = "([{<\"'`)]}>,;:.!?"
	hard    = "()[]{}<>,;\"'`|=:&"
)

// Which bytes are in these, as it is asked of every byte; nothing changes them.
var isOpening, isClosing, isHard = bytesIn(opening), bytesIn(closing), bytesIn(hard)

func bytesIn(text string) (set [256]bool) {
	for i := range len(text) {
		set[text[i]] = true
	}
	return set
}

// What bytes a field has, a bit each.
const (
	isSpace  = 1 << iota // of ASCII; stands between fields
	isEquals             // =
	isOther              // any but letters of ASCII
)

// kinds says what each byte is; nothing changes it.
var kinds = func() (of [256]uint8) {
	for i := range of {
		if c := i | 0x20; c < 'a' || c > 'z' {
			of[i] = isOther
		}
	}
	of['='] |= isEquals
	for _, c := range " \t\n\v\f\r" {
		of[c] = isSpace
	}
	return of
}()

// outline returns a text as tokens in which gap stands for what varies by its form
// alone: numbers, addresses, paths, dates, values of keys. Different texts of one
// statement have few outlines. The next call changes what is returned.
func (o *outliner) outline(text string) []string {
	whole := text
	if len(text) > TextMax {
		text = text[:TextMax]
	}
	if strings.Contains(text, wild) || strings.Contains(text, wide) || strings.Contains(text, reason) { // faster than any of them
		text = learnedBytes.Replace(text)
	}
	o.tokens = o.tokens[:0]
	text, more := firstLines(text)
	switch {
	case isObject(text):
		o.object(text)
	case strings.Contains(text, `","`) && o.quotedRow(text):
	default:
		o.words(text)
	}
	if more {
		o.tokens = append(o.tokens, tail)
		if last := traced(whole); last != "" {
			o.words(last)
		}
	}
	if len(o.tokens) == 0 {
		o.tokens = append(o.tokens, "")
	}
	return o.tokens
}

// outliner makes outlines, one after the other. One goroutine uses it.
type outliner struct {
	tokens []string // of the last outline
	fields []string // of the text at hand
	kinds  []uint8  // of each of them
	names  int      // bytes of the names of values in it
	room   []byte   // the name at hand
	masked memory   // fields with what varies replaced
	named  memory   // tokens of names
}

// memory is what some texts became, not long ago: each has one place, which it shares with
// others. It changes nothing but the time that is needed.
type memory struct{ known *[memoryMax][2]string }

// seed is that of the hashes of all memories; nothing changes it.
var seed = maphash.MakeSeed()

// at returns the place of a text with a hash: a text that was there, and what it became.
func (m *memory) at(hash uint64) *[2]string {
	if m.known == nil {
		m.known = new([memoryMax][2]string)
	}
	return &m.known[hash%memoryMax]
}

// word returns a field of nothing but letters, or what stands for the name of a day.
func word(field string) string {
	if len(field) >= 3 && isDate(field) {
		return hole
	}
	return field
}

// mask is mask, of a field with other bytes than letters, with a memory.
func (o *outliner) mask(field string) string {
	if len(field) > maskedLen {
		return mask(field)
	}
	known := o.masked.at(maphash.String(seed, field))
	if known[0] != field {
		*known = [2]string{field, mask(field)}
	}
	return known[1]
}

// words takes a text apart at whitespace.
func (o *outliner) words(text string) {
	o.split(text)
	fields := o.fields
	for i := 0; i < len(fields); i++ {
		if len(o.tokens) >= TokensMax {
			o.tokens = append(o.tokens, tail)
			return
		}
		field, kind := fields[i], o.kinds[i]
		if kind&isOther == 0 {
			o.add(word(field))
			continue
		}
		if field == hole {
			o.add(hole)
			continue
		}
		if field[0] == '"' && isProduct(field[1:]) {
			if n := closeQuote(fields[i+1:], '"'); n > 0 {
				i += n
				o.add(`"` + hole + fields[i][strings.LastIndexByte(fields[i], '"'):])
				continue
			}
		}
		key, rest, ok := "", byte(0), false
		if kind&isEquals != 0 {
			key, rest, ok = openQuote(field)
		}
		if ok && !speaks(key) {
			if n := closeQuote(fields[i+1:], rest); n > 0 {
				i += n
				end := fields[i]
				last := end[strings.LastIndexByte(end, rest)+1:]
				o.add(key + "=" + string(rest) + hole + string(rest) + last)
				continue
			}
		}
		if isRow(field) {
			for value := range strings.SplitAfterSeq(field, ",") {
				if value == "" {
					continue
				}
				if len(o.tokens) >= TokensMax {
					o.tokens = append(o.tokens, tail)
					return
				}
				o.add(o.mask(value))
			}
			continue
		}
		o.add(o.mask(field))
	}
}

// isRow reports whether a field is values between commas, as rows of tables are. One without
// a word is a number or a list of them, of any length.
func isRow(field string) bool {
	return strings.Count(field, ",") >= rowCommas && !strings.ContainsAny(field, "=:()[]{}<>\"'|") && strings.ContainsFunc(field, unicode.IsLetter)
}

// split makes fields of what stands between spaces.
func (o *outliner) split(text string) {
	o.fields, o.kinds = o.fields[:0], o.kinds[:0]
	from, of := 0, uint8(0)
	for i := 0; i < len(text); i++ {
		kind := kinds[text[i]]
		if kind != isSpace {
			of |= kind
			continue
		}
		if i > from {
			o.fields, o.kinds = append(o.fields, text[from:i]), append(o.kinds, of)
		}
		from, of = i+1, 0
	}
	if from < len(text) {
		o.fields, o.kinds = append(o.fields, text[from:]), append(o.kinds, of)
	}
}

// isProduct reports whether a text is a name with a version, as those of programs begin
// with which say who they are: Mozilla/5.0.
func isProduct(text string) bool {
	name, version, ok := strings.Cut(text, "/")
	return ok && name != "" && version != "" && version[0] == gap && plain(name) && strings.IndexByte(version, '"') < 0
}

// openQuote reports whether a field begins a quoted value with spaces: key="two.
func openQuote(field string) (key string, quote byte, ok bool) {
	at := strings.IndexByte(field, '=')
	if at <= 0 || at+1 >= len(field) {
		return "", 0, false
	}
	quote = field[at+1]
	if quote != '"' && quote != '\'' || strings.IndexByte(field[at+2:], quote) >= 0 {
		return "", 0, false
	}
	return field[:at], quote, true
}

// closeQuote returns how many fields further the quote ends, 0 if it does not.
func closeQuote(fields []string, quote byte) int {
	for i, field := range fields[:min(len(fields), quotedMax)] {
		if strings.IndexByte(field, quote) >= 0 {
			return i + 1
		}
	}
	return 0
}

// speaks reports whether the values of a key are words that say what happened.
func speaks(key string) bool {
	key = strings.ToLower(strings.Trim(key, "\"'@"))
	if at := strings.LastIndexByte(key, '.'); at >= 0 {
		key = key[at+1:]
	}
	switch key {
	case "msg", "message", "event", "error", "err", "reason", "event_type", "eventtype", "eventname", "description", "text", "log", "short_message":
		return true
	}
	return false
}

// add appends a token, unless it only repeats what varies.
func (o *outliner) add(token string) {
	n := len(o.tokens)
	if n > 0 {
		last := o.tokens[n-1]
		switch {
		case token == last && strings.IndexByte(token, gap) >= 0:
			return
		case token == hole && last == hole+",", token == hole+"," && last == hole:
			o.tokens[n-1] = hole
			return
		case token[0] == gap && strings.HasSuffix(last, hole+",") && isOpening[last[0]]:
			o.tokens[n-1] = last[:len(last)-2] + token // items of a list
			return
		case token == hole && isZone(last) && n > 1 && o.tokens[n-2] == hole:
			o.tokens = o.tokens[:n-1]
			return
		case last == hole && isSize(token):
			if suffix := token[len(strings.TrimRight(token, closing)):]; suffix != "" {
				o.tokens[n-1] = hole + suffix
			}
			return
		}
	}
	o.tokens = append(o.tokens, token)
	o.fold()
}

// fold drops the last tokens if they repeat those before and vary.
func (o *outliner) fold() {
	for n := 2; n <= repeatMax; n++ {
		at := len(o.tokens) - n
		if at < n {
			return
		}
		varies, same := false, o.tokens[len(o.tokens)-1] == o.tokens[at-1]
		for i := at; same && i < len(o.tokens); i++ {
			varies = varies || strings.IndexByte(o.tokens[i], gap) >= 0
			same = o.tokens[i] == o.tokens[i-n]
		}
		if same && varies {
			o.tokens = o.tokens[:at]
			return
		}
	}
}

// isZone reports whether a token is the name of a time zone.
func isZone(token string) bool {
	switch token {
	case "UTC", "GMT", "CET", "CEST", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "BST", "IST", "JST", "AM", "PM":
		return true
	}
	return false
}

// isDate reports whether a field is the name of a day of the week or of a month.
func isDate(field string) bool {
	switch strings.TrimRight(field, ",") {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
		"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
		"January", "February", "March", "April", "June", "July", "August", "September", "October", "November", "December":
		return true
	}
	return false
}

// isSize reports whether a token is the unit of a size, which varies with its number.
func isSize(token string) bool {
	if len(token) > len("bytes,.") || strings.IndexByte("BKMGTkb", token[0]) < 0 {
		return false
	}
	switch strings.TrimRight(token, ",.;)") {
	case "B", "KB", "MB", "GB", "TB", "kB", "KiB", "MiB", "GiB", "TiB", "bytes", "byte":
		return true
	}
	return false
}

// mask puts gaps into a field.
func mask(field string) string {
	if plain(field) {
		return word(field)
	}
	lead := 0
	for lead < len(field) && isOpening[field[lead]] {
		lead++
	}
	end := len(field)
	for end > lead && isClosing[field[end-1]] {
		end--
	}
	core := field[lead:end]
	if core == "" {
		return field
	}
	var out strings.Builder
	out.WriteString(field[:lead])
	maskCore(&out, core)
	out.WriteString(field[end:])
	return joinGaps(out.String())
}

// plain reports whether a field is nothing but letters.
func plain(field string) bool {
	for i := 0; i < len(field); i++ {
		c := field[i] | 0x20
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// maskCore puts gaps into a field without the punctuation around it.
func maskCore(out *strings.Builder, core string) {
	if isPath(core) {
		out.WriteByte(gap)
		return
	}
	for i := 0; i < len(core); {
		c := core[i]
		if isHard[c] {
			out.WriteByte(c)
			i++
			// What follows key= is its value.
			if c == '=' && i < len(core) && isKey(core[:i-1]) && core[i] != '=' && !speaks(lastKey(core[:i-1])) {
				i += quotedValue(out, core[i:])
			}
			continue
		}
		end := i
		for end < len(core) && !isHard[core[end]] {
			end++
		}
		if dots := strings.Index(core[i:end], ".."); dots > 0 {
			end = i + dots
		} else if dots == 0 { // a line of dots
			end = i
			for end < len(core) && core[end] == '.' {
				end++
			}
		}
		piece := core[i:end]
		if code := codeOf(piece); code != "" {
			out.WriteString(code)
			piece = piece[len(code):]
		}
		if strings.IndexByte(piece, gap) >= 0 && !isSentence(piece) || isPath(piece) || isAddress(piece) || isHost(piece, core[end:]) {
			out.WriteByte(gap)
		} else {
			out.WriteString(piece)
		}
		i = end
	}
}

// codeOf returns the name in capitals that a text begins with, and the slash behind it:
// TCP_MISS/200. What it is of varies, it does not.
func codeOf(text string) string {
	at := strings.IndexByte(text, '/')
	if at < codeMin || strings.IndexByte(text[:at], '_') < 0 {
		return ""
	}
	for i := range at {
		if c := text[i]; (c < 'A' || c > 'Z') && c != '_' {
			return ""
		}
	}
	return text[:at+1]
}

// isSentence reports whether a text has letters of a script that has no spaces between
// words: what stands beside a gap is no part of a number or name then.
func isSentence(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= scriptByte {
			return true
		}
	}
	return false
}

// scriptByte is the least first byte of such letters (U+0E00 and up).
const scriptByte = 0xE0

// quotedValue writes a gap for the value at the start of a text, in quotes if it has
// them, and returns where it ends.
func quotedValue(out *strings.Builder, text string) (end int) {
	quote := text[0]
	if quote != '"' && quote != '\'' {
		out.WriteByte(gap)
		return valueEnd(text)
	}
	out.WriteByte(quote)
	out.WriteByte(gap)
	if at := strings.IndexByte(text[1:], quote); at >= 0 {
		out.WriteByte(quote)
		return at + 2
	}
	return valueEnd(text)
}

// valueEnd returns where the value at the start of a text ends.
func valueEnd(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '(', '[', '{', '<':
			depth++
		case ')', ']', '}', '>':
			if depth--; depth < 0 {
				return i
			}
		case ',', ';', '&', '|':
			if depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

// lastKey returns the name before an equals sign.
func lastKey(text string) string {
	at := len(text)
	for at > 0 && isName(text[at-1]) {
		at--
	}
	return text[at:]
}

// isKey reports whether a text ends in the name of a key.
func isKey(text string) bool {
	key := lastKey(text)
	for i := 0; i < len(key); i++ {
		if c := key[i] | 0x20; c >= 'a' && c <= 'z' {
			return true
		}
	}
	return strings.HasSuffix(text, hole)
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.' || c == '-' || c == gap || c >= '0' && c <= '9'
}

// isPath reports whether a text is the path of a file, a URL or a query string.
func isPath(text string) bool {
	if strings.Contains(text, "://") {
		return true
	}
	if len(text) < 3 {
		return false
	}
	if strings.Contains(text, `:\`) || strings.HasPrefix(text, `\\`) {
		return true
	}
	slashes := strings.Count(text, "/") + strings.Count(text, `\`)
	first := text[0] == '/' || text[0] == '~' && text[1] == '/' || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../")
	return (first && len(text) > 2 || slashes >= 2) && !strings.ContainsAny(text, "=(){}<>\"")
}

// isAddress reports whether a text is a mail address, user@host, or long hexadecimal.
func isAddress(text string) bool {
	if at := strings.IndexByte(text, '@'); at > 0 && at+1 < len(text) {
		return true
	}
	if len(text) < 8 {
		return false
	}
	for i := 0; i < len(text); i++ {
		if c := text[i] | 0x20; c < 'a' || c > 'f' {
			return false
		}
	}
	return true
}

// isHost reports whether a text is the full name of a host, or one before a port.
func isHost(text, rest string) bool {
	at := strings.LastIndexByte(text, '.')
	if at <= 0 || at == len(text)-1 {
		return false
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; (c < 'a' || c > 'z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	if strings.HasPrefix(rest, ":"+hole) {
		return true
	}
	if strings.Count(text, ".") < 2 && !strings.HasPrefix(text, "www.") {
		return false
	}
	switch text[at+1:] {
	case "com", "net", "org", "edu", "gov", "mil", "io", "local", "lan", "internal", "localdomain", "arpa", "cn", "de", "fr", "hk", "in", "it", "jp", "kr", "nl", "ru", "tw", "uk":
		return true
	}
	return false
}

// joinGaps makes one gap of several with nothing but soft punctuation between.
func joinGaps(token string) string {
	if strings.Count(token, hole) < 2 {
		return token
	}
	out := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		n := len(out)
		if c == gap && n > 0 {
			if out[n-1] == gap {
				continue
			}
			if n > 1 && out[n-2] == gap && strings.IndexByte(".:-/,_@+", out[n-1]) >= 0 {
				out = out[:n-1]
				continue
			}
		}
		out = append(out, c)
	}
	return string(out)
}

// firstLines returns the part of a text that says what it is: the first line, more if
// that says little.
func firstLines(text string) (lines string, more bool) {
	text = strings.TrimSpace(text)
	from := 0
	for {
		at := strings.IndexByte(text[from:], '\n')
		if at < 0 {
			return text, false
		}
		at += from
		if letters(text[:at]) >= lineLetters {
			return text[:at], true
		}
		from = at + 1
	}
}

// traceback is how Python begins to say where an exception comes from: what it is comes
// last, in a line that is not set in.
const traceback = "Traceback (most recent call last):"

// traced returns the line of a traceback that says what happened, "" of other texts.
func traced(text string) string {
	if text = strings.TrimSpace(text); !strings.HasPrefix(text, traceback) {
		return ""
	}
	for {
		at := strings.LastIndexByte(text, '\n')
		if at < 0 {
			return ""
		}
		if line := text[at+1:]; line != "" && line[0] != ' ' && line[0] != '\t' && line[0] != '\r' {
			return line[:min(len(line), tracedMax)]
		}
		text = text[:at]
	}
}

// tracedMax is how many bytes of that line are looked at.
const tracedMax = 1 << 10

// lineLetters is how many letters a line has at least that says something.
const lineLetters = 12

func letters(text string) (n int) {
	for i := 0; i < len(text); i++ {
		if c := text[i] | 0x20; c >= 'a' && c <= 'z' || c >= utf8.RuneSelf {
			n++
		}
	}
	return n
}

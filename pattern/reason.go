package pattern

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Reasons are what programs write of why something happened: texts of any length, which
// stand at one place only, so that no other place tells that they vary. What is around them
// does: "Client connection closed: Slow Consumer" and "... closed: Write Error: i/o timeout"
// say with as many words as they share what happened, and a colon, a bracket or a quote says
// where the reason begins and ends.
const (
	reason       = "\x16" // in patterns: one or more tokens, gaps too, that were learned to vary
	reasonTokens = 24     // that it stands for at most
	reasonLearn  = 16     // tokens of one that is learned
	reasonTexts  = 3      // of a place at least; what varies already counts for as many
	reasonWords  = 2      // around it, of which one says what happened
	reasonKeyed  = 1      // around the value of a key such as "error"
	reasonPlaces = 16     // of a row that are looked at
)

// How sure it is where a reason ends, the surest first.
const (
	endClosed = iota // by a bracket, a quote or the next key
	endMiddle        // by a comma
	endText          // by that of the text
)

// because are places of reasons, and the texts that stand there.
type because struct {
	place
	end   int
	texts map[string]bool
}

// reasons returns the forms of statements with a reason in rows, which are outlines and
// patterns of which single words vary.
func (l *learning) reasons(rows [][]string) (forms []string) {
	counts := map[uint64]uint32{} // by hashes: most places have one text
	each := func(found func(r *reasonsOf, from, to, end int, lead, trail string)) {
		var r reasonsOf
		for _, tokens := range rows {
			if l.took(len(tokens)) {
				return
			}
			if r.begin(tokens, l.traits) {
				r.each(func(from, to, end int, lead, trail string) { found(&r, from, to, end, lead, trail) })
			}
		}
	}
	each(func(r *reasonsOf, from, to, _ int, lead, trail string) { counts[r.hash(from, to, lead, trail)]++ })
	maps.DeleteFunc(counts, func(_ uint64, n uint32) bool { return n < 2 })
	if len(counts) == 0 {
		return nil
	}
	places := map[place]*because{}
	each(func(r *reasonsOf, from, to, end int, lead, trail string) {
		if counts[r.hash(from, to, lead, trail)] == 0 {
			return
		}
		p := place{strings.Join(r.tokens[:from], " "), lead, trail, strings.Join(r.tokens[to:], " ")}
		b := places[p]
		if b == nil {
			b = &because{place: p, end: end, texts: map[string]bool{}}
			places[p] = b
		}
		text := strings.Join(r.tokens[from:to], " ")
		b.texts[text[len(lead):len(text)-len(trail)]] = true
	})
	found := slices.Collect(maps.Values(places))
	slices.SortFunc(found, func(a, b *because) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(len(b.texts), len(a.texts)), cmp.Compare(len(b.with("")), len(a.with(""))), cmp.Compare(a.with(reason), b.with(reason)))
	})
	taken := map[string]bool{}
	for _, b := range found {
		maps.DeleteFunc(b.texts, func(text string, _ bool) bool { return taken[b.with(text)] })
		if !b.vary() {
			continue
		}
		for text := range b.texts {
			taken[b.with(text)] = true
		}
		forms = append(forms, b.with(reason))
	}
	return forms
}

// vary reports whether there are enough texts, some of several words: those of one are
// told by what they look like.
func (b *because) vary() bool {
	n, several := 0, false
	for text := range b.texts {
		n++
		if strings.Contains(text, " ") {
			several = true
		} else if strings.Contains(text, wild) {
			n += reasonTexts
		}
	}
	return several && len(b.texts) > 1 && n >= reasonTexts
}

// reasonsOf looks for places of reasons in one row after the other.
type reasonsOf struct {
	tokens      []string
	words, acts []int    // in front of each token
	before      []uint64 // hashes of what is in front of each token, and of the rest
	after       []uint64
	object      bool
}

// begin takes the next row. It reports whether it may have a reason.
func (r *reasonsOf) begin(tokens []string, traits tokenTraits) bool {
	r.tokens = tokens
	if len(tokens) < 2 || strings.Contains(tokens[0], wild) || !slices.ContainsFunc(tokens, mayOpen) {
		return false
	}
	n := len(tokens)
	r.words, r.acts = append(r.words[:0], 0), append(r.acts[:0], 0)
	r.before, r.after = append(r.before[:0], 1), slices.Grow(r.after[:0], n+1)[:n+1]
	r.after[n] = 1
	r.object = isKeyOf(tokens[0]) && slices.ContainsFunc(tokens[1:], func(token string) bool { return strings.HasSuffix(token, ":"+hole) })
	for i, token := range tokens {
		words, acts := 0, 0
		if t := traits.of(token); t&plainly != 0 {
			words = 1
			if t&tells != 0 {
				acts = 1
			}
		}
		r.words, r.acts = append(r.words, r.words[i]+words), append(r.acts, r.acts[i]+acts)
		r.before = append(r.before, mix(r.before[i], token))
	}
	for i := n - 1; i >= 0; i-- {
		r.after[i] = mix(r.after[i+1], tokens[i])
	}
	return r.words[n] > 0
}

// mayOpen reports whether a reason may begin in a token or behind it.
func mayOpen(token string) bool {
	return token[len(token)-1] == ':' || strings.IndexByte("\"'`(", token[0]) >= 0 || strings.IndexByte(token, '=') > 0 || token == "because" || token == "due"
}

// isKeyOf reports whether a token may be a key of an object, the value of which says what
// happened or varies.
func isKeyOf(token string) bool {
	key, ok := strings.CutSuffix(token, ":")
	return strings.HasSuffix(token, ":"+hole) || ok && (speaks(key) || isReasonKey(key))
}

// mix adds a token to a hash.
func mix(hash uint64, token string) uint64 {
	for i := range len(token) {
		hash = (hash ^ uint64(token[i])) * 1099511628211
	}
	return (hash ^ ' ') * 1099511628211
}

// hash returns that of a place.
func (r *reasonsOf) hash(from, to int, lead, trail string) uint64 {
	return mix(mix(r.before[from]*31+r.after[to], lead), trail)
}

// each calls found with where reasons may stand: in tokens from and up to to, behind lead
// and in front of trail.
func (r *reasonsOf) each(found func(from, to, end int, lead, trail string)) {
	left := reasonPlaces
	for from := 1; from < len(r.tokens) && left > 0; from++ {
		lead, shut, keyed := r.opens(from)
		if lead == "" && shut == 0 && !keyed && !r.introduced(from) {
			continue
		}
		enough := func(to int) bool {
			words, acts := r.words[from]+r.words[len(r.tokens)]-r.words[to], r.acts[from]+r.acts[len(r.tokens)]-r.acts[to]
			return keyed && words >= reasonKeyed || words >= reasonWords && acts > 0
		}
		r.ends(from, lead, shut, keyed, func(to, end int, trail string) {
			if left > 0 && enough(to) {
				left--
				found(from, to, end, lead, trail)
			}
		})
	}
}

// opens returns what stands in front of a reason in a token, what ends it, 0 if that is not
// known, and whether it is the value of a key for such.
func (r *reasonsOf) opens(at int) (lead string, shut byte, keyed bool) {
	token := r.tokens[at]
	if r.object && at > 0 {
		if key, ok := strings.CutSuffix(r.tokens[at-1], ":"); ok && isReasonKey(key) {
			return "", 0, true
		}
	}
	if key, value, ok := strings.Cut(token, "="); ok && isReasonKey(key) && value != "" {
		if value[0] == '"' || value[0] == '\'' {
			return token[:len(key)+2], value[0], true
		}
		return token[:len(key)+1], 0, true
	}
	switch token[0] {
	case '"', '\'', '`':
		return token[:1], token[0], false
	case '(':
		return token[:1], ')', false
	}
	return "", 0, false
}

// isReasonKey reports whether the values of a key say why something happened.
func isReasonKey(key string) bool {
	if at := strings.LastIndexByte(key, '.'); at >= 0 {
		if within := key[:at]; speaks(key) && isReasonKey(within) { // exception.message
			return true
		}
		key = key[at+1:]
	}
	switch strings.ToLower(key) {
	case "error", "err", "reason", "cause", "exception":
		return true
	}
	return false
}

// introduced reports whether a word in front of a token says that a reason comes.
func (r *reasonsOf) introduced(at int) bool {
	if at == 0 {
		return false
	}
	switch last := r.tokens[at-1]; {
	case last == "to" && at > 1:
		return r.tokens[at-2] == "due"
	case last == "because":
		return true
	case strings.HasSuffix(last, ":"):
		return plainTraits(last) != 0 && !speaks(strings.TrimSuffix(last, ":")) || isReasonKey(strings.TrimSuffix(last, ":"))
	}
	return false
}

// ends calls found with where a reason may end that begins in a token.
func (r *reasonsOf) ends(from int, lead string, shut byte, keyed bool, found func(to, end int, trail string)) {
	depth := 1
	for to := from + 1; to <= min(len(r.tokens), from+reasonLearn); to++ {
		last := r.tokens[to-1]
		if shut != 0 {
			at := closes(last, len(lead)*b2i(to == from+1), shut, &depth)
			if at < 0 {
				continue
			}
			if to > from+1 || at > len(lead) {
				found(to, endClosed, last[at:])
			}
			return
		}
		if r.object && keyed {
			if to == len(r.tokens) || isKeyOf(r.tokens[to]) {
				found(to, endClosed, "")
				return
			}
			continue
		}
		trail := r.trail(from, to)
		switch {
		case to == from+1 && len(last) <= len(lead)+len(trail):
		case to == len(r.tokens):
			found(to, endText, trail)
		case trail != "":
			found(to, endMiddle, trail)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// closes returns where in a token, from a byte on, stands what ends a reason, -1 if it does
// not; depth is how many brackets are open.
func closes(token string, from int, shut byte, depth *int) int {
	for i := from; i < len(token); i++ {
		switch c := token[i]; {
		case c == '\\':
			i++
		case c == '(' && shut == ')':
			*depth++
		case c == shut:
			if *depth--; *depth == 0 {
				return i
			}
		}
	}
	return -1
}

// trail returns the punctuation that ends tokens and is no part of them: commas, and quotes
// and brackets that were opened before.
func (r *reasonsOf) trail(from, to int) string {
	last := r.tokens[to-1]
	at := len(last)
	for at > 0 {
		c := last[at-1]
		if c != ',' && c != ';' && (strings.IndexByte(")]}\"'", c) < 0 || r.balanced(from, to, at, c)) {
			break
		}
		at--
	}
	return last[at:]
}

// balanced reports whether a quote or bracket that ends tokens, of the last one so many
// bytes, was opened in them.
func (r *reasonsOf) balanced(from, to, at int, c byte) bool {
	open, n, shut := c, 0, 0
	if i := strings.IndexByte(")]}", c); i >= 0 {
		open = "([{"[i]
	}
	for i := from; i < to; i++ {
		token := r.tokens[i]
		if i == to-1 {
			token = token[:at]
		}
		n, shut = n+strings.Count(token, string(open)), shut+strings.Count(token, string(c))
	}
	if open == c {
		return n%2 == 0
	}
	return shut <= n
}

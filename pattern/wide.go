package pattern

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
)

// Names of several words have statements of different lengths, which are never looked at
// together: units of systemd, people, countries. What tells them from words that say what
// happened is that the same ones stand in several places: "Starting Rotate log files..."
// and "Finished Rotate log files." share a name, and what is around it says what happened.
const (
	wide       = "\x15" // in patterns: one or more words that were learned to vary
	wideWords  = 8      // that it stands for at most
	wideLearn  = 6      // words of a name that is learned
	wideTokens = 24     // of an outline in which names are looked for
	wideNames  = 3      // of a place at least, and of two lengths
	wideShared = 3      // of them that another place has as well
	wideOf     = 2      // such names in a pattern at most
)

// place is where names stand: what is before and after them, punctuation at them included.
type place struct{ before, lead, trail, after string }

// form returns the form of what has any names at a place.
func (p place) form() string { return p.with(wide) }

// with returns what has a text at a place.
func (p place) with(text string) string {
	out := p.lead + text + p.trail
	if p.before != "" {
		out = p.before + " " + out
	}
	if p.after != "" {
		out += " " + p.after
	}
	return out
}

// widen returns the forms of statements with names of several words in outlines, and the
// outlines that none of them covers.
func (l *learning) widen(outlines [][]string, known []string) (forms []string, rest [][]string) {
	forms = known
	for range wideOf {
		rows := slices.Clone(outlines)
		for _, form := range forms {
			if strings.Count(form, wide) < wideOf {
				rows = append(rows, strings.Split(form, " "))
			}
		}
		found := l.widePlaces(rows)
		if len(found) == 0 {
			break
		}
		names := wideByStart(found)
		forms = slices.DeleteFunc(slices.Clone(forms), func(form string) bool { return names.covers(l, strings.Split(form, " ")) })
		forms = append(forms, found...)
	}
	slices.Sort(forms)
	forms = slices.Compact(forms)
	if len(forms) == 0 {
		return nil, outlines
	}
	names := wideByStart(forms)
	for _, tokens := range outlines {
		if !names.covers(l, tokens) {
			rest = append(rest, tokens)
		}
	}
	return forms, rest
}

// together returns forms with what else varies in them: those with the same first word, by
// which they are found, and the same names of several words are looked at as outlines are.
func (l *learning) together(forms []string) (joined []string) {
	alike := map[string][][]string{}
	for _, form := range forms {
		tokens := strings.Split(form, " ")
		key := fmt.Sprint(len(tokens), " ", tokens[0])
		for i, token := range tokens {
			if hasNames(token) {
				key += fmt.Sprint(" ", i, token)
			}
		}
		alike[key] = append(alike[key], tokens)
	}
	for _, rows := range alike {
		found, rest := l.ofLength(len(rows[0]), rows)
		for _, tokens := range append(found, rest...) {
			joined = append(joined, strings.Join(tokens, " "))
		}
	}
	return joined
}

// byStart are forms by the tokens that they begin with, up to the first that varies.
type byStart map[string][]string

// wideByStart returns forms by what they begin with.
func wideByStart(forms []string) byStart {
	found := byStart{}
	for _, form := range slices.Sorted(slices.Values(forms)) {
		start := startOf(form)
		found[start] = append(found[start], form)
	}
	return found
}

// startOf returns the tokens that a form begins with, up to the first that varies, and the
// space behind them.
func startOf(form string) string {
	start := form[:strings.IndexAny(form, wild+wide+reason)]
	return start[:strings.LastIndexByte(start, ' ')+1]
}

// firstOf returns by what a form with a first word is found.
func firstOf(first string) string {
	if hasNames(first) {
		return ""
	}
	return first
}

// covers reports whether one of the forms other than the tokens' own covers them. After so
// many looks none does: of forms that begin alike there may be as many as outlines.
func (f byStart) covers(l *learning, tokens []string) bool {
	text, start, looks := strings.Join(tokens, " "), 0, coverSteps
	defer func() { l.took(coverSteps - looks) }()
	for _, token := range tokens {
		looks--
		for _, form := range f[text[:start]] {
			if looks--; looks < 0 {
				return false
			}
			if at := strings.IndexAny(form, wild+wide+reason); start == 0 && !strings.HasPrefix(token, form[:at]) {
				continue
			}
			if coversWide(strings.Split(form, " "), tokens) && form != text {
				return true
			}
		}
		start += len(token) + 1
	}
	return false
}

// widePlaces returns the forms of the places in rows that have names of several lengths
// which another place has too. Of places with the same rows the one with most names counts.
func (l *learning) widePlaces(rows [][]string) []string {
	all := placesOf(l, rows)
	var found []*named
	for _, n := range all.named {
		switch {
		case len(n.names) < wideNames:
		case n.inside():
			if wholeNames(n.names) && (allLatin(n.names) || all.shared(l, n)) {
				found = append(found, n)
			}
		case severalLengths(n.names) && all.shared(l, n):
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b *named) int {
		return cmp.Or(cmp.Compare(len(b.names), len(a.names)), cmp.Compare(len(b.form()), len(a.form())), cmp.Compare(a.form(), b.form()))
	})
	taken := map[string]bool{} // rows of a place that counts already
	var forms []string
	var insides []place
	for _, p := range found {
		if p.inside() {
			if len(insides) >= insidePlaces || slices.ContainsFunc(insides, p.within) {
				continue
			}
			insides = append(insides, p.place)
		}
		left := 0
		for _, name := range p.names {
			if !taken[p.with(name)] {
				left++
			}
		}
		if left < wideNames {
			continue
		}
		for _, name := range p.names {
			taken[p.with(name)] = true
		}
		forms = append(forms, p.form())
	}
	return forms
}

// named is a place with the names that stand there, one for each row.
type named struct {
	place
	number uint32
	names  []string
}

// places are those of rows that may have enough names.
type places struct {
	named   []*named // by number
	of      map[string][]uint32
	shares  []uint32 // by number, with the place at hand
	touched []uint32 // of which that is not 0
}

// placesOf looks for places in rows, which are counted by hashes first: most have one name,
// and only those with more are worth their names.
func placesOf(l *learning, rows [][]string) *places {
	dense, sample := insideOf(rows)
	look := func(found func(p place, name string)) {
		for _, tokens := range rows {
			if l.took(len(tokens)) {
				return
			}
			eachPlace(tokens, l.traits, found)
		}
		for _, tokens := range dense {
			if l.took(len(tokens)) {
				return
			}
			eachInside(tokens, sample, found)
		}
	}
	counts := map[uint64]uint32{}
	look(func(p place, _ string) { counts[p.hash()]++ })
	maps.DeleteFunc(counts, func(_ uint64, n uint32) bool { return n < wideNames })
	all := &places{of: map[string][]uint32{}}
	if len(counts) == 0 {
		return all
	}
	numbers := map[place]uint32{}
	look(func(p place, name string) {
		if counts[p.hash()] == 0 {
			return
		}
		number, known := numbers[p]
		if !known {
			number = uint32(len(all.named))
			numbers[p] = number
			all.named = append(all.named, &named{place: p, number: number})
		}
		all.named[number].names = append(all.named[number].names, name)
		all.of[name] = append(all.of[name], number)
	})
	all.shares = make([]uint32, len(all.named))
	return all
}

// hash returns one of the place.
func (p place) hash() uint64 {
	hash := maphash.String(seed, p.before)
	for _, text := range [...]string{p.lead, p.trail, p.after} {
		hash = (hash<<5 | hash>>59) * 1099511628211
		if text != "" {
			hash ^= maphash.String(seed, text)
		}
	}
	return hash
}

// shared reports whether another place has many of the names of a place. Of names that stand
// at very many places not all of these are looked at.
func (a *places) shared(l *learning, n *named) bool {
	for _, other := range a.touched {
		a.shares[other] = 0
	}
	a.touched = a.touched[:0]
	left := sharedSteps * len(n.names)
	defer func() { l.took(sharedSteps*len(n.names) - left) }()
	for _, name := range n.names {
		for _, other := range a.of[name] {
			if left--; left < 0 {
				return false
			}
			if other == n.number {
				continue
			}
			if a.shares[other] == 0 {
				a.touched = append(a.touched, other)
			}
			if a.shares[other]++; a.shares[other] >= wideShared && 2*int(a.shares[other]) >= len(n.names) {
				return true
			}
		}
	}
	return false
}

// eachPlace calls found with what may be a name in tokens and where it stands: words that
// do not say what happened, or anything in quotes, behind and between others of which one
// says it.
func eachPlace(tokens []string, traits tokenTraits, found func(p place, name string)) {
	if len(tokens) > wideTokens || strings.Contains(tokens[0], wild) || hasNames(tokens[0]) {
		return
	}
	of, acts := traitsOfAll(tokens, traits)
	if acts == 0 {
		return
	}
	row := strings.Join(tokens, " ")
	start := len(tokens[0]) + 1
	for from := 1; from < len(tokens); from++ {
		quote := strings.IndexByte("\"'`", tokens[from][0]) >= 0
		end, inside := start, 0 // how many of the acts are in the name
		for to := from + 1; to <= min(len(tokens), from+wideLearn); to++ {
			t := of[to-1]
			if t&(hasGap|learned) != 0 || !quote && t&(action|bare|literal|unit) != 0 {
				break
			}
			if t&action != 0 {
				inside++
			}
			end += len(tokens[to-1])
			if whole := quote && tokens[from][0] == lastQuote(tokens[to-1]); inside < acts && (whole || !quote && !isLink(tokens[to-1], t) && !isLink(tokens[from], of[from])) {
				name := row[start:end]
				lead := len(name) - len(strings.TrimLeft(name, opening))
				trail := len(strings.TrimRight(name, closing))
				if lead < trail {
					found(place{row[:start-1], name[:lead], name[trail:], strings.TrimPrefix(row[end:], " ")}, name[lead:trail])
				}
			}
			end++
		}
		start += len(tokens[from]) + 1
	}
}

// isLink reports whether a token is a word that links others, at which no name begins or
// ends: "of", but not "New" of New Zealand.
func isLink(token string, t trait) bool { return t&function != 0 && !isUpper(token) }

// isUpper reports whether a token begins with a capital letter.
func isUpper(token string) bool { return token[0] >= 'A' && token[0] <= 'Z' }

// traitsOfAll returns the traits of tokens, and how many say what happened.
func traitsOfAll(tokens []string, traits tokenTraits) (of []trait, acts int) {
	of = make([]trait, len(tokens))
	for i, token := range tokens {
		t := traits.of(token)
		if i > 0 && t&capitals == 0 && isUpper(token) {
			t &^= action // the United Kingdom does nothing
		}
		of[i] = t
		if t&action != 0 {
			acts++
		}
	}
	return of, acts
}

// lastQuote returns the last byte of a token in front of punctuation that is no quote.
func lastQuote(token string) byte {
	if token = strings.TrimRight(token, ",;:.!?)]}>"); token == "" {
		return 0
	}
	return token[len(token)-1]
}

// severalLengths reports whether names have different numbers of words.
func severalLengths(names []string) bool {
	words := -1
	for _, name := range names {
		n := strings.Count(name, " ")
		if words >= 0 && n != words {
			return true
		}
		words = n
	}
	return false
}

// coversWide reports whether a form covers tokens. What varies by its form is part of no name.
func coversWide(form, tokens []string) bool {
	for i, token := range form {
		if lead, trail, ok := strings.Cut(token, reason); ok {
			return coversReason(lead, trail, form[i+1:], tokens)
		}
		lead, trail, isWide := strings.Cut(token, wide)
		if isWide && (isSentence(lead) || isSentence(trail)) {
			if len(tokens) == 0 || !coversInside(lead, trail, tokens[0]) {
				return false
			}
			tokens = tokens[1:]
			continue
		}
		if !isWide {
			if len(tokens) == 0 || !coversOne(token, tokens[0]) {
				return false
			}
			tokens = tokens[1:]
			continue
		}
		for n := 1; n <= min(wideWords, len(tokens)) && strings.IndexByte(tokens[n-1], gap) < 0; n++ {
			if strings.HasPrefix(tokens[0], lead) && strings.HasSuffix(tokens[n-1], trail) &&
				(n > 1 || len(tokens[0]) > len(lead)+len(trail)) && coversWide(form[i+1:], tokens[n:]) {
				return true
			}
		}
		return false
	}
	return len(tokens) == 0
}

// coversReason reports whether a reason between lead and trail, and a form, cover tokens.
func coversReason(lead, trail string, form, tokens []string) bool {
	if len(tokens) == 0 || !strings.HasPrefix(tokens[0], lead) {
		return false
	}
	from := 1
	if len(form) == 0 {
		from = len(tokens)
	}
	for n := from; n <= min(reasonTokens, len(tokens)-len(form)); n++ {
		if strings.HasSuffix(tokens[n-1], trail) && (n > 1 || len(tokens[0]) > len(lead)+len(trail)) && coversWide(form, tokens[n:]) {
			return true
		}
	}
	return false
}

// hasNames reports whether in a form or token names of several words, or reasons, vary.
func hasNames(form string) bool { return strings.ContainsAny(form, wide+reason) }

// coversOne reports whether a token of a form covers a token.
func coversOne(form, token string) bool {
	lead, trail, varies := strings.Cut(form, wild)
	if !varies {
		return form == token
	}
	e := edge{lead: lead, trail: trail}
	return e.covers(token)
}

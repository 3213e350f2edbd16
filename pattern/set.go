package pattern

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of sets.
const (
	PatternsMax = 4 << 10   // patterns of a set
	BecameMax   = 16 << 10  // ids that a set remembers besides
	FormsMax    = 384 << 10 // bytes of the patterns of a set
)

const (
	idBytes   = 8
	idVersion = "pattern 1 "
	star      = "*"
	ownMax    = 16 << 10 // patterns that a mapper remembers besides those of the set
)

// Pattern is what many messages have in common.
type Pattern struct {
	ID   string // the same wherever and whenever the text is the same
	Text string // with a star for what varies
	form string // tokens with a space between, the bytes of what varies

	tokens []string // of the form, if it has names of several words
}

// stars puts a star in place of what varies.
var stars = strings.NewReplacer(hole, star, wild, star, wide, star, reason, star)

// newPattern returns the pattern of a form.
func newPattern(form string) *Pattern {
	text := stars.Replace(form)
	return &Pattern{ID: IDOf(text), Text: text, form: form}
}

// IDOf returns the id of the pattern with a text.
func IDOf(text string) string {
	sum := sha256.Sum256([]byte(idVersion + text))
	return hex.EncodeToString(sum[:idBytes])
}

// Form returns the pattern in the form that Learn takes.
func (p *Pattern) Form() string { return p.form }

// Set is what was learned of a tenant's messages: the patterns in which words vary.
// Any other pattern is the outline of its messages and need not be kept. A set does
// not change; nil is the empty one.
type Set struct {
	patterns []*Pattern // by form
	byID     map[string]*Pattern
	became   map[string]string     // id of a pattern that is no more -> that of the one its messages have
	trees    map[int]*node         // by length
	wides    map[string][]*Pattern // with names of several words, or inside one, or reasons, by their first word
	key      string
	whole    string
}

// Outlines returns the forms of texts as Learn takes them: of shapes with a byte 11
// for every variable.
func Outlines(texts []string) []string {
	var o outliner
	forms := make([]string, len(texts))
	for i, text := range texts {
		forms[i] = strings.Join(o.outline(text), " ")
	}
	return forms
}

// Learn returns the patterns of the set and of forms (Pattern.Form, Outlines). The
// order of these does not matter, nor do repeats. What a pattern of the set covers
// joins it; patterns of the set that prove to be one become one.
func (s *Set) Learn(forms []string) *Set {
	l := learning{ctx: context.Background(), traits: tokenTraits{}}
	return l.learn(s, VersionReasons, forms)
}

// LearnOf is Learn of what the saved form of a version can have: that of what it returns has
// no later one, if that of the set has not. It fails if the context ends before.
func (s *Set) LearnOf(ctx context.Context, version Version, forms []string) (*Set, error) {
	l := learning{ctx: ctx, traits: tokenTraits{}}
	next := l.learn(s, version, forms)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("learn patterns: %w", err)
	}
	return next, nil
}

// learn is Set.LearnOf.
func (l *learning) learn(s *Set, version Version, forms []string) *Set {
	var known, because []string
	var all [][]string
	for _, p := range s.Patterns() {
		switch {
		case strings.Contains(p.form, reason):
			because = append(because, p.form)
		case strings.Contains(p.form, wide):
			known = append(known, p.form)
		default:
			all = append(all, strings.Split(p.form, " "))
		}
	}
	for _, form := range slices.Compact(slices.Sorted(slices.Values(forms))) {
		if tokens := strings.Split(form, " "); s.find(tokens) == nil {
			all = append(all, tokens)
		}
	}
	found := known
	if version >= VersionNames {
		found, all = l.widen(all, known)
	}
	found = l.together(found)
	varying, rest := l.words(all)
	if version >= VersionReasons {
		because = append(because, l.reasons(slices.Concat(varying, rest))...)
	}
	because = l.together(because)
	found = append(found, because...)
	names := wideByStart(found)
	for _, tokens := range varying {
		if !names.covers(l, tokens) {
			found = append(found, strings.Join(tokens, " "))
		}
	}
	next := newSet(found)
	next.follow(s)
	next.seal()
	return next
}

// words returns the patterns of outlines in which single words vary, and the outlines that
// none of them covers.
func (l *learning) words(outlines [][]string) (found, rest [][]string) {
	byLength := map[int][][]string{}
	for _, tokens := range outlines {
		byLength[len(tokens)] = append(byLength[len(tokens)], tokens)
	}
	for length, alike := range byLength {
		varying, others := l.ofLength(length, alike)
		found, rest = append(found, varying...), append(rest, others...)
	}
	return found, rest
}

// newSet returns a set of patterns. Of too many those with the most words are kept:
// they say most.
func newSet(forms []string) *Set {
	slices.Sort(forms)
	s := &Set{byID: make(map[string]*Pattern, len(forms)), became: map[string]string{}, trees: map[int]*node{}, wides: map[string][]*Pattern{}}
	for _, form := range bounded(slices.Compact(forms)) {
		p := newPattern(form)
		s.byID[p.ID] = p
		s.patterns = append(s.patterns, p)
		tokens := strings.Split(form, " ")
		if hasNames(form) {
			p.tokens = tokens
			s.wides[firstOf(tokens[0])] = append(s.wides[firstOf(tokens[0])], p)
			continue
		}
		tree := s.trees[len(tokens)]
		if tree == nil {
			tree = &node{}
			s.trees[len(tokens)] = tree
		}
		tree.add(tokens, p)
	}
	hash := sha256.New()
	for _, p := range s.patterns {
		hash.Write([]byte(p.form + "\n"))
	}
	s.key = hex.EncodeToString(hash.Sum(nil)[:idBytes])
	s.whole = s.key
	return s
}

// seal is called when it is known what became of all patterns that are no more.
func (s *Set) seal() {
	if len(s.became) == 0 {
		return
	}
	hash := sha256.New()
	for _, id := range slices.Sorted(maps.Keys(s.became)) {
		hash.Write([]byte(id + " " + s.became[id] + "\n"))
	}
	s.whole = s.key + hex.EncodeToString(hash.Sum(nil)[:idBytes])
}

// bounded returns forms, in order, within the limits of a set.
func bounded(forms []string) []string {
	bytes := 0
	for _, form := range forms {
		bytes += len(form) + 1
	}
	if len(forms) <= PatternsMax && bytes <= FormsMax {
		return forms
	}
	slices.SortStableFunc(forms, func(a, b string) int { return strings.Count(b, " ") - strings.Count(a, " ") })
	kept, bytes := 0, 0
	for kept < min(len(forms), PatternsMax) && bytes+len(forms[kept])+1 <= FormsMax {
		bytes += len(forms[kept]) + 1
		kept++
	}
	forms = forms[:kept]
	slices.Sort(forms)
	return forms
}

// follow notes what became of the patterns of the set before.
func (s *Set) follow(before *Set) {
	if before == nil {
		return
	}
	note := func(id, now string) {
		if s.byID[id] == nil && len(s.became) < BecameMax {
			s.became[id] = now
		}
	}
	for _, p := range before.patterns {
		if s.byID[p.ID] == nil {
			if now := s.find(strings.Split(p.form, " ")); now != nil {
				note(p.ID, now.ID)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(before.became)) {
		then := before.became[id]
		if now, gone := s.became[then]; gone {
			then = now
		}
		note(id, then)
	}
}

// Of returns the pattern of a text: that of the set which covers it, else its outline,
// which is the same on every node too.
func (s *Set) Of(text string) *Pattern { return s.Mapper().Of(text) }

// find returns the pattern that covers tokens, nil if none does.
func (s *Set) find(tokens []string) *Pattern {
	if s == nil {
		return nil
	}
	if tree := s.trees[len(tokens)]; tree != nil {
		looks := findSteps
		if p := tree.find(tokens, &looks); p != nil {
			return p
		}
	}
	if p := findWide(s.wides[tokens[0]], tokens); p != nil || !isSentence(tokens[0]) {
		return p
	}
	return findWide(s.wides[""], tokens)
}

// findWide returns the first pattern with names of several words that covers tokens.
func findWide(of []*Pattern, tokens []string) *Pattern {
	for _, p := range of {
		if coversWide(p.tokens, tokens) {
			return p
		}
	}
	return nil
}

// Now returns the id that a pattern of a set has now, given one that it has or had.
func (s *Set) Now(id string) string {
	if s != nil {
		if now, gone := s.became[id]; gone {
			return now
		}
	}
	return id
}

// Key tells sets apart that give messages other patterns.
func (s *Set) Key() string {
	if s == nil {
		return ""
	}
	return s.key
}

// Whole tells sets apart that Equal tells apart: also such that give messages the same
// patterns and know of others what became of them.
func (s *Set) Whole() string {
	if s == nil {
		return ""
	}
	return s.whole
}

// Patterns returns the patterns of the set in the order of their forms.
func (s *Set) Patterns() []*Pattern {
	if s == nil {
		return nil
	}
	return s.patterns
}

// Equal reports whether two sets say the same, also of ids that are no more.
func (s *Set) Equal(other *Set) bool {
	if s == nil || other == nil {
		return len(s.Patterns()) == 0 && len(other.Patterns()) == 0
	}
	return s.key == other.key && maps.Equal(s.became, other.became)
}

// Mapper gives many texts their patterns. One goroutine uses it.
type Mapper struct {
	set  *Set
	o    outliner
	room []byte
	own  map[string]*Pattern // outlines
}

// Mapper returns a mapper to the patterns of the set.
func (s *Set) Mapper() *Mapper { return &Mapper{set: s, own: map[string]*Pattern{}} }

// Of is Set.Of.
func (m *Mapper) Of(text string) *Pattern {
	tokens := m.o.outline(text)
	if p := m.set.find(tokens); p != nil {
		return p
	}
	return m.outline(tokens)
}

// Both returns the pattern of a text and its outline as one, which is the pattern
// that it had before more was learned.
func (m *Mapper) Both(text string) (pattern, outline *Pattern) {
	tokens := m.o.outline(text)
	outline = m.outline(tokens)
	if p := m.set.find(tokens); p != nil {
		return p, outline
	}
	return outline, outline
}

func (m *Mapper) outline(tokens []string) *Pattern {
	m.room = appendForm(m.room[:0], tokens)
	p := m.own[string(m.room)]
	if p == nil {
		if len(m.own) >= ownMax {
			clear(m.own)
		}
		p = newPattern(string(m.room))
		m.own[p.form] = p
	}
	return p
}

// appendForm appends tokens with a space between.
func appendForm(out []byte, tokens []string) []byte {
	for i, token := range tokens {
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, token...)
	}
	return out
}

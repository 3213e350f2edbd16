package meaning

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Vocabulary is which words speak for a category, and how much.
type Vocabulary struct {
	Category   Category `json:"name"`
	Words      []string `json:"words,omitempty"`      // and phrases of two, without inflections
	Components []string `json:"components,omitempty"` // whose records are of the category
	Weight     float64  `json:"weight"`               // of each word
}

// Limits of what is added to the vocabulary.
const (
	CategoryMax   = 40 // bytes of a name
	OwnMax        = 32 // vocabularies
	OwnWordsMax   = 1_000
	ComponentMax  = 100 // bytes
	WeightMax     = 10
	WeightDefault = 3

	componentTenths = 100 // how much a component speaks for its category: more than most messages do for others
)

// lexiconMax is more than a lexicon has words and phrases: of a phrase that is added none
// of the words needs to be known.
const lexiconMax = 1024 + 3*OwnWordsMax

// weight is how much a word speaks for a category.
type weight struct {
	category uint8
	tenths   uint8
}

// entry is what the lexicon has of a word.
type entry struct {
	number  uint16 // of the word without its inflection
	phrases bool   // the word ends a phrase
}

// Lexicon is the words that speak for categories: the built-in ones, and those that were
// added. Nothing changes it.
type Lexicon struct {
	categories []Category       // that words speak for; those that were added last
	words      map[string]entry // also with inflections
	names      []string         // by number
	weights    [][]weight       // by number
	phrases    map[[2]uint16]uint16
	begins     [256]uint32 // second letters of words, by the first
	components map[string][]weight
	own        []Vocabulary
	version    uint64
}

// known is built from vocabulary once.
var known = newLexicon()

// BuiltIn returns the lexicon to which nothing was added.
func BuiltIn() *Lexicon { return known }

func newLexicon() *Lexicon {
	l := &Lexicon{categories: Categories()[:scored], words: map[string]entry{}, phrases: map[[2]uint16]uint16{}}
	var phrases []Vocabulary
	for _, v := range vocabulary {
		for _, word := range strings.Split(v.words, ",") {
			one := Vocabulary{Category: v.category, Words: []string{strings.TrimSpace(word)}, Weight: float64(v.tenths) / 10}
			if strings.Contains(one.Words[0], " ") {
				phrases = append(phrases, one)
			} else {
				l.add(one)
			}
		}
	}
	for _, one := range phrases {
		l.add(one)
	}
	l.endPhrases()
	return l
}

// NewLexicon returns the built-in lexicon with what is added. What is added for a word and
// a category takes the place of what the built-in one has for them.
func NewLexicon(own []Vocabulary) (*Lexicon, error) {
	own = slices.SortedStableFunc(slices.Values(own), func(a, b Vocabulary) int { return strings.Compare(string(a.Category), string(b.Category)) })
	words := 0
	for i := range own {
		checked, err := own[i].Checked()
		if err != nil {
			return nil, fmt.Errorf("category %q: %w", own[i].Category, err)
		}
		own[i] = checked
		words += len(checked.Words) + len(checked.Components)
	}
	if len(own) > OwnMax || words > OwnWordsMax {
		return nil, &Fault{"words", fmt.Sprintf("%d categories with %d words and components were added, at most %d with %d", len(own), words, OwnMax, OwnWordsMax)}
	}
	text, err := json.Marshal(own)
	if err != nil {
		return nil, fmt.Errorf("encode lexicon: %w", err)
	}
	sum := sha256.Sum256(text)
	l := &Lexicon{
		categories: slices.Clone(known.categories), words: maps.Clone(known.words), names: slices.Clone(known.names), weights: slices.Clone(known.weights),
		phrases: maps.Clone(known.phrases), begins: known.begins, components: map[string][]weight{}, own: own, version: max(1, binary.BigEndian.Uint64(sum[:])),
	}
	for _, v := range own {
		l.add(v)
	}
	l.endPhrases()
	return l, nil
}

// add adds a vocabulary.
func (l *Lexicon) add(v Vocabulary) {
	at := slices.Index(l.categories, v.Category)
	if at < 0 {
		at = len(l.categories)
		l.categories = append(l.categories, v.Category)
	}
	speaks := weight{uint8(at), uint8(math.Round(v.Weight * 10))}
	for _, word := range v.Words {
		number := l.numberOf(word)
		others := slices.DeleteFunc(slices.Clone(l.weights[number]), func(w weight) bool { return w.category == speaks.category })
		l.weights[number] = append(others, speaks)
	}
	for _, name := range v.Components {
		l.components[name] = append(l.components[name], weight{speaks.category, componentTenths})
	}
}

// numberOf returns the number of a word or phrase, which it has from now on.
func (l *Lexicon) numberOf(word string) uint16 {
	first, second, phrase := strings.Cut(word, " ")
	if !phrase {
		if e, ok := l.words[word]; ok {
			return e.number
		}
		number := l.named(word)
		for _, form := range forms(word) {
			for _, written := range cased(form) {
				if _, taken := l.words[written]; !taken {
					l.words[written] = entry{number: number}
					l.begins[written[0]] |= 1 << (written[1] & 31)
				}
			}
		}
		return number
	}
	pair := [2]uint16{l.numberOf(first), l.numberOf(second)}
	number, ok := l.phrases[pair]
	if !ok {
		number = l.named(word)
		l.phrases[pair] = number
	}
	return number
}

// named returns a new number.
func (l *Lexicon) named(word string) uint16 {
	l.names, l.weights = append(l.names, word), append(l.weights, nil)
	return uint16(len(l.names) - 1)
}

// endPhrases notes which words end phrases.
func (l *Lexicon) endPhrases() {
	ends := map[uint16]bool{}
	for pair := range l.phrases {
		ends[pair[1]] = true
	}
	for form, e := range l.words {
		e.phrases = ends[e.number]
		l.words[form] = e
	}
}

// cased returns a form as texts may have it: only letters of ASCII are made small when
// they are read.
func cased(form string) []string {
	if !strings.ContainsFunc(form, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return []string{form}
	}
	first, size := utf8.DecodeRuneInString(form)
	all := []string{form}
	for _, text := range []string{string(unicode.ToUpper(first)) + form[size:], strings.ToUpper(form)} {
		all = append(all, string(lower(nil, text)))
	}
	return all
}

// find returns what the lexicon has of a word.
func (l *Lexicon) find(word []byte) (entry, bool) {
	if len(word) < 2 || l.begins[word[0]]&(1<<(word[1]&31)) == 0 {
		return entry{}, false
	}
	e, ok := l.words[string(word)]
	return e, ok
}

// Version tells lexicons apart that say something else; that of the built-in one is 0.
func (l *Lexicon) Version() uint64 { return l.version }

// Encode returns the bytes of what was added.
func (l *Lexicon) Encode() ([]byte, error) {
	text, err := json.Marshal(l.own)
	if err != nil {
		return nil, fmt.Errorf("encode lexicon: %w", err)
	}
	return text, nil
}

// DecodeLexicon reads what Encode returned.
func DecodeLexicon(text []byte) (*Lexicon, error) {
	var own []Vocabulary
	if err := json.Unmarshal(text, &own); err != nil {
		return nil, fmt.Errorf("decode lexicon: %w", err)
	}
	return NewLexicon(own)
}

// BuiltInOf returns which words speak for a category without anything added, those of one
// weight together.
func BuiltInOf(category Category) (found []Vocabulary) {
	for _, v := range vocabulary {
		if v.category != category {
			continue
		}
		one := Vocabulary{Category: category, Weight: float64(v.tenths) / 10}
		for _, word := range strings.Split(v.words, ",") {
			one.Words = append(one.Words, strings.TrimSpace(word))
		}
		found = append(found, one)
	}
	return found
}

// Fault is what is wrong with a vocabulary.
type Fault struct {
	Field   string // for example words[3]
	Message string
}

// Error implements error.
func (f *Fault) Error() string { return f.Field + ": " + f.Message }

// faultsMax is how many words are named that are not right.
const faultsMax = 50

// Checked returns a vocabulary to be added as it is kept, or everything that is wrong with it,
// each a *Fault.
func (v Vocabulary) Checked() (Vocabulary, error) {
	fault := func(field, format string, args ...any) (Vocabulary, error) {
		return Vocabulary{}, &Fault{field, fmt.Sprintf(format, args...)}
	}
	if v.Weight == 0 {
		v.Weight = WeightDefault
	}
	switch {
	case !validCategory(string(v.Category)):
		return fault("name", "%.80q, want a small letter and up to %d more, digits, '-' and '_'", v.Category, CategoryMax-1)
	case v.Category == Error || v.Category == General:
		return fault("name", "%s is of records for which no words speak: it has none", v.Category)
	case len(v.Words)+len(v.Components) == 0:
		return fault("words", "there are none, and no components")
	case len(v.Words)+len(v.Components) > OwnWordsMax:
		return fault("words", "%d words and components, at most %d", len(v.Words)+len(v.Components), OwnWordsMax)
	case v.Weight < 1 || v.Weight > WeightMax:
		return fault("weight", "%v, want 1 to %d", v.Weight, WeightMax)
	}
	v.Weight = math.Round(v.Weight*10) / 10
	v.Words, v.Components = slices.Clone(v.Words), slices.Clone(v.Components)
	var faults []error
	for i, word := range v.Words {
		kept, wrong := checkedPhrase(word)
		if wrong != "" {
			faults = append(faults, &Fault{fmt.Sprintf("words[%d]", i), fmt.Sprintf("%.80q %s", word, wrong)})
		}
		v.Words[i] = kept
	}
	for i, name := range v.Components {
		kept := strings.ToLower(strings.TrimSpace(name))
		if kept == "" || len(kept) > ComponentMax || strings.ContainsFunc(kept, func(r rune) bool { return r == ',' || unicode.IsControl(r) }) {
			faults = append(faults, &Fault{fmt.Sprintf("components[%d]", i), fmt.Sprintf("%.120q, want 1 to %d bytes without commas and control characters", name, ComponentMax)})
		}
		v.Components[i] = kept
	}
	if len(faults) > 0 {
		return Vocabulary{}, errors.Join(faults[:min(len(faults), faultsMax)]...)
	}
	v.Words, v.Components = distinct(v.Words), distinct(v.Components)
	return v, nil
}

// distinct returns texts without those that were there before.
func distinct(texts []string) (found []string) {
	seen := map[string]bool{}
	for _, text := range texts {
		if !seen[text] {
			found = append(found, text)
		}
		seen[text] = true
	}
	return found
}

// validCategory reports whether a text can be the name of a category.
func validCategory(name string) bool {
	if name == "" || len(name) > CategoryMax || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// checkedPhrase returns a word or a phrase as it is kept, or what is wrong with it.
func checkedPhrase(text string) (kept, wrong string) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 || len(words) > 2 {
		return "", fmt.Sprintf("has %d words, want one, or two for a phrase", len(words))
	}
	for _, word := range words {
		switch {
		case strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }):
			return "", "has something else than letters: words have none, and what '-' and '_' divide is a phrase of two words"
		case len(word) < 2 || len(word) > wordMax:
			return "", fmt.Sprintf("has a word of %d bytes, want 2 to %d", len(word), wordMax)
		case slices.ContainsFunc(forms(word), partOfID):
			return "", "may be a part of an id: it consists of hexadecimal digits"
		}
	}
	return strings.Join(words, " "), ""
}

// partOfID reports whether a word may be a part of a UUID, of which outlines say nothing.
func partOfID(word string) bool {
	return strings.Trim(word, "abcdef") == "" && (len(word) == 4 || len(word) == 8 || len(word) == 12)
}

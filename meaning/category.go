package meaning

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Category is an area that a record is about.
type Category string

// The categories, the one before others of the same score first. The last two are given
// when no words speak for any other: to records that are errors, and to the rest.
const (
	Security       Category = "security"
	Payment        Category = "payment"
	Authentication Category = "authentication"
	Database       Category = "database"
	Performance    Category = "performance"
	Network        Category = "network"
	Storage        Category = "storage"
	API            Category = "api"
	Validation     Category = "validation"
	Infrastructure Category = "infrastructure"
	Business       Category = "business"
	UI             Category = "ui"
	Error          Category = "error"
	General        Category = "general"
)

// Categories lists all categories.
func Categories() []Category {
	return []Category{Security, Payment, Authentication, Database, Performance, Network, Storage, API, Validation, Infrastructure, Business, UI, Error, General}
}

// scored are those that words speak for.
const scored = 12

// Weights are in tenths, so that sums are exact.
const (
	leastScore    = 15 // of a label
	shareOfLabels = 2  // a label has at least one part in so many of the best score
)

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

// lexicon is the words that speak for categories.
type lexicon struct {
	words   map[string]entry // also with inflections
	names   []string         // by number
	weights [][]weight       // by number
	phrases map[[2]uint16]uint16
	begins  [256]uint32 // second letters of words, by the first
}

// known is built from vocabulary once; nothing changes it.
var known = newLexicon()

func newLexicon() *lexicon {
	l := &lexicon{words: map[string]entry{}, phrases: map[[2]uint16]uint16{}}
	number := func(name string) uint16 {
		for _, form := range forms(name) {
			if _, taken := l.words[form]; !taken {
				l.words[form] = entry{number: uint16(len(l.names))}
				l.begins[form[0]] |= 1 << (form[1] & 31)
			}
		}
		l.names, l.weights = append(l.names, name), append(l.weights, nil)
		return uint16(len(l.names) - 1)
	}
	categories := Categories()
	var phrases []string
	of := map[string][]weight{}
	var order []string
	for _, v := range vocabulary {
		for _, word := range strings.Split(v.words, ",") {
			word = strings.TrimSpace(word)
			if of[word] == nil {
				order = append(order, word)
			}
			of[word] = append(of[word], weight{uint8(slices.Index(categories, v.category)), v.tenths})
		}
	}
	for _, word := range order {
		if strings.Contains(word, " ") {
			phrases = append(phrases, word)
			continue
		}
		l.weights[number(word)] = of[word]
	}
	for _, phrase := range phrases {
		first, second, _ := strings.Cut(phrase, " ")
		var pair [2]uint16
		for i, word := range [...]string{first, second} {
			e, ok := l.words[word]
			if !ok {
				e = entry{number: number(word)}
			}
			pair[i] = e.number
		}
		l.names, l.weights = append(l.names, phrase), append(l.weights, of[phrase])
		l.phrases[pair] = uint16(len(l.names) - 1)
	}
	for form, e := range l.words {
		for pair := range l.phrases {
			e.phrases = e.phrases || pair[1] == e.number
		}
		l.words[form] = e
	}
	return l
}

// find returns what the lexicon has of a word.
func (l *lexicon) find(word []byte) (entry, bool) {
	if len(word) < 2 || l.begins[word[0]]&(1<<(word[1]&31)) == 0 {
		return entry{}, false
	}
	e, ok := l.words[string(word)]
	return e, ok
}

// EvidenceMax is how much of a text is looked at.
const EvidenceMax = 32 << 10

// Evidence are the words of a text that speak for categories, each once, without
// inflections, in one order and with commas between. Of a message they are those of
// its outline.
func Evidence(text string) string {
	var room [(lexiconMax + 63) / 64]uint64
	found := room[:]
	none := true
	last := -1
	eachWord(text[:min(len(text), EvidenceMax)], func(word []byte, next bool) {
		e, ok := known.find(word)
		if !ok {
			last = -1
			return
		}
		if next && e.phrases && last >= 0 {
			if phrase, ok := known.phrases[[2]uint16{uint16(last), e.number}]; ok {
				found[phrase/64] |= 1 << (phrase % 64)
				none = false
			}
		}
		last = int(e.number)
		if len(known.weights[e.number]) > 0 {
			found[e.number/64] |= 1 << (e.number % 64)
			none = false
		}
	})
	if none {
		return ""
	}
	var out []byte
	for i, set := range found {
		for ; set != 0; set &= set - 1 {
			if len(out) > 0 {
				out = append(out, ',')
			}
			out = append(out, known.names[i*64+bits.TrailingZeros64(set)]...)
		}
	}
	return string(out)
}

// unknownWord is a word that speaks for nothing.
const unknownWord = "x"

// Reduced returns what says the same as an outline, wherever that stands in a message
// between what is no part of its words: one word instead of several that speak for nothing.
func Reduced(outline string) string {
	speaks, words := false, false
	eachWord(outline[:min(len(outline), EvidenceMax)], func(word []byte, _ bool) {
		_, ok := known.find(word)
		speaks, words = speaks || ok, true
	})
	if words && !speaks {
		return unknownWord
	}
	return outline
}

// Label is a category with its score.
type Label struct {
	Category Category
	Score    float64
}

// Evidences are what a category is judged by.
type Evidences struct {
	Message, Component, Endpoint string // Evidence of these
	IsError                      bool   // the level is error or critical
}

// Verdict says what a record is about, and why.
type Verdict struct {
	Labels []Label // the best first; never empty
	Reason string  // which words speak for it
}

// Judge scores all categories.
func Judge(of Evidences) Verdict {
	var scores [scored]int
	type reason struct {
		tenths int
		text   string
	}
	var reasons [scored][]reason
	add := func(evidence, where string) {
		for _, word := range strings.Split(evidence, ",") {
			number, ok := known.number(word)
			if !ok {
				continue
			}
			for _, w := range known.weights[number] {
				scores[w.category] += int(w.tenths)
				reasons[w.category] = append(reasons[w.category], reason{int(w.tenths), fmt.Sprintf("%q%s %s", word, where, score(int(w.tenths)))})
			}
		}
	}
	add(of.Message, "")
	add(of.Component, " in component")
	add(of.Endpoint, " in endpoint")
	best := slices.Max(scores[:])
	if best < leastScore {
		if of.IsError {
			return Verdict{Labels: []Label{{Error, 1}}, Reason: "error: the level, and no words that speak for another category"}
		}
		return Verdict{Labels: []Label{{General, 1}}, Reason: "general: no words that speak for another category"}
	}
	var order []int
	for i, score := range scores {
		if score >= leastScore && score*shareOfLabels >= best {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return scores[b] - scores[a] })
	var v Verdict
	var text strings.Builder
	for n, i := range order {
		v.Labels = append(v.Labels, Label{Categories()[i], float64(scores[i]) / 10})
		if n > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%s %s:", Categories()[i], score(scores[i]))
		slices.SortStableFunc(reasons[i], func(a, b reason) int { return b.tenths - a.tenths })
		for n, r := range reasons[i] {
			if n > 0 {
				text.WriteByte(',')
			}
			text.WriteString(" " + r.text)
		}
	}
	v.Reason = text.String()
	return v
}

// Speaks reports whether words speak for a category: then the level decides nothing.
func Speaks(of Evidences) bool {
	var scores [scored]int
	for _, evidence := range []string{of.Message, of.Component, of.Endpoint} {
		for _, word := range strings.Split(evidence, ",") {
			if number, ok := known.number(word); ok {
				for _, w := range known.weights[number] {
					scores[w.category] += int(w.tenths)
				}
			}
		}
	}
	return slices.Max(scores[:]) >= leastScore
}

// number returns that of a word or phrase as Evidence writes it.
func (l *lexicon) number(name string) (uint16, bool) {
	if first, second, ok := strings.Cut(name, " "); ok {
		number, ok := l.phrases[[2]uint16{l.words[first].number, l.words[second].number}]
		return number, ok
	}
	e, ok := l.words[name]
	return e.number, ok
}

// score writes tenths as a number.
func score(tenths int) string { return strconv.FormatFloat(float64(tenths)/10, 'g', -1, 64) }

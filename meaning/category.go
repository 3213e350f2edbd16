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

// EvidenceMax is how much of a text is looked at.
const EvidenceMax = 32 << 10

// Evidence is that of the built-in lexicon.
func Evidence(text string) string { return known.Evidence(text) }

// Evidence are the words of a text that speak for categories, each once, without
// inflections, in one order and with commas between. Of a message they are those of
// its outline.
func (l *Lexicon) Evidence(text string) string {
	var room [(lexiconMax + 63) / 64]uint64
	found := room[:(len(l.names)+63)/64]
	none := true
	last := -1
	eachWord(text[:min(len(text), EvidenceMax)], func(word []byte, next bool) {
		e, ok := l.find(word)
		if !ok {
			last = -1
			return
		}
		if next && e.phrases && last >= 0 {
			if phrase, ok := l.phrases[[2]uint16{uint16(last), e.number}]; ok {
				found[phrase/64] |= 1 << (phrase % 64)
				none = false
			}
		}
		last = int(e.number)
		if len(l.weights[e.number]) > 0 {
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
			out = append(out, l.names[i*64+bits.TrailingZeros64(set)]...)
		}
	}
	return string(out)
}

// componentMark is before a component in evidence.
const componentMark = "="

// EvidenceOfComponent is Evidence of the name of a component, which may also be one of a
// category.
func (l *Lexicon) EvidenceOfComponent(name string) string {
	said := l.Evidence(name)
	if len(l.components) == 0 {
		return said
	}
	name = strings.ToLower(name)
	if _, ok := l.components[name]; !ok {
		return said
	}
	if said != "" {
		said += ","
	}
	return said + componentMark + name
}

// unknownWord is a word that speaks for nothing.
const unknownWord = "x"

// Reduced returns what says the same as an outline, wherever that stands in a message
// between what is no part of its words: one word instead of several that speak for nothing.
func (l *Lexicon) Reduced(outline string) string {
	speaks, words := false, false
	eachWord(outline[:min(len(outline), EvidenceMax)], func(word []byte, _ bool) {
		_, ok := l.find(word)
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

// Judge is that of the built-in lexicon.
func Judge(of Evidences) Verdict { return known.Judge(of) }

// each calls yield with every word of evidences, how it is written in a reason, and the
// categories that it speaks for.
func (l *Lexicon) each(of Evidences, yield func(word, where string, weights []weight)) {
	for _, from := range [...]struct{ evidence, where string }{{of.Message, ""}, {of.Component, " in component"}, {of.Endpoint, " in endpoint"}} {
		for _, word := range strings.Split(from.evidence, ",") {
			if name, ok := strings.CutPrefix(word, componentMark); ok {
				yield(name, " as component", l.components[name])
			} else if number, ok := l.number(word); ok {
				yield(word, from.where, l.weights[number])
			}
		}
	}
}

// Judge scores all categories.
func (l *Lexicon) Judge(of Evidences) Verdict {
	type reason struct {
		tenths int
		text   string
	}
	scores, reasons := make([]int, len(l.categories)), make([][]reason, len(l.categories))
	l.each(of, func(word, where string, weights []weight) {
		for _, w := range weights {
			scores[w.category] += int(w.tenths)
			reasons[w.category] = append(reasons[w.category], reason{int(w.tenths), fmt.Sprintf("%q%s %s", word, where, score(int(w.tenths)))})
		}
	})
	best := slices.Max(scores)
	if best < leastScore {
		if of.IsError {
			return Verdict{Labels: []Label{{Error, 1}}, Reason: "error: the level, and no words that speak for another category"}
		}
		return Verdict{Labels: []Label{{General, 1}}, Reason: "general: no words that speak for another category"}
	}
	var order []int
	for i := range scores {
		i = (i + scored) % len(scores) // those of a tenant's own first
		if scores[i] >= leastScore && scores[i]*shareOfLabels >= best {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return scores[b] - scores[a] })
	var v Verdict
	var text strings.Builder
	for n, i := range order {
		v.Labels = append(v.Labels, Label{l.categories[i], float64(scores[i]) / 10})
		if n > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%s %s:", l.categories[i], score(scores[i]))
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

// Given returns the verdict on a record that came with a category, "" if it came with
// none: it is the first, and those for which words speak are beside it.
func (v Verdict) Given(category string) Verdict {
	if category == "" {
		return v
	}
	labels := []Label{{Category(category), 0}}
	reason := category + ": the record came with it"
	for _, label := range v.Labels {
		switch {
		case label.Category == Error || label.Category == General:
			return Verdict{labels, reason}
		case string(label.Category) == category:
			labels[0].Score = label.Score
		default:
			labels = append(labels, label)
		}
	}
	return Verdict{labels, reason + "; " + v.Reason}
}

// Speaks reports whether words speak for a category: then the level decides nothing.
func (l *Lexicon) Speaks(of Evidences) bool {
	scores := make([]int, len(l.categories))
	l.each(of, func(_, _ string, weights []weight) {
		for _, w := range weights {
			scores[w.category] += int(w.tenths)
		}
	})
	return slices.Max(scores) >= leastScore
}

// number returns that of a word or phrase as Evidence writes it.
func (l *Lexicon) number(name string) (uint16, bool) {
	if first, second, ok := strings.Cut(name, " "); ok {
		number, ok := l.phrases[[2]uint16{l.words[first].number, l.words[second].number}]
		return number, ok
	}
	e, ok := l.words[name]
	return e.number, ok
}

// score writes tenths as a number.
func score(tenths int) string { return strconv.FormatFloat(float64(tenths)/10, 'g', -1, 64) }

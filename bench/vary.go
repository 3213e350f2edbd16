package bench

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Others is what else the questions could be about: subjects of the same kind
// and of like frequency, drawn from the corpus by a seed.
type Others struct {
	TraceIDs   []string
	Phrases    []string
	Frequent   []string
	Components []string // of the error level
	Either     []string
	Or         []string
	Not        []string
	Patterns   []string
	Prefixes   []string
	Window     []string
}

const (
	// classFactor is how many times as many or as few lines another subject
	// may have.
	classFactor = 2
	// componentFactor is the same for components, which are fewer.
	componentFactor = 10
	// shiftFraction is the part of the time by which the range of a question
	// about everything may begin later.
	shiftFraction = 0.05
	// farFuture is the end of such a range: 2200-01-01, after all records also
	// of a corpus that grows.
	farFuture = 7_258_118_400_000_000_000
	// drawsMax bounds how often a variant that is there already is drawn anew.
	drawsMax = 20
)

// draw takes up to n of the candidates, in an order that the seed says.
func draw(candidates []string, n int, seed uint64) []string {
	var salt [8]byte
	for i := range salt {
		salt[i] = byte(seed >> (8 * i))
	}
	place := func(text string) uint64 { return xxhash.Sum64String(string(salt[:]) + text) }
	slices.SortFunc(candidates, func(a, b string) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
	})
	return candidates[:min(len(candidates), n)]
}

// sameClass reports whether two counts are of one class.
func sameClass(a, b int64, factor float64) bool {
	return a > 0 && b > 0 && math.Abs(math.Log(float64(a)/float64(b))) <= math.Log(factor)
}

// alike draws words whose count is like that of the chosen one.
func (s *surveyor) alike(from map[string]*wordStats, taken map[string]bool, chosen string, count func(*wordStats) int64) []string {
	standard := from[chosen]
	if standard == nil {
		return nil
	}
	var words []string
	for word, w := range from {
		if word != chosen && !w.mixed && !taken[word] && sameClass(count(w), count(standard), classFactor) {
			words = append(words, word)
		}
	}
	words = draw(words, s.others, s.seed)
	for _, word := range words {
		taken[word] = true
	}
	return words
}

// chooseOthers draws the subjects of the variants.
func (s *surveyor) chooseOthers(taken map[string]bool) {
	v := &s.survey
	o := &v.Others
	byLines := func(w *wordStats) int64 { return w.lines }
	byErrors := func(w *wordStats) int64 { return w.errors }
	o.TraceIDs = draw(s.traces, s.others, s.seed)
	// The parts of question 5 come first: fewest words are like theirs.
	o.Either = s.alike(s.words, taken, v.Either, byErrors)
	o.Or = s.alike(s.words, taken, v.Or, byErrors)
	o.Not = s.alike(s.words, taken, v.Not, byErrors)
	o.Frequent = s.alike(s.words, taken, v.Frequent, byLines)
	o.Window = s.alike(s.words, taken, v.WindowWord, byLines)
	o.Prefixes = s.alike(s.prefixes, map[string]bool{}, v.Prefix, byLines)
	o.Patterns = s.alike(s.words, map[string]bool{}, v.Pattern.Literal, func(w *wordStats) int64 { return w.numbers })
	chosen := s.pairs[[2]string{v.ErrorLevel, v.ErrorComponent}]
	for pair, lines := range s.pairs {
		if pair[0] == v.ErrorLevel && pair[1] != v.ErrorComponent && sameClass(lines, chosen, componentFactor) {
			o.Components = append(o.Components, pair[1])
		}
	}
	o.Components = draw(o.Components, s.others, s.seed)
	o.Phrases = s.otherPhrases(v.Phrase)
}

func (s *surveyor) otherPhrases(chosen string) []string {
	standard := s.phrases[xxhash.Sum64String(chosen)]
	if standard == nil {
		return nil
	}
	var phrases []string
	for _, p := range s.phrases {
		if p != standard && sameClass(p.lines, standard.lines, classFactor) && s.oneCase(p.text) {
			phrases = append(phrases, p.text)
		}
	}
	return draw(phrases, s.others, s.seed)
}

// observeTrace keeps a sample of the ids: each is in it with the same chance.
func (s *surveyor) observeTrace(id string) {
	if id == "" || s.others == 0 {
		return
	}
	s.traced++
	if len(s.traces) < s.others {
		s.traces = append(s.traces, strings.Clone(id))
	} else if i := s.random.Int64N(s.traced); i < int64(s.others) {
		s.traces[i] = strings.Clone(id)
	}
}

// Variants returns n variants of each question, by its number: no two of a
// question and none and the question itself are the same, so that no answer
// can be one that was given before. Where the corpus has too few subjects of a
// kind, and where a question has none, the variants differ in their range of
// time.
func Variants(s *Survey, n int, seed uint64) map[int][]Question {
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	variants, seen := map[int][]Question{}, map[string]bool{}
	for _, q := range Questions(s) {
		seen[identity(q)] = true
	}
	for i := range n {
		v := s.other(i)
		for _, q := range Questions(&v) {
			if q.Missing != "" {
				continue
			}
			windowed := q.To != 0
			for range drawsMax {
				if windowed {
					q.From, q.To = shiftedWindow(s, random)
				}
				if !seen[identity(q)] {
					break
				}
				if !windowed {
					q.From, q.To = shiftedRange(s, random)
				}
			}
			seen[identity(q)] = true
			variants[q.Number] = append(variants[q.Number], q)
		}
	}
	return variants
}

func identity(q Question) string {
	return strconv.Itoa(q.Number) + " " + q.Detail + " " + strconv.FormatInt(q.From, 10) + " " + strconv.FormatInt(q.To, 10)
}

// other is the survey with the subjects of variant i in place of the chosen.
func (s *Survey) other(i int) Survey {
	v, o := *s, &s.Others
	pick := func(into *string, from []string) {
		if len(from) > 0 && *into != "" {
			*into = from[i%len(from)]
		}
	}
	pick(&v.TraceID, o.TraceIDs)
	pick(&v.Phrase, o.Phrases)
	pick(&v.Frequent, o.Frequent)
	pick(&v.ErrorComponent, o.Components)
	pick(&v.Either, o.Either)
	pick(&v.Or, o.Or)
	pick(&v.Not, o.Not)
	pick(&v.Prefix, o.Prefixes)
	pick(&v.WindowWord, o.Window)
	if v.Pattern.Regexp != nil && len(o.Patterns) > 0 {
		v.Pattern = patternOf(o.Patterns[i%len(o.Patterns)])
	}
	return v
}

// shiftedRange is nearly all of the time.
func shiftedRange(s *Survey, random *rand.Rand) (from, to int64) {
	span := max(int64(shiftFraction*float64(s.Last-s.First)), 1)
	return s.First + 1 + random.Int64N(span), farFuture
}

// shiftedWindow is as long as the window of the question, anywhere.
func shiftedWindow(s *Survey, random *rand.Rand) (from, to int64) {
	length := s.WindowTo - s.WindowFrom
	from = s.First + random.Int64N(max(s.Last-s.First-length, 1))
	return from, from + length
}

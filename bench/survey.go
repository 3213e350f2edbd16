package bench

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/valyala/fastjson"

	"github.com/stere-log/stere/index"
)

// Bounds of what a survey remembers. Beyond them new words are left out, so
// the choice stays deterministic and the memory bounded.
const (
	wordsMax     = 1_000_000
	phrasesMax   = 2_000_000
	distinctMax  = 2_000 // values of a metadata field
	fieldsMax    = 1_000
	pairsMax     = 100_000
	wordBytesMin = 4
	wordBytesMax = 20
	prefixBytes  = 4
)

// patternTail is what comes after the word of the regular expression: a number
// as patternNumber has it.
const patternTail = `[ =:][0-9]*7[0-9]*[05]\b`

// What the words of the questions should be like, as shares of the lines.
const (
	frequentShare  = 0.10
	windowShare    = 0.03
	prefixShare    = 0.02
	patternShare   = 0.005
	rareShare      = 0.00001
	rareLinesMin   = 3
	eitherShare    = 0.20 // of the lines of the error level
	orShare        = 0.08
	notShare       = 0.05
	textValuesMin  = 50
	traceAt        = 0.618 // the place in the corpus from which the id is taken
	windowAt       = 0.60
	windowFraction = 0.01
)

// Survey is what a corpus has, and the words chosen for the questions. The
// same corpus gives the same survey.
type Survey struct {
	Lines       int64
	Bytes       int64
	First, Last int64 // ns

	TraceID        string
	Phrase         string
	Frequent       string
	ErrorLevel     string
	ErrorComponent string
	Either, Or     string
	Not            string
	Pattern        Pattern
	Prefix         string
	WindowWord     string
	WindowFrom     int64
	WindowTo       int64
	TextField      string
	NumberField    string
	// Component is the most frequent one. Step is what question 7 cuts the
	// time into.
	Component string
	Step      time.Duration
	Others    Others
}

// wordStats counts the lines that have a word.
type wordStats struct {
	lines   int64
	errors  int64 // of them of the error level
	numbers int64 // how often a number of the pattern comes right after it
	last    int64 // line that was counted last
	mixed   bool  // occurs with other case too
}

type phraseStats struct {
	lines, last int64
	text        string
}

type fieldStats struct {
	lines   int64
	texts   int64
	numbers int64
	values  map[uint64]struct{}
}

// surveyor gathers the statistics of a corpus.
type surveyor struct {
	survey   Survey
	total    int64
	words    map[string]*wordStats
	prefixes map[string]*wordStats
	phrases  map[uint64]*phraseStats
	fields   map[string]*fieldStats
	pairs    map[[2]string]int64
	levels   map[string]int64
	comps    map[string]int64
	others   int // how many other subjects to draw
	seed     uint64
	random   *rand.Rand
	traces   []string // a sample of traced ids
	traced   int64
}

// TakeSurvey reads the corpus and chooses the words of the questions, and up
// to others more of each kind for variants, drawn by the seed. What is sent
// after the corpus has none of the words in another case.
func TakeSurvey(ctx context.Context, c *Corpus, later []*Corpus, others int, seed uint64) (*Survey, error) {
	s := &surveyor{
		survey:   Survey{Lines: c.Lines, Bytes: c.Bytes, First: math.MaxInt64, Last: math.MinInt64},
		total:    c.Lines,
		words:    map[string]*wordStats{},
		prefixes: map[string]*wordStats{},
		phrases:  map[uint64]*phraseStats{},
		fields:   map[string]*fieldStats{},
		pairs:    map[[2]string]int64{},
		levels:   map[string]int64{},
		comps:    map[string]int64{},
		others:   others,
		seed:     seed,
		random:   rand.New(rand.NewPCG(seed, 0)),
	}
	if err := c.Records(ctx, s.observe); err != nil {
		return nil, err
	}
	for _, part := range later {
		if err := part.Records(ctx, s.observeCase); err != nil {
			return nil, err
		}
	}
	s.choose()
	return &s.survey, nil
}

func (s *surveyor) observe(number int64, r *Record) error {
	s.survey.First, s.survey.Last = min(s.survey.First, r.Time), max(s.survey.Last, r.Time)
	trace := r.Text(traceField)
	if s.survey.TraceID == "" && number >= int64(traceAt*float64(s.total)) {
		s.survey.TraceID = trace
	} else {
		s.observeTrace(trace)
	}
	if r.Component != "" && (len(s.comps) < pairsMax || s.comps[r.Component] > 0) {
		s.comps[r.Component]++
	}
	if r.Level != "" {
		s.levels[r.Level]++
		if pair := [2]string{r.Level, r.Component}; r.Component != "" && (len(s.pairs) < pairsMax || s.pairs[pair] > 0) {
			s.pairs[pair]++
		}
	}
	s.observeFields(r)
	s.observeWords(number, r)
	return nil
}

func (s *surveyor) observeFields(r *Record) {
	if r.metadata == nil {
		return
	}
	r.metadata.Visit(func(key []byte, v *fastjson.Value) {
		f := s.fields[string(key)]
		if f == nil {
			if len(s.fields) >= fieldsMax {
				return
			}
			f = &fieldStats{values: map[uint64]struct{}{}}
			s.fields[string(key)] = f
		}
		f.lines++
		var hash uint64
		switch v.Type() {
		case fastjson.TypeString:
			f.texts++
			hash = xxhash.Sum64(v.GetStringBytes())
		case fastjson.TypeNumber:
			f.numbers++
			hash = math.Float64bits(v.GetFloat64())
		}
		if len(f.values) < distinctMax {
			f.values[hash] = struct{}{}
		}
	})
}

func (s *surveyor) observeWords(number int64, r *Record) {
	m := r.Message
	isError := r.Level == "error"
	previous, previousEnd := "", -1
	for start, end := index.NextWord(m, 0); start < len(m); start, end = index.NextWord(m, end) {
		word := m[start:end]
		s.observePrefix(number, word)
		plain, mixed := letters(word)
		if !plain {
			if previousEnd >= 0 && previousEnd+1 == start && patternNumber(word) && strings.IndexByte(" =:", m[previousEnd]) >= 0 {
				s.words[previous].numbers++
			}
			previousEnd = -1
			continue
		}
		w := s.word(word, mixed)
		if w == nil {
			previousEnd = -1
			continue
		}
		if w.last != number {
			w.last = number
			w.lines++
			if isError {
				w.errors++
			}
		}
		if mixed {
			previousEnd = -1
			continue
		}
		if previousEnd >= 0 && previousEnd+1 == start && m[previousEnd] == ' ' {
			s.observePhrase(number, m[previousEnd-len(previous):end])
		}
		previous, previousEnd = word, end
	}
}

// observeCase notes which of the known words a later record has in another
// case: targets that ignore case find it there.
func (s *surveyor) observeCase(_ int64, r *Record) error {
	note := func(stats map[string]*wordStats, text string) {
		if plain, mixed := letters(text); plain && mixed {
			if w := stats[index.Fold(text)]; w != nil {
				w.mixed = true
			}
		}
	}
	m := r.Message
	for start, end := index.NextWord(m, 0); start < len(m); start, end = index.NextWord(m, end) {
		note(s.words, m[start:end])
		if end-start >= prefixBytes {
			note(s.prefixes, m[start:start+prefixBytes])
		}
	}
	return nil
}

// word finds or makes the statistics of the folded word.
func (s *surveyor) word(word string, mixed bool) *wordStats {
	if mixed {
		word = index.Fold(word)
	}
	w := s.words[word]
	if w == nil {
		if len(s.words) >= wordsMax {
			return nil
		}
		w = &wordStats{last: -1}
		s.words[strings.Clone(word)] = w
	}
	w.mixed = w.mixed || mixed
	return w
}

func (s *surveyor) observePrefix(number int64, word string) {
	if len(word) < prefixBytes {
		return
	}
	plain, mixed := letters(word[:prefixBytes])
	if !plain {
		return
	}
	prefix := word[:prefixBytes]
	if mixed {
		prefix = index.Fold(prefix)
	}
	p := s.prefixes[prefix]
	if p == nil { // at most 26^4 of them
		p = &wordStats{last: -1}
		s.prefixes[strings.Clone(prefix)] = p
	}
	p.mixed = p.mixed || mixed
	if p.last != number {
		p.last = number
		p.lines++
	}
}

func (s *surveyor) observePhrase(number int64, phrase string) {
	key := xxhash.Sum64String(phrase)
	p := s.phrases[key]
	if p == nil {
		if len(s.phrases) >= phrasesMax {
			return
		}
		p = &phraseStats{last: -1, text: strings.Clone(phrase)}
		s.phrases[key] = p
	}
	if p.last != number {
		p.last = number
		p.lines++
	}
}

// letters reports whether the word is of ASCII letters only and of a length
// worth asking for, and whether one of them is upper case.
func letters(word string) (plain, mixed bool) {
	if len(word) < wordBytesMin || len(word) > wordBytesMax {
		return false, false
	}
	for i := range len(word) {
		switch c := word[i]; {
		case c >= 'a' && c <= 'z':
		case c >= 'A' && c <= 'Z':
			mixed = true
		default:
			return false, false
		}
	}
	return true, mixed
}

// patternNumber reports whether the word is a number of the kind that the
// pattern looks for: with a 7 before its last digit, which is 0 or 5.
func patternNumber(word string) bool {
	last := len(word) - 1
	return strings.Trim(word, "0123456789") == "" && (word[last] == '0' || word[last] == '5') && strings.IndexByte(word[:last], '7') >= 0
}

// choose picks the words from the statistics.
func (s *surveyor) choose() {
	v := &s.survey
	v.ErrorLevel = s.errorLevel()
	best := int64(0)
	for pair, lines := range s.pairs {
		if pair[0] == v.ErrorLevel && (lines > best || lines == best && pair[1] < v.ErrorComponent) {
			best, v.ErrorComponent = lines, pair[1]
		}
	}
	taken := map[string]bool{}
	byLines := func(w *wordStats) int64 { return w.lines }
	byErrors := func(w *wordStats) int64 { return w.errors }
	errors := float64(s.levels["error"])
	v.Frequent = s.nearest(s.words, taken, frequentShare*float64(s.total), byLines)
	v.WindowWord = s.nearest(s.words, taken, windowShare*float64(s.total), byLines)
	v.Either = s.prefer("timeout", taken, eitherShare*errors, byErrors)
	v.Or = s.prefer("exist", taken, orShare*errors, byErrors)
	v.Not = s.prefer("favicon", taken, notShare*errors, byErrors)
	if v.Either == "" || v.Or == "" {
		v.Not = ""
	}
	v.Prefix = s.nearest(s.prefixes, nil, prefixShare*float64(s.total), byLines)
	if w := s.nearest(s.words, nil, patternShare*float64(s.total), func(w *wordStats) int64 { return w.numbers }); w != "" {
		v.Pattern = patternOf(w)
	}
	v.Phrase = s.rarePhrase()
	v.WindowFrom = v.First + int64(windowAt*float64(v.Last-v.First))
	v.WindowTo = v.WindowFrom + max(int64(windowFraction*float64(v.Last-v.First)), 1)
	v.TextField = s.field("client_ip", func(f *fieldStats) int64 { return f.texts })
	v.NumberField = s.field("duration_ms", func(f *fieldStats) int64 { return f.numbers })
	v.Step = stepFor(time.Duration(v.Last - v.First))
	most := int64(0)
	for name, lines := range s.comps {
		if lines > most || lines == most && name < v.Component {
			most, v.Component = lines, name
		}
	}
	s.chooseOthers(taken)
}

// patternOf is the regular expression of a word, which has letters only.
func patternOf(word string) Pattern {
	return Pattern{Literal: word, Regexp: regexp.MustCompile(word + patternTail)}
}

func (s *surveyor) errorLevel() string {
	if s.levels["error"] > 0 {
		return "error"
	}
	rarest := ""
	for level, lines := range s.levels {
		if rarest == "" || lines < s.levels[rarest] || lines == s.levels[rarest] && level < rarest {
			rarest = level
		}
	}
	return rarest
}

// nearest returns the word whose count is nearest to want by ratio, of those
// that occur in lower case only, and takes it.
func (s *surveyor) nearest(from map[string]*wordStats, taken map[string]bool, want float64, count func(*wordStats) int64) string {
	best, bestDistance := "", math.Inf(1)
	for word, w := range from {
		n := count(w)
		if w.mixed || n == 0 || taken[word] {
			continue
		}
		distance := math.Abs(math.Log(float64(n)) - math.Log(max(want, 1)))
		if distance < bestDistance || distance == bestDistance && word < best {
			best, bestDistance = word, distance
		}
	}
	if taken != nil && best != "" {
		taken[best] = true
	}
	return best
}

// prefer takes the word itself where the corpus has it, else the nearest.
func (s *surveyor) prefer(word string, taken map[string]bool, want float64, count func(*wordStats) int64) string {
	if w := s.words[word]; w != nil && !w.mixed && count(w) > 0 && !taken[word] {
		taken[word] = true
		return word
	}
	return s.nearest(s.words, taken, want, count)
}

func (s *surveyor) rarePhrase() string {
	want := max(rareShare*float64(s.total), rareLinesMin)
	var best *phraseStats
	distance := func(p *phraseStats) float64 { return math.Abs(math.Log(float64(p.lines)) - math.Log(want)) }
	for _, p := range s.phrases {
		if !s.oneCase(p.text) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(distance(p), distance(best)), cmp.Compare(p.text, best.text)) < 0 {
			best = p
		}
	}
	if best == nil {
		return ""
	}
	return best.text
}

// oneCase reports whether both words of a phrase occur in lower case only. In
// another case it might occur elsewhere.
func (s *surveyor) oneCase(phrase string) bool {
	first, second, _ := strings.Cut(phrase, " ")
	return !s.words[first].mixed && !s.words[second].mixed
}

// field returns the metadata field that has most values of the kind counted
// and enough different ones; the preferred one wins where it qualifies.
func (s *surveyor) field(preferred string, count func(*fieldStats) int64) string {
	good := func(name string) bool {
		f := s.fields[name]
		return f != nil && count(f) == f.lines && len(f.values) >= textValuesMin && metadataPrefix+name != traceField && !strings.ContainsAny(name, `."\ `)
	}
	if good(preferred) {
		return metadataPrefix + preferred
	}
	var names []string
	for name := range s.fields {
		if good(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(count(s.fields[b]), count(s.fields[a])), cmp.Compare(a, b))
	})
	if len(names) == 0 {
		return ""
	}
	return metadataPrefix + names[0]
}

package classifier

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Limits of models.
const (
	LabelsMax  = 16
	labelMax   = 64
	EncodedMax = 32 << 10 // bytes of a model
	// Least is how sure a model has to be to say something.
	Least = 0.6

	version   = 1
	smoothing = 0.5
	coolest   = 16 // the most that probabilities are drawn together
	whyMax    = 5
)

// Model says which label a text has.
type Model struct {
	labels    []string             // ascending
	documents []int                // examples of each label
	totals    []int                // words of the examples of each label, also of those that are not kept
	counts    map[string][]int     // of each word that is kept, in how many examples of each label it is
	cooling   float64              // what logarithms of odds are divided by: words are not independent
	priors    []float64            // logarithms
	weights   map[string][]float64 // logarithms, by word and label
	key       string
}

// encoded is the saved form of a model.
type encoded struct {
	Version   int              `json:"version"`
	Labels    []string         `json:"labels"`
	Documents []int            `json:"documents"`
	Totals    []int            `json:"totals"`
	Cooling   float64          `json:"cooling"`
	Words     map[string][]int `json:"words"`
}

// MarshalJSON implements json.Marshaler.
func (m *Model) MarshalJSON() ([]byte, error) {
	return json.Marshal(encoded{version, m.labels, m.documents, m.totals, m.cooling, m.counts})
}

// UnmarshalJSON implements json.Unmarshaler: of a damaged model it makes an error, never
// one that says something else.
func (m *Model) UnmarshalJSON(text []byte) error {
	if len(text) > EncodedMax {
		return fmt.Errorf("a model of %d bytes, at most %d are read", len(text), EncodedMax)
	}
	var e encoded
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("read a model: %w", err)
	}
	n := len(e.Labels)
	bad := func(counts []int) bool {
		return len(counts) != n || slices.ContainsFunc(counts, func(c int) bool { return c < 0 || c > math.MaxInt32 })
	}
	switch {
	case e.Version != version:
		return fmt.Errorf("a model of version %d, this program knows %d", e.Version, version)
	case n < 2 || n > LabelsMax || !slices.IsSorted(e.Labels) || len(slices.Compact(slices.Clone(e.Labels))) < n,
		slices.ContainsFunc(e.Labels, func(label string) bool { return !ValidLabel(label) }):
		return errors.New("a model without a list of different labels in their order")
	case bad(e.Documents) || slices.Min(e.Documents) < 1 || bad(e.Totals) || !(e.Cooling >= 1 && e.Cooling <= coolest):
		return errors.New("a model whose counts do not go with its labels")
	}
	for word, counts := range e.Words {
		if bad(counts) || len(words(word)) != 1 || words(word)[0] != word {
			return fmt.Errorf("a model with the word %.40q", word)
		}
		for i, count := range counts {
			if count > e.Totals[i] || count > e.Documents[i] {
				return fmt.Errorf("a model in which %.40q is in more examples than there are", word)
			}
		}
	}
	*m = Model{labels: e.Labels, documents: e.Documents, totals: e.Totals, counts: e.Words, cooling: e.Cooling}
	m.settle()
	m.seal()
	return nil
}

// seal computes the key of a model that is complete.
func (m *Model) seal() {
	text, err := m.MarshalJSON()
	if err != nil {
		text = nil // it is made of texts and numbers alone
	}
	sum := sha256.Sum256(text)
	m.key = hex.EncodeToString(sum[:16])
}

// Key tells models apart that say different things; of none it is "".
func (m *Model) Key() string {
	if m == nil {
		return ""
	}
	return m.key
}

// settle computes what follows from the counts.
func (m *Model) settle() {
	all := 0
	for _, n := range m.documents {
		all += n
	}
	m.priors, m.weights = make([]float64, len(m.labels)), make(map[string][]float64, len(m.counts))
	for i, n := range m.documents {
		m.priors[i] = math.Log(float64(n) / float64(all))
	}
	for word, counts := range m.counts {
		weights := make([]float64, len(counts))
		for i, count := range counts {
			weights[i] = math.Log((float64(count) + smoothing) / (float64(m.totals[i]) + smoothing*float64(len(m.counts)+1)))
		}
		m.weights[word] = weights
	}
}

// Labels returns the labels of the model, ascending.
func (m *Model) Labels() []string { return slices.Clone(m.labels) }

// Label returns the label of an outline and how sure that is, from Least to 1; "" if the
// model is not so sure, or knows none of the words.
func (m *Model) Label(outline string) (label string, confidence float64) {
	odds := m.odds(outline)
	if odds == nil {
		return "", 0
	}
	best := 0
	for i := range odds {
		if odds[i] > odds[best] {
			best = i
		}
	}
	if odds[best] < Least {
		return "", 0
	}
	return m.labels[best], odds[best]
}

// odds returns the probabilities of all labels, nil if no word is known.
func (m *Model) odds(outline string) []float64 {
	odds, known := slices.Clone(m.priors), false
	for _, word := range words(outline) {
		for i, weight := range m.weights[word] {
			odds[i] += weight
			known = true
		}
	}
	if !known {
		return nil
	}
	most := slices.Max(odds)
	sum := 0.0
	for i := range odds {
		odds[i] = math.Exp((odds[i] - most) / m.cooling)
		sum += odds[i]
	}
	for i := range odds {
		odds[i] /= sum
	}
	return odds
}

// Why returns the words of an outline that speak most for a label.
func (m *Model) Why(outline, label string) []string {
	at := slices.Index(m.labels, label)
	if at < 0 {
		return nil
	}
	type reason struct {
		word   string
		weight float64
	}
	var reasons []reason
	for _, word := range words(outline) {
		weights := m.weights[word]
		if weights == nil {
			continue
		}
		others := math.Inf(-1)
		for i, weight := range weights {
			if i != at {
				others = max(others, weight)
			}
		}
		if weights[at] > others {
			reasons = append(reasons, reason{word, weights[at] - others})
		}
	}
	slices.SortStableFunc(reasons, func(a, b reason) int {
		switch {
		case a.weight > b.weight:
			return -1
		case a.weight < b.weight:
			return 1
		}
		return 0
	})
	var why []string
	for _, r := range reasons[:min(len(reasons), whyMax)] {
		why = append(why, r.word)
	}
	return why
}

package classifier

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Limits of examples.
const (
	ExamplesMax   = 5000
	ExamplesLeast = 4 // of a label

	holdEvery = 4 // one example of so many is kept back
	foldsMax  = 4
)

// Example is an outline of which the label is known.
type Example struct {
	Outline string
	Label   string
}

// Report says what a model was made of, and how good it is.
type Report struct {
	Examples   int            `json:"examples"`          // that were used
	Repeats    int            `json:"repeats"`           // that say of a text what another one does, or did before
	Labels     map[string]int `json:"labels"`            // examples of each
	LeftOut    map[string]int `json:"leftOut,omitempty"` // labels with too few examples
	Words      int            `json:"words"`             // that the model knows
	Evaluation Evaluation     `json:"evaluation"`        // of one made of three quarters, by the quarter that was kept back
}

// Evaluation says how well a model tells the labels of examples.
type Evaluation struct {
	Examples int          `json:"examples"`
	Right    int          `json:"right"`
	Unsure   int          `json:"unsure"` // of which the model says nothing
	Labels   []OfOneLabel `json:"labels"`
}

// OfOneLabel is how well one label is told.
type OfOneLabel struct {
	Label     string   `json:"label"`
	Examples  int      `json:"examples"`
	Said      int      `json:"said"`  // how often the model says it
	Right     int      `json:"right"` // and is right
	Precision *float64 `json:"precision"`
	Recall    *float64 `json:"recall"`
}

// labelled are examples as they are counted.
type labelled struct {
	label int // of a list
	words []string
	sum   [sha256.Size]byte // decides which are kept back
	text  string
}

// Train makes a model of examples. Of several about one text the last counts.
func Train(examples []Example) (*Model, *Report, error) {
	if len(examples) > ExamplesMax {
		return nil, nil, fmt.Errorf("%d examples, at most %d are learned from", len(examples), ExamplesMax)
	}
	report := &Report{Labels: map[string]int{}, LeftOut: map[string]int{}}
	latest := map[string]string{}
	for i, e := range examples {
		switch {
		case !ValidLabel(e.Label):
			return nil, nil, fmt.Errorf("example %d: the label %.80q, want 1 to %d of a-z, 0-9, '.', '_' and '-'", i, e.Label, labelMax)
		case !Teaches(e.Outline):
			return nil, nil, fmt.Errorf("example %d: there is no word in %.80q", i, e.Outline)
		}
		latest[e.Outline] = e.Label
	}
	for _, label := range latest {
		report.Labels[label]++
	}
	maps.DeleteFunc(report.Labels, func(label string, n int) bool {
		if n < ExamplesLeast {
			report.LeftOut[label] = n
		}
		return n < ExamplesLeast
	})
	labels := slices.Sorted(maps.Keys(report.Labels))
	if len(labels) < 2 || len(labels) > LabelsMax {
		return nil, nil, fmt.Errorf("%d labels have %d different examples or more, want 2 to %d such labels%s", len(labels), ExamplesLeast, LabelsMax, fewer(report.LeftOut))
	}
	all := sorted(latest, labels)
	report.Examples, report.Repeats = len(all), len(examples)-len(latest)
	var kept, back []labelled
	for i, e := range all { // those of a label stand together
		if i%holdEvery == holdEvery-1 {
			back = append(back, e)
		} else {
			kept = append(kept, e)
		}
	}
	report.Evaluation = measure(made(kept, labels), back, labels)
	m := made(all, labels)
	m.seal()
	report.Words = len(m.counts)
	return m, report, nil
}

// fewer says which labels have too few examples, those first that lack least.
func fewer(left map[string]int) string {
	const shown = 10
	labels := slices.SortedFunc(maps.Keys(left), func(a, b string) int { return cmp.Or(cmp.Compare(left[b], left[a]), cmp.Compare(a, b)) })
	var texts []string
	for _, label := range labels[:min(len(labels), shown)] {
		texts = append(texts, fmt.Sprintf("%s has %d", label, left[label]))
	}
	if len(labels) > shown {
		texts = append(texts, fmt.Sprintf("%d others fewer", len(labels)-shown))
	}
	if len(texts) == 0 {
		return ""
	}
	return ", but " + strings.Join(texts, ", ")
}

// sorted returns examples by label, those of one in an order that says nothing of them.
func sorted(latest map[string]string, labels []string) []labelled {
	var all []labelled
	for text, label := range latest {
		if at, there := slices.BinarySearch(labels, label); there {
			all = append(all, labelled{label: at, words: words(text), sum: sha256.Sum256([]byte(text)), text: text})
		}
	}
	slices.SortFunc(all, func(a, b labelled) int {
		return cmp.Or(cmp.Compare(a.label, b.label), slices.Compare(a.sum[:], b.sum[:]))
	})
	return all
}

// made makes a model of examples, and finds by a rotation through them how far its
// probabilities have to be drawn together to be true.
func made(all []labelled, labels []string) *Model {
	m := counted(all, labels)
	m.cooling = 1
	best := math.Inf(1)
	folds := make([]*Model, foldsMax)
	for fold := range folds {
		var others []labelled
		for i, e := range all {
			if i%foldsMax != fold {
				others = append(others, e)
			}
		}
		folds[fold] = counted(others, labels)
	}
	for cooling := 1.0; cooling <= coolest; cooling *= 2 {
		loss := 0.0
		for i, e := range all {
			fold := folds[i%foldsMax]
			fold.cooling = cooling
			if odds := fold.odds(e.text); odds != nil {
				loss -= math.Log(max(odds[e.label], 1e-9))
			}
		}
		if loss < best {
			best, m.cooling = loss, cooling
		}
	}
	return m
}

// counted makes a model of examples, without its cooling. Of a label that none has it
// counts one without words.
func counted(all []labelled, labels []string) *Model {
	m := &Model{labels: labels, documents: make([]int, len(labels)), totals: make([]int, len(labels)), counts: map[string][]int{}}
	for _, e := range all {
		m.documents[e.label]++
		m.totals[e.label] += len(e.words)
		for _, word := range e.words {
			if m.counts[word] == nil {
				m.counts[word] = make([]int, len(labels))
			}
			m.counts[word][e.label]++
		}
	}
	for i := range m.documents {
		m.documents[i] = max(m.documents[i], 1)
	}
	m.keepTelling()
	m.settle()
	return m
}

// keepTelling keeps as many words as fit into EncodedMax: those that differ most between
// labels.
func (m *Model) keepTelling() {
	all := 0
	for _, n := range m.documents {
		all += n
	}
	telling := make(map[string]float64, len(m.counts))
	for word, counts := range m.counts {
		sum := 0
		for _, count := range counts {
			sum += count
		}
		for i, count := range counts {
			expected := float64(sum) * float64(m.documents[i]) / float64(all)
			telling[word] += (float64(count) - expected) * (float64(count) - expected) / expected
		}
	}
	order := slices.SortedFunc(maps.Keys(m.counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(telling[b], telling[a]), cmp.Compare(a, b))
	})
	room := EncodedMax - (labelMax+32)*LabelsMax
	for _, word := range order {
		if room -= len(word) + 6 + 5*len(m.labels); room < 0 {
			delete(m.counts, word)
		}
	}
}

// Evaluate says how well the model tells the labels of examples. Labels that it does not
// have count as missed.
func (m *Model) Evaluate(examples []Example) Evaluation {
	labels := m.Labels()
	for _, e := range examples {
		labels = append(labels, e.Label)
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	var all []labelled
	for _, e := range examples {
		at, _ := slices.BinarySearch(labels, e.Label)
		all = append(all, labelled{label: at, text: e.Outline})
	}
	return measure(m, all, labels)
}

// measure compares what a model says with what is known; labels are those of the examples.
func measure(m *Model, all []labelled, labels []string) Evaluation {
	out := Evaluation{Examples: len(all), Labels: make([]OfOneLabel, len(labels))}
	for i, label := range labels {
		out.Labels[i].Label = label
	}
	for _, e := range all {
		out.Labels[e.label].Examples++
		said, _ := m.Label(e.text)
		if said == "" {
			out.Unsure++
			continue
		}
		at, _ := slices.BinarySearch(labels, said)
		out.Labels[at].Said++
		if at == e.label {
			out.Labels[at].Right++
			out.Right++
		}
	}
	share := func(part, of int) *float64 {
		if of == 0 {
			return nil
		}
		v := math.Round(10_000*float64(part)/float64(of)) / 10_000
		return &v
	}
	for i := range out.Labels {
		one := &out.Labels[i]
		one.Precision, one.Recall = share(one.Right, one.Said), share(one.Right, one.Examples)
	}
	return out
}

package insight

import (
	"math"
	"slices"

	"github.com/stere-log/stere/meaning/classifier"
)

// Opinion is what the model of a tenant thinks of a finding.
type Opinion struct {
	Model      string   `json:"model"`
	Label      string   `json:"label"`
	Confidence float64  `json:"confidence"`
	Why        []string `json:"why,omitempty"` // words that speak for the label
}

// lowersFrom is how sure a model has to be of a false positive to lower its severity.
const lowersFrom = 0.8

// TextOf is what models learn of a finding, and judge: what found it, and what it is about.
func TextOf(rule, about string) string { return "finding " + rule + " " + about }

// Teaches returns the label that models learn from a verdict, "" if it is none. Who mutes
// a finding without a word on it says that it is not worth telling.
func (v *Verdict) Teaches() string {
	switch {
	case v.Verdict != "":
		return v.Verdict
	case v.Muted == MuteFinding:
		return FalsePositive
	}
	return v.Label
}

// opinions is what gives findings the opinion of a tenant's model; nil of one without.
type opinions struct {
	model *classifier.Model
	id    string
}

// opinions returns what the model of a scope's tenant thinks.
func (s *Service) opinions(scope Scope) *opinions {
	if s.judge == nil {
		return nil
	}
	m, id := s.judge.Model(scope.Tenant)
	if m == nil {
		return nil
	}
	return &opinions{m, id}
}

// of returns what the model thinks of a finding, nil if it is not sure.
func (o *opinions) of(id, about string) *Opinion {
	if o == nil {
		return nil
	}
	rule, _ := RuleOf(id)
	outline := classifier.Outline(TextOf(rule, about))
	label, sure := o.model.Label(outline)
	if label == "" {
		return nil
	}
	return &Opinion{Model: o.id, Label: label, Confidence: math.Round(sure*1000) / 1000, Why: o.model.Why(outline, label)}
}

// weigh returns score and severity of a finding with what the model thinks: of a false
// positive up to half of the score is taken and, if the model is sure enough, one step of
// the severity; of a true positive up to half of what is missing is added. A critical
// finding stays one: nobody is kept from hearing of it by what a model has learned.
func (o *Opinion) weigh(score float64, severity string) (float64, string) {
	if o == nil {
		return score, severity
	}
	switch o.Label {
	case FalsePositive:
		score *= 1 - o.Confidence/2
		order := severityOrder()
		if at := slices.Index(order, severity); o.Confidence >= lowersFrom && at > 0 && at < len(order)-1 {
			severity = order[at+1]
		}
	case TruePositive:
		if score > 0 {
			score += (100 - score) * o.Confidence / 2
		}
	}
	return math.Round(score*100) / 100, severity
}

// think gives findings the opinion of the model.
func (o *opinions) think(found []Finding) {
	if o == nil {
		return
	}
	for i := range found {
		f := &found[i]
		f.Opinion = o.of(f.ID, f.Subject.Name)
		f.Score, f.Severity = f.Opinion.weigh(f.Score, f.Severity)
	}
}

// thinkOf gives insights the opinion of the model.
func (o *opinions) thinkOf(found []Insight) {
	if o == nil {
		return
	}
	for i := range found {
		in := &found[i]
		in.Opinion = o.of(in.ID, in.Pattern)
		in.Score, in.Severity = in.Opinion.weigh(in.Score, in.Severity)
	}
}

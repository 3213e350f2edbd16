package insight

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
)

// Verdict is what a person says of a finding.
type Verdict struct {
	Finding string     `json:"finding"`           // its id; it begins with its rule
	Rule    string     `json:"rule"`              // what finds such
	Verdict string     `json:"verdict,omitempty"` // true_positive, false_positive
	Muted   string     `json:"mute,omitempty"`    // finding: it is not shown; rule: nothing that the rule finds is
	Until   *time.Time `json:"until,omitempty"`   // of what is muted; else for good
	Label   string     `json:"label,omitempty"`
	About   string     `json:"about,omitempty"` // what the finding is about, as it says itself: models learn from it
	Note    string     `json:"note,omitempty"`
	By      string     `json:"by,omitempty"`
	Time    time.Time  `json:"time"`
}

// The verdicts, and what can be muted.
const (
	TruePositive  = "true_positive"
	FalsePositive = "false_positive"
	MuteFinding   = "finding"
	MuteRule      = "rule"
)

// Limits of verdicts.
const (
	labelMax = 100
	noteMax  = 2_000
	aboutMax = 2_000
)

// Judge keeps verdicts; it is safe for concurrent use.
type Judge interface {
	// Verdicts returns all of a tenant, by finding.
	Verdicts(tenant model.TenantID) []Verdict
	// Tenants returns who has verdicts.
	Tenants() []model.TenantID
	// Give keeps one, in place of one about the same finding.
	Give(ctx context.Context, tenant model.TenantID, verdict Verdict) error
	// Model returns what people have taught, and its id; nil: nothing.
	Model(tenant model.TenantID) (m *classifier.Model, id string)
}

var idForm = regexp.MustCompile(`^([a-z_]{1,64})-[0-9a-f]{16}$`)

// RuleOf returns the rule of a finding by its id; ok is false if it is none.
func RuleOf(finding string) (rule string, ok bool) {
	parts := idForm.FindStringSubmatch(finding)
	if parts == nil {
		return "", false
	}
	return parts[1], true
}

// Check completes a verdict, or says what is wrong with it.
func (v *Verdict) Check() error {
	rule, ok := RuleOf(v.Finding)
	fault := func(param, message string, expect ...string) error {
		return &ParamError{Param: param, Message: message, Expect: expect}
	}
	switch {
	case !ok:
		return fault("id", fmt.Sprintf("%.100q is no id of a finding, they look like spike-0123456789abcdef", v.Finding))
	case v.Verdict != "" && v.Verdict != TruePositive && v.Verdict != FalsePositive:
		return fault("verdict", fmt.Sprintf("%.50q is unknown", v.Verdict), TruePositive, FalsePositive)
	case v.Muted != "" && v.Muted != MuteFinding && v.Muted != MuteRule:
		return fault("mute", fmt.Sprintf("%.50q cannot be muted", v.Muted), MuteFinding, MuteRule)
	case v.Until != nil && v.Muted == "":
		return fault("until", "is given and nothing is muted")
	case len(v.Label) > labelMax:
		return fault("label", fmt.Sprintf("has %d bytes, at most %d", len(v.Label), labelMax))
	case len(v.About) > aboutMax:
		return fault("about", fmt.Sprintf("has %d bytes, at most %d", len(v.About), aboutMax))
	case len(v.Note) > noteMax:
		return fault("note", fmt.Sprintf("has %d bytes, at most %d", len(v.Note), noteMax))
	}
	v.Rule, v.Label = rule, strings.TrimSpace(v.Label)
	return nil
}

// Precision is how often a rule was right, as people say.
type Precision struct {
	Rule      string   `json:"rule"`
	True      int      `json:"truePositives"`
	False     int      `json:"falsePositives"`
	Precision *float64 `json:"precision"` // null without verdicts
	Muted     int      `json:"muted"`     // findings
}

// Precisions counts verdicts by rule.
func Precisions(verdicts []Verdict) []Precision {
	byRule := map[string]*Precision{}
	for _, v := range verdicts {
		p := byRule[v.Rule]
		if p == nil {
			p = &Precision{Rule: v.Rule}
			byRule[v.Rule] = p
		}
		switch v.Verdict {
		case TruePositive:
			p.True++
		case FalsePositive:
			p.False++
		}
		if v.Muted != "" {
			p.Muted++
		}
	}
	found := []Precision{}
	for _, rule := range sortedKeys(byRule) {
		p := byRule[rule]
		if n := p.True + p.False; n > 0 {
			share := round(float64(p.True) / float64(n))
			p.Precision = &share
		}
		found = append(found, *p)
	}
	return found
}

// mutes are what a tenant does not want to see.
type mutes struct{ findings, rules map[string]bool }

// mutesOf returns what is muted at a time.
func mutesOf(verdicts []Verdict, now time.Time) mutes {
	m := mutes{map[string]bool{}, map[string]bool{}}
	for _, v := range verdicts {
		switch {
		case v.Until != nil && !now.Before(*v.Until):
		case v.Muted == MuteFinding:
			m.findings[v.Finding] = true
		case v.Muted == MuteRule:
			m.rules[v.Rule] = true
		}
	}
	return m
}

// has reports whether a finding is muted.
func (m mutes) has(id string) bool {
	rule, _ := RuleOf(id)
	return m.findings[id] || m.rules[rule]
}

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

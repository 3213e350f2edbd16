package insight

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/anomaly"
)

// Limits of evidence.
const (
	findingsMax     = 200
	evidenceMax     = 4           // attacks, and other findings, that get examples: the worst
	evidenceRecords = 3           // of each
	evidenceTime    = time.Second // that is looked for them
)

// Finding is something that was found in a window, with what shows it.
type Finding struct {
	ID          string            `json:"id"` // the same for the same kind of finding about the same thing
	Type        string            `json:"type"`
	Severity    string            `json:"severity"`
	Subject     anomaly.Subject   `json:"subject"`
	Entities    map[string]string `json:"entities,omitempty"`   // ip, user
	Techniques  []string          `json:"techniques,omitempty"` // of MITRE ATT&CK
	From        time.Time         `json:"from"`
	To          time.Time         `json:"to"`
	Ongoing     bool              `json:"ongoing"`
	Observed    float64           `json:"observed"`
	Expected    float64           `json:"expected"`
	Low         float64           `json:"low"`
	High        float64           `json:"high"`
	Unit        string            `json:"unit"`
	Probability float64           `json:"probability"` // of that by chance
	Score       float64           `json:"score"`       // 0 to 100
	Basis       string            `json:"basis,omitempty"`
	Explanation string            `json:"explanation"`
	Query       string            `json:"query"` // finds the records
	Examples    []string          `json:"examples,omitempty"`
	Related     []anomaly.Subject `json:"related,omitempty"`
	Deploy      *anomaly.Deploy   `json:"deploy,omitempty"`
	Opinion     *Opinion          `json:"opinion,omitempty"` // of the tenant's model
}

// Learning says whether there is too little history to judge, and until when.
type Learning struct {
	Learning bool       `json:"learning"`
	Until    *time.Time `json:"until,omitempty"`
	Buckets  int        `json:"buckets"` // of history that it takes
	Width    string     `json:"width"`   // of a bucket
}

// Findings is what was found in a window, the worst first.
type Findings struct {
	Completeness
	TimeRange TimeRange `json:"timeRange"`
	Learning  Learning  `json:"learning"`
	Muted     int       `json:"muted"` // findings that are not shown
	Findings  []Finding `json:"findings"`
}

// findingID makes the id of what a rule found about what. It begins with the rule, so
// that a verdict about it is one about the rule.
func findingID(rule string, about ...string) string {
	sum := sha256.Sum256([]byte(rule + "\x00" + strings.Join(about, "\x00")))
	return rule + "-" + hex.EncodeToString(sum[:8])
}

// Findings returns what is not as it was in a window, and what attackers do there, the
// worst first: what rules can act on. Every finding has a type, a severity and what it is
// about. Those that are muted are left out and counted.
func (s *Service) Findings(ctx context.Context, scope Scope) (*Findings, error) {
	a, err := s.asker(ctx, scope)
	if err != nil {
		return nil, err
	}
	answer := &Findings{TimeRange: scope.Window.timeRange()}
	answer.Findings, answer.Learning, _ = a.findings(scope.Window)
	answer.Findings, answer.Muted = s.heard(scope, answer.Findings)
	s.opinions(scope).think(answer.Findings)
	answer.Findings = ordered(answer.Findings)
	answer.Completeness = a.completeness()
	return answer, a.err
}

// findings looks for all kinds of findings in a window.
func (a *asker) findings(window Window) ([]Finding, Learning, *anomaly.Input) {
	found, learning, in := a.anomalies(window)
	found = ordered(append(found, a.attacks()...))
	a.evidence(found)
	return found, learning, in
}

// ordered orders findings, the worst first, and keeps the first findingsMax.
func ordered(found []Finding) []Finding {
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rankOf(a.Severity), rankOf(b.Severity)), cmp.Compare(b.Score, a.Score))
	})
	return found[:min(len(found), findingsMax)]
}

// heard leaves out what a tenant has muted, and counts it.
func (s *Service) heard(scope Scope, found []Finding) (kept []Finding, muted int) {
	m := s.mutes(scope)
	kept = []Finding{}
	for _, f := range found {
		if m.has(f.ID) {
			muted++
			continue
		}
		kept = append(kept, f)
	}
	return kept, muted
}

// mutes returns what the tenant of a scope does not want to see.
func (s *Service) mutes(scope Scope) mutes {
	if s.judge == nil {
		return mutes{}
	}
	return mutesOf(s.judge.Verdicts(scope.Tenant), s.now())
}

// rankOf returns the place of a severity, 0 for the worst.
func rankOf(severity string) int { return slices.Index(severityOrder(), severity) }

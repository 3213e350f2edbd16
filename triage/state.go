package triage

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a rule's alerts.
const (
	// AlertsMax is how many alerts of a rule there are at once; of more groups those
	// with the highest values are taken.
	AlertsMax = 64
	groupMax  = 160 // bytes of a group's values as JSON
	foundMax  = 200 // bytes of what a finding says, as JSON
)

// bounded returns the beginning of a text that takes at most so many bytes as JSON: a
// state is to fit into a document whatever values records have.
func bounded(text string, most int) string {
	size := 0
	for i, r := range text {
		switch {
		case r < ' ' || r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029' || r == utf8.RuneError:
			size += 6
		case r == '"' || r == '\\':
			size += 2
		default:
			size += utf8.RuneLen(r)
		}
		if size > most {
			return text[:i]
		}
	}
	return text
}

// Group is the values of the fields that alerts are grouped by, in their order.
type Group []string

// Key returns the group as one text.
func (g Group) Key() string { return strings.Join(g, "\x1f") }

// Short returns the group with values of bounded length.
func (g Group) Short() Group {
	out := make(Group, len(g))
	for i, value := range g {
		out[i] = bounded(strings.ToValidUTF8(value, ""), groupMax/len(g))
	}
	return out
}

// Finding is what was found of a group in a window, and satisfies the condition.
type Finding struct {
	Group Group
	Value float64
	Text  string // what it means, if the value does not say it
}

// Sample is everything that was found in the window that ends with End.
type Sample struct {
	End      int64 // Unix ns
	Findings []Finding
}

// Alert is a group of which the condition holds, or has held until shortly.
type Alert struct {
	Group    Group   `json:"group,omitempty"`
	Since    int64   `json:"since"`           // the end of the first window in which it held
	Fired    int64   `json:"fired,omitempty"` // when it fired; 0: it is pending
	Last     int64   `json:"last"`            // the end of the last window in which it held
	Value    float64 `json:"value"`
	Text     string  `json:"text,omitempty"`
	Told     int64   `json:"told,omitempty"` // when it was told of last, 0: it was not
	Escaped  int     `json:"escaped,omitempty"`
	Acked    string  `json:"acked,omitempty"` // by whom
	Incident string  `json:"incident,omitempty"`
}

// The phases of an alert.
const (
	Pending  = "pending"
	Firing   = "firing"
	Resolved = "resolved"
)

// Phase is one of them.
func (a *Alert) Phase() string {
	if a.Fired == 0 {
		return Pending
	}
	return Firing
}

// State is what is known of a rule's alerts.
type State struct {
	Through int64             `json:"through"` // windows that end here, or before, were looked at
	Alerts  map[string]*Alert `json:"alerts,omitempty"`
	// Quiet are groups that do not fire again before a time.
	Quiet   map[string]int64 `json:"quiet,omitempty"`
	Number  uint64           `json:"number"` // of transitions, for ids
	Fired   uint64           `json:"fired"`  // how many alerts have fired
	Skipped int64            `json:"skipped,omitempty"`
	Error   string           `json:"error,omitempty"` // why it could not be looked at last
}

// The kinds of transitions.
const (
	Fires     = "firing"
	Repeats   = "repeated"
	Escalates = "escalated"
	Resolves  = "resolved"
)

// Transition is something that is to be told of an alert.
type Transition struct {
	Kind   string
	Number uint64
	Alert  Alert
	At     int64
	Level  *Escalate // of an escalation
}

// ErrBehind means that a sample is of a window that was looked at.
var ErrBehind = errors.New("the window was looked at already")

// Clone returns a copy that can be changed.
func (s *State) Clone() *State {
	c := *s
	c.Alerts, c.Quiet = make(map[string]*Alert, len(s.Alerts)), maps.Clone(s.Quiet)
	for key, alert := range s.Alerts {
		one := *alert
		c.Alerts[key] = &one
	}
	return &c
}

// Step takes what was found in the next window and returns what is to be told, in the
// order of groups. Held says of which alerts nothing may be told at the moment: of a
// silenced one that still fires it is told later. The state is changed.
func (s *State) Step(r *Rule, sample Sample, held func(*Alert) bool) ([]Transition, error) {
	if sample.End <= s.Through {
		return nil, ErrBehind
	}
	s.Through = sample.End
	if s.Alerts == nil {
		s.Alerts = map[string]*Alert{}
	}
	for key, until := range s.Quiet {
		if until <= sample.End {
			delete(s.Quiet, key)
		}
	}
	s.take(sample)
	var out []Transition
	tell := func(kind string, alert *Alert, level *Escalate) {
		s.Number++
		out = append(out, Transition{Kind: kind, Number: s.Number, Alert: *alert, At: sample.End, Level: level})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Alerts)) {
		alert := s.Alerts[key]
		holds := alert.Last == sample.End
		switch {
		case !holds && alert.Fired == 0:
			delete(s.Alerts, key)
		case !holds && sample.End-alert.Last >= int64(r.Keep):
			if alert.Told != 0 { // of whom nobody has heard, nobody hears that it is over
				tell(Resolves, alert, nil)
			}
			delete(s.Alerts, key)
		case alert.Fired == 0 && s.Quiet[key] == 0 && sample.End-alert.Since >= int64(r.For):
			alert.Fired = sample.End
			s.Fired++
			s.quiet(r, key, sample.End)
		}
		if s.Alerts[key] == nil || alert.Fired == 0 || held != nil && held(alert) {
			continue
		}
		s.remind(r, alert, sample.End, tell)
	}
	return out, nil
}

// Withdraw ends all alerts, as their rule is not what it was, and returns what is to be
// told: of whom somebody has heard, that it is over.
func (s *State) Withdraw(now int64) (out []Transition) {
	for _, key := range slices.Sorted(maps.Keys(s.Alerts)) {
		if alert := s.Alerts[key]; alert.Told != 0 {
			s.Number++
			out = append(out, Transition{Kind: Resolves, Number: s.Number, Alert: *alert, At: now})
		}
	}
	s.Alerts, s.Quiet = map[string]*Alert{}, nil
	return out
}

// remind tells of an alert that fires.
func (s *State) remind(r *Rule, alert *Alert, now int64, tell func(string, *Alert, *Escalate)) {
	switch {
	case alert.Told == 0:
		alert.Told = now
		tell(Fires, alert, nil)
	case alert.Acked == "" && now-alert.Told >= int64(r.Repeat):
		alert.Told = now
		tell(Repeats, alert, nil)
	}
	for i, level := range r.Escalations() {
		if i >= alert.Escaped && alert.Acked == "" && now-alert.Fired >= int64(level.After) {
			alert.Escaped = i + 1
			tell(Escalates, alert, level)
		}
	}
}

// take writes down what was found.
func (s *State) take(sample Sample) {
	findings := slices.Clone(sample.Findings)
	if len(findings) > AlertsMax {
		slices.SortStableFunc(findings, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Group.Key(), b.Group.Key()))
		})
	}
	for _, found := range findings {
		key := found.Group.Short().Key()
		alert := s.Alerts[key]
		if alert == nil {
			if len(s.Alerts) >= AlertsMax {
				continue
			}
			alert = &Alert{Group: found.Group.Short(), Since: sample.End}
			s.Alerts[key] = alert
		}
		alert.Last, alert.Value, alert.Text = sample.End, finite(found.Value), bounded(strings.ToValidUTF8(found.Text, ""), foundMax)
	}
}

// finite is a value that can be written as JSON.
func finite(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return max(-math.MaxFloat64, min(math.MaxFloat64, v))
}

// quiet keeps a group from firing again.
func (s *State) quiet(r *Rule, key string, now int64) {
	most := r.Suppress()
	if most == 0 || len(s.Quiet) >= AlertsMax {
		return
	}
	if s.Quiet == nil {
		s.Quiet = map[string]int64{}
	}
	s.Quiet[key] = now + int64(most)
}

// Windows returns the ends of the windows that are to be looked at now, at most so many.
// After a long rest the oldest are left out, and how much time that is is told: what is
// that old tells nobody anything that has to be done.
func (s *State) Windows(r *Rule, now int64, most int) (ends []int64, skipped int64) {
	every, last := int64(r.Every), now-int64(r.Late)
	last -= last % every
	next := s.Through - s.Through%every + every
	if s.Through == 0 {
		next = last
	}
	if oldest := last - int64(CatchUpMax); next < oldest {
		oldest += every - 1
		oldest -= oldest % every
		skipped = oldest - next
		next = oldest
	}
	for ; next <= last && len(ends) < most; next += every {
		ends = append(ends, next)
	}
	return ends, skipped
}

// CatchUpMax is how far back windows are looked at that nobody has looked at.
const CatchUpMax = time.Hour

// Silence is a time in which nothing is told of some alerts.
type Silence struct {
	ID     string            `json:"id"`
	Rule   string            `json:"rule,omitempty"`  // of this rule; "": any
	Group  map[string]string `json:"group,omitempty"` // with these values
	From   int64             `json:"from"`            // Unix ns
	Until  int64             `json:"until"`
	Reason string            `json:"reason,omitempty"`
	By     string            `json:"by,omitempty"`
}

// Covers reports whether the silence is about an alert at a time.
func (s *Silence) Covers(r *Rule, alert *Alert, now int64) bool {
	if now < s.From || now >= s.Until || s.Rule != "" && s.Rule != r.ID {
		return false
	}
	return has(r, alert, s.Group)
}

func has(r *Rule, alert *Alert, values map[string]string) bool {
	labels := r.Labels(alert.Group)
	for field, value := range values {
		if labels[field] != value {
			return false
		}
	}
	return true
}

// Inhibited reports whether an alert is not told of because of one of another rule.
func Inhibited(r *Rule, alert *Alert, by *Rule, state *State) bool {
	if !slices.Contains(by.Inhibits, r.ID) {
		return false
	}
	for _, other := range state.Alerts {
		if other.Fired == 0 {
			continue
		}
		labels, same := by.Labels(other.Group), map[string]string{}
		for _, field := range by.Equal {
			same[field] = labels[field]
		}
		if has(r, alert, same) {
			return true
		}
	}
	return false
}

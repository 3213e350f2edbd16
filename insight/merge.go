package insight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/anomaly"
	"github.com/stere-log/stere/detect"
)

// Prognosis is what is expected to come, and how wrong that has been about the past.
type Prognosis struct {
	Metric        string    `json:"metric"` // records, errors, error_rate
	Unit          string    `json:"unit"`
	From          time.Time `json:"from"`
	To            time.Time `json:"to"`
	Enough        bool      `json:"enough"`   // else there is not enough history
	Expected      *float64  `json:"expected"` // null without history enough, as those below
	Low           *float64  `json:"low"`
	High          *float64  `json:"high"` // nine times in ten it lies between
	BacktestError *float64  `json:"backtestError"`
	Backtests     int       `json:"backtests"`
	Basis         string    `json:"basis"`
}

// merge takes findings among the insights: one with the same cause as an insight is
// told with it.
func (f *finder) merge(found []Finding) {
	taken := map[int]bool{}
	found, rest := worstAttacks(found)
	for i := range found {
		at := slices.IndexFunc(f.found, func(in Insight) bool { return sameCause(&in, &found[i]) })
		if at >= 0 && !taken[at] {
			taken[at] = true
			f.found[at].tell(&found[i])
			continue
		}
		f.found = append(f.found, insightOf(&found[i]))
	}
	for _, kind := range sortedKeys(rest) {
		f.found = append(f.found, together(kind, rest[kind]))
	}
	for i := range f.found {
		if in := &f.found[i]; in.ID == "" {
			in.ID = findingID(in.Type, in.Pattern)
		}
	}
}

// Limits of attacks.
const (
	attacksShown = 10 // of a kind; the rest is one insight
	namesShown   = 5
)

// worstAttacks leaves the worst attacks of each kind, and puts the rest together by
// kind. That somebody guesses is no news beside that it worked.
func worstAttacks(found []Finding) (kept []Finding, rest map[string][]Finding) {
	rest = map[string][]Finding{}
	shown, over := map[string]int{}, map[string]bool{}
	for i := range found {
		if found[i].Type == string(detect.Takeover) {
			over[found[i].Entities["ip"]] = true
		}
	}
	for i := range found {
		f := &found[i]
		switch {
		case f.Subject.Dimension != anomaly.Entity:
		case f.Type == string(detect.BruteForce) && over[f.Entities["ip"]]:
			continue
		case shown[f.Type] == attacksShown:
			rest[f.Type] = append(rest[f.Type], *f)
			continue
		}
		shown[f.Type]++
		kept = append(kept, *f)
	}
	return kept, rest
}

// together makes one insight of attacks of a kind.
func together(kind string, found []Finding) Insight {
	var names []string
	var attempts float64
	for i := range found {
		attempts += found[i].Observed
		if i < namesShown {
			names = append(names, found[i].Subject.Name)
		}
	}
	in := insightOf(&found[0])
	in.ID, in.Finding, in.Pattern = findingID(kind, "others"), nil, fmt.Sprintf("%d others", len(found))
	in.Message = fmt.Sprintf("%d more of the same kind, %.0f %s in all: %s ...", len(found), attempts, found[0].Unit, strings.Join(names, ", "))
	in.Metadata = map[string]any{"findings": len(found), "observed": attempts, "unit": found[0].Unit}
	return in
}

// sameCause reports whether a finding is behind an insight.
func sameCause(in *Insight, f *Finding) bool {
	if in.Finding != nil {
		return false
	}
	about := func(dimension anomaly.Dimension, name string) bool {
		is := func(s anomaly.Subject) bool { return s.Dimension == dimension && s.Name == name }
		return is(f.Subject) || slices.ContainsFunc(f.Related, is)
	}
	more := f.Observed > f.Expected
	switch in.Type {
	case "error_spike":
		return more && f.Unit != "milliseconds" && about(anomaly.Component, fmt.Sprint(in.Metadata["component"]))
	case "new_error_pattern":
		return f.Type == string(anomaly.New) && f.Subject.Name == in.Pattern
	case "component_silent":
		return !more && about(anomaly.Component, in.Pattern)
	case "capacity_prediction":
		return more && about(anomaly.All, "")
	case "volume_drop":
		return !more && about(anomaly.All, "")
	case "performance_degradation":
		return f.Type == string(anomaly.Slow) && about(anomaly.Endpoint, in.Pattern)
	case "potential_brute_force":
		return f.Entities["ip"] == in.Pattern || f.Entities["user"] == in.Pattern
	}
	return false
}

// tell adds a finding to the insight that it is behind.
func (in *Insight) tell(f *Finding) {
	in.ID, in.Score, in.Finding = f.ID, f.Score, f
	in.Message += ". " + f.Explanation
	if rankOf(f.Severity) < rankOf(in.Severity) {
		in.Severity = f.Severity
	}
}

// insightOf makes an insight of a finding.
func insightOf(f *Finding) Insight {
	in := Insight{ID: f.ID, Type: f.Type, Severity: f.Severity, Pattern: f.Subject.Name, Message: f.Explanation, Query: f.Query, Score: f.Score, Finding: f}
	if f.Subject.Dimension == anomaly.All {
		in.Pattern = "all"
	}
	switch {
	case f.Type == string(detect.BruteForce):
		in.Type = "potential_brute_force"
	case f.Type == string(anomaly.Silence) && f.Subject.Dimension == anomaly.Component:
		in.Type = "component_silent"
	case f.Type == string(anomaly.New) && rankOf(f.Severity) <= rankOf(High):
		in.Type = "new_error_pattern"
	}
	in.Metadata = map[string]any{"observed": f.Observed, "expected": f.Expected, "low": f.Low, "high": f.High, "unit": f.Unit, "from": f.From, "to": f.To}
	for name, value := range f.Entities {
		in.Metadata[name] = value
	}
	return in
}

// prognoses tells what the next stretch as long as a window will have.
func prognoses(in *anomaly.Input) []Prognosis {
	found := []Prognosis{}
	if len(in.Series) == 0 || len(in.Shares) == 0 {
		return found
	}
	buckets := max(in.Buckets-in.Judge, 1)
	from := in.Start.Add(time.Duration(in.Buckets) * in.Width)
	prognosis := func(metric string, f anomaly.Forecast) Prognosis {
		p := Prognosis{
			Metric: metric, Unit: "records", From: from, To: from.Add(time.Duration(buckets) * in.Width),
			Enough: f.Enough, Backtests: f.Tests, Basis: f.Basis,
		}
		if f.Enough {
			p.Expected, p.Low, p.High, p.BacktestError = figure(f.Expected), figure(f.Low), figure(f.High), figure(f.Error)
		}
		return p
	}
	records, errors := in.Ahead(in.Series[0].Counts, buckets), in.Ahead(in.Shares[0].Part, buckets)
	share := errors
	share.Enough = records.Enough && errors.Enough && records.Expected > 0
	if share.Enough {
		share.Expected, share.Low, share.High = 100*errors.Expected/records.Expected, 100*errors.Low/records.Expected, min(100*errors.High/records.Expected, 100)
	}
	rate := prognosis("error_rate", share)
	rate.Unit = "percent"
	return append(found, prognosis("records", records), prognosis("errors", errors), rate)
}

// figure is a number that is known.
func figure(x float64) *float64 {
	x = round(x)
	return &x
}

package insight

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/anomaly"
	"github.com/stere-log/stere/query/syntax"
)

// Limits of what anomalies are looked for in.
const (
	bucketsAim     = 48              // of a window
	bucketsHistory = 16 * bucketsAim // before it: 16 windows, or as many days
	bucketLeast    = 5 * time.Minute // how wide a bucket is at least
	seriesMax      = 100             // patterns whose counts are looked at; of the rest only whether they are new
	sourcesMax     = 40              // components, endpoints
	isDeploy       = `deploy:* OR deployment:* OR event:="deploy" OR event.type:="deploy" OR event.action:="deploy"`
	deploysMax     = 50
	deployBefore   = 30 * time.Minute // before the window: what follows can be in it
	durationField  = "duration"
)

// widths are how wide buckets can be.
func widths() []time.Duration {
	return []time.Duration{bucketLeast, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day}
}

// bucketOf returns how wide the buckets of a window are.
func bucketOf(w Window) time.Duration {
	for _, width := range widths() {
		if w.Length() <= bucketsAim*width+hour {
			return width
		}
	}
	return day
}

// watcher makes the input of package anomaly of the answers to queries.
type watcher struct {
	*asker
	window Window
	in     anomaly.Input
	start  int64
}

// watch prepares the buckets of a window and of the history before it.
func (a *asker) watch(window Window) *watcher {
	width := int64(bucketOf(window))
	judge := window.From - window.From%width
	w := &watcher{window: window, start: judge - bucketsHistory*width}
	w.in = anomaly.Input{Start: time.Unix(0, w.start).UTC(), Width: time.Duration(width), Judge: bucketsHistory}
	w.in.Buckets = int((window.To - 1 - w.start + width) / width)
	w.in.Partial = (window.To-1)%width != 0
	w.asker = a.over(Window{From: w.start, To: window.To})
	return w
}

// bucketName is how queries group by buckets.
func (w *watcher) bucketName() string {
	return fmt.Sprintf("_time:%dm", int64(w.in.Width/time.Minute))
}

// bucket returns the place of a time; it is within the buckets.
func (w *watcher) bucket(t time.Time) int {
	return min(max(int((t.UnixNano()-w.start)/int64(w.in.Width)), 0), w.in.Buckets-1)
}

// gather asks for everything that anomalies are looked for in.
func (w *watcher) gather() *anomaly.Input {
	w.in.First = w.in.Buckets
	if first := at(w.row("", "stats min(_time)", 1)[0]); first != nil {
		w.in.First = w.bucket(*first)
	}
	if w.in.First >= w.in.Buckets || w.err != nil {
		return &w.in
	}
	w.totals()
	w.sources()
	w.patterns()
	w.latencies("endpoint", anomaly.Endpoint)
	w.deploys()
	return &w.in
}

// counts returns a series of zeros.
func (w *watcher) counts() []float64 { return make([]float64, w.in.Buckets) }

// totals counts all records, and errors among them.
func (w *watcher) totals() {
	all, failed := w.counts(), w.counts()
	for _, row := range w.table("", "stats count(), count_if("+isError+") by ("+w.bucketName()+")") {
		if t := at(row[0]); t != nil {
			all[w.bucket(*t)], failed[w.bucket(*t)] = value(row[1]), value(row[2])
		}
	}
	subject := anomaly.Subject{Dimension: anomaly.All}
	w.in.Series = append(w.in.Series, anomaly.Series{Subject: subject, Counts: all})
	w.in.Shares = append(w.in.Shares, anomaly.Share{Subject: subject, Part: failed, Whole: all})
}

// sources counts the records of the components that have most.
func (w *watcher) sources() {
	names := w.most("component")
	if len(names) < 2 {
		return // the only one is what all is
	}
	whole, failed := map[string][]float64{}, map[string][]float64{}
	for _, name := range names {
		whole[name], failed[name] = w.counts(), w.counts()
	}
	for _, row := range w.table(oneOf("component", names), "stats count(), count_if("+isError+") by (component, "+w.bucketName()+")") {
		t, name := at(row[1]), label(row[0], "")
		if t != nil && whole[name] != nil {
			whole[name][w.bucket(*t)], failed[name][w.bucket(*t)] = value(row[2]), value(row[3])
		}
	}
	for _, name := range names {
		subject := anomaly.Subject{Dimension: anomaly.Component, Name: name}
		w.in.Series = append(w.in.Series, anomaly.Series{Subject: subject, Counts: whole[name]})
		w.in.Shares = append(w.in.Shares, anomaly.Share{Subject: subject, Part: failed[name], Whole: whole[name]})
	}
}

// most returns the values of a field that most records have.
func (w *watcher) most(field string) []string {
	var names []string
	for _, row := range w.table(syntax.QuoteField(field)+":*", fmt.Sprintf("top %d %s", sourcesMax, syntax.QuoteName(field))) {
		names = append(names, label(row[0], ""))
	}
	return names
}

// oneOf returns the condition that a field has one of the values.
func oneOf(field string, values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = syntax.QuoteValue(v)
	}
	return syntax.QuoteField(field) + " in (" + strings.Join(quoted, ", ") + ")"
}

// patterns asks which patterns there are and since when, and counts the records of
// those that have most, in all and in the window.
func (w *watcher) patterns() {
	before := len(w.reasons)
	now := map[string]float64{}
	for _, row := range w.within(w.window).table("", "stats count() by (pattern_id)") {
		now[label(row[0], "")] = value(row[1])
	}
	failed := w.failures()
	var known []anomaly.Known
	for _, row := range w.table("", "stats count(), min(_time), max(_time) by (pattern_id, pattern)") {
		id, first, last := label(row[0], ""), at(row[3]), at(row[4])
		if id == "" || first == nil || last == nil {
			continue
		}
		k := anomaly.Known{Subject: anomaly.Subject{Dimension: anomaly.Pattern, ID: id, Name: label(row[1], "")}, Level: failed[id].level(value(row[2])), Now: now[id]}
		k.First, k.Last, k.Before = w.bucket(*first), w.bucket(*last), value(row[2])-now[id]
		known = append(known, k)
	}
	w.in.Patterns, w.in.Complete = known, len(w.reasons) == before
	chosen := chosen(known)
	series := map[string][]float64{}
	for _, k := range chosen {
		series[k.ID] = w.counts()
		w.in.Series = append(w.in.Series, anomaly.Series{Subject: k.Subject, Counts: series[k.ID]})
	}
	if len(chosen) == 0 {
		return
	}
	for _, row := range w.table(oneOf("pattern_id", ids(chosen)), "stats count() by (pattern_id, "+w.bucketName()+")") {
		t, counts := at(row[1]), series[label(row[0], "")]
		if t != nil && counts != nil {
			counts[w.bucket(*t)] = value(row[2])
		}
	}
}

// within returns an asker over a part of what this one looks at.
func (w *watcher) within(part Window) *watcher {
	return &watcher{asker: w.over(part), window: part, in: w.in, start: w.start}
}

// failures are how many records of a pattern have the level critical, or error.
type failures struct{ critical, errors float64 }

// level returns the level of error or worse that most of the records of a pattern have, or
// a worse one: what now and then is an error is no pattern of errors.
func (f failures) level(records float64) string {
	switch {
	case 2*f.critical >= records && f.critical > 0:
		return "critical"
	case 2*(f.critical+f.errors) >= records && f.critical+f.errors > 0:
		return "error"
	}
	return ""
}

// failures returns how many records of each pattern are errors.
func (w *watcher) failures() map[string]failures {
	found := map[string]failures{}
	for _, row := range w.table("level>=error", "stats count() by (pattern_id, level)") {
		id := label(row[0], "")
		f := found[id]
		if label(row[1], "") == "critical" {
			f.critical += value(row[2])
		} else {
			f.errors += value(row[2])
		}
		found[id] = f
	}
	return found
}

// chosen returns the patterns whose counts are looked at: those with most records
// before, those with most now, and those that have grown most.
func chosen(known []anomaly.Known) []anomaly.Known {
	taken := map[string]bool{}
	var found []anomaly.Known
	for _, figure := range []func(k anomaly.Known) float64{
		func(k anomaly.Known) float64 { return k.Before },
		func(k anomaly.Known) float64 { return k.Now },
		func(k anomaly.Known) float64 { return k.Now / (1 + k.Before) },
	} {
		ordered := slices.Clone(known)
		slices.SortFunc(ordered, func(a, b anomaly.Known) int {
			return cmp.Or(cmp.Compare(figure(b), figure(a)), cmp.Compare(a.ID, b.ID))
		})
		for _, k := range ordered[:min(len(ordered), seriesMax/3)] {
			if !taken[k.ID] {
				taken[k.ID] = true
				found = append(found, k)
			}
		}
	}
	return found
}

// ids returns the ids of patterns.
func ids(known []anomaly.Known) []string {
	found := make([]string, len(known))
	for i, k := range known {
		found[i] = k.ID
	}
	return found
}

// latencies asks how long the sources with most records take.
func (w *watcher) latencies(field string, dimension anomaly.Dimension) {
	if whole(w.row(durationField+":*", "stats count()", 1)[0]) == 0 {
		return
	}
	names := w.most(field)
	if len(names) == 0 {
		field, dimension = "component", anomaly.Component
		names = w.most(field)
	}
	type spread struct{ count, half, most []float64 }
	found := map[string]*spread{}
	for _, name := range names {
		found[name] = &spread{w.counts(), w.counts(), w.counts()}
	}
	if len(names) == 0 {
		return
	}
	for _, row := range w.table(durationField+":* "+oneOf(field, names), "stats count("+durationField+"), p50("+durationField+"), p95("+durationField+") by ("+syntax.QuoteName(field)+", "+w.bucketName()+")") {
		t, s := at(row[1]), found[label(row[0], "")]
		if t != nil && s != nil {
			i := w.bucket(*t)
			s.count[i], s.half[i], s.most[i] = value(row[2]), value(row[3]), value(row[4])
		}
	}
	for _, name := range names {
		subject, s := anomaly.Subject{Dimension: dimension, Name: name}, found[name]
		w.in.Latencies = append(w.in.Latencies,
			anomaly.Latency{Subject: subject, Count: s.count, Value: s.half, Percentile: "p50"},
			anomaly.Latency{Subject: subject, Count: s.count, Value: s.most, Percentile: "p95"})
	}
}

// deploys asks what was put into service: what people said, and records that mark a
// deployment.
func (w *watcher) deploys() {
	if w.known != nil {
		for _, d := range w.known.Deploys(w.base.Tenant) {
			if at := d.Time.UnixNano(); at >= w.window.From-int64(deployBefore) && at < w.window.To && len(w.in.Deploys) < deploysMax {
				w.in.Deploys = append(w.in.Deploys, anomaly.Deploy{Bucket: w.bucket(d.Time), Time: d.Time, What: d.what()})
			}
		}
	}
	for _, hit := range w.within(w.window).ask(isDeploy, "", deploysMax).Hits {
		t := time.Unix(0, hit.Record.Time).UTC()
		what := ""
		for _, f := range hit.Record.Fields {
			if slices.Contains([]string{"component", "service", "version", "deploy", "deployment", "deployment.version", "service.version"}, f.Name) {
				what = strings.TrimSpace(what + " " + f.Text)
			}
		}
		if what == "" {
			what = hit.ID.String()
		}
		w.in.Deploys = append(w.in.Deploys, anomaly.Deploy{Bucket: w.bucket(t), Time: t, What: what})
	}
}

// condition returns what finds the records of a subject.
func condition(s anomaly.Subject) string {
	switch s.Dimension {
	case anomaly.Component:
		return exactly("component", s.Name)
	case anomaly.Endpoint:
		return exactly("endpoint", s.Name)
	case anomaly.Pattern:
		return exactly("pattern_id", s.ID)
	}
	return "*"
}

// anomalies looks for what is not as it was before a window.
func (a *asker) anomalies(window Window) ([]Finding, Learning, *anomaly.Input) {
	w := a.watch(window)
	in := w.gather()
	a.take(w.asker)
	report := anomaly.Detect(*in)
	learning := Learning{Learning: report.Learning, Buckets: anomaly.LearnBuckets, Width: syntax.FormatDuration(in.Width)}
	if report.Learning {
		until := in.Start.Add(time.Duration(in.First+anomaly.LearnBuckets+1) * in.Width)
		learning.Until = &until
	}
	found := []Finding{}
	for i := range report.Findings {
		found = append(found, w.finding(in, &report.Findings[i]))
	}
	return found, learning, in
}

// finding turns what package anomaly found into what answers have.
func (w *watcher) finding(in *anomaly.Input, f *anomaly.Finding) Finding {
	text := condition(f.Subject)
	if f.Kind == anomaly.Mix {
		text += " AND (" + isError + ")"
	}
	from, to := in.Start.Add(time.Duration(f.From)*in.Width), in.Start.Add(time.Duration(f.To)*in.Width)
	one := Finding{
		Type: string(f.Kind), Severity: severityOf(f), Subject: f.Subject, From: from, To: to, Ongoing: f.Ongoing,
		Observed: round(f.Observed), Expected: round(f.Expected), Low: round(f.Low), High: round(f.High), Unit: f.Unit,
		Probability: math.Exp(max(f.LogP, -700)), Score: anomaly.Score(f.LogP), Basis: f.Basis, Related: f.Related, Deploy: f.Deploy,
		Explanation: in.Explain(f), Query: text,
	}
	one.ID = findingID(one.Type, string(f.Dimension), cmp.Or(f.ID, f.Name))
	return one
}

// severityOf says how bad a finding is.
func severityOf(f *anomaly.Finding) string {
	severe := Medium
	switch f.Kind {
	case anomaly.Silence, anomaly.Mix:
		severe = High
	case anomaly.Rare:
		return Low
	case anomaly.New:
		severe = worse(f.Level == "", High, Low)
		if f.Level == "critical" {
			severe = Critical
		}
	case anomaly.Slow, anomaly.Change:
		if !f.Up && f.Kind == anomaly.Slow {
			severe = Info // faster
		}
	case anomaly.Spike:
		severe = worse(f.Level != "", Medium, High)
	case anomaly.Seasonal, anomaly.Drift:
		severe = worse(f.Level != "", Low, Medium)
	}
	return severe
}

// evidence adds ids of records that the worst findings are of. It is a help: where it
// takes too long, they have none.
func (a *asker) evidence(found []Finding) {
	attacks, others := 0, 0
	for i := range found {
		f := &found[i]
		count := &others
		if f.Subject.Dimension == anomaly.Entity {
			count = &attacks
		}
		if *count++; *count > evidenceMax || f.Type == string(anomaly.Silence) || a.err != nil {
			continue
		}
		asked := a.over(Window{From: f.From.UnixNano(), To: f.To.UnixNano()})
		asked.base.Time, asked.base.Uncounted = evidenceTime, true
		for _, hit := range asked.ask(f.Query, "", evidenceRecords).Hits {
			f.Examples = append(f.Examples, hit.ID.String())
		}
	}
}

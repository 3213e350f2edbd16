package insight

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/anomaly"
	"github.com/stere-log/stere/detect"
	"github.com/stere-log/stere/query/syntax"
)

// The severities of findings, from the worst.
const (
	Critical = "critical"
	High     = "high"
	Medium   = "medium"
	Low      = "low"
	Info     = "info"
)

// severities returns the severities from the worst.
func severityOrder() []string { return []string{Critical, High, Medium, Low, Info} }

// Thresholds of insights.
const (
	spikeErrors     = 10     // errors of a source in an hour from which on a spike can be
	spikeFactor     = 3      // times what is usual
	recurringShare  = 30     // percent: fewer patterns than that among errors recur
	recurringErrors = 10     // errors of a source
	newPatternCount = 3      // records of a new pattern
	slowEndpoint    = 5_000  // p95 of durations
	slowestEndpoint = 10_000 // the same, worse
	variableFactor  = 2      // (p95 - p50) / p50
	durationsLeast  = 5      // of an endpoint
	bruteForce      = 10     // failed logins of one source
	bruteForceWorst = 50
	errorRate       = 10 // percent
	errorRateWorst  = 25
	componentRate   = 20 // percent
	componentWorst  = 50
	componentLeast  = 10  // records of a component
	risingErrors    = 10  // percentage points between the halves of the window
	growth          = 50  // percent
	silentLeast     = 100 // records in the window before of a component that is silent
	historyDays     = 7   // days before the window that say what is usual
	insightsMax     = 100
	candidatesMax   = 200 // sources that are looked at for a kind of insight
	hour            = time.Hour
	day             = 24 * time.Hour
)

// Conditions of insights.
const (
	isFailedLogin = `(authentication OR auth OR login OR logon OR password OR publickey OR sshd) (failed OR failure OR invalid OR denied OR incorrect OR refused)`
	// Words that the index finds, also as they are written in URLs, scripts and pages: only
	// the texts that have them are read, to see whether they do show an attack.
	isAttack = `attack:* AND ("union select" OR "union all" OR "20union" OR "2bunion" OR "2520union" OR "27or" OR "20or" OR "2bor" OR "2520or" OR information_schema` +
		` OR "<script" OR "3cscript" OR "253cscript" OR u003cscript OR "lt script" OR onerror OR "3csvg" OR "3cimg"` +
		` OR passwd OR "2fpasswd" OR "2fshadow" OR "2e" OR "252e" OR "2f" OR "252f" OR "cmd.exe" OR "win.ini" OR whoami OR "bin sh" OR "2fbin" OR jndi OR ndi OR "7bjndi" OR entity OR doctype` +
		` OR "169.254.169.254" OR "meta data" OR sqlmap OR nikto OR nuclei OR masscan OR zgrab OR wpscan OR gobuster OR dirbuster OR acunetix OR nessus OR openvas OR nmap)`
)

// Insight is something that deserves attention.
type Insight struct {
	ID       string         `json:"id"` // the same for the same thing found again; verdicts are about it
	Type     string         `json:"type"`
	Severity string         `json:"severity"`
	Pattern  string         `json:"pattern"` // what it is about: a component, an endpoint, a message
	Message  string         `json:"message"` // in plain words
	Query    string         `json:"query"`   // finds the records that it is about
	Metadata map[string]any `json:"metadata"`
	Score    float64        `json:"score,omitempty"` // 0 to 100: how improbable it is
	Finding  *Finding       `json:"finding,omitempty"`
	Opinion  *Opinion       `json:"opinion,omitempty"` // of the tenant's model
}

// Recommendation is what to do about insights.
type Recommendation struct {
	Type        string   `json:"type"`
	Priority    string   `json:"priority"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Actions     []string `json:"actions"`
}

// InsightsRequest asks what deserves attention.
type InsightsRequest struct {
	Scope
	Disks bool // those of the nodes, too: for who looks after these
	// Types are those that are looked for; none: all. Of others there may be some in the
	// answer, or not, and what is told of the whole may be missing.
	Types []string
	// Bare says that no records are wanted that show what was found: to look for them can
	// cost more than to find it.
	Bare bool
}

// Insights is what deserves attention, the worst first.
type Insights struct {
	Completeness
	Timestamp       time.Time        `json:"timestamp"`
	Domain          string           `json:"domain"`
	TimeRange       TimeRange        `json:"timeRange"`
	Insights        []Insight        `json:"insights"`
	Recommendations []Recommendation `json:"recommendations"`
	Severity        string           `json:"severity"` // of the worst
	Forecast        []Prognosis      `json:"forecast"`
	Capacity        []Capacity       `json:"capacity"`
	Learning        Learning         `json:"learning"`
	Muted           int              `json:"muted"` // insights that are not shown
}

// finder looks for insights in one window.
type finder struct {
	*asker
	window Window
	total  int64
	errors int64
	found  []Insight

	types     []string // that are looked for; none: all
	bare      bool     // as InsightsRequest.Bare
	counted   bool     // total and errors are known
	pastKnown int64    // 1 and the records of the days before; 0: not asked yet
	pastFrom  int64    // when the first of them was
}

// Insights returns what deserves attention in a window, compared with what was
// usual before it.
func (s *Service) Insights(ctx context.Context, request InsightsRequest) (*Insights, error) {
	a, err := s.asker(ctx, request.Scope)
	if err != nil {
		return nil, err
	}
	a.limit()
	f := &finder{asker: a, window: request.Window, types: request.Types, bare: request.Bare}
	found, learning, in := f.lookAtAll()
	capacity := []Capacity{}
	if f.asked(capacityTypes()) {
		f.look("capacity", func() { capacity = append(capacity, f.capacities(request.Disks)...) })
	}
	f.merge(found)
	answer := &Insights{Capacity: capacity, Timestamp: s.now().UTC(), Domain: string(request.Tenant), TimeRange: request.Window.timeRange(), Severity: Info}
	all := len(f.found)
	m := s.mutes(request.Scope)
	f.found = slices.DeleteFunc(f.found, func(in Insight) bool { return m.has(in.ID) })
	answer.Muted, answer.Learning, answer.Forecast = all-len(f.found), learning, prognoses(in)
	s.opinions(request.Scope).thinkOf(f.found)
	answer.Insights = ranked(f.found)
	answer.Recommendations = recommend(answer.Insights)
	if len(answer.Insights) > 0 {
		answer.Severity = answer.Insights[0].Severity
	}
	answer.Completeness = f.completeness()
	return answer, f.err
}

// lookAtAll looks for everything: first at what is told of the whole, then at what is not
// as it was and at attackers, last at what is behind errors.
func (f *finder) lookAtAll() (found []Finding, learning Learning, in *anomaly.Input) {
	in = &anomaly.Input{}
	attackers, threats, others := f.asked(attackTypes()), f.asked(threatTypes()), f.askedOthers()
	f.along = alongEvents(threats) // where failed logins are asked for, events are too
	steps := []struct {
		asked bool
		name  string
		run   func()
	}{
		{others, "totals", f.totals}, {others, "error rate", f.errorRates}, {others, "components", f.components}, {others, "volume", f.volume},
		{others, "anomalies and forecast", func() {
			anomalies, learnt, input := f.anomalies(f.window)
			found, learning, in = append(found, anomalies...), learnt, input
		}},
		{attackers, "attackers", func() { found = append(found, f.asker.attacks()...) }},
		{attackers, "failed logins", f.bruteForce},
		{threats, "attacks on web applications", f.attacks},
		{others, "spikes of errors", f.errorSpikes}, {others, "new errors", f.newPatterns}, {others, "slow endpoints", f.slowEndpoints},
		{others, "rising errors", f.risingErrors}, {others, "recurring errors", f.recurringErrors},
	}
	for _, step := range steps {
		if !step.asked {
			continue
		}
		insights, findings, known, input := len(f.found), len(found), learning, in
		if !f.look(step.name, step.run) { // what was made of half the answers is not told
			f.found, found, learning, in = f.found[:insights], found[:findings], known, input
		}
	}
	found = ordered(found)
	if !f.bare {
		f.evidence(found)
	}
	return found, learning, in
}

// asked reports whether any of the types is looked for.
func (f *finder) asked(types []string) bool {
	return len(f.types) == 0 || slices.ContainsFunc(types, func(one string) bool { return slices.Contains(f.types, one) })
}

// askedOthers reports whether any is looked for that is neither of attacks nor of what
// fills up. What tells of these depends on each other: a finding is told with the insight
// that has the same cause.
func (f *finder) askedOthers() bool {
	apart := slices.Concat(attackTypes(), threatTypes(), capacityTypes())
	return len(f.types) == 0 || slices.ContainsFunc(f.types, func(one string) bool { return !slices.Contains(apart, one) })
}

// attackTypes are those of what attackers do, threatTypes those of marks of attacks,
// capacityTypes those of what fills up.
func attackTypes() []string {
	types := []string{"potential_brute_force"}
	for _, kind := range detect.Kinds() {
		types = append(types, string(kind))
	}
	return types
}

func threatTypes() []string { return []string{"security_threat"} }

func capacityTypes() []string { return []string{"quota_predicted", "disk_full_predicted"} }

// totals counts all records, and errors among them.
func (f *finder) totals() {
	row := f.row("", "stats count(), count_if("+isError+")", 2)
	f.total, f.errors, f.counted = whole(row[0]), whole(row[1]), f.budget.skipped == 0
}

// uncounted reports whether the totals are not known, and notes that what compares with
// them is left out.
func (f *finder) uncounted() bool {
	if !f.counted {
		f.skip()
	}
	return !f.counted
}

// past returns an asker over the days before the window that say what is usual, and
// whether there are records of them.
func (f *finder) past() (history *asker, some bool) {
	history = f.over(Window{From: f.window.From - int64(historyDays*day), To: f.window.From})
	if f.pastKnown == 0 {
		row := history.row("", "stats count(), min(_time)", 2)
		f.pastKnown = 1 + whole(row[0])
		if first := at(row[1]); first != nil {
			f.pastFrom = first.UnixNano()
		}
	}
	return history, f.pastKnown > 1
}

// pastText says how much of the days before there are records of.
func (f *finder) pastText() string { return pastText(f.window.From, f.pastFrom) }

// pastText says how far the first record is before a window, at most the days that are
// looked at.
func pastText(from, first int64) string {
	days, span := time.Duration(historyDays)*day, time.Duration(from-first)
	switch {
	case span >= days-12*time.Hour:
		return fmt.Sprintf("%d days before", historyDays)
	case span >= 2*day:
		return fmt.Sprintf("%d days before, since the first record", int((span+12*time.Hour)/day))
	case span >= 2*time.Hour:
		return fmt.Sprintf("%d hours before, since the first record", int(span.Round(time.Hour)/time.Hour))
	}
	return fmt.Sprintf("%d min before, since the first record", max(1, int(span.Round(time.Minute)/time.Minute)))
}

// sameHours returns in how many of the days before there were records at the time of an
// hour: of a tenant that has just begun the others say nothing.
func (f *finder) sameHours(hour time.Time) (days int) {
	for hour = hour.Add(-day); days < historyDays && hour.Add(time.Hour).UnixNano() > f.pastFrom; hour = hour.Add(-day) {
		if hour.UnixNano() < f.window.From { // the window may be longer than a day
			days++
		}
	}
	return days
}

// ranked orders insights, the worst first, and keeps the first insightsMax.
func ranked(found []Insight) []Insight {
	rank := func(i Insight) int { return rankOf(i.Severity) }
	slices.SortStableFunc(found, func(a, b Insight) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Score, a.Score))
	})
	if found == nil {
		found = []Insight{}
	}
	return found[:min(len(found), insightsMax)]
}

// add notes an insight.
func (f *finder) add(kind, severity, about, query string, metadata map[string]any, format string, args ...any) {
	f.found = append(f.found, Insight{Type: kind, Severity: severity, Pattern: about, Query: query, Metadata: metadata, Message: fmt.Sprintf(format, args...)})
}

// worse returns the second severity if something is so bad, else the first.
func worse(bad bool, normal, worst string) string {
	if bad {
		return worst
	}
	return normal
}

// exactly returns the condition "the field is this".
func exactly(field string, cell any) string {
	if cell == nil {
		return "NOT " + syntax.QuoteField(field) + ":*"
	}
	return syntax.Print(syntax.Match{Field: field, Op: syntax.Equal, Value: syntax.Value{Text: fmt.Sprint(cell)}})
}

// errorRates looks at the share of errors among all records.
func (f *finder) errorRates() {
	if rate := share(f.errors, f.total); rate > errorRate {
		f.add("high_error_rate", worse(rate > errorRateWorst, High, Critical), "all", isError, map[string]any{"errors": f.errors, "total": f.total, "errorRate": rate},
			"%.1f %% of all records are errors: %d of %d", rate, f.errors, f.total)
	}
}

// components looks at the share of errors of each component, and for those that wrote in
// the window before and do not now.
func (f *finder) components() {
	before := len(f.reasons)
	now := map[string]bool{}
	for _, row := range f.table("component:*", "stats count() as n, count_if("+isError+") as errors by (component)") {
		now[label(row[0], "")] = true
		n, errors := whole(row[1]), whole(row[2])
		if rate := share(errors, n); n >= componentLeast && rate > componentRate {
			f.add("component_health_issue", worse(rate > componentWorst, Medium, High), label(row[0], ""), exactly("component", row[0])+" AND ("+isError+")",
				map[string]any{"component": row[0], "errors": errors, "total": n, "errorRate": rate}, "%.1f %% of the records of %v are errors: %d of %d", rate, row[0], errors, n)
		}
	}
	if len(f.reasons) == before { // else one that is not there may be
		f.silence(now)
	}
}

// errorSpikes compares the errors of each source in each hour with what is
// usual for it in the same hour of the days before.
func (f *finder) errorSpikes() {
	by := "stats count() by (component, endpoint, _time:1h)"
	history, some := f.past()
	if !some {
		f.take(history)
		return // nothing says what is usual
	}
	usual := map[string]float64{}
	for _, row := range history.table(isError, by) {
		if t := at(row[2]); t != nil {
			usual[fmt.Sprint(row[0], "\x00", row[1], "\x00", t.Hour())] += value(row[3])
		}
	}
	all := len(history.reasons) == 0
	f.take(history)
	if !all {
		return // what is usual may be more
	}
	worst := map[string][]any{}
	for _, row := range f.table(isError, by) {
		t := at(row[2])
		if t == nil {
			continue
		}
		days := f.sameHours(*t)
		if days == 0 {
			continue // nothing says what is usual at this hour
		}
		n, expected := value(row[3]), usual[fmt.Sprint(row[0], "\x00", row[1], "\x00", t.Hour())]/float64(days)
		source := fmt.Sprint(row[0], "\x00", row[1])
		if known := worst[source]; n > spikeErrors && tooMany(n, expected) && (known == nil || value(known[3]) < n) {
			worst[source] = append(slices.Clone(row), expected)
		}
	}
	for _, source := range sortedKeys(worst) {
		row := worst[source]
		about := sourceName(row[0], row[1])
		usually := "none"
		if expected := round(value(row[4])); expected > 0 {
			usually = fmt.Sprint(expected)
		}
		condition := exactly("component", row[0]) + " AND " + exactly("endpoint", row[1])
		f.add("error_spike", High, about, condition+" AND ("+isError+")", map[string]any{"component": row[0], "endpoint": row[1], "hour": row[2], "errors": row[3], "expected": round(value(row[4]))},
			"%s had %v errors in the hour from %v; usual in that hour: %s", about, row[3], row[2], usually)
	}
}

// tooMany reports whether a number is far above what is expected: several times
// as much, and beyond what chance explains.
func tooMany(n, expected float64) bool {
	return n >= spikeFactor*expected && n > expected+4*math.Sqrt(expected+1)
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// sourceName returns how a component and an endpoint are called.
func sourceName(component, endpoint any) string {
	name := label(component, "no component")
	if endpoint != nil {
		name += ":" + fmt.Sprint(endpoint)
	}
	return name
}

// recurringErrors looks for components whose errors are few patterns.
func (f *finder) recurringErrors() {
	for _, row := range f.table("("+isError+") component:*", "stats count() as n, count_distinct(pattern) as patterns by (component) | limit "+fmt.Sprint(candidatesMax)) {
		n, patterns := whole(row[1]), whole(row[2])
		if n >= recurringErrors && share(patterns, n) < recurringShare {
			f.add("recurring_error_pattern", Medium, label(row[0], ""), exactly("component", row[0])+" AND ("+isError+")", map[string]any{"component": row[0], "errors": n, "patterns": patterns},
				"the %d errors of %v are of %s", n, row[0], kinds(patterns))
		}
	}
}

// kinds says how many patterns there are.
func kinds(patterns int64) string {
	if patterns == 1 {
		return "one kind"
	}
	return fmt.Sprint(patterns, " kinds only")
}

// newPatterns looks for patterns of errors that were not there in the days
// before.
func (f *finder) newPatterns() {
	history, some := f.past()
	if !some {
		f.take(history)
		return // nothing says what was known
	}
	known := map[string]bool{}
	for _, row := range history.table(isError, "stats count() by (pattern)") {
		known[label(row[0], "")] = true
	}
	all := len(history.reasons) == 0 // else a pattern that is not there may have been
	f.take(history)
	for _, pattern := range f.patterns(isError, candidatesMax) {
		if all && pattern.Count >= newPatternCount && !known[pattern.Pattern] {
			f.add("new_error_pattern", Medium, pattern.Pattern, exactly("pattern_id", pattern.ID), map[string]any{"count": pattern.Count, "firstSeen": pattern.FirstSeen, "example": pattern.Example},
				"an error that was not seen in the %s came %d times: %s", f.pastText(), pattern.Count, shortened(pattern.Pattern))
		}
	}
}

// slowEndpoints looks at the durations of each endpoint.
func (f *finder) slowEndpoints() {
	for _, row := range f.table("endpoint:* duration:*", "stats count() as n, p50(duration), p95(duration) by (endpoint) | limit "+fmt.Sprint(candidatesMax)) {
		n, median, p95 := whole(row[1]), value(row[2]), value(row[3])
		if n < durationsLeast {
			continue
		}
		metadata := map[string]any{"endpoint": row[0], "count": n, "p50": median, "p95": p95}
		if p95 > slowEndpoint {
			f.add("performance_degradation", worse(p95 > slowestEndpoint, Medium, High), label(row[0], ""), exactly("endpoint", row[0])+" duration>"+fmt.Sprint(slowEndpoint), metadata,
				"95 %% of the requests to %v take up to %.0f ms", row[0], p95)
		}
		if median > 0 && (p95-median)/median > variableFactor {
			f.add("performance_variability", Medium, label(row[0], ""), exactly("endpoint", row[0])+" duration:*", metadata,
				"requests to %v usually take %.0f ms, but 5 %% take %.0f ms or more", row[0], median, p95)
		}
	}
}

// seen is how often a field had a value in some of the records, and when; first and last are
// times as answers have them.
type seen struct {
	field       string
	value       any
	n           int64
	first, last any
}

// seenIn makes one of a row that ends with how often, first and last.
func seenIn(field string, row []any) seen {
	figures := row[len(row)-3:]
	return seen{field, row[0], whole(figures[0]), figures[1], figures[2]}
}

// sums adds up what was seen of the same values, the most frequent first.
func sums(all []seen) (summed []seen) {
	places := map[string]int{}
	for _, one := range all {
		key := one.field + "\x00" + label(one.value, "")
		i, known := places[key]
		if !known {
			places[key] = len(summed)
			summed = append(summed, one)
			continue
		}
		summed[i].add(&one)
	}
	slices.SortStableFunc(summed, func(a, b seen) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(label(a.value, ""), label(b.value, "")))
	})
	return summed
}

// add adds what was seen elsewhere.
func (s *seen) add(other *seen) {
	s.n += other.n
	if t, first := at(other.first), at(s.first); t != nil && (first == nil || t.Before(*first)) {
		s.first = other.first
	}
	if t, last := at(other.last), at(s.last); t != nil && (last == nil || t.After(*last)) {
		s.last = other.last
	}
}

// risingErrors compares the share of errors in the halves of the window.
func (f *finder) risingErrors() {
	if f.uncounted() {
		return
	}
	middle := f.window.From + (f.window.To-f.window.From)/2
	half := f.over(Window{f.window.From, middle})
	row := half.row("", "stats count(), count_if("+isError+")", 2)
	f.take(half)
	n, errors := whole(row[0]), whole(row[1])
	rates := [2]float64{share(errors, n), share(f.errors-errors, f.total-n)}
	if rates[1]-rates[0] > risingErrors {
		f.add("predictive_error_increase", Medium, "all", isError, map[string]any{"before": rates[0], "now": rates[1]},
			"the share of errors rose from %.1f %% in the first half of the window to %.1f %% in the second", rates[0], rates[1])
	}
}

// volume compares the number of records with the window before.
func (f *finder) volume() {
	if f.uncounted() {
		return
	}
	before := f.over(f.window.Before())
	n := whole(before.row("", "stats count()", 1)[0])
	f.take(before)
	if n == 0 || len(f.reasons) > 0 { // what is missing is no drop
		return
	}
	metadata := map[string]any{"before": n, "now": f.total, "growth": share(f.total-n, n)}
	switch {
	case share(f.total-n, n) > growth:
		f.add("capacity_prediction", Medium, "volume", "*", metadata, "%.0f %% more records than in the window before: %d after %d", share(f.total-n, n), f.total, n)
	case tooMany(float64(n), float64(f.total)):
		f.add("volume_drop", Medium, "volume", "*", metadata, "only %d records after %d in the window before", f.total, n)
	}
}

// silence looks for components that wrote in the window before and do not now.
func (f *finder) silence(now map[string]bool) {
	before := f.over(f.window.Before())
	for _, row := range before.table("component:*", "stats count() as n, max(_time) by (component) | limit "+fmt.Sprint(candidatesMax)) {
		if n := whole(row[1]); n >= silentLeast && !now[label(row[0], "")] {
			f.add("component_silent", High, label(row[0], ""), exactly("component", row[0]), map[string]any{"component": row[0], "before": n, "lastSeen": row[2]},
				"%v wrote %d records in the window before and none in this one", row[0], n)
		}
	}
	f.take(before)
}

// advice is what to do about a type of insight.
type advice struct {
	kind, title string
	actions     []string
}

// adviceFor returns what to do about a type of insight.
func adviceFor(insight string) advice {
	switch insight {
	case "error_spike", "spike", "level_mix_shift":
		return advice{"immediate_action", "Find the cause of the spike of errors", []string{"Look at what was deployed or changed shortly before", "Read the first errors of the hour, not the last", "Check what the component depends on"}}
	case "recurring_error_pattern":
		return advice{"optimization", "Remove the cause of errors that recur", []string{"Read one of each pattern", "Fix it or lower its level if it is expected", "Set an alert on its rate"}}
	case "new_error_pattern", "new", "rare":
		return advice{"monitoring", "Look at errors that are new", []string{"Compare the first time with deployments", "Decide whether it needs a fix, an alert, or nothing", "Search for its parameters in other components"}}
	case "performance_degradation", "latency_shift":
		return advice{"performance_optimization", "Speed up slow endpoints", []string{"Look at the slowest requests of the endpoint", "Check the database and the calls to other services", "Add a limit of time"}}
	case "performance_variability":
		return advice{"stability_improvement", "Even out response times", []string{"Compare slow requests with fast ones by their fields", "Look for locks, caches that are cold, and pauses", "Watch p95 and p99, not the average"}}
	case "potential_brute_force", "password_spraying", "credential_stuffing":
		return advice{"security_action", "Stop guessing of passwords", []string{"Block the address or lock the account", "Look for logins that succeeded after the attempts", "Require a second factor"}}
	case "account_takeover", "impossible_travel", "privilege_change":
		return advice{"security_action", "Find out whether an account is in other hands", []string{"Ask the user, or lock the account and end its sessions", "Read what was done after the login", "Change its password and require a second factor"}}
	case "port_scan", "path_scan":
		return advice{"security_hardening", "Look at what scans could have found", []string{"Look for answers with success to the same address", "Block the address if it goes on", "Close what need not be reachable"}}
	case "security_threat":
		return advice{"security_hardening", "Check the attacks on web applications", []string{"Look for answers with success among them", "Block the addresses", "Check that inputs are validated and libraries up to date"}}
	case "high_error_rate":
		return advice{"system_investigation", "Find out why so much fails", []string{"Look at which component has most errors", "Compare with the window before", "Check dependencies that all share"}}
	case "component_health_issue":
		return advice{"component_investigation", "Look after components with many errors", []string{"Read the patterns of the component's errors", "Check its resources and dependencies", "Roll back if it began with a deployment"}}
	case "component_silent", "silence", "drop":
		return advice{"component_investigation", "Find out why a component went silent", []string{"Check that it runs", "Check its shipper and the network", "Check whether its level was changed"}}
	case "change_point", "seasonal_deviation":
		return advice{"system_investigation", "Find out what changed", []string{"Compare the time with deployments and settings", "Look at GET /analytics/changes for the same window", "Give it a verdict if it is expected, so that it is not shown again"}}
	case "predictive_error_increase", "drift":
		return advice{"preventive_action", "Act before errors go on rising", []string{"Look at what changed in the middle of the window", "Watch the rate for the next hour", "Prepare to roll back"}}
	}
	return advice{"capacity_planning", "Check the volume of logs", []string{"Find the component that grew or shrank", "Check disk and quota", "Lower the level or the retention of what nobody reads"}}
}

// recommend returns one recommendation for each type of insight, in the order
// of the worst of each.
func recommend(insights []Insight) []Recommendation {
	recommendations := []Recommendation{}
	seen := map[string]int{}
	about := map[string][]string{}
	for _, insight := range insights {
		about[insight.Type] = append(about[insight.Type], insight.Pattern)
		if _, known := seen[insight.Type]; known {
			continue
		}
		seen[insight.Type] = len(recommendations)
		what := adviceFor(insight.Type)
		recommendations = append(recommendations, Recommendation{Type: what.kind, Priority: insight.Severity, Title: what.title, Description: insight.Message, Actions: what.actions})
	}
	for kind, i := range seen {
		if more := about[kind]; len(more) > 1 {
			recommendations[i].Description += fmt.Sprintf(" (and %d more: %s)", len(more)-1, strings.Join(more[1:min(len(more), 4)], ", "))
		}
	}
	return recommendations
}

package insight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/anomaly"
	"github.com/stere-log/stere/detect"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// trace is how some program writes down what is of interest to package detect: which
// records, and what takes who and from where out of them. Every trace groups by what,
// who and source, which may be null.
type trace struct {
	condition string
	pipes     string // before the grouping
	targets   string // is counted: different ones
	event     detect.Event
	ok        string // the values of what that mean success
	login     string // the values of what that are failed logins besides
}

// place is where a login came from, if records say so or it follows from the address.
const place = `latitude = to_number(coalesce(geo.lat, source.geo.location.lat, client.geo.location.lat)), longitude = to_number(coalesce(geo.lon, source.geo.location.lon, client.geo.location.lon))`

// Fields in which programs write the address and the user of what they do.
const (
	userField  = `coalesce(userId, user.name, username, metadata.username, metadata.userId, metadata.user, user)`
	addressed  = `[0-9a-fA-F.:]+`
	hasFailed  = `(failed OR failure OR invalid OR denied OR incorrect)`
	hasSuccess = `(succeeded OR success OR successful OR accepted)`
	isLogin    = `(authentication OR login OR logon)`
	isWeb      = `HTTP ("HTTP/1.1" OR "HTTP/1.0" OR "HTTP/2.0")` // the word alone is found for less, and what is asked besides only among what has it
	statusWeb  = `(metadata.status in (401, 403, 404) OR status in (401, 403, 404) OR http.response.status_code in (401, 403, 404))`
	isNamed    = `("failed password" OR "accepted password" OR "accepted publickey" OR "login attempt" OR "invalid user" OR "authentication failure")`
	isWebLine  = ` | extract /^(?P<source>` + addressed + `) \S+ \S+ \[[^\]]*\] "\S+ (?P<target>\S+)[^"]*" (?P<what>40[134]) /`
)

// traces returns all that are known.
func traces() []trace {
	login, weak := detect.Event{Action: detect.Login}, detect.Event{Action: detect.Login, Weak: true}
	privilege := detect.Event{Action: detect.Privilege}
	sourceField := "coalesce(" + strings.Join(meaning.AddressFields(), ", ") + ")"
	bare := func(fields string) string { return `eval source = ` + sourceField + `, who = ` + userField + fields }
	return []trace{
		{condition: `"failed password" OR "accepted password" OR "accepted publickey" OR "failed keyboard"`, event: login, ok: "Accepted",
			pipes: `extract /(?P<what>Failed|Accepted) (?:password|publickey|keyboard-interactive\/pam) for (?:invalid user )?(?P<who>\S*) from (?P<source>` + addressed + `)/`},
		{condition: `"invalid user"`, event: weak, pipes: `eval what = "failed" | extract /^Invalid user (?P<who>\S*) from (?P<source>` + addressed + `)/`},
		{condition: `"authentication failure" rhost`, event: weak, pipes: `eval what = "failed" | extract /rhost=(?P<source>` + addressed + `)(?:\s+user=(?P<who>\S+))?/`},
		// Programs tell of attempts that are no logins yet, too, and far more of these.
		{condition: `"login attempt" (failed OR succeeded)`, event: login, ok: "succeeded",
			pipes: `eval source = ` + sourceField + ` | extract /login attempt \[(?P<who>[^\/]*)\/.*\] (?P<what>failed|succeeded)\b/`},
		{condition: isLogin + " " + hasFailed + ` NOT ` + isNamed, event: login, pipes: bare(`, what = "failed"`)},
		{condition: isLogin + " " + hasSuccess + ` NOT ` + hasFailed + ` NOT ` + isNamed, event: login, ok: "ok", pipes: bare(`, what = "ok"`)},
		{condition: `metadata.EventID in (4625)`, event: login, pipes: `eval what = "failed", who = metadata.TargetUserName, source = metadata.IpAddress`},
		{condition: `metadata.EventID in (4624)`, event: login, ok: "ok", pipes: `eval what = "ok", who = metadata.TargetUserName, source = metadata.IpAddress`},
		{condition: isWeb + ` (401 OR 403 OR 404)`, event: detect.Event{Action: detect.Request}, targets: "target", login: "401", pipes: `eval who = null` + isWebLine},
		{condition: statusWeb + ` NOT (` + isWeb + `)`, event: detect.Event{Action: detect.Request}, targets: "target",
			pipes: `eval who = null, what = "40x", source = ` + sourceField + `, target = coalesce(metadata.url, metadata.path, url.path, path, url, endpoint)`},
		{condition: `SRC DPT`, event: detect.Event{Action: detect.Connect}, targets: "target", pipes: `eval who = null, what = "port" | extract /SRC=(?P<source>` + addressed + `) .*DPT=(?P<target>\d+)/`},
		{condition: `metadata.dest_port<10000 OR dest_port<10000 OR destination.port<10000`, event: detect.Event{Action: detect.Connect}, targets: "target",
			pipes: `eval who = null, what = "port", source = ` + sourceField + `, target = coalesce(metadata.dest_port, dest_port, destination.port)`},
		{condition: `group (usermod OR useradd OR adduser OR add) (sudo OR wheel OR admin OR root OR docker)`, event: privilege,
			pipes: `eval source = null | extract /add '(?P<who>[^']+)' to (?:shadow )?group '(?P<what>sudo|wheel|admin|root|docker)'/`},
		{condition: `group added (sudo OR wheel OR admin OR root OR docker)`, event: privilege,
			pipes: `eval source = null | extract /user (?P<who>\S+) added by \S+ to group (?P<what>sudo|wheel|admin|root|docker)/`},
		{condition: `metadata.EventID in (4728, 4732, 4756)`, event: privilege,
			pipes: `eval source = null, who = coalesce(metadata.MemberName, metadata.MemberSid, metadata.TargetUserName), what = metadata.TargetUserName`},
	}
}

// What somebody does is counted in buckets.
const (
	eventBucket  = "_time:5m"
	bucketLength = int64(5 * time.Minute)
	bucketsMax   = 24      // of a window whose events are remembered
	rememberMax  = 100_000 // rows of answers
	recentMax    = int64(15 * time.Minute)
)

// happened remembers what was found of records of tenants, question by question and bucket
// by bucket: a rule looks at the last hour every five minutes, and so asks about a record
// once. A bucket that has another number of records than when it was asked about, as some
// came late or were removed, is asked about again. That as many came late as were removed
// between two looks is not noticed, nor that places of addresses are known better now: what
// is told of a bucket is then as it was, until the hour is over.
type happened struct {
	mu   sync.Mutex
	of   map[asked]map[int64]bucket // by when they begin
	size int                        // of all
}

// asked is a question about the records of a tenant.
type asked struct {
	tenant   model.TenantID
	question string
}

// bucket is what was found of its records.
type bucket struct {
	records int64
	found   any // a slice
	size    int // 1 and how many were found
}

// counts is how many records each bucket of a window has.
type counts struct {
	Window
	records map[int64]int64 // nil: not known
}

// recall returns what was found of buckets with so many records, and which others there
// are, joined with their neighbours.
func recall[T any](h *happened, of asked, counted *counts) (found []T, open []Window) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for from := counted.From; from < counted.To; from += bucketLength {
		n := counted.records[from]
		if n == 0 {
			continue
		}
		if b, there := h.of[of][from]; there && b.records == n {
			found = append(found, b.found.([]T)...)
			continue
		}
		if last := len(open) - 1; last >= 0 && open[last].To == from {
			open[last].To += bucketLength
		} else {
			open = append(open, Window{From: from, To: from + bucketLength})
		}
	}
	return found, open
}

// remember takes what was found in the buckets of a window that was asked about, and
// forgets those before the ones that were counted.
func remember[T any](h *happened, of asked, w Window, counted *counts, found map[int64][]T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil || h.size > rememberMax {
		h.of, h.size = map[asked]map[int64]bucket{}, 0
	}
	if h.of[of] == nil {
		h.of[of] = map[int64]bucket{}
	}
	buckets := h.of[of]
	for from := w.From; from < w.To; from += bucketLength {
		b := bucket{counted.records[from], found[from], 1 + len(found[from])}
		h.size += b.size - buckets[from].size
		buckets[from] = b
	}
	for from, b := range buckets {
		if from < counted.From {
			h.size -= b.size
			delete(buckets, from)
		}
	}
}

// inBuckets counts the records of the window of the asker, once for all questions about
// it; nil if what is found of it is not remembered. It is counted before anything is asked:
// what comes in between is not taken for what was asked about.
func (a *asker) inBuckets() *counts {
	w := Window{From: a.base.From, To: a.base.To}
	if a.happened == nil || w.From%bucketLength != 0 || w.To%bucketLength != 0 || w.Length() > time.Duration(bucketsMax*bucketLength) {
		return nil
	}
	if a.counted.Window != w {
		counting, records, before := a.over(w), map[int64]int64{}, a.skips()
		for _, row := range counting.table("", "stats count() by ("+eventBucket+")") {
			if t := at(row[0]); t != nil {
				records[t.UnixNano()] = whole(row[1])
			}
		}
		*a.counted = counts{w, records}
		if len(counting.reasons) > 0 || counting.err != nil || a.skips() > before {
			a.counted.records = nil // there may be more buckets
		}
	}
	if a.counted.records == nil {
		return nil
	}
	return a.counted
}

// remembered returns what a question finds in the window of the asker. Ask asks it over the
// window of the asker that it is given, and calls found with when the bucket begins that
// each row is of: by goes behind the fields that rows are grouped by, and gives them that as
// the last one. Where nothing is remembered by is "", and the bucket does not matter.
func remembered[T any](a *asker, question string, ask func(in *asker, by string, found func(bucket int64, one T))) (all []T) {
	counted := a.inBuckets()
	if counted == nil {
		ask(a, "", func(_ int64, one T) { all = append(all, one) })
		return all
	}
	of := asked{a.base.Tenant, question}
	all, open := recall[T](a.happened, of, counted)
	for _, w := range open {
		part, found, skipped := a.over(w), map[int64][]T{}, a.skips()
		ask(part, ", "+eventBucket, func(bucket int64, one T) {
			found[bucket] = append(found[bucket], one)
			all = append(all, one)
		})
		if part.err == nil && len(part.reasons) == 0 && a.skips() == skipped {
			remember(a.happened, of, w, counted, found)
		}
		a.take(part)
	}
	return all
}

// bucketIn returns when the bucket begins that stands in a cell; ok is false if none does.
func bucketIn(cell any) (from int64, ok bool) {
	t := at(cell)
	if t == nil {
		return 0, false
	}
	return t.UnixNano(), true
}

// events asks for what addresses and users did.
func (a *asker) events() []detect.Event {
	return remembered(a, "events", func(in *asker, by string, found func(int64, detect.Event)) {
		if by == "" {
			in.along = nil // these are asked otherwise
		}
		in.eachEvent(found)
	})
}

// eachEvent asks about the window of the asker, and calls do with when the bucket of each
// event begins.
func (a *asker) eachEvent(do func(from int64, e detect.Event)) {
	all := traces()
	questions := make([]question, len(all), len(all)+len(a.along))
	for i := range all {
		questions[i] = all[i].question()
	}
	a.expect(append(questions, a.along...))
	for i, t := range all {
		for _, row := range a.table(questions[i].condition, questions[i].pipes) {
			from, timed := bucketIn(row[3])
			e, ok := t.of(row)
			if !ok || !timed {
				continue
			}
			do(from, e)
			if t.login != "" && label(row[0], "") == t.login {
				e.Action, e.Targets = detect.Login, 0
				do(from, e)
			}
		}
	}
}

// question returns what is asked for it.
func (t *trace) question() question {
	targets, by, pipes := "count() as targets", "what, who, source, "+eventBucket, t.pipes
	if t.targets != "" {
		targets = "count_distinct(" + t.targets + ")"
	}
	if t.ok != "" {
		pipes, by = pipes+" | eval "+place, by+", latitude, longitude"
	}
	return question{t.condition, pipes + ` | where source != null or who != null | stats count(), min(_time), max(_time), ` + targets + ` by (` + by + `)`}
}

// of makes an event of a row: what, who, source, bucket, of logins that succeed a place, and figures.
func (t *trace) of(row []any) (detect.Event, bool) {
	e := t.event
	what := label(row[0], "")
	if what == "" {
		return e, false // the expression did not match
	}
	e.User, e.IP, e.OK = label(row[1], ""), label(row[2], ""), t.ok != "" && what == t.ok
	figures := row[4:]
	if t.ok != "" {
		if e.OK && row[4] != nil && row[5] != nil {
			e.Place = &detect.Place{Latitude: value(row[4]), Longitude: value(row[5])}
		}
		figures = row[6:]
	}
	first, last := at(figures[1]), at(figures[2])
	if first == nil || last == nil {
		return e, false
	}
	e.Count, e.First, e.Last = whole(figures[0]), first.UnixNano(), last.UnixNano()
	if t.targets != "" {
		e.Targets = whole(figures[3])
	}
	if e.Action == detect.Privilege {
		e.Detail = "became a member of " + what
	}
	return e, true
}

// attacks looks for what attackers do in the window of the asker.
func (a *asker) attacks() []Finding {
	var found []Finding
	for _, f := range detect.Find(a.events()) {
		who := cmp.Or(f.IP, f.User, string(f.Kind))
		one := Finding{
			Type: string(f.Kind), Severity: attackSeverity(&f), Entities: map[string]string{}, Techniques: f.Kind.Techniques(),
			Subject: anomaly.Subject{Dimension: anomaly.Entity, Name: who},
			From:    time.Unix(0, f.First).UTC(), To: time.Unix(0, f.Last+1).UTC(),
			Observed: float64(f.Attempts), Unit: "records", Score: attackScore, Explanation: f.Explain(), Query: attackQuery(&f, who),
		}
		if f.Targets > 0 && (f.Kind == detect.PathScan || f.Kind == detect.PortScan) {
			one.Observed, one.Unit = float64(f.Targets), "targets"
		}
		for name, value := range map[string]string{"ip": f.IP, "user": f.User} {
			if value != "" {
				one.Entities[name] = value
			}
		}
		one.ID = findingID(one.Type, who, f.Detail)
		found = append(found, one)
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(b.Observed, a.Observed) })
	return found
}

// attackScore is that of what attackers do: it needs no comparison with a history.
const attackScore = 90

// attackSeverity says how bad an attack is.
func attackSeverity(f *detect.Finding) string {
	switch f.Kind {
	case detect.Takeover, detect.Stuffing:
		return Critical
	case detect.BruteForce, detect.Spraying:
		return worse(f.Success || f.Attempts >= bruteForceWorst, High, Critical)
	case detect.PathScan, detect.PortScan:
		return Medium
	}
	return High
}

// attackQuery returns what finds the records of an attack.
func attackQuery(f *detect.Finding, who string) string {
	switch f.Kind {
	case detect.Stuffing:
		return isFailedLogin
	case detect.PortScan:
		return fmt.Sprintf("%s (DPT OR metadata.dest_port:* OR dest_port:* OR destination.port:*)", syntax.QuoteValue(who))
	case detect.PathScan:
		return syntax.QuoteValue(who) + " (401 OR 403 OR 404)"
	case detect.Privileges:
		return syntax.QuoteValue(who) + " group"
	case detect.Travel:
		return syntax.QuoteValue(f.User) + " (accepted OR succeeded OR success OR successful OR metadata.EventID in (4624))"
	case detect.Takeover:
		return syntax.QuoteValue(who) + " " + syntax.QuoteValue(f.User)
	}
	return syntax.QuoteValue(who) + " (failed OR failure OR invalid OR denied OR incorrect OR refused OR 401 OR metadata.EventID in (4625))"
}

// Types returns what insights can be of, ascending: those that are told by thresholds, and
// findings of anomalies and attacks.
func Types() []string {
	types := []string{
		"capacity_prediction", "component_health_issue", "component_silent", "disk_full_predicted", "error_spike", "high_error_rate", "new_error_pattern", "performance_degradation", "performance_variability",
		"potential_brute_force", "predictive_error_increase", "quota_predicted", "recurring_error_pattern", "security_threat", "volume_drop",
	}
	for _, kind := range anomaly.Kinds() {
		types = append(types, string(kind))
	}
	for _, kind := range detect.Kinds() {
		types = append(types, string(kind))
	}
	slices.Sort(types)
	return types
}

// loginFields are those in which programs name who logs in.
func loginFields() []string {
	return []string{"metadata.ip", "ip", "ipAddress", "client.ip", "userId", "metadata.user"}
}

// failedLogins asks how many failed logins there are, failedBy of whom a field says that they
// are; by is that of remembered.
var failedLogins = question{isFailedLogin, "stats count()"}

func failedBy(field, by string) question {
	return question{isFailedLogin + " " + syntax.QuoteField(field) + ":*", "stats count(), min(_time), max(_time) by (" + syntax.QuoteName(field) + by + ")"}
}

// bruteForce looks for addresses and users with many failed logins.
func (f *finder) bruteForce() {
	all := remembered(f.asker, "failed logins", func(in *asker, by string, found func(int64, seen)) {
		if whole(in.row(failedLogins.condition, failedLogins.pipes, 1)[0]) == 0 {
			return
		}
		for _, field := range loginFields() {
			q := failedBy(field, by)
			for _, row := range in.table(q.condition, q.pipes) {
				bucket, _ := bucketIn(row[1])
				found(bucket, seenIn(field, row))
			}
		}
	})
	looked := map[string]int{}
	for _, one := range sums(all) {
		if looked[one.field]++; one.n < bruteForce || looked[one.field] > candidatesMax {
			continue
		}
		f.add("potential_brute_force", worse(one.n >= bruteForceWorst, High, Critical), label(one.value, ""), isFailedLogin+" "+exactly(one.field, one.value),
			map[string]any{"field": one.field, "value": one.value, "attempts": one.n, "firstSeen": one.first, "lastSeen": one.last}, "%d failed logins with %s %v", one.n, one.field, one.value)
	}
}

// threats is how many records show an attack, and when: of each kind those that show none
// that is more dangerous.
type threats struct {
	seen
	kinds []int64 // as meaning.AttackNames has them
}

// countKinds counts records by the kinds of their attacks: the first column those of the
// most dangerous one, the next those of that or the second, and so on. To group by the
// field would have it made of all records there are.
func countKinds() string {
	var counted, kinds []string
	for i, name := range meaning.AttackNames() {
		kinds = append(kinds, "attack:"+string(name))
		counted = append(counted, fmt.Sprintf("count_if(%s) as k%d", strings.Join(kinds, " OR "), i))
	}
	return strings.Join(counted, ", ")
}

// webAttacks asks for the marks of attacks on web applications, perhaps in buckets.
func webAttacks(inBuckets bool) question {
	group := ""
	if inBuckets {
		group = " by (" + eventBucket + ")"
	}
	return question{isAttack, "stats count(), min(_time), max(_time), " + countKinds() + group}
}

// alongEvents returns what a finder asks after events about the same records, where what was
// found of buckets is remembered.
func alongEvents(threats bool) []question {
	along := []question{failedLogins}
	for _, field := range loginFields() {
		along = append(along, failedBy(field, ", "+eventBucket))
	}
	if threats {
		along = append(along, webAttacks(true))
	}
	return along
}

// attacks looks for the marks of attacks on web applications.
func (f *finder) attacks() {
	names := meaning.AttackNames()
	all := remembered(f.asker, "attacks", func(in *asker, by string, found func(int64, threats)) {
		q := webAttacks(by != "")
		for _, row := range in.table(q.condition, q.pipes) {
			bucket, _ := bucketIn(row[0])
			figures := row[len(row)-3-len(names):]
			one := threats{seen: seen{n: whole(figures[0]), first: figures[1], last: figures[2]}, kinds: make([]int64, len(names))}
			before := int64(0)
			for i := range names {
				n := whole(figures[3+i])
				one.kinds[i], before = n-before, n
			}
			if one.n > 0 {
				found(bucket, one)
			}
		}
	})
	if len(all) == 0 {
		return
	}
	var total seen
	counts := make([]int64, len(names))
	for _, one := range all {
		total.add(&one.seen)
		for i, n := range one.kinds {
			counts[i] += n
		}
	}
	kinds := map[string]int64{}
	var frequent []string
	for i, n := range counts {
		if n > 0 {
			kinds[string(names[i])] = n
			frequent = append(frequent, string(names[i]))
		}
	}
	slices.SortStableFunc(frequent, func(a, b string) int { return cmp.Compare(kinds[b], kinds[a]) })
	have := "records have"
	if total.n == 1 {
		have = "record has"
	}
	metadata := map[string]any{"count": total.n, "kinds": kinds, "firstSeen": total.first, "lastSeen": total.last}
	if !f.bare {
		metadata["examples"] = f.examples(isAttack, "", memoryShown)
	}
	f.add("security_threat", High, "attack", "attack:*", metadata, "%d %s the marks of an attack on a web application: %s", total.n, have, strings.Join(frequent, ", "))
}

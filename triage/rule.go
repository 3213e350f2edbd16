package triage

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of rules.
const (
	RuleBytesMax   = 32 << 10 // of the text of one
	GroupFieldsMax = 4
	ActionsMax     = 16
	OverMax        = 7 * 24 * time.Hour
	EveryMin       = 10 * time.Second
	EveryDefault   = time.Minute
	LateDefault    = 10 * time.Second
	LateMax        = 10 * time.Minute
	RepeatDefault  = 4 * time.Hour
	RepeatMin      = time.Minute
	textMax        = 1024
	nameMax        = 64
)

// The severities, the worst first.
const (
	Critical = "critical"
	High     = "high"
	Medium   = "medium"
	Low      = "low"
	Info     = "info"
)

// Severities returns them, the worst first.
func Severities() []string { return []string{Critical, High, Medium, Low, Info} }

// The events that webhooks can be told of.
const (
	EventCriticalError   = "critical_error"
	EventSecurity        = "security_incident"
	EventAvailability    = "service_availability"
	EventPerformance     = "performance_degradation"
	EventStorage         = "storage_capacity"
	EventQuota           = "quota_usage"
	EventAlert           = "alert" // of rules that name no other
	EventIncidentOpened  = "incident_opened"
	EventIncidentChanged = "incident_changed"
	EventTest            = "test"
)

// Events returns those that a webhook can ask for.
func Events() []string {
	return []string{EventCriticalError, EventSecurity, EventAvailability, EventPerformance, EventStorage, EventQuota, EventAlert, EventIncidentOpened, EventIncidentChanged}
}

// Duration is a length of time as rules write it: 90s, 5m, 1h30m, 7d.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	s, days := string(text), time.Duration(0)
	if before, after, ok := strings.Cut(s, "d"); ok {
		n := 0
		if _, err := fmt.Sscanf(before+" ", "%d ", &n); err != nil || n < 0 || n > 36_500 {
			return fmt.Errorf("%.40q is no length of time, want for example 90s, 5m, 1h30m or 7d", s)
		}
		if days = time.Duration(n) * 24 * time.Hour; after == "" {
			*d = Duration(days)
			return nil
		}
		s = after
	}
	rest, err := time.ParseDuration(s)
	if err != nil || rest < 0 {
		return fmt.Errorf("%.40q is no length of time, want for example 90s, 5m, 1h30m or 7d", text)
	}
	*d = Duration(days + rest)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns it as a rule writes it.
func (d Duration) String() string {
	t := time.Duration(d)
	if t >= 24*time.Hour && t%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", t/(24*time.Hour))
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Rule says what of the records is worth telling, and what is done then.
type Rule struct {
	ID          string `yaml:"id" json:"id"`
	Name        string `yaml:"name,omitempty" json:"name,omitempty"`
	Description string `yaml:"description,omitempty" json:"description,omitempty"`
	Disabled    bool   `yaml:"disabled,omitempty" json:"disabled,omitempty"`
	Severity    string `yaml:"severity,omitempty" json:"severity,omitempty"` // default medium
	Event       string `yaml:"event,omitempty" json:"event,omitempty"`       // default alert

	When   Condition `yaml:"when" json:"when"`
	Every  Duration  `yaml:"every,omitempty" json:"every,omitempty"`   // between looks
	Late   Duration  `yaml:"late,omitempty" json:"late,omitempty"`     // how long is waited for records that come late; 0: the default
	For    Duration  `yaml:"for,omitempty" json:"for,omitempty"`       // how long the condition holds before it fires
	Keep   Duration  `yaml:"keep,omitempty" json:"keep,omitempty"`     // how long it has not held before it ends
	Repeat Duration  `yaml:"repeat,omitempty" json:"repeat,omitempty"` // between reminders

	Actions []Action `yaml:"actions,omitempty" json:"actions,omitempty"`
	// Inhibits are rules that do not tell of anything while this one fires; with Equal
	// only of what has the same values of these fields.
	Inhibits []string `yaml:"inhibits,omitempty" json:"inhibits,omitempty"`
	Equal    []string `yaml:"equal,omitempty" json:"equal,omitempty"`

	Builtin bool `yaml:"-" json:"builtin,omitempty"`
}

// Condition is what is looked for. One of Query, Anomaly, Service, Node, Storage and Quota is given.
type Condition struct {
	// Query is a condition of the query language. Without more, one record is enough.
	Query string   `yaml:"query,omitempty" json:"query,omitempty"`
	Over  Duration `yaml:"over,omitempty" json:"over,omitempty"` // the window; default Every
	By    []string `yaml:"by,omitempty" json:"by,omitempty"`     // an alert for each group
	// Measure is an aggregate of the query language, instead of the number of records;
	// Share the percentage of records that satisfy a second condition.
	Measure string   `yaml:"measure,omitempty" json:"measure,omitempty"`
	Share   string   `yaml:"share,omitempty" json:"share,omitempty"`
	AtLeast *float64 `yaml:"atLeast,omitempty" json:"atLeast,omitempty"`
	AtMost  *float64 `yaml:"atMost,omitempty" json:"atMost,omitempty"`
	// Rate counts records for each second.
	Rate bool `yaml:"rate,omitempty" json:"rate,omitempty"`
	// Absent holds when nothing is found. With By: of groups that were found within
	// Known before, by default the day before.
	Absent bool     `yaml:"absent,omitempty" json:"absent,omitempty"`
	Known  Duration `yaml:"known,omitempty" json:"known,omitempty"`
	// After is what must have come before, of the same group.
	After *Before `yaml:"after,omitempty" json:"after,omitempty"`

	Anomaly *Anomaly `yaml:"anomaly,omitempty" json:"anomaly,omitempty"`
	Service *Service `yaml:"service,omitempty" json:"service,omitempty"`
	Node    *Node    `yaml:"node,omitempty" json:"node,omitempty"`
	Storage *Storage `yaml:"storage,omitempty" json:"storage,omitempty"`
	Quota   *Quota   `yaml:"quota,omitempty" json:"quota,omitempty"`
}

// Before is the first part of a sequence.
type Before struct {
	Query   string   `yaml:"query" json:"query"`
	Within  Duration `yaml:"within" json:"within"`
	AtLeast int      `yaml:"atLeast,omitempty" json:"atLeast,omitempty"` // how many; default 1
}

// Anomaly is a finding of the insights.
type Anomaly struct {
	Types    []string `yaml:"types,omitempty" json:"types,omitempty"`       // any, if none
	Severity string   `yaml:"severity,omitempty" json:"severity,omitempty"` // or worse
}

// Service is a registered service that does not answer.
type Service struct {
	Names []string `yaml:"names,omitempty" json:"names,omitempty"` // any, if none
}

// Node is a node of the cluster that is not there.
type Node struct {
	Names []string `yaml:"names,omitempty" json:"names,omitempty"` // any, if none
}

// Storage is a disk of a node that fills.
type Storage struct {
	UsedAtLeast float64 `yaml:"usedAtLeast" json:"usedAtLeast"` // percent
}

// Quota is a limit that is agreed with the tenant and of which so much is used.
type Quota struct {
	UsedAtLeast float64 `yaml:"usedAtLeast" json:"usedAtLeast"` // percent
}

// Action is what is done when a rule fires. One field is given.
type Action struct {
	Webhook  string    `yaml:"webhook,omitempty" json:"webhook,omitempty"`   // tells this one
	Notify   bool      `yaml:"notify,omitempty" json:"notify,omitempty"`     // tells all that ask for the rule's event
	Ticket   string    `yaml:"ticket,omitempty" json:"ticket,omitempty"`     // tells this webhook once of what fires
	Incident string    `yaml:"incident,omitempty" json:"incident,omitempty"` // opens one, of this class
	Tag      []string  `yaml:"tag,omitempty" json:"tag,omitempty"`           // of alerts and incidents
	Severity string    `yaml:"severity,omitempty" json:"severity,omitempty"` // of alerts and incidents, instead of the rule's
	Escalate *Escalate `yaml:"escalate,omitempty" json:"escalate,omitempty"`
	Suppress Duration  `yaml:"suppress,omitempty" json:"suppress,omitempty"` // no new alert of a group so long after it fired
}

// Webhooks returns the ids of the webhooks that the rule names, each once.
func (r *Rule) Webhooks() []string {
	var ids []string
	for i := range r.Actions {
		a := &r.Actions[i]
		named := []string{a.Webhook, a.Ticket}
		if a.Escalate != nil {
			named = append(named, a.Escalate.Webhook)
		}
		for _, id := range named {
			if id != "" && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Escalations returns those of the rule, in their order.
func (r *Rule) Escalations() []*Escalate {
	var all []*Escalate
	for i := range r.Actions {
		if e := r.Actions[i].Escalate; e != nil {
			all = append(all, e)
		}
	}
	return all
}

// Escalate tells somebody else of what has fired for so long and is not acknowledged.
type Escalate struct {
	After    Duration `yaml:"after" json:"after"`
	Webhook  string   `yaml:"webhook,omitempty" json:"webhook,omitempty"` // all that ask for the event, if none
	Severity string   `yaml:"severity,omitempty" json:"severity,omitempty"`
}

// ValidID reports whether a text can be the id of a rule, a webhook or a service.
func ValidID(id string) bool {
	const first, all = "abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwxyz0123456789_.-"
	return id != "" && len(id) <= nameMax && strings.Contains(first, id[:1]) && strings.Trim(id, all) == ""
}

// complete fills in defaults.
func (r *Rule) complete() {
	def := func(d *Duration, value time.Duration) {
		if *d == 0 {
			*d = Duration(value)
		}
	}
	if r.Name == "" {
		r.Name = r.ID
	}
	if r.Severity == "" {
		r.Severity = Medium
	}
	if r.Event == "" {
		r.Event = EventAlert
	}
	def(&r.Every, EveryDefault)
	def(&r.Late, LateDefault)
	def(&r.Repeat, RepeatDefault)
	def(&r.When.Over, max(time.Duration(r.Every), time.Minute))
	if r.When.Absent {
		def(&r.When.Known, 24*time.Hour)
	}
	if r.When.After != nil && r.When.After.AtLeast == 0 {
		r.When.After.AtLeast = 1
	}
	if c := &r.When; c.Query != "" && c.AtLeast == nil && c.AtMost == nil && !c.Absent {
		one := 1.0
		if c.Measure == "" && c.Share == "" && !c.Rate {
			c.AtLeast = &one
		}
	}
}

// Check reports everything that is wrong with a rule, but for its queries, as Faults.
func (r *Rule) Check() error {
	var f Checks
	f.Add(!ValidID(r.ID), "id", "%.80q, want 1 to 64 of a-z, 0-9, '.', '_' and '-'", r.ID)
	f.Add(len(r.Name) > nameMax*2, "name", "%d bytes, want at most %d", len(r.Name), nameMax*2)
	f.Add(len(r.Description) > textMax, "description", "%d bytes, want at most %d", len(r.Description), textMax)
	f.severity("severity", r.Severity)
	f.OneOf("event", r.Event, Events())
	f.between("every", r.Every, EveryMin, 24*time.Hour)
	f.between("late", r.Late, time.Second, LateMax)
	f.between("for", r.For, 0, 24*time.Hour)
	f.between("keep", r.Keep, 0, 24*time.Hour)
	f.between("repeat", r.Repeat, RepeatMin, 30*24*time.Hour)
	r.checkCondition(&f)
	f.Add(len(r.Actions) > ActionsMax, "actions", "%d, want at most %d", len(r.Actions), ActionsMax)
	for i, a := range r.Actions {
		a.check(&f, fmt.Sprintf("actions[%d]", i))
	}
	for _, id := range r.Inhibits {
		f.Add(!ValidID(id) || id == r.ID, "inhibits", "%.80q is no id of another rule", id)
	}
	f.Add(len(r.Inhibits) > 64, "inhibits", "%d rules, want at most 64", len(r.Inhibits))
	for _, field := range r.Equal {
		f.Add(!slices.Contains(r.When.By, field), "equal", "%.80q is not one of the fields of when.by", field)
	}
	return f.Err()
}

func (r *Rule) checkCondition(f *Checks) {
	c := &r.When
	kinds := 0
	for _, given := range []bool{c.Query != "", c.Anomaly != nil, c.Service != nil, c.Node != nil, c.Storage != nil, c.Quota != nil} {
		if given {
			kinds++
		}
	}
	f.Add(kinds != 1, "when", "has %d of query, anomaly, service, node, storage and quota, want one", kinds)
	f.between("when.over", c.Over, time.Second, OverMax)
	for _, one := range []struct {
		field string
		d     Duration
	}{{"every", r.Every}, {"when.over", c.Over}, {"when.known", c.Known}} { // windows are made of buckets of so long
		f.Add(time.Duration(one.d)%time.Millisecond != 0, one.field, "%s, want whole milliseconds", one.d)
	}
	f.Add(c.Query != "" && c.Over < r.Every, "when.over", "%s is less than every, %s: records between two looks would be seen by none", c.Over, r.Every)
	f.Add(strings.Contains(c.Measure, "|"), "when.measure", "want one aggregate, such as p95(duration)")
	f.Add(c.Measure != "" && c.Share != "", "when.share", "beside measure: want one of the two")
	f.Add(c.Query != "" && !c.Absent && c.AtLeast == nil && c.AtMost == nil, "when", "want atLeast or atMost for the measured value")
	f.Add(c.Absent && (c.AtLeast != nil || c.AtMost != nil || c.Measure != "" || c.Share != "" || c.After != nil), "when.absent", "stands alone with query, over, by and known")
	f.Add(c.Rate && (c.Measure != "" || c.Share != ""), "when.rate", "is of the number of records, not of measure or share")
	f.Add(len(c.By) > GroupFieldsMax, "when.by", "%d fields, want at most %d", len(c.By), GroupFieldsMax)
	f.Add(len(c.By) > 0 && c.Query == "", "when.by", "is for queries")
	for _, field := range c.By {
		f.Add(field == "" || len(field) > 256 || strings.ContainsAny(field, "\"\n`()|"), "when.by", "%.80q is no name of a field", field)
	}
	if c.Absent && len(c.By) > 0 {
		f.between("when.known", c.Known, time.Duration(c.Over), 31*24*time.Hour)
	}
	if a := c.After; a != nil {
		f.Add(a.Query == "", "when.after.query", "is missing")
		f.Add(len(c.By) == 0, "when.by", "a sequence needs the fields that both its parts have in common")
		f.between("when.after.within", a.Within, time.Second, 24*time.Hour)
		f.Add(a.AtLeast < 1 || a.AtLeast > 1000, "when.after.atLeast", "%d, want 1 to 1000", a.AtLeast)
		f.Add(c.Measure != "" || c.Share != "" || c.Rate, "when.after", "stands with query, over, by and atLeast")
	}
	if a := c.Anomaly; a != nil && a.Severity != "" {
		f.severity("when.anomaly.severity", a.Severity)
	}
	if s := c.Storage; s != nil {
		f.Add(s.UsedAtLeast <= 0 || s.UsedAtLeast >= 100, "when.storage.usedAtLeast", "%g, want a percentage between 0 and 100", s.UsedAtLeast)
	}
	if q := c.Quota; q != nil {
		f.Add(q.UsedAtLeast <= 0 || q.UsedAtLeast > 100, "when.quota.usedAtLeast", "%g, want a percentage up to 100", q.UsedAtLeast)
	}
}

func (a Action) check(f *Checks, field string) {
	given := 0
	for _, one := range []bool{a.Webhook != "", a.Notify, a.Ticket != "", a.Incident != "", len(a.Tag) > 0, a.Severity != "", a.Escalate != nil, a.Suppress != 0} {
		if one {
			given++
		}
	}
	f.Add(given != 1, field, "has %d of webhook, notify, ticket, incident, tag, severity, escalate and suppress, want one", given)
	f.Add(a.Webhook != "" && !ValidID(a.Webhook), field+".webhook", "%.80q is no id of a webhook", a.Webhook)
	f.Add(a.Ticket != "" && !ValidID(a.Ticket), field+".ticket", "%.80q is no id of a webhook", a.Ticket)
	f.Add(a.Incident != "" && !ValidID(a.Incident), field+".incident", "%.80q, want a class such as security or availability", a.Incident)
	f.Add(len(a.Tag) > 16, field+".tag", "%d tags, want at most 16", len(a.Tag))
	for _, tag := range a.Tag {
		f.Add(!ValidID(tag), field+".tag", "%.80q, want 1 to 64 of a-z, 0-9, '.', '_' and '-'", tag)
	}
	if a.Severity != "" {
		f.severity(field+".severity", a.Severity)
	}
	f.between(field+".suppress", a.Suppress, 0, 7*24*time.Hour)
	if e := a.Escalate; e != nil {
		f.between(field+".escalate.after", e.After, time.Minute, 7*24*time.Hour)
		f.Add(e.Webhook != "" && !ValidID(e.Webhook), field+".escalate.webhook", "%.80q is no id of a webhook", e.Webhook)
		if e.Severity != "" {
			f.severity(field+".escalate.severity", e.Severity)
		}
	}
}

// Holds reports whether a measured value satisfies the condition.
func (c *Condition) Holds(value float64) bool {
	return (c.AtLeast == nil || value >= *c.AtLeast) && (c.AtMost == nil || value <= *c.AtMost)
}

// SeverityNow is that of alerts, as the actions make it.
func (r *Rule) SeverityNow() string {
	severity := r.Severity
	for _, a := range r.Actions {
		if a.Severity != "" {
			severity = a.Severity
		}
	}
	return severity
}

// Tags are those of alerts.
func (r *Rule) Tags() (tags []string) {
	for _, a := range r.Actions {
		tags = append(tags, a.Tag...)
	}
	return tags
}

// Suppress is how long a group that fired does not fire again.
func (r *Rule) Suppress() (most time.Duration) {
	for _, a := range r.Actions {
		most = max(most, time.Duration(a.Suppress))
	}
	return most
}

// Fields are the fields that alerts of the rule are told apart by.
func (r *Rule) Fields() []string {
	switch {
	case r.When.Anomaly != nil:
		return []string{"type", "about"}
	case r.When.Service != nil:
		return []string{"service"}
	case r.When.Storage != nil, r.When.Node != nil:
		return []string{"node"}
	case r.When.Quota != nil:
		return []string{"quota"}
	}
	return r.When.By
}

// Labels returns a group with the names of its fields, without empty values.
func (r *Rule) Labels(g Group) map[string]string {
	labels := map[string]string{}
	for i, field := range r.Fields() {
		if i < len(g) && g[i] != "" {
			labels[field] = g[i]
		}
	}
	return labels
}

// Class is that of the incident which the rule opens, "" if it opens none.
func (r *Rule) Class() string {
	for _, a := range r.Actions {
		if a.Incident != "" {
			return a.Incident
		}
	}
	return ""
}

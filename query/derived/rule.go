package derived

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
)

// rule says how fields are made of others.
type rule struct {
	name   string
	fields []field
	inputs []input
	// needs is a condition on stored fields that all records satisfy of which it makes
	// anything, nil if none is known: of others nothing is read.
	needs index.Expr
	// derive returns the values of the fields for one case, "" for none.
	derive func(says []string) []string
	// locate is derive of a rule that also asks where an address is.
	locate func(places Places, says []string) []string
	// lexicon is the version of the words that decide, 0: the built-in ones.
	lexicon uint64
	// later says that the rule came after version 5 of leaf calls.
	later bool
}

// Places knows where addresses are. It says always the same; what knows more is another
// one, with another version.
type Places interface {
	// Version is the same for those that say the same.
	Version() string
	// Place returns where an address is, as far as it is known.
	Place(address string) meaning.Place
}

// field is a field that a rule makes.
type field struct {
	name string
	kind model.Kind
	// unless names another field, of which a stored value also wins.
	unless string
}

// given is the condition on records that have a value of their own.
func (f field) given() index.Expr {
	has := index.Leaf{Field: f.name, Pred: index.Exists{}}
	if f.unless == "" {
		return has
	}
	return index.AnyOf{Of: []index.Expr{has, index.Leaf{Field: f.unless, Pred: index.Exists{}}}}
}

// given is the condition on records of which nothing has to be made.
func (r *rule) given() index.Expr {
	all := index.AllOf{}
	for _, f := range r.fields {
		all.Of = append(all.Of, f.given())
	}
	return all
}

// input is what a rule looks at: the message, or the first that a record has of some fields.
type input struct {
	fields []string // query names; nil is the message
	made   bool     // also as another rule makes them, which looks at no field of this one
	// says is what a value says: the same for many of them, "" for nothing.
	says func(text string) string
	// outline is what the outline of a message says, unsure if the message decides.
	outline func(outline string) string
	// fallback: it matters only where no input before says anything.
	fallback bool
	// matters says for what the inputs before say whether this one does; nil: it does.
	matters func(says []string) bool
	// apart says that variables side by side may be one or several: words decide.
	apart bool
	// texts says that texts say what their outlines do; reduce is that of part.Naming.
	texts  bool
	reduce func(outline string) string
}

// unsure is said of an outline if the message has to be read.
const unsure = "\x00"

// Fields that are made.
const (
	Category       = "category"
	Categories     = "categories"
	CategoryReason = "category_reason"
	Attack         = "attack"
	AttackReason   = "attack_reason"
	DetectedLevel  = model.FieldDetectedLevel // of records that came without a level

	DetectedDuration = "detected_duration" // milliseconds, of records that came without a duration
	TraceID          = "trace.id"
	SpanID           = "span.id"

	Signal           = "signal"
	SignalSeverity   = "signal_severity"
	SignalConfidence = "signal_confidence"
)

// categoryRule says how words decide what records are about.
func categoryRule(l *meaning.Lexicon) *rule {
	r := &rule{
		name: "category", lexicon: l.Version(),
		fields: []field{{name: Category, kind: model.String}, {name: Categories, kind: model.JSON}, {name: CategoryReason, kind: model.String}},
		inputs: []input{
			{says: l.Evidence, outline: l.Evidence, apart: true, texts: true, reduce: l.Reduced},
			{fields: []string{model.FieldComponent}, says: l.EvidenceOfComponent},
			{fields: []string{"endpoint"}, says: l.Evidence},
			{fields: []string{model.FieldLevel, DetectedLevel}, made: true, says: errorLevel, matters: func(says []string) bool {
				return !l.Speaks(meaning.Evidences{Message: says[0], Component: says[1], Endpoint: says[2]})
			}},
			{fields: []string{Category}, says: givenCategory},
		},
		derive: func(says []string) []string {
			verdict := l.Judge(meaning.Evidences{Message: says[0], Component: says[1], Endpoint: says[2], IsError: says[3] != ""})
			judged := string(verdict.Labels[0].Category) // a record with another one is not asked
			verdict = verdict.Given(says[4])
			labels := make([]string, len(verdict.Labels))
			for i, label := range verdict.Labels {
				labels[i] = string(label.Category)
			}
			return []string{judged, list(labels), verdict.Reason}
		},
	}
	if r.lexicon != 0 {
		r.name += fmt.Sprintf(" %016x", r.lexicon)
	}
	return r
}

// givenCategoryMax is how many bytes a category that a record came with has at most, so
// that its other fields speak of it.
const givenCategoryMax = 64

// givenCategory returns a category that a record came with.
func givenCategory(text string) string {
	if text = strings.TrimSpace(text); len(text) > givenCategoryMax {
		return ""
	}
	return text
}

// categoriesRule is the rule of categories for tenants without words of their own.
var categoriesRule = categoryRule(meaning.BuiltIn())

// rules are all rules; nothing changes them.
var rules = []*rule{
	categoriesRule,
	{
		name:   "attack",
		fields: []field{{name: Attack, kind: model.JSON}, {name: AttackReason, kind: model.String}},
		inputs: []input{{says: attacksIn, outline: mayAttack}, {fields: requestFields, says: attacksIn}},
		derive: attacked,
	},
	{
		name:   "level",
		fields: []field{{name: DetectedLevel, kind: model.String, unless: model.FieldLevel}},
		inputs: []input{
			{says: func(text string) string { return meaning.DetectLevel(text).String() }, outline: levelOfOutline},
			{fields: methodFields, says: func(text string) string { return text[:min(1, len(text))] }},
			{fields: statusFields, says: func(text string) string { return meaning.LevelOfStatus(text).String() }},
		},
		derive: func(says []string) []string {
			level := says[0]
			if level == "" && says[1] != "" {
				level = says[2]
			}
			return []string{level}
		},
	},
	{
		name:   "duration",
		fields: []field{{name: DetectedDuration, kind: model.Number, unless: "duration"}},
		inputs: []input{{says: durationIn, outline: durationOfOutline}},
		derive: func(says []string) []string { return says },
	},
	{
		name:   "trace",
		fields: []field{{name: TraceID, kind: model.String}, {name: SpanID, kind: model.String}},
		inputs: []input{
			{fields: parentFields, says: func(text string) string { return both(meaning.TraceParent(text)) }},
			{fields: traceFields, says: meaning.TraceID},
			{fields: spanFields, says: meaning.TraceID},
			{says: func(text string) string { return both(meaning.TraceOf(text)) }, outline: traceOfOutline, fallback: true},
		},
		derive: traced,
	},
	{
		name:   "host",
		fields: []field{{name: "host.name", kind: model.String}},
		later:  true,
		inputs: []input{{fields: hostFields, says: nameText}},
		derive: func(says []string) []string { return says },
	},
	{
		name:   "deployment",
		fields: []field{{name: "service.version", kind: model.String}, {name: "service.environment", kind: model.String}},
		later:  true,
		inputs: []input{{fields: releaseFields, says: nameText}, {fields: environmentFields, says: nameText}},
		derive: func(says []string) []string { return says },
	},
	{
		name: "agent",
		fields: []field{
			{name: "user_agent.name", kind: model.String}, {name: "user_agent.version", kind: model.String}, {name: "user_agent.os.name", kind: model.String},
			{name: "user_agent.os.version", kind: model.String}, {name: "user_agent.device.name", kind: model.String}, {name: "user_agent.device.type", kind: model.String},
		},
		inputs: []input{
			{fields: agentFields, says: meaning.AgentText},
			{says: func(text string) string { request, _ := meaning.RequestOf(text); return request.Agent }, outline: ofRequest, fallback: true},
		},
		needs: ofRequests(agentFields),
		derive: func(says []string) []string {
			a := meaning.AgentOf(cmp.Or(says...))
			return []string{a.Name, a.Version, a.OS, a.OSVersion, a.Device, a.DeviceKind}
		},
	},
	{
		name:   "request",
		fields: []field{{name: "http.request.method", kind: model.String}, {name: "http.response.status_code", kind: model.Number}},
		inputs: []input{
			{fields: methodFields, says: methodText},
			{fields: statusFields, says: statusText},
			{says: func(text string) string {
				request, _ := meaning.RequestOf(text)
				return request.Method + " " + request.Status
			}, outline: ofRequest},
		},
		needs: ofRequests(methodFields, statusFields),
		derive: func(says []string) []string {
			method, status, _ := strings.Cut(says[2], " ")
			return []string{cmp.Or(says[0], method), cmp.Or(says[1], status)}
		},
	},
	{
		name: "client",
		fields: []field{
			{name: "client.geo.country_iso_code", kind: model.String}, {name: "client.geo.country_name", kind: model.String},
			{name: "client.geo.region_name", kind: model.String}, {name: "client.geo.city_name", kind: model.String},
			{name: "client.geo.location.lat", kind: model.Number}, {name: "client.geo.location.lon", kind: model.Number},
			{name: "client.as.number", kind: model.Number}, {name: "client.as.organization.name", kind: model.String},
		},
		inputs: []input{
			{fields: meaning.AddressFields(), says: meaning.PublicAddress},
			{says: meaning.ClientOf, outline: clientOfOutline, fallback: true},
		},
		locate: func(places Places, says []string) []string {
			p := places.Place(cmp.Or(says...))
			return []string{p.Country, p.CountryName, p.Region, p.City, p.Latitude, p.Longitude, p.ASN, p.Organization}
		},
	},
	{
		name:   "signal",
		fields: []field{{name: Signal, kind: model.JSON}, {name: SignalSeverity, kind: model.String}, {name: SignalConfidence, kind: model.Number}},
		inputs: []input{
			{says: meaning.SignalsIn, outline: signalsOfOutline},
			{fields: []string{"endpoint"}, says: meaning.SignalsIn},
			{fields: []string{model.FieldComponent}, says: meaning.SignalsIn},
			{fields: statusFields, says: meaning.SignalsOfStatus},
			{fields: []string{Attack}, made: true, says: signalsOfAttacks},
			{fields: []string{"duration"}, says: durationText},
		},
		derive: func(says []string) []string {
			took := meaning.DurationUnknown
			switch says[5] {
			case durationShort:
				took = meaning.DurationShort
			case durationLong:
				took = meaning.DurationLong
			}
			signals := meaning.Signals(took, says[:5]...)
			if len(signals) == 0 {
				return []string{"", "", ""}
			}
			ids := make([]string, len(signals))
			for i := range signals {
				ids[i] = signals[i].ID
			}
			return []string{list(ids), signals[0].Severity, strconv.FormatFloat(signals[0].Confidence, 'g', -1, 64)}
		},
	},
}

// requestFields are fields in which requests of clients are kept.
var requestFields = []string{
	"url", "uri", "path", "request", "query", "endpoint", "referer", "body", "payload", "input", "user_agent", "userAgent", "http.url", "url.original", "user_agent.original",
	"metadata.url", "metadata.uri", "metadata.path", "metadata.request", "metadata.referer", "metadata.body", "metadata.input", "metadata.user_agent", "metadata.userAgent",
}

// Fields that have the method of a request, and the status of its answer.
var (
	methodFields = []string{"method", "http_method", "request_method", "http.method", "http.request.method", "metadata.method"}
	statusFields = []string{"status", "status_code", "statusCode", "http_status", "http.status", "http.status_code", "http.response.status_code", "metadata.status"}
)

// agentFields have a user agent.
var agentFields = []string{"user_agent", "userAgent", "user_agent.original", "http_user_agent", "http.user_agent", "metadata.user_agent", "metadata.userAgent"}

// Fields that have the header of W3C Trace Context, the id of a trace, or that of a span.
var (
	parentFields = []string{"traceparent", "http.request.headers.traceparent", "http.request.header.traceparent", "headers.traceparent", "metadata.traceparent", "metadata.headers.traceparent"}
	traceFields  = []string{"trace_id", "traceId", "traceID", "TraceId", "metadata.trace_id", "metadata.traceId", "dd.trace_id", "otelTraceID"}
	spanFields   = []string{"span_id", "spanId", "spanID", "SpanId", "metadata.span_id", "metadata.spanId", "dd.span_id", "otelSpanID"}
)

// Fields that name the machine that a record is from, the version of what wrote it, and where
// that is in service. A plain "version" is as often that of a protocol.
var (
	hostFields        = []string{"host", "hostname", "host_name", "hostName", "metadata.host", "metadata.hostname", "agent.hostname", "kubernetes.node_name", "kubernetes.node.name", "kubernetes.host", "k8s.node.name"}
	releaseFields     = []string{"service_version", "serviceVersion", "app_version", "appVersion", "app.version", "release", "deployment.version", "metadata.service_version", "metadata.app_version", "metadata.release"}
	environmentFields = []string{"environment", "env", "deployment.environment", "deployment.environment.name", "metadata.environment", "metadata.env"}
)

// nameMax is how many bytes the name of a host or of a version has at most.
const nameMax = 255

// nameText returns a name without spaces around it, "" for what is too long to be one.
func nameText(text string) string {
	if text = strings.TrimSpace(text); len(text) > nameMax {
		return ""
	}
	return text
}

// methodMax is longer than any method of HTTP.
const methodMax = 16

// methodText returns the method of a request, "" for what is too long to be one.
func methodText(text string) string {
	if len(text) > methodMax {
		return ""
	}
	return strings.ToUpper(text)
}

// ofRequests is the condition on records that have one of some fields or, as its message, a
// line of an access log: all such lines have the word, whatever version of HTTP they name.
func ofRequests(fields ...[]string) index.Expr {
	any := index.AnyOf{Of: []index.Expr{index.Leaf{Field: model.FieldMessage, Pred: index.Word{Folded: "http"}}}}
	for _, name := range slices.Concat(fields...) {
		any.Of = append(any.Of, index.Leaf{Field: name, Pred: index.Exists{}})
	}
	return any
}

// ofRequest says whether a message has to be read for a request.
func ofRequest(outline string) string {
	if meaning.HasStatus(outline) {
		return unsure
	}
	return ""
}

// clientOfOutline says whether a message has to be read for the address of a client.
func clientOfOutline(outline string) string {
	if meaning.MayHaveClient(outline) {
		return unsure
	}
	return ""
}

// both is what is said of the ids of a trace and a span, "" if there is neither.
func both(trace, span string) string {
	if trace == "" && span == "" {
		return ""
	}
	return trace + " " + span
}

// traced returns the ids of a trace and a span: as the header has them, as fields have
// them, as a message names them.
func traced(says []string) []string {
	trace, span, _ := strings.Cut(cmp.Or(says[0], says[3]), " ")
	return []string{cmp.Or(says[1], trace), cmp.Or(says[2], span)}
}

// traceOfOutline says whether a message has to be read for the ids of a trace.
func traceOfOutline(outline string) string {
	if meaning.MayHaveTrace(outline) {
		return unsure
	}
	return ""
}

// durationIn says how many milliseconds a text tells.
func durationIn(text string) string {
	milliseconds, ok := meaning.DurationOf(text)
	if !ok {
		return ""
	}
	return strconv.FormatFloat(milliseconds, 'f', -1, 64)
}

// durationOfOutline says whether a message has to be read for a duration.
func durationOfOutline(outline string) string {
	if meaning.MayHaveDuration(outline) {
		return unsure
	}
	return ""
}

// statusText returns a status of HTTP, "" for anything else.
func statusText(text string) string {
	if meaning.LevelOfStatus(text) == model.LevelNone {
		return ""
	}
	return text
}

// levelOfOutline says which level an outline tells.
func levelOfOutline(outline string) string {
	level, sure := meaning.LevelOfOutline(outline)
	if !sure {
		return unsure
	}
	return level.String()
}

// signalsOfOutline says of which signals an outline tells.
func signalsOfOutline(outline string) string {
	if meaning.HasStatus(outline) {
		return unsure
	}
	return meaning.SignalsIn(outline)
}

// signalsOfAttacks says of which signals a list of attacks tells.
func signalsOfAttacks(text string) string {
	var attacks []meaning.Attack
	if json.Unmarshal([]byte(text), &attacks) != nil {
		return ""
	}
	return meaning.SignalsOfAttacks(attacks)
}

// What a duration says.
const (
	durationShort = "short"
	durationLong  = "long"
)

func durationText(text string) string {
	took, ok := index.ParseNumber(text)
	switch {
	case !ok:
		return ""
	case meaning.IsSlow(took):
		return durationLong
	}
	return durationShort
}

// Attacks that one value shows are told to the rule as a text.
const (
	betweenFindings = "\x1e"
	insideFinding   = "\x1f"
)

// attacksIn says which attacks a text shows.
func attacksIn(text string) string {
	var out strings.Builder
	for i, found := range meaning.Attacks(text) {
		if i > 0 {
			out.WriteString(betweenFindings)
		}
		out.WriteString(string(found.Attack) + insideFinding + found.Signature)
	}
	return out.String()
}

// mayAttack says whether a message has to be read for attacks.
func mayAttack(outline string) string {
	if meaning.MayAttack(outline) {
		return unsure
	}
	return ""
}

// attacked returns the attacks that were found, and the reasons.
func attacked(says []string) []string {
	reasons := map[meaning.Attack]string{}
	for i, said := range says {
		where := " in the message"
		if i > 0 {
			where = " in a field"
		}
		for _, finding := range strings.Split(said, betweenFindings) {
			if attack, by, ok := strings.Cut(finding, insideFinding); ok && reasons[meaning.Attack(attack)] == "" {
				reasons[meaning.Attack(attack)] = attack + ": " + by + where
			}
		}
	}
	var names, all []string
	for _, attack := range meaning.AttackNames() {
		if reason := reasons[attack]; reason != "" {
			names, all = append(names, string(attack)), append(all, reason)
		}
	}
	return []string{list(names), strings.Join(all, "; ")}
}

// errorLevel says whether a level is one of errors.
func errorLevel(text string) string {
	if l, _ := model.ParseLevel(text); l >= model.LevelError {
		return "error"
	}
	return ""
}

// list returns texts as a JSON list, "" if there are none.
func list(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	data, err := json.Marshal(texts)
	if err != nil {
		return ""
	}
	return string(data)
}

// place is where a field is made.
type place struct {
	rule *rule
	at   int // of the rule's fields
}

// makers are the fields that are made, by query name.
var makers = func() map[string]place {
	found := map[string]place{}
	for _, r := range rules {
		for i, f := range r.fields {
			found[f.name] = place{r, i}
		}
	}
	return found
}()

// byWord are the fields that are made, by the first word of their names.
var byWord = func() map[string][]string {
	found := map[string][]string{}
	for _, name := range Names() {
		word, _, _ := strings.Cut(name, ".")
		found[word] = append(found[word], name)
	}
	return found
}()

// Names returns the names of all fields that are made.
func Names() []string {
	var names []string
	for _, r := range rules {
		for _, f := range r.fields {
			names = append(names, f.name)
		}
	}
	return names
}

// OnlyMade returns a field that a condition looks at and that records have for no other
// reason than that it is made of others, or that follows from files that change; "" if
// there is none. Others that are made, such as a category, are also sent.
func OnlyMade(e index.Expr) string {
	is := func(name string) bool {
		at, made := makers[name]
		return made && at.rule.locate != nil || slices.Contains([]string{
			Categories, CategoryReason, DetectedLevel, DetectedDuration, Attack, AttackReason, Signal, SignalSeverity, SignalConfidence,
		}, name)
	}
	of := func(all []index.Expr) string {
		for _, one := range all {
			if name := OnlyMade(one); name != "" {
				return name
			}
		}
		return ""
	}
	switch e := e.(type) {
	case index.AllOf:
		return of(e.Of)
	case index.AnyOf:
		return of(e.Of)
	case index.Not:
		return OnlyMade(e.Of)
	case index.Leaf:
		if is(e.Field) {
			return e.Field
		}
	case index.Versus:
		for _, name := range []string{e.Field, e.Other} {
			if is(name) {
				return name
			}
		}
	}
	return ""
}

// Mentions is how a request names fields that are made.
type Mentions struct {
	named   map[string]bool // as conditions or keys
	records map[string]bool // perhaps as fields of the records of an answer
	later   bool
}

// Later reports whether one is named that nodes do not make which speak only of the first
// version of leaf calls that has fields that are made.
func (m Mentions) Later() bool { return m.later }

// None reports whether it names none.
func (m Mentions) None() bool { return len(m.named) == 0 }

// Located reports whether one that is named depends on where an address is.
func (m Mentions) Located() bool {
	for name := range m.named {
		if makers[name].rule.locate != nil {
			return true
		}
	}
	return false
}

// Categorized reports whether one that is named is decided by words of the tenant.
func (m Mentions) Categorized() bool {
	for name := range m.named {
		if makers[name].rule == categoriesRule {
			return true
		}
	}
	return false
}

// Add adds those of another text.
func (m *Mentions) Add(text string) {
	pipes := false
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		pipes = pipes || strings.IndexByte(text[:start], '|') >= 0
		word := text[start:end]
		for _, name := range byWord[word] {
			whole := strings.Contains(text, name)
			m.later = m.later || whole && makers[name].rule.later
			m.add(name, pipes && whole)
		}
	}
}

// add adds a field that is named, and whether records may have to have it.
func (m *Mentions) add(name string, inRecords bool) {
	if m.named == nil {
		m.named, m.records = map[string]bool{}, map[string]bool{}
	}
	m.named[name] = true
	if inRecords {
		m.records[name] = true
	}
}

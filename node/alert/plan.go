package alert

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

const (
	eventBytes   = 16 << 10  // what an event may take at most, about
	queryShown   = 4 << 10   // of a query
	outgoingMax  = 200       // deliveries of one window
	incidentRoom = 256 << 10 // bytes that are kept for what is no delivery
)

// plan makes changes of documents of what is to be told of a rule's alerts in a window.
type plan struct {
	w     *Watcher
	b     *batch
	rule  *triage.Rule
	state *triage.State
	end   int64
	sent  int
}

// outcome plans everything that follows from transitions.
func (p *plan) outcome(ctx context.Context, transitions []triage.Transition) error {
	if len(transitions) == 0 {
		return nil
	}
	incident, err := p.incident(ctx, transitions)
	if err != nil {
		return err
	}
	var firing, ended, escalated []triage.Transition
	for _, t := range transitions {
		switch t.Kind {
		case triage.Resolves:
			ended = append(ended, t)
		case triage.Escalates:
			escalated = append(escalated, t)
		default:
			firing = append(firing, t)
		}
	}
	endpoints := p.endpoints()
	if err := p.tickets(endpoints, firing, incident); err != nil {
		return err
	}
	for _, part := range []struct {
		status string
		of     []triage.Transition
	}{{triage.Firing, firing}, {triage.Resolved, ended}} {
		if len(part.of) == 0 {
			continue
		}
		event := p.event(part.status, part.of, incident)
		for _, e := range endpoints {
			if p.tells(e, &event) {
				if err := p.send(e, event, part.of, p.rule.ID); err != nil {
					return err
				}
			}
		}
	}
	return p.escalations(endpoints, escalated, ended, incident)
}

// escalations plans what is told to whom an escalation is for: of the alert, and of its end.
func (p *plan) escalations(endpoints []*webhook.Endpoint, escalated, ended []triage.Transition, incident string) error {
	for _, t := range escalated {
		event := p.escalated(triage.Firing, t, t.Level, incident)
		for _, e := range endpoints {
			if hears(e, t.Level, &event) {
				if err := p.send(e, event, []triage.Transition{t}, p.rule.ID); err != nil {
					return err
				}
			}
		}
	}
	for _, t := range ended {
		for _, e := range endpoints {
			if err := p.deescalate(e, t, incident); err != nil {
				return err
			}
		}
	}
	return nil
}

// deescalate plans that who heard of an alert by its escalations hears that it is over, once,
// unless the rule tells it as everybody. Alertmanager knows it by its severity.
func (p *plan) deescalate(e *webhook.Endpoint, t triage.Transition, incident string) error {
	var told []string // as of which severities
	if over := p.event(triage.Resolved, []triage.Transition{t}, incident); p.tells(e, &over) {
		told = append(told, over.Severity)
	}
	levels := p.rule.Escalations()
	for i, level := range levels[:min(t.Alert.Escaped, len(levels))] {
		event := p.escalated(triage.Resolved, t, level, incident)
		known := len(told) > 0 && e.Template != webhook.Alertmanager || slices.Contains(told, event.Severity)
		if known || e.Tickets() || !hears(e, level, &event) {
			continue
		}
		told = append(told, event.Severity)
		if err := p.send(e, event, []triage.Transition{t}, fmt.Sprintf("%s escalation %d", p.rule.ID, i)); err != nil {
			return err
		}
	}
	return nil
}

// escalated is the event of an alert that was escalated, which is told once.
func (p *plan) escalated(status string, t triage.Transition, level *triage.Escalate, incident string) webhook.Event {
	event := p.event(status, []triage.Transition{t}, incident)
	event.Title, event.Repeat = "Escalated: "+event.Title, 0
	if level.Severity != "" {
		event.Severity = level.Severity
	}
	return event
}

// hears reports whether an escalation is for an endpoint.
func hears(e *webhook.Endpoint, level *triage.Escalate, event *webhook.Event) bool {
	return level.Webhook == e.ID && e.Active || level.Webhook == "" && !e.Tickets() && e.Wants(event.Event, event.Severity)
}

func (p *plan) endpoints() []*webhook.Endpoint {
	var out []*webhook.Endpoint
	for _, e := range all[webhook.Endpoint](p.b.state, kindWebhook, p.b.tenant) {
		out = append(out, &e)
	}
	if contact := p.w.contact(p.b.state, p.b.tenant); contact.Active {
		out = append(out, &contact)
	}
	return out
}

// tickets plans what opens tickets: it is told of alerts that fire, once.
func (p *plan) tickets(endpoints []*webhook.Endpoint, firing []triage.Transition, incident string) error {
	fires := slices.DeleteFunc(slices.Clone(firing), func(t triage.Transition) bool { return t.Kind != triage.Fires })
	if len(fires) == 0 {
		return nil
	}
	event := p.event(triage.Firing, fires, incident)
	for _, e := range endpoints {
		asked := slices.ContainsFunc(p.rule.Actions, func(a triage.Action) bool { return a.Ticket == e.ID && e.Active })
		if !asked && e.Tickets() {
			asked = p.names(e, &event)
		}
		if !asked || !e.Tickets() && p.names(e, &event) {
			continue // who is told of everything is told of this
		}
		if err := p.send(e, event, fires, p.rule.ID); err != nil {
			return err
		}
	}
	return nil
}

// tells reports whether the rule's actions tell an endpoint of everything.
func (p *plan) tells(e *webhook.Endpoint, event *webhook.Event) bool {
	return !e.Tickets() && p.names(e, event)
}

// names reports whether the rule's actions name an endpoint, or all that ask for the event.
func (p *plan) names(e *webhook.Endpoint, event *webhook.Event) bool {
	return names(p.rule, e, event.Event, event.Severity)
}

func names(r *triage.Rule, e *webhook.Endpoint, event, severity string) bool {
	for _, a := range r.Actions {
		if a.Webhook == e.ID && e.Active || a.Notify && e.Wants(event, severity) {
			return true
		}
	}
	return false
}

// opens reports whether an endpoint opens something for the alerts of a rule, if there is
// one: it would open one more for their incident.
func opens(r *triage.Rule, e *webhook.Endpoint) bool {
	if r == nil {
		return false
	}
	asked := slices.ContainsFunc(r.Actions, func(a triage.Action) bool { return a.Ticket == e.ID && e.Active })
	return asked || names(r, e, r.Event, r.SeverityNow())
}

// event says what happened to alerts.
func (p *plan) event(status string, of []triage.Transition, incident string) webhook.Event {
	r := p.rule
	e := webhook.Event{
		Event: r.Event, Time: p.end, Tenant: string(p.b.tenant), Status: status, Severity: r.SeverityNow(), Title: r.Name, Text: r.Description,
		Rule: r.ID, Query: r.When.Query[:min(len(r.When.Query), queryShown)], From: p.end - int64(r.When.Over), Until: p.end, Incident: incident, Tags: r.Tags(), Key: string(p.b.tenant) + "/" + r.ID,
		Repeat: int64(r.Repeat),
	}
	size := len(e.Text) + len(e.Query) + 1024
	for _, t := range of {
		labels := r.Labels(t.Alert.Group)
		text := r.When.Says(t.Alert.Value, t.Alert.Text)
		size += 256 + len(text)
		for field, value := range labels {
			size += len(field) + len(value)
		}
		if len(e.Alerts) >= webhook.AlertsShown || size > eventBytes {
			e.More++
			continue
		}
		e.Alerts = append(e.Alerts, webhook.Alert{Status: t.Kind, Labels: labels, Value: t.Alert.Value, Text: text, Since: t.Alert.Since})
	}
	return e
}

// send plans the delivery of an event, or one for each alert where the receiver joins
// them by key, or as many as it takes where it knows each by its labels: what it is not told
// of does not end there. What is about tells deliveries of one transition to one receiver apart.
func (p *plan) send(e *webhook.Endpoint, event webhook.Event, of []triage.Transition, about string) error {
	each := e.Template == webhook.PagerDuty && len(p.rule.Fields()) > 0
	if !each && e.Template != webhook.Alertmanager {
		return p.add(e, event, about, of[0].Number)
	}
	for len(of) > 0 {
		one, some := event, of
		if each {
			one.Key += "/" + strings.ReplaceAll(of[0].Alert.Group.Key(), "\x1f", "/")
			some = of[:1]
		}
		one.Alerts, one.More = p.event(event.Status, some, "").Alerts, 0
		if err := p.add(e, one, about, of[0].Number); err != nil {
			return err
		}
		of = of[max(1, len(one.Alerts)):]
	}
	return nil
}

func (p *plan) add(e *webhook.Endpoint, event webhook.Event, about string, number uint64) error {
	if p.sent++; p.sent > outgoingMax || !p.b.room(4, eventBytes*2+incidentRoom) {
		p.w.Logger.Warn("too much is to be told at once", "tenant", p.b.tenant, "rule", p.rule.ID, "webhook", e.ID)
		return nil
	}
	return p.b.deliver(e.ID, deliveryID(p.b.tenant, about, number, e.ID), event, p.w.Now().UnixNano())
}

// deliveryID is the same whoever plans it.
func deliveryID(tenant model.TenantID, of string, number uint64, endpoint string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", tenant, of, number, endpoint))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// deliver plans a delivery behind those that wait.
func (b *batch) deliver(endpoint, id string, event webhook.Event, now int64) error {
	var q webhook.Queue
	if _, err := b.get(kindQueue, endpoint, &q); err != nil {
		return err
	}
	d := (*webhook.Delivery)(nil)
	if _, bytes := b.state.DocumentsOf(kindDelivery, b.tenant); bytes+b.bytes < deliveryBytes {
		d = q.Add(id, endpoint, event, now)
	} else {
		q.Dropped++ // an alert that cannot be told is written down all the same
	}
	if err := b.put(kindQueue, endpoint, &q); err != nil || d == nil {
		return err
	}
	return b.put(kindDelivery, webhook.DeliveryKey(endpoint, d.Number), d)
}

// hasten lets what waits for an endpoint be tried at once.
func (b *batch) hasten(endpoint string) error {
	var q webhook.Queue
	if _, err := b.get(kindQueue, endpoint, &q); err != nil || q.NextTry == 0 {
		return err
	}
	q.NextTry = 0
	return b.put(kindQueue, endpoint, &q)
}

// incident opens an incident for alerts that fire, or writes into the one that is open.
func (p *plan) incident(ctx context.Context, transitions []triage.Transition) (id string, err error) {
	class := p.rule.Class()
	if class == "" {
		return "", nil
	}
	var open *triage.Incident
	for _, one := range all[triage.Incident](p.b.state, kindIncident, p.b.tenant) {
		if one.Rule == p.rule.ID && one.State != triage.Closed && (open == nil || one.Opened > open.Opened) {
			open = &one
		}
	}
	fires := slices.IndexFunc(transitions, func(t triage.Transition) bool { return t.Kind == triage.Fires })
	if open == nil && fires < 0 {
		return "", nil
	}
	opened := open == nil
	if opened {
		open = p.opened(class)
	}
	for _, t := range transitions {
		open.Until = max(open.Until, p.end)
		labels := p.rule.Labels(t.Alert.Group)
		open.Note(triage.Entry{At: p.end, Kind: t.Kind, Text: describe(labels, p.rule.When.Says(t.Alert.Value, t.Alert.Text))})
		if t.Kind != triage.Fires {
			continue
		}
		if alert := p.state.Alerts[t.Alert.Group.Key()]; alert != nil {
			alert.Incident = open.ID
		}
		for field, value := range labels {
			open.Entities = withEntity(open.Entities, field, value)
		}
		if len(open.Evidence) < triage.EvidenceMax {
			open.Attach(p.w.Finder.evidence(ctx, p.b.tenant, p.rule, &t.Alert, p.end)...)
		}
	}
	open.Firing = 0
	for _, alert := range p.state.Alerts {
		if alert.Fired != 0 && alert.Told != 0 { // of whom nobody has heard, nobody hears that it is over
			open.Firing++
		}
	}
	if err := p.b.putIncident(open); err != nil || !opened {
		return open.ID, err
	}
	return open.ID, p.b.tellIncident(open, p.b.incidentEvent(open, "", triage.EventIncidentOpened, p.w.Now().UnixNano()))
}

func (p *plan) opened(class string) *triage.Incident {
	p.b.dropOldIncident()
	r := p.rule
	return &triage.Incident{
		ID: fmt.Sprintf("inc-%d-%s", p.end/int64(time.Second), r.ID), Title: r.Name, Class: class, Severity: r.SeverityNow(), State: triage.Open, Rule: r.ID,
		Tags: r.Tags(), Query: r.When.Query, From: p.end - int64(r.When.Over), Until: p.end, Opened: p.end,
		Timeline: []triage.Entry{{At: p.end, Kind: "opened", Text: "by rule " + r.ID}},
	}
}

// putIncident writes an incident, without what does not fit into a document: the oldest
// entries of its timeline after the first, then evidence.
func (b *batch) putIncident(i *triage.Incident) error {
	for {
		body, err := json.Marshal(i)
		switch {
		case err != nil:
			return fmt.Errorf("encode incident %s: %w", i.ID, err)
		case len(body) <= catalogue.DocumentMax:
			return b.put(kindIncident, i.ID, i)
		case len(i.Timeline) > 1:
			i.Timeline = slices.Delete(slices.Clone(i.Timeline), 1, 1+max(1, len(i.Timeline)/4))
		case len(i.Evidence) > 0:
			i.Evidence = i.Evidence[:len(i.Evidence)-1]
		default:
			return fmt.Errorf("incident %s has %d bytes, at most %d are kept", i.ID, len(body), catalogue.DocumentMax)
		}
	}
}

// forgetTold empties the deliveries that tell of an incident: their texts, labels and
// queries are of its records. Their places in the queues stay; one that waits is told
// without them.
func (b *batch) forgetTold(incident string) error {
	for _, id := range b.state.DocumentIDs(kindDelivery, b.tenant) {
		var d webhook.Delivery
		if _, err := b.get(kindDelivery, id, &d); err != nil || d.Event.Incident != incident || !b.room(1, eventBytes) {
			continue
		}
		d.Event = d.Event.Forgotten()
		if err := b.put(kindDelivery, id, &d); err != nil {
			return err
		}
	}
	return nil
}

// dropOldIncident makes room for one more: the incident that was closed first goes, of
// open ones the oldest.
func (b *batch) dropOldIncident() {
	if kept, bytes := b.state.DocumentsOf(kindIncident, b.tenant); kept < incidentsMax && bytes < incidentBytes {
		return
	}
	list := all[triage.Incident](b.state, kindIncident, b.tenant)
	if len(list) == 0 {
		return
	}
	oldest := slices.MinFunc(list, func(x, y triage.Incident) int {
		if (x.State == triage.Closed) != (y.State == triage.Closed) {
			return map[bool]int{true: -1, false: 1}[x.State == triage.Closed]
		}
		return cmp.Or(cmp.Compare(x.Closed, y.Closed), cmp.Compare(x.Opened, y.Opened))
	})
	b.drop(kindIncident, oldest.ID)
}

func withEntity(entities map[string]string, field, value string) map[string]string {
	if known, there := entities[field]; there && known != value {
		for n := 2; n <= triage.EntitiesMax; n++ {
			other := fmt.Sprintf("%s#%d", field, n)
			if known, there = entities[other]; !there || known == value {
				field = other
				break
			}
		}
	}
	if len(entities) >= triage.EntitiesMax {
		return entities
	}
	entities = maps.Clone(entities)
	if entities == nil {
		entities = map[string]string{}
	}
	entities[field] = value
	return entities
}

// describe says in one line what was found of which alert.
func describe(labels map[string]string, text string) string {
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, field+"="+labels[field])
	}
	if len(parts) == 0 {
		return text
	}
	return strings.Join(parts, ", ") + ": " + text
}

// incidentEvent is what is told of what happened to an incident, which had a severity
// before, perhaps another.
func (b *batch) incidentEvent(i *triage.Incident, was, event string, now int64) webhook.Event {
	status := triage.Firing
	if i.State == triage.Closed {
		status = triage.Resolved
	}
	return webhook.Event{
		Event: event, Time: now, Tenant: string(b.tenant), Status: status, Severity: i.Severity, Title: "Incident: " + i.Title, Rule: i.Rule, Query: i.Query[:min(len(i.Query), queryShown)],
		Text: fmt.Sprintf("%s, class %s, owner %s%s", i.State, i.Class, orNobody(i.Owner), found(i)), From: i.From, Until: i.Until, Incident: i.ID, Tags: i.Tags, Key: string(b.tenant) + "/" + i.ID, Was: was,
	}
}

// tellIncident plans the deliveries of an event of an incident.
func (b *batch) tellIncident(i *triage.Incident, told webhook.Event) error {
	rule := ruleOf(b.state, b.tenant, i.Rule)
	number := uint64(len(i.Timeline))
	for _, e := range all[webhook.Endpoint](b.state, kindWebhook, b.tenant) {
		if !e.Wants(told.Event, i.Heard()) || e.Tickets() && told.Event != triage.EventIncidentOpened || e.Opens() && told.Status == triage.Firing && opens(rule, &e) || !b.room(4, eventBytes+incidentRoom) {
			continue
		}
		if err := b.deliver(e.ID, deliveryID(b.tenant, i.ID+told.Event, number, e.ID), told, told.Time); err != nil {
			return err
		}
	}
	return nil
}

// found says what the newest alert of an incident was about.
func found(i *triage.Incident) string {
	for _, entry := range slices.Backward(i.Timeline) {
		if entry.Kind == triage.Fires && entry.Text != "" {
			return ". " + entry.Text
		}
	}
	return ""
}

func orNobody(owner string) string {
	if owner == "" {
		return "nobody"
	}
	return owner
}

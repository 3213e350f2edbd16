package alert

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

// Desk is what people see and change.
type Desk struct {
	*Watcher
	// Change makes a change; its errors have the meanings of package api.
	Change changer
}

var _ alert.Desk = Desk{}

func fault(code, field, format string, args ...any) error {
	return &admin.Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

func (d Desk) edit(ctx context.Context, tenant model.TenantID, plan func(b *batch) error) error {
	_, err := edit(ctx, d.State, d.Change, tenant, func(b *batch) error {
		if err := plan(b); err != nil {
			return err
		}
		if err := b.state.RoomFor(tenant, b.changes); err != nil {
			return fault(admin.Refused, "", "%v", err)
		}
		return nil
	})
	return err
}

func unknown(what, id string) error {
	return fault(admin.Unknown, "", "there is no %s %.64q", what, id)
}

// Rules implements alert.Desk.
func (d Desk) Rules(tenant model.TenantID) []alert.Rule {
	state := d.State()
	var out []alert.Rule
	for _, r := range rulesOf(state, tenant) {
		out = append(out, ruleView(state, tenant, r))
	}
	return out
}

func ruleView(state *catalogue.State, tenant model.TenantID, r *triage.Rule) alert.Rule {
	view := alert.Rule{Rule: *r}
	var stored storedRule
	if there, err := read(state, kindRule, tenant, r.ID, &stored); there && err == nil {
		view.Revision, view.By, view.Changed = stored.Revision, stored.By, stored.Changed
		for _, e := range stored.Earlier {
			view.Earlier = append(view.Earlier, alert.Revision{Revision: e.Revision, By: e.By, Changed: e.Changed, Rule: e.Rule})
		}
	}
	if _, err := read(state, kindAlerts, tenant, r.ID, &view.State); err != nil {
		view.State.Error = err.Error()
	}
	return view
}

// Rule implements alert.Desk.
func (d Desk) Rule(tenant model.TenantID, id string) (alert.Rule, error) {
	state := d.State()
	if r := ruleOf(state, tenant, id); r != nil {
		return ruleView(state, tenant, r), nil
	}
	return alert.Rule{}, unknown("rule", id)
}

// PutRule implements alert.Desk.
func (d Desk) PutRule(ctx context.Context, tenant model.TenantID, r *triage.Rule, by string, fresh bool) (alert.Rule, error) {
	if old := ruleOf(d.State(), tenant, r.ID); old == nil || !switchesOff(old, r) {
		if err := d.Finder.CheckQueries(ctx, tenant, r); err != nil {
			return alert.Rule{}, err
		}
	}
	r.Builtin = false
	err := d.edit(ctx, tenant, func(b *batch) error {
		if r.When.Node != nil {
			if err := b.state.Readable(catalogue.FormatNodeRules, "rules with the condition node"); err != nil {
				return fault(admin.Refused, "when.node", "%v", err)
			}
		}
		var stored storedRule
		there, err := b.get(kindRule, r.ID, &stored)
		if err != nil {
			return err
		}
		switch {
		case there && fresh:
			return fault(admin.Exists, "id", "there is a rule %s already", r.ID)
		case !there && len(b.state.DocumentIDs(kindRule, tenant)) >= rulesMax:
			return fault(admin.Invalid, "id", "the tenant has %d rules, the most there can be", rulesMax)
		case there:
			stored.Earlier = append([]earlierRule{{stored.Rule, stored.Revision, stored.By, stored.Changed}}, stored.Earlier[:min(len(stored.Earlier), revisionsMax-1)]...)
		}
		if before := ruleOf(b.state, tenant, r.ID); before != nil && (r.Disabled || !slices.Equal(before.Fields(), r.Fields())) {
			if err := d.withdraw(ctx, b, before); err != nil {
				return err
			}
		}
		stored.Rule, stored.By, stored.Changed = *r, by, d.Now().UnixNano()
		stored.Revision++
		return b.putRule(&stored)
	})
	if err != nil {
		return alert.Rule{}, err
	}
	return d.Rule(tenant, r.ID)
}

// switchesOff reports whether a rule only becomes one that is switched off: that must be
// possible also where its query is not understood any more.
func switchesOff(before, after *triage.Rule) bool {
	as := *before
	as.Disabled, as.Builtin = true, after.Builtin
	return after.Disabled && reflect.DeepEqual(&as, after)
}

// withdraw ends the alerts of a rule as it was, before it is switched off, forgotten, or
// tells its alerts apart by other fields: who heard of them hears that they are over.
func (d Desk) withdraw(ctx context.Context, b *batch, r *triage.Rule) error {
	var state triage.State
	if there, err := b.get(kindAlerts, r.ID, &state); err != nil || !there || len(state.Alerts) == 0 {
		return err
	}
	now := d.Now().UnixNano()
	p := plan{w: d.Watcher, b: b, rule: r, state: &state, end: now}
	if err := p.outcome(ctx, state.Withdraw(now)); err != nil {
		return err
	}
	return b.put(kindAlerts, r.ID, &state)
}

// DropRule implements alert.Desk.
func (d Desk) DropRule(ctx context.Context, tenant model.TenantID, id string) error {
	return d.edit(ctx, tenant, func(b *batch) error {
		if b.state.Document(kindRule, tenant, id).Version == 0 {
			if slices.ContainsFunc(triage.Defaults(), func(r *triage.Rule) bool { return r.ID == id }) {
				return fault(admin.Forbidden, "", "rule %s is there from the start; switch it off with {\"disabled\":true}", id)
			}
			return unknown("rule", id)
		}
		if before := ruleOf(b.state, tenant, id); before != nil {
			if err := d.withdraw(ctx, b, before); err != nil {
				return err
			}
		}
		b.drop(kindRule, id)
		if b.state.Document(kindAlerts, tenant, id).Version != 0 {
			b.drop(kindAlerts, id)
		}
		return nil
	})
}

// Try implements alert.Desk.
func (d Desk) Try(ctx context.Context, tenant model.TenantID, r *triage.Rule, from, to int64) (alert.Trial, error) {
	if err := d.Finder.CheckQueries(ctx, tenant, r); err != nil {
		return alert.Trial{}, err
	}
	t, err := d.Finder.Try(ctx, tenant, r, from, to)
	if err != nil {
		return alert.Trial{}, err
	}
	return alert.Trial{Trial: t.Trial, From: t.From, To: t.To, Every: t.Every, Partial: t.Partial}, nil
}

// Acknowledge implements alert.Desk.
func (d Desk) Acknowledge(ctx context.Context, tenant model.TenantID, rule string, group map[string]string, by string) (int, error) {
	n := 0
	err := d.edit(ctx, tenant, func(b *batch) error {
		view, err := d.Rule(tenant, rule)
		if err != nil {
			return err
		}
		var state triage.State
		if _, err := b.get(kindAlerts, rule, &state); err != nil {
			return err
		}
		silence := triage.Silence{Rule: rule, Group: group, Until: 1}
		n = 0
		for _, one := range state.Alerts {
			if one.Fired != 0 && silence.Covers(&view.Rule, one, 0) {
				one.Acked = by
				n++
			}
		}
		if n == 0 {
			return fault(admin.Unknown, "labels", "no alert of rule %s fires with these values", rule)
		}
		return b.put(kindAlerts, rule, &state)
	})
	return n, err
}

// Silences implements alert.Desk.
func (d Desk) Silences(tenant model.TenantID) []triage.Silence {
	return all[triage.Silence](d.State(), kindSilence, tenant)
}

// random returns a name for something new.
func random(prefix string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return prefix + hex.EncodeToString(b[:])
}

// PutSilence implements alert.Desk.
func (d Desk) PutSilence(ctx context.Context, tenant model.TenantID, s triage.Silence) (triage.Silence, error) {
	s.ID = random("sil-")
	err := d.edit(ctx, tenant, func(b *batch) error {
		kept := all[triage.Silence](b.state, kindSilence, tenant)
		now := d.Now().UnixNano()
		for _, old := range kept {
			if old.Until < now && b.room(2, 0) {
				b.drop(kindSilence, old.ID)
			}
		}
		if len(kept)-len(b.changes) >= silencesMax {
			return fault(admin.Invalid, "", "the tenant has %d silences, the most there can be", silencesMax)
		}
		return b.put(kindSilence, s.ID, &s)
	})
	return s, err
}

// DropSilence implements alert.Desk.
func (d Desk) DropSilence(ctx context.Context, tenant model.TenantID, id string) error {
	return d.edit(ctx, tenant, func(b *batch) error {
		if b.state.Document(kindSilence, tenant, id).Version == 0 {
			return unknown("silence", id)
		}
		b.drop(kindSilence, id)
		return nil
	})
}

// Incidents implements alert.Desk.
func (d Desk) Incidents(tenant model.TenantID) []triage.Incident {
	list := all[triage.Incident](d.State(), kindIncident, tenant)
	slices.SortStableFunc(list, func(a, b triage.Incident) int { return int(max(-1, min(1, b.Opened-a.Opened))) })
	return list
}

// OpenIncident implements alert.Desk.
func (d Desk) OpenIncident(ctx context.Context, tenant model.TenantID, i triage.Incident) (triage.Incident, error) {
	i.ID = random("inc-")
	err := d.edit(ctx, tenant, func(b *batch) error {
		b.dropOldIncident()
		if err := b.putIncident(&i); err != nil {
			return err
		}
		return b.tellIncident(&i, b.incidentEvent(&i, "", triage.EventIncidentOpened, d.Now().UnixNano()))
	})
	return i, err
}

// ChangeIncident implements alert.Desk.
func (d Desk) ChangeIncident(ctx context.Context, tenant model.TenantID, id string, change func(*triage.Incident) error) (before, after triage.Incident, err error) {
	err = d.edit(ctx, tenant, func(b *batch) error {
		var i triage.Incident
		if there, err := b.get(kindIncident, id, &i); err != nil || !there {
			return errors.Join(err, unknown("incident", id))
		}
		before = i
		if err := change(&i); err != nil {
			return err
		}
		if i.Severity != before.Severity {
			i.Worst = before.Heard()
		}
		after = i
		if err := b.putIncident(&i); err != nil {
			return err
		}
		return b.tellIncident(&i, b.incidentEvent(&i, before.Severity, triage.EventIncidentChanged, d.Now().UnixNano()))
	})
	return before, after, err
}

// DropIncident implements alert.Desk. What was told of the incident goes too: deliveries
// that have ended, and those that wait, of which receivers hear nothing more than that it
// was removed. Of one that is open they hear that it is over.
func (d Desk) DropIncident(ctx context.Context, tenant model.TenantID, id string) (gone triage.Incident, err error) {
	err = d.edit(ctx, tenant, func(b *batch) error {
		there, err := b.get(kindIncident, id, &gone)
		if err != nil || !there {
			return errors.Join(err, unknown("incident", id))
		}
		b.drop(kindIncident, id)
		if err := b.forgetTold(id); err != nil || gone.State == triage.Closed {
			return err
		}
		over := gone
		over.State = triage.Closed
		over.Timeline = append(slices.Clone(gone.Timeline), triage.Entry{}) // it is one event more
		return b.tellIncident(&over, b.incidentEvent(&over, "", triage.EventIncidentChanged, d.Now().UnixNano()).Forgotten())
	})
	return gone, err
}

// Webhooks implements alert.Desk.
func (d Desk) Webhooks(tenant model.TenantID) []alert.Webhook {
	state := d.State()
	var out []alert.Webhook
	for _, e := range all[webhook.Endpoint](state, kindWebhook, tenant) {
		out = append(out, webhookView(state, tenant, e))
	}
	return out
}

// Hooks implements alert.Desk.
func (d Desk) Hooks(tenant model.TenantID) bool { return !d.paused(d.State(), tenant) }

func webhookView(state *catalogue.State, tenant model.TenantID, e webhook.Endpoint) alert.Webhook {
	view := alert.Webhook{Endpoint: e}
	_, _ = read(state, kindQueue, tenant, e.ID, &view.Queue) // of none nothing waits
	return view
}

// Webhook implements alert.Desk.
func (d Desk) Webhook(tenant model.TenantID, id string) (alert.Webhook, error) {
	state := d.State()
	var e webhook.Endpoint
	if there, err := read(state, kindWebhook, tenant, id, &e); err != nil || !there {
		return alert.Webhook{}, errors.Join(err, unknown("webhook", id))
	}
	return webhookView(state, tenant, e), nil
}

// ChangeWebhook implements alert.Desk.
func (d Desk) ChangeWebhook(ctx context.Context, tenant model.TenantID, id string, change func(e *webhook.Endpoint, there bool) error) (alert.Webhook, error) {
	err := d.edit(ctx, tenant, func(b *batch) error {
		var e webhook.Endpoint
		there, err := b.get(kindWebhook, id, &e)
		if err != nil {
			return err
		}
		before := e
		if err := change(&e, there); err != nil {
			return err
		}
		if !there && len(b.state.DocumentIDs(kindWebhook, tenant)) >= webhook.EndpointsMax {
			return fault(admin.Invalid, "webhookId", "the tenant has %d webhooks, the most there can be", webhook.EndpointsMax)
		}
		if err := d.Sender.CheckURL(e.URL); err != nil {
			return fault(admin.Invalid, "url", "%v", err)
		}
		if there && e.Mended(&before) {
			if err := b.hasten(id); err != nil {
				return err
			}
		}
		return b.put(kindWebhook, id, &e)
	})
	if err != nil {
		return alert.Webhook{}, err
	}
	return d.Webhook(tenant, id)
}

// DropWebhook implements alert.Desk.
func (d Desk) DropWebhook(ctx context.Context, tenant model.TenantID, id string) error {
	return d.edit(ctx, tenant, func(b *batch) error {
		if b.state.Document(kindWebhook, tenant, id).Version == 0 {
			return unknown("webhook", id)
		}
		b.dropWebhook(id)
		return nil
	})
}

// Deliveries implements alert.Desk.
func (d Desk) Deliveries(tenant model.TenantID, id string) ([]webhook.Delivery, error) {
	if _, err := d.Webhook(tenant, id); err != nil {
		return nil, err
	}
	state := d.State()
	var out []webhook.Delivery
	for _, key := range state.DocumentIDs(kindDelivery, tenant) {
		var one webhook.Delivery
		if !strings.HasPrefix(key, id+":") {
			continue
		}
		if _, err := read(state, kindDelivery, tenant, key, &one); err == nil {
			out = append(out, one)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// Redeliver implements alert.Desk.
func (d Desk) Redeliver(ctx context.Context, tenant model.TenantID, id, delivery string) (webhook.Delivery, error) {
	var again webhook.Delivery
	list, err := d.Deliveries(tenant, id)
	if err != nil {
		return again, err
	}
	at := slices.IndexFunc(list, func(one webhook.Delivery) bool { return one.ID == delivery })
	if at < 0 {
		return again, unknown("delivery", delivery)
	}
	if list[at].State == webhook.Waiting {
		return again, fault(admin.Invalid, "delivery", "it waits already")
	}
	err = d.edit(ctx, tenant, func(b *batch) error {
		var q webhook.Queue
		if _, err := b.get(kindQueue, id, &q); err != nil {
			return err
		}
		fresh := q.Add(delivery, id, list[at].Event, d.Now().UnixNano())
		if fresh == nil {
			return fault(admin.Invalid, "", "%d deliveries wait for webhook %s, the most there can be", webhook.WaitingMax, id)
		}
		q.NextTry = 0
		again = *fresh
		return errors.Join(b.put(kindQueue, id, &q), b.put(kindDelivery, webhook.DeliveryKey(id, fresh.Number), fresh))
	})
	return again, err
}

// TestWebhook implements alert.Desk.
func (d Desk) TestWebhook(ctx context.Context, tenant model.TenantID, id, by string) (webhook.Result, error) {
	view, err := d.Webhook(tenant, id)
	if err != nil {
		return webhook.Result{}, err
	}
	now := d.Now()
	delivery := webhook.Delivery{ID: random("msg_test"), Endpoint: id, Event: webhook.Event{
		Event: triage.EventTest, Time: now.UnixNano(), Tenant: string(tenant), Status: triage.Firing, Severity: triage.Info,
		Title: "Test of webhook " + id, Text: "Nothing happened: " + by + " wanted to see whether this arrives.", Key: string(tenant) + "/test",
	}}
	return d.Sender.Send(ctx, &view.Endpoint, &delivery, now), nil
}

// Services implements alert.Desk.
func (d Desk) Services(tenant model.TenantID) []alert.Registered {
	var out []alert.Registered
	health := d.health(tenant)
	for _, s := range all[triage.Registered](d.State(), kindService, tenant) {
		view := alert.Registered{Registered: s, Health: triage.Health{Name: s.Name}}
		if at := slices.IndexFunc(health, func(h triage.Health) bool { return h.Name == s.Name }); at >= 0 {
			view.Health = health[at]
		}
		out = append(out, view)
	}
	return out
}

// PutService implements alert.Desk.
func (d Desk) PutService(ctx context.Context, tenant model.TenantID, s triage.Registered) (alert.Registered, error) {
	if err := webhook.ReachHint(d.Prober.Check(s.URL)); err != nil {
		return alert.Registered{}, fault(admin.Invalid, "serviceUrl", "%v", err)
	}
	now := d.Now().UnixNano()
	h := triage.Health{Name: s.Name}
	if s.Probed() {
		up, status, why, took := d.Probe(ctx, &s)
		h.Note(now, up, status, why, took)
	}
	err := d.edit(ctx, tenant, func(b *batch) error {
		there := b.state.Document(kindService, tenant, s.Name).Version != 0
		if !there && len(b.state.DocumentIDs(kindService, tenant)) >= servicesMax {
			return fault(admin.Invalid, "serviceName", "the tenant has %d services, the most there can be", servicesMax)
		}
		if err := b.put(kindService, s.Name, &s); err != nil || there || h.Last == 0 {
			return err
		}
		return b.put(kindProbes, s.Name, &h)
	})
	return alert.Registered{Registered: s, Health: h}, err
}

// DropService implements alert.Desk.
func (d Desk) DropService(ctx context.Context, tenant model.TenantID, name string) (alert.Registered, error) {
	list := d.Services(tenant)
	at := slices.IndexFunc(list, func(s alert.Registered) bool { return s.Registered.Name == name })
	if at < 0 {
		return alert.Registered{}, unknown("service", name)
	}
	return list[at], d.edit(ctx, tenant, func(b *batch) error {
		b.drop(kindService, name)
		if b.state.Document(kindProbes, tenant, name).Version != 0 {
			b.drop(kindProbes, name)
		}
		return nil
	})
}

// Evidence implements alert.Desk.
func (d Desk) Evidence(ctx context.Context, tenant model.TenantID, text string, from, to int64) ([]triage.Evidence, error) {
	r := triage.Rule{When: triage.Condition{Query: text, Over: triage.Duration(time.Duration(to - from))}}
	if err := d.Finder.CheckQueries(ctx, tenant, &r); err != nil {
		return nil, err
	}
	return d.Finder.evidence(ctx, tenant, &r, &triage.Alert{}, to), nil
}

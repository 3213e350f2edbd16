package alert

import (
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

// TestTickets: a ticket is opened when an alert fires, and not again for its incident, when
// somebody is reminded of it, when it is escalated and when it ends; others are told of all
// of it, but for who opens something for each of the two.
func TestTickets(t *testing.T) {
	a := newAgreement(t)
	c := &clock{now: time.Unix(1_790_000_000, 0)}
	w := newWatcher(a, c, a.newest)
	r, err := triage.ParseRule([]byte("id: many\nwhen: {query: x, by: [g]}\nactions: [{notify: true}, {ticket: plain}, {incident: test}, {escalate: {after: 1m}}]"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(a.newest(), tenant)
	if err := b.put(kindRule, r.ID, storedRule{Rule: *r, Revision: 1}); err != nil {
		t.Fatal(err)
	}
	for id, e := range map[string]webhook.Endpoint{
		"all": {Template: webhook.Generic}, "issues": {Template: webhook.GitHub}, "plain": {Template: webhook.Generic, Events: []string{triage.EventStorage}}, "off": {Template: webhook.Ticket},
		"pager": {Template: webhook.PagerDuty, Key: "k"}, "incidents": {Template: webhook.Jira, Events: []string{triage.EventIncidentOpened}},
	} {
		e.ID, e.URL, e.Active = id, "https://"+id+".example/", id != "off"
		if err := b.put(kindWebhook, id, e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.propose(t.Context(), a.propose); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		kind string
		told []string
	}{
		{triage.Fires, []string{"all", "all", "incidents", "issues", "pager", "plain"}}, // of the alert, and of the incident
		{triage.Repeats, []string{"all", "pager"}}, {triage.Escalates, []string{"all", "pager"}}, {triage.Resolves, []string{"all", "pager"}},
	} {
		b := newBatch(a.newest(), tenant)
		one := triage.Alert{Group: triage.Group{"g"}, Since: 1, Fired: 1}
		state := &triage.State{Alerts: map[string]*triage.Alert{one.Group.Key(): &one}}
		p := plan{w: w, b: b, rule: r, state: state, end: c.time().UnixNano()}
		transition := triage.Transition{Kind: step.kind, Alert: one, Number: uint64(i + 1)}
		if step.kind == triage.Escalates {
			transition.Level = r.Actions[3].Escalate
		}
		if err := p.outcome(t.Context(), []triage.Transition{transition}); err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, change := range b.changes {
			var d webhook.Delivery
			if change.Kind == kindDelivery && decode(change.Kind, change.ID, change.Body, &d) == nil {
				told = append(told, d.Endpoint)
			}
		}
		slices.Sort(told)
		if !slices.Equal(told, step.told) {
			t.Errorf("%s: told %v, want %v", step.kind, told, step.told)
		}
		if _, err := b.propose(t.Context(), a.propose); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEscalatedEnds: who hears of an alert only because nobody looked after it hears that it
// is over, once; who heard of no escalation hears nothing of its end.
func TestEscalatedEnds(t *testing.T) {
	a := newAgreement(t)
	c := &clock{now: time.Unix(1_790_000_000, 0)}
	w := newWatcher(a, c, a.newest)
	r, err := triage.ParseRule([]byte("id: many\nwhen: {query: x}\nactions: [{notify: true}, {escalate: {after: 1m, webhook: oncall, severity: high}}, {escalate: {after: 2m, severity: critical}}, {escalate: {after: 3m, webhook: last}}]"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(a.newest(), tenant)
	for id, e := range map[string]webhook.Endpoint{
		"all": {Template: webhook.Generic}, "alertmanager": {Template: webhook.Alertmanager}, "last": {Template: webhook.Slack, Events: []string{triage.EventStorage}},
		"oncall": {Template: webhook.PagerDuty, Key: "k", Severity: triage.Critical}, "issues": {Template: webhook.GitHub},
	} {
		e.ID, e.URL, e.Active = id, "https://"+id+".example/", true
		if err := b.put(kindWebhook, id, e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.propose(t.Context(), a.propose); err != nil {
		t.Fatal(err)
	}
	for escaped, want := range [][]string{
		{"alertmanager medium", "all medium"},
		{"alertmanager medium", "all medium", "oncall high"},
		{"alertmanager critical", "alertmanager medium", "all medium", "oncall high"},
		{"alertmanager critical", "alertmanager medium", "all medium", "last medium", "oncall high"},
	} {
		b := newBatch(a.newest(), tenant)
		p := plan{w: w, b: b, rule: r, state: &triage.State{}, end: c.time().UnixNano()}
		over := triage.Transition{Kind: triage.Resolves, Alert: triage.Alert{Since: 1, Fired: 1, Told: 1, Escaped: escaped}, Number: 7}
		if err := p.outcome(t.Context(), []triage.Transition{over}); err != nil {
			t.Fatal(err)
		}
		var told []string
		ids := map[string]bool{}
		for _, change := range b.changes {
			var d webhook.Delivery
			if change.Kind == kindDelivery && decode(change.Kind, change.ID, change.Body, &d) == nil {
				told = append(told, d.Endpoint+" "+d.Event.Severity)
				if ids[d.ID] = true; d.Event.Status != triage.Resolved || d.Event.Key != "shop/many" {
					t.Errorf("told %+v", d.Event)
				}
			}
		}
		slices.Sort(told)
		if !slices.Equal(told, want) || len(ids) != len(want) {
			t.Errorf("after %d escalations: told %v by %d ids, want %v", escaped, told, len(ids), want)
		}
	}
}

// TestIncidentSeverity: who heard of an incident hears what becomes of it, also when it is
// no longer as bad as is asked for, and Alertmanager that what it knows it as is over. Who
// heard of the alert instead hears that the incident is closed: it may have heard of it from
// a rule that has changed since.
func TestIncidentSeverity(t *testing.T) {
	a := newAgreement(t)
	c := &clock{now: time.Unix(1_790_000_000, 0)}
	desk := Desk{newWatcher(a, c, a.newest), a.propose}
	r, err := triage.ParseRule([]byte("id: many\nseverity: high\nwhen: {query: x}\nactions: [{notify: true}, {incident: test}]"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(a.newest(), tenant)
	if err := b.put(kindRule, r.ID, storedRule{Rule: *r, Revision: 1}); err != nil {
		t.Fatal(err)
	}
	for id, e := range map[string]webhook.Endpoint{
		"all": {Template: webhook.Alertmanager}, "bad": {Template: webhook.Generic, Severity: triage.High}, "worst": {Template: webhook.Generic, Severity: triage.Critical},
		"pager": {Template: webhook.PagerDuty, Key: "k"},
	} {
		e.ID, e.URL, e.Active = id, "https://"+id+".example/", true
		if err := b.put(kindWebhook, id, e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.propose(t.Context(), a.propose); err != nil {
		t.Fatal(err)
	}
	i, err := desk.OpenIncident(t.Context(), tenant, triage.Incident{Title: "x", Class: "test", Rule: "many", Severity: triage.High, State: triage.Open})
	if err != nil {
		t.Fatal(err)
	}
	severity, state := func(s string) triage.IncidentChange { return triage.IncidentChange{Severity: &s} }, triage.Closed
	told := map[string]bool{}
	for n, step := range []struct {
		change triage.IncidentChange
		want   []string
	}{
		{triage.IncidentChange{}, []string{"all high from ", "bad high from "}},
		{severity(triage.Low), []string{"all low from high", "bad low from high"}},
		{severity(triage.Medium), []string{"all medium from low", "bad medium from low"}},
		{triage.IncidentChange{State: &state}, []string{"all medium from medium", "bad medium from medium", "pager medium from medium"}},
	} {
		if n > 0 {
			if _, _, err := desk.ChangeIncident(t.Context(), tenant, i.ID, func(i *triage.Incident) error { return i.Change(step.change, "me", 1) }); err != nil {
				t.Fatal(err)
			}
		}
		var have []string
		for _, id := range a.newest().DocumentIDs(kindDelivery, tenant) {
			var d webhook.Delivery
			if _, err := read(a.newest(), kindDelivery, tenant, id, &d); err != nil {
				t.Fatal(err)
			}
			if !told[id] {
				have = append(have, d.Endpoint+" "+d.Event.Severity+" from "+d.Event.Was)
			}
			told[id] = true
		}
		if slices.Sort(have); !slices.Equal(have, step.want) {
			t.Errorf("step %d: told %q, want %q", n, have, step.want)
		}
	}
}

// TestMended: what waits for a webhook that has failed is tried at once when it leads
// somewhere else, signs otherwise or is switched on, not for what changes nothing there.
func TestMended(t *testing.T) {
	a := newAgreement(t)
	c := &clock{now: time.Unix(1_790_000_000, 0)}
	desk := Desk{newWatcher(a, c, a.newest), a.propose}
	made := func(e *webhook.Endpoint, _ bool) error {
		*e = webhook.Endpoint{ID: "ops", URL: "https://ops.example/", Template: webhook.Generic, Active: true}
		return nil
	}
	if _, err := desk.ChangeWebhook(t.Context(), tenant, "ops", made); err != nil {
		t.Fatal(err)
	}
	for name, step := range map[string]struct {
		change func(e *webhook.Endpoint)
		now    bool
	}{
		"described": {func(e *webhook.Endpoint) { e.Description = "x" }, false},
		"events":    {func(e *webhook.Endpoint) { e.Events = []string{triage.EventAlert} }, false},
		"off":       {func(e *webhook.Endpoint) { e.Active = false }, false},
		"elsewhere": {func(e *webhook.Endpoint) { e.URL += "new" }, true},
		"secret":    {func(e *webhook.Endpoint) { e.Rotate("0123456789abcdef", 1, time.Hour) }, true},
	} {
		b := newBatch(a.newest(), tenant)
		if err := b.put(kindQueue, "ops", webhook.Queue{First: 1, Next: 2, NextTry: 7, Failures: 6}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.propose(t.Context(), a.propose); err != nil {
			t.Fatal(err)
		}
		view, err := desk.ChangeWebhook(t.Context(), tenant, "ops", func(e *webhook.Endpoint, _ bool) error { step.change(e); return nil })
		if err != nil || (view.Queue.NextTry == 0) != step.now || view.Queue.Waits() != 1 {
			t.Errorf("%s: next try %d, %v", name, view.Queue.NextTry, err)
		}
	}
}

// TestEscalationsAreToldOnce: what is told again says when, and an escalation, which is not, says
// so: who takes an alert for over of which nothing is heard does not wait for it.
func TestEscalationsAreToldOnce(t *testing.T) {
	r, err := triage.ParseRule([]byte("id: many\nwhen: {query: x}\nactions: [{notify: true}, {escalate: {after: 1m, severity: high}}]"))
	if err != nil {
		t.Fatal(err)
	}
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_000, 0)}
	p := plan{w: newWatcher(a, c, a.newest), b: newBatch(a.newest(), tenant), rule: r, state: &triage.State{}, end: c.time().UnixNano()}
	of := triage.Transition{Kind: triage.Escalates, Alert: triage.Alert{Since: 1, Fired: 1, Told: 1, Escaped: 1}, Level: r.Escalations()[0]}
	if event := p.event(triage.Firing, []triage.Transition{of}, ""); event.Repeat != int64(r.Repeat) || event.Repeat == 0 {
		t.Errorf("what fires is told again after %d, want %d", event.Repeat, r.Repeat)
	}
	if event := p.escalated(triage.Firing, of, of.Level, ""); event.Repeat != 0 || event.Severity != triage.High {
		t.Errorf("an escalation: %+v", event)
	}
}

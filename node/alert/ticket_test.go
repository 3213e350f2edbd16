package alert

import (
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

// TestTickets: a ticket is opened when an alert fires, and not again when somebody is
// reminded of it, when it is escalated and when it ends; others are told of all of it.
func TestTickets(t *testing.T) {
	a := newAgreement(t)
	c := &clock{now: time.Unix(1_790_000_000, 0)}
	w := newWatcher(a, c, a.newest)
	r, err := triage.ParseRule([]byte("id: many\nwhen: {query: x, by: [g]}\nactions: [{notify: true}, {ticket: plain}, {incident: test}, {escalate: {after: 1m}}]"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(a.newest(), tenant)
	for id, e := range map[string]webhook.Endpoint{
		"all": {Template: webhook.Generic}, "issues": {Template: webhook.GitHub}, "plain": {Template: webhook.Generic, Events: []string{triage.EventStorage}}, "off": {Template: webhook.Ticket},
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
		{triage.Fires, []string{"all", "all", "issues", "issues", "plain"}}, // of the alert, and of the incident
		{triage.Repeats, []string{"all"}}, {triage.Escalates, []string{"all"}}, {triage.Resolves, []string{"all"}},
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

package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

// stateOf returns what is written down of a rule's alerts.
func stateOf(t *testing.T, a *agreement, id string) (s triage.State) {
	t.Helper()
	if _, err := read(a.newest(), kindAlerts, tenant, id, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// rounds looks at all rules so often, each time so much later, and calls each behind every look.
func rounds(t *testing.T, w *Watcher, c *clock, n int, later time.Duration, each func()) {
	t.Helper()
	for range n {
		c.add(later)
		w.round(t.Context())
		each()
	}
}

// TestInhibited: what a rule keeps others from telling is not told when both find it in one
// window, whatever their names, also when nobody looked for a while, and who looks at the
// alert sees why nobody was told.
func TestInhibited(t *testing.T) {
	for _, later := range []time.Duration{time.Minute, 7 * time.Minute} {
		a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
		prepare(t, a, "https://ops.example/", "id: zebra\nevery: 1m\nlate: 1s\nkeep: 2m\nwhen: {query: x, by: [g], atLeast: 2}\ninhibits: [many]\nequal: [g]")
		w := newWatcher(a, c, a.newest)
		service := alert.Service{Desk: Desk{w, a.propose}, Now: c.time}
		seen := false
		rounds(t, w, c, 40, later, func() {
			for _, id := range a.newest().DocumentIDs(kindDelivery, tenant) {
				var d webhook.Delivery
				if _, err := read(a.newest(), kindDelivery, tenant, id, &d); err != nil || d.Event.Rule == "many" {
					t.Fatalf("every %v told: %+v, %v", later, d.Event, err)
				}
			}
			answer, err := service.Alerts(t.Context(), admin.Request{Principal: auth.Principal{Tenant: tenant}})
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range shownAs(t, answer) {
				seen = seen || line == "many by zebra"
				if line == "many by " || line == "zebra by zebra" {
					t.Fatal(line)
				}
			}
		})
		if many := stateOf(t, a, "many"); many.Fired == 0 || !seen && later == time.Minute {
			t.Errorf("every %v: fired %d times, seen %v", later, many.Fired, seen)
		}
	}
}

// shownAs returns which rules alerts in an answer are of, and which keep them from being told.
func shownAs(t *testing.T, answer admin.Answer) (lines []string) {
	t.Helper()
	body, err := json.Marshal(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ Rule, InhibitedBy string }
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		lines = append(lines, one.Rule+" by "+one.InhibitedBy)
	}
	return lines
}

// TestInhibitorsFirst: a rule comes behind all that keep it from telling anything, also
// where they keep one another.
func TestInhibitorsFirst(t *testing.T) {
	var rules []*triage.Rule
	for _, inhibits := range [][]string{{}, {"a"}, {"b", "a"}, {"e"}, {"d"}} {
		rules = append(rules, &triage.Rule{ID: string(rune('a' + len(rules))), Inhibits: inhibits})
	}
	order := ""
	for _, r := range inhibitorsFirst(rules) {
		order += r.ID
	}
	if order != "cbaed" {
		t.Errorf("%s", order)
	}
}

// costly is an engine that takes a while for every question.
type costly struct {
	records
	c     *clock
	takes time.Duration
}

func (e costly) Search(ctx context.Context, request query.Request) (*query.Result, error) {
	e.c.add(e.takes)
	return e.records.Search(ctx, request)
}

// TestCostlyRules: rules of a tenant that take all the time that there is do not keep its
// others from being looked at.
func TestCostlyRules(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	var more []string
	for n := range 4 {
		more = append(more, fmt.Sprintf("id: r%d\nevery: 1m\nlate: 1s\nwhen: {query: x, by: [g], atLeast: 2}", n))
	}
	prepare(t, a, "https://ops.example/", more...)
	w := newWatcher(a, c, a.newest)
	w.Finder.Engine = costly{c: c, takes: 40 * time.Second}
	for range 30 {
		w.round(t.Context())
	}
	for n := range 4 {
		if s := stateOf(t, a, fmt.Sprint("r", n)); s.Through == 0 {
			t.Errorf("rule r%d was never looked at", n)
		}
	}
}

// TestSwitchedOffThough: a rule that is not understood any more can be switched off, and
// not be changed otherwise.
func TestSwitchedOffThough(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	prepare(t, a, "https://ops.example/", "id: old\nwhen: {query: x | limit 3}")
	desk := Desk{newWatcher(a, c, a.newest), a.propose}
	view, err := desk.Rule(tenant, "old")
	if err != nil {
		t.Fatal(err)
	}
	other := view.Rule
	other.Disabled, other.Severity = true, triage.Low
	if _, err := desk.PutRule(t.Context(), tenant, &other, "me", false); err == nil {
		t.Error("it was changed")
	}
	off := view.Rule
	off.Disabled = true
	if view, err = desk.PutRule(t.Context(), tenant, &off, "me", false); err != nil || !view.Disabled {
		t.Errorf("%+v, %v", view, err)
	}
	on := view.Rule
	on.Disabled = false
	if _, err := desk.PutRule(t.Context(), tenant, &on, "me", false); len(triage.Faults(err)) != 1 || triage.Faults(err)[0].Field != "when.query" {
		t.Errorf("%v", err)
	}
}

// TestIncidentCountsWhatWasTold: an incident has as many alerts that fire as somebody has
// heard of, also when one that nobody has heard of ends.
func TestIncidentCountsWhatWasTold(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	prepare(t, a, "https://ops.example/")
	w := newWatcher(a, c, a.newest)
	if _, err := (Desk{w, a.propose}).PutSilence(t.Context(), tenant, triage.Silence{Rule: "many", Group: map[string]string{"g": "g1"}, Until: 1 << 62}); err != nil {
		t.Fatal(err)
	}
	silent := false
	rounds(t, w, c, 60, time.Minute, func() {
		told := 0
		for _, one := range stateOf(t, a, "many").Alerts {
			if one.Told != 0 {
				told++
			}
			silent = silent || one.Fired != 0 && one.Told == 0
		}
		for _, i := range all[triage.Incident](a.newest(), kindIncident, tenant) {
			if i.Firing != told {
				t.Fatalf("the incident has %d that fire, %d were told", i.Firing, told)
			}
		}
	})
	if !silent {
		t.Error("none was silenced")
	}
}

// TestIncidentsGiveWay: of too many incidents the one goes that was closed first, whenever
// it was opened.
func TestIncidentsGiveWay(t *testing.T) {
	a := newAgreement(t)
	for from := 0; from < incidentsMax; from += catalogue.ChangesMax / 2 {
		b := newBatch(a.newest(), tenant)
		for n := from; n < from+catalogue.ChangesMax/2; n++ {
			i := triage.Incident{ID: fmt.Sprintf("i%04d", n), State: triage.Closed, Opened: int64(n) + 1, Closed: int64(5*incidentsMax - n)}
			if n == 0 {
				i.State, i.Closed = triage.Open, 0
			}
			if err := b.putIncident(&i); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.propose(t.Context(), a.propose); err != nil {
			t.Fatal(err)
		}
	}
	b := newBatch(a.newest(), tenant)
	b.dropOldIncident()
	if len(b.changes) != 1 || !b.changes[0].Drop || b.changes[0].ID != fmt.Sprintf("i%04d", incidentsMax-1) {
		t.Errorf("%+v", b.changes)
	}
}

// TestThinned: a trial that leaves out windows looks at others that the rule has.
func TestThinned(t *testing.T) {
	for _, every := range []time.Duration{7 * time.Second, 10 * time.Second, time.Minute} {
		for _, over := range []time.Duration{every, 3 * every} {
			h, to := replay{step: int64(every)}, int64(30*24*time.Hour)
			windows := func(step int64) int64 { return to / step }
			h.thin(int64(over), 0, to, windows)
			if h.step%int64(every) != 0 || windows(h.step) > trialWindowsMax || h.partial == "" {
				t.Errorf("every %v over %v: one window in %v, %q", every, over, time.Duration(h.step), h.partial)
			}
		}
	}
}

// tellAll tells an endpoint of as many alerts as a rule may have, and returns the deliveries.
func tellAll(t *testing.T, a *agreement, status string, e *webhook.Endpoint) (deliveries []webhook.Delivery) {
	t.Helper()
	c := &clock{now: time.Unix(1_790_000_040, 0)}
	rule, b := ruleOf(a.newest(), tenant, "many"), newBatch(a.newest(), tenant)
	p := plan{w: newWatcher(a, c, a.newest), b: b, rule: rule, state: &triage.State{}, end: c.time().UnixNano()}
	var of []triage.Transition
	for n := range triage.AlertsMax {
		of = append(of, triage.Transition{Kind: status, Number: uint64(n + 1), Alert: triage.Alert{Group: triage.Group{fmt.Sprint("g", n)}, Value: 3}})
	}
	if err := p.send(e, p.event(status, of, ""), of, rule.ID); err != nil {
		t.Fatal(err)
	}
	for _, change := range b.changes {
		if change.Kind != kindDelivery {
			continue
		}
		var d webhook.Delivery
		if _, err := b.get(kindDelivery, change.ID, &d); err != nil {
			t.Fatal(err)
		}
		deliveries = append(deliveries, d)
	}
	return deliveries
}

// TestEachAlone: who joins alerts by a key is told of each, of its begin and of its end.
func TestEachAlone(t *testing.T) {
	a := newAgreement(t)
	prepare(t, a, "https://ops.example/")
	for _, status := range []string{triage.Firing, triage.Resolved} {
		keys := map[string]bool{}
		for _, d := range tellAll(t, a, status, &webhook.Endpoint{ID: "duty", Template: webhook.PagerDuty}) {
			if len(d.Event.Alerts) != 1 {
				t.Fatalf("%+v", d.Event)
			}
			keys[d.Event.Key] = true
		}
		if len(keys) != triage.AlertsMax || !keys[string(tenant)+"/many/g63"] {
			t.Errorf("%s: told of %d", status, len(keys))
		}
	}
}

// TestEachBehindTheOther: who knows alerts by their labels is told of all of them, as they begin
// and as they end, each once.
func TestEachBehindTheOther(t *testing.T) {
	a := newAgreement(t)
	prepare(t, a, "https://ops.example/")
	for _, status := range []string{triage.Firing, triage.Resolved} {
		told, ids := map[string]int{}, map[string]bool{}
		for _, d := range tellAll(t, a, status, &webhook.Endpoint{ID: "am", Template: webhook.Alertmanager}) {
			if d.Event.Status != status {
				t.Fatalf("%+v", d.Event)
			}
			ids[d.ID] = true
			for _, alert := range d.Event.Alerts {
				told[fmt.Sprint(alert.Labels)]++
			}
		}
		if want := (triage.AlertsMax + webhook.AlertsShown - 1) / webhook.AlertsShown; len(told) != triage.AlertsMax || len(ids) != want {
			t.Errorf("%s: told of %d by %d deliveries, want %d by %d", status, len(told), len(ids), triage.AlertsMax, want)
		}
		for labels, times := range told {
			if times != 1 {
				t.Errorf("%s: told %d times of %s", status, times, labels)
			}
		}
	}
}

// TestUnheardRules: who saves or reads a rule that tells webhooks, where nothing is told to
// any, sees that and what helps.
func TestUnheardRules(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	w := newWatcher(a, c, a.newest)
	service := alert.Service{Desk: Desk{w, a.propose}, Now: c.time}
	save := func(actions string) string {
		t.Helper()
		body := fmt.Appendf(nil, `{"id":"own","name":"own","severity":"high","when":{"query":"x","over":"5m"},"actions":[%s]}`, actions)
		answer, err := service.PutRule(t.Context(), admin.Request{Principal: auth.Principal{Tenant: tenant}, Name: "own", Body: body, Param: func(string) string { return "" }})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		var shown struct{ Error string }
		if err := json.Unmarshal(text, &shown); err != nil {
			t.Fatal(err)
		}
		return shown.Error
	}
	const notify, incident = `{"notify":true}`, `{"incident":"security"}`
	if said := save(notify); said != "" {
		t.Errorf("there may be webhooks: %q", said)
	}
	agree(t, a, access.Account{ID: tenant, Plan: access.Basic, Status: access.Active})
	if said := save(notify + "," + incident); !strings.Contains(said, "tenant set TENANT --plan standard") {
		t.Errorf("without webhooks in the plan: %q", said)
	}
	if said := save(incident); said != "" {
		t.Errorf("a rule that tells nobody: %q", said)
	}
	agree(t, a, access.Account{ID: tenant, Plan: access.Standard, Status: access.Active})
	if said := save(notify); said != "" {
		t.Errorf("with webhooks in the plan: %q", said)
	}
	w.NoWebhooks = true
	if said := save(notify); !strings.Contains(said, "enable-webhooks") {
		t.Errorf("switched off by the operator: %q", said)
	}
	rules, err := service.Rules(t.Context(), admin.Request{Principal: auth.Principal{Tenant: tenant}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(rules.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "enable-webhooks"); n != 1 {
		t.Errorf("%d rules of the tenant's own are not heard, want 1", n)
	}
}

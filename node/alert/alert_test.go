package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

const tenant model.TenantID = "shop"

// agreement is what nodes agree on. Each sees it late, as nodes do.
type agreement struct {
	mu     sync.Mutex
	states []*catalogue.State // the newest last
	random *rand.Rand
	// lost makes some proposals fail: before they are made, or after.
	lost func() (before, after bool)
}

func newAgreement(t *testing.T) *agreement {
	t.Helper()
	return agreementOf(t, catalogue.Format)
}

// agreementOf is one whose only node reads formats up to one.
func agreementOf(t *testing.T, format uint16) *agreement {
	t.Helper()
	cat, err := catalogue.Open(catalogue.Config{Store: none{}})
	if err != nil {
		t.Fatal(err)
	}
	a := &agreement{states: []*catalogue.State{cat.State()}, random: rand.New(rand.NewPCG(7, 8))}
	_, err = a.propose(t.Context(), catalogue.Init{Cluster: "00000000000000cc", Shards: 1, Time: 1, Node: catalogue.Node{
		ID: "00000000000000aa", Name: "a", Address: "10.0.0.1:7000", Version: "1", Formats: catalogue.Formats{Min: 1, Max: format}}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

type none struct{}

func (none) Load() ([]byte, error) { return nil, nil }
func (none) Save([]byte) error     { return nil }

func (a *agreement) newest() *catalogue.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.states[len(a.states)-1]
}

// late is a state of not long ago.
func (a *agreement) late() *catalogue.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.states[max(1, len(a.states)-1-a.random.IntN(3))]
}

func (a *agreement) propose(_ context.Context, command catalogue.Command) (*catalogue.State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, after := false, false
	if a.lost != nil {
		before, after = a.lost()
	}
	if before {
		return nil, raft.ErrUncertain
	}
	last := a.states[len(a.states)-1]
	// As it travels.
	decoded, err := catalogue.Decode(catalogue.Encode(command))
	if err != nil {
		return nil, err
	}
	next, err := last.Apply(last.Index+1, decoded)
	if err != nil {
		return nil, err
	}
	a.states = append(a.states[max(0, len(a.states)-5):], next)
	if after {
		return nil, raft.ErrUncertain
	}
	return next, nil
}

// records says how many records of each group there are in each minute.
type records struct{ random uint64 }

func (r records) found(minute int64) (groups []string) {
	if (minute*2654435761+int64(r.random))%7 < 2 {
		groups = append(groups, fmt.Sprint("g", minute%3))
	}
	return groups
}

// Search answers as the engine does: rows of groups with their counts.
func (r records) Search(_ context.Context, request query.Request) (*query.Result, error) {
	result := &query.Result{Table: true, Complete: true}
	for _, group := range r.found(request.To / int64(time.Minute)) {
		result.Rows = append(result.Rows, []any{group, int64(3)})
	}
	return result, nil
}

// clock is the time of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newWatcher(a *agreement, c *clock, state func() *catalogue.State) *Watcher {
	return New(Config{
		Settings: Settings{Reach: outward.Loopback}, Finder: Finder{Engine: records{}, Now: c.time}, State: state, Leads: func() bool { return true },
		Propose: a.propose, Chance: func() float64 { return 0 }, Logger: slog.New(slog.DiscardHandler), Now: c.time,
	})
}

const groupRule = "id: many\nevery: 1m\nlate: 1s\nkeep: 2m\nrepeat: 30d\nwhen: {query: x, by: [g], atLeast: 2}\nactions: [{notify: true}, {incident: test}]"

// prepare saves a webhook and a rule.
func prepare(t *testing.T, a *agreement, url string, more ...string) {
	t.Helper()
	b := newBatch(a.newest(), tenant)
	for _, text := range append([]string{groupRule}, more...) {
		r, err := triage.ParseRule([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.put(kindRule, r.ID, storedRule{Rule: *r, Revision: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range triage.Defaults() {
		r.Disabled = true
		if err := b.put(kindRule, r.ID, storedRule{Rule: *r, Revision: 1}); err != nil {
			t.Fatal(err)
		}
	}
	err := b.put(kindWebhook, "ops", webhook.Endpoint{ID: "ops", URL: url, Template: webhook.Generic, Active: true, Events: []string{triage.EventAlert}})
	if _, failed := b.propose(t.Context(), a.propose); errors.Join(err, failed) != nil {
		t.Fatal(err, failed)
	}
}

// told returns what was planned to be told, in its order.
func told(t *testing.T, seen map[string]webhook.Delivery) (out []string) {
	t.Helper()
	for _, key := range slices.Sorted(func(yield func(string) bool) {
		for key := range seen {
			if !yield(key) {
				return
			}
		}
	}) {
		d := seen[key]
		for _, one := range d.Event.Alerts {
			out = append(out, fmt.Sprintf("%d %s %s", d.Event.Time/int64(time.Minute), one.Labels["g"], one.Status))
		}
	}
	return out
}

// TestLeadersRace: a hundred times the leader changes, now and then two think that they
// lead, what they know is late, and answers are lost. What is told is what one node that
// never fails would have told, each thing once.
func TestLeadersRace(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	prepare(t, a, "https://ops.example/")
	random := rand.New(rand.NewPCG(5, 6))
	nodes := make([]*Watcher, 3)
	for i := range nodes {
		nodes[i] = newWatcher(a, c, a.late)
	}
	newWatcher(a, c, a.newest).round(t.Context()) // the first window is everybody's
	begin := int64(1_790_000_040/60 - 1)
	a.lost = func() (before, after bool) {
		n := a.random.IntN(10)
		return n == 0, n == 1
	}
	seen := map[string]webhook.Delivery{}
	ids := map[string]string{}
	for change := range 100 {
		first, second := nodes[random.IntN(3)], nodes[random.IntN(3)]
		for range 1 + random.IntN(4) {
			var both sync.WaitGroup
			both.Go(func() { first.round(t.Context()) })
			if second != first && change%2 == 0 {
				both.Go(func() { second.round(t.Context()) })
			}
			both.Wait()
			c.add(time.Duration(random.IntN(50)) * time.Second)
		}
		if random.IntN(3) == 0 {
			i := random.IntN(3)
			nodes[i] = newWatcher(a, c, a.late) // it was killed
		}
		state := a.newest()
		// What was planned is taken away, as if it was delivered.
		b := newBatch(state, tenant)
		for _, key := range state.DocumentIDs(kindDelivery, tenant) {
			var d webhook.Delivery
			if _, err := read(state, kindDelivery, tenant, key, &d); err != nil {
				t.Fatal(err)
			}
			if other, there := ids[d.ID]; there {
				t.Fatalf("%s and %s are the same delivery", other, key)
			}
			ids[d.ID], seen[key] = key, d
			b.drop(kindDelivery, key)
		}
		var q webhook.Queue
		if there, _ := read(state, kindQueue, tenant, "ops", &q); there {
			q.First = q.Next
			if err := b.put(kindQueue, "ops", &q); err != nil {
				t.Fatal(err)
			}
		}
		lost := a.lost
		a.lost = nil
		if _, err := b.propose(t.Context(), a.propose); err != nil {
			t.Fatal(err)
		}
		a.lost = lost
	}
	// One node alone, over the same windows.
	var s triage.State
	if _, err := read(a.newest(), kindAlerts, tenant, "many", &s); err != nil || s.Skipped != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	r, _ := triage.ParseRule([]byte(groupRule))
	alone, want := &triage.State{}, []string{}
	for minute := begin; minute <= s.Through/int64(time.Minute); minute++ {
		sample := triage.Sample{End: minute * int64(time.Minute)}
		for _, g := range (records{}).found(minute) {
			sample.Findings = append(sample.Findings, triage.Finding{Group: triage.Group{g}, Value: 3})
		}
		transitions, err := alone.Step(r, sample, nil)
		if err != nil {
			t.Fatal(err)
		}
		firing, ended := []string{}, []string{}
		for _, one := range transitions {
			line := fmt.Sprintf("%d %s %s", minute, one.Alert.Group[0], one.Kind)
			if one.Kind == triage.Resolves {
				ended = append(ended, line)
			} else {
				firing = append(firing, line)
			}
		}
		want = append(append(want, firing...), ended...)
	}
	if got := told(t, seen); !slices.Equal(got, want) || len(got) < 30 {
		t.Errorf("told %d things, one node would have told %d:\n%s\n\n%s", len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := len(all[triage.Incident](a.newest(), kindIncident, tenant)); n != 1 {
		t.Errorf("%d incidents of one rule", n)
	}
}

// TestKilledBetween: the node that found something is killed before it has told of it;
// the next one tells, whatever of it was written down.
func TestKilledBetween(t *testing.T) {
	for _, when := range []string{"before it is written", "after it is written", "while it is told"} {
		t.Run(when, func(t *testing.T) {
			got := make(chan string, 10)
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("webhook-id") }))
			defer server.Close()
			a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
			prepare(t, a, server.URL)
			dead := newWatcher(a, c, a.newest)
			if when == "before it is written" {
				a.lost = func() (bool, bool) { return true, false }
			}
			for minute := int64(0); len((records{}).found(c.time().Unix()/60)) == 0 && minute < 20; minute++ {
				dead.round(t.Context())
				c.add(time.Minute)
			}
			c.add(30 * time.Second)
			dead.round(t.Context())
			a.lost = nil
			if when == "while it is told" {
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // the process ends under way
				dead.deliver(ctx)
				dead.sending.Wait()
			}
			next := newWatcher(a, c, a.newest)
			next.round(t.Context())
			next.deliver(t.Context())
			next.sending.Wait()
			next.deliver(t.Context())
			next.sending.Wait()
			if len(got) != 1 {
				t.Fatalf("told %d times", len(got))
			}
			if next.Waiting() != 0 {
				t.Error("it waits yet")
			}
		})
	}
}

// TestDeliveries: a receiver that fails is tried again later and in order, one that says
// that it is gone is not tried any more.
func TestDeliveries(t *testing.T) {
	var mu sync.Mutex
	answer, got := 500, []string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get("webhook-id"))
		w.WriteHeader(answer)
	}))
	defer server.Close()
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	prepare(t, a, server.URL)
	w := newWatcher(a, c, a.newest)
	desk := Desk{w, a.propose}
	add := func(id string) {
		t.Helper()
		if err := desk.edit(t.Context(), tenant, func(b *batch) error { return b.deliver("ops", id, webhook.Event{Event: "alert"}, c.time().UnixNano()) }); err != nil {
			t.Fatal(err)
		}
	}
	deliver := func() []string {
		w.deliver(t.Context())
		w.sending.Wait()
		mu.Lock()
		defer mu.Unlock()
		defer func() { got = nil }()
		return got
	}
	add("1")
	add("2")
	for range webhook.OpenAfter {
		if now := deliver(); !slices.Equal(now, []string{"1"}) {
			t.Fatalf("told %v, want the first alone", now)
		}
		if now := deliver(); len(now) != 0 {
			t.Fatalf("at once again: %v", now)
		}
		c.add(5 * time.Minute)
	}
	if view, err := desk.Webhook(tenant, "ops"); err != nil || !view.Queue.Open() || view.Queue.Waits() != 2 || !strings.Contains(view.Queue.Error, "500") {
		t.Errorf("%+v, %v", view.Queue, err)
	}
	c.add(time.Hour)
	answer = 200
	if now := deliver(); !slices.Equal(now, []string{"1", "2"}) {
		t.Errorf("told %v", now)
	}
	if _, err := desk.Redeliver(t.Context(), tenant, "ops", "1"); err != nil {
		t.Error(err)
	}
	if now := deliver(); !slices.Equal(now, []string{"1"}) {
		t.Errorf("once more: %v", now)
	}
	answer = 410
	add("3")
	if now := deliver(); !slices.Equal(now, []string{"3"}) {
		t.Errorf("told %v", now)
	}
	c.add(time.Hour)
	if now := deliver(); len(now) != 0 {
		t.Errorf("who is gone is told %v", now)
	}
	if view, _ := desk.Webhook(tenant, "ops"); view.Active || !strings.Contains(view.Why, "410") || view.Queue.Waits() != 1 {
		t.Errorf("%+v", view)
	}
	c.add(webhook.GiveUpAfter)
	deliver()
	list, err := desk.Deliveries(tenant, "ops")
	if err != nil || len(list) != 4 || list[0].State != webhook.Dead {
		t.Errorf("%+v, %v", list, err)
	}
	for n := range 3 * webhook.KeptMax {
		answer = 200
		if _, err := desk.ChangeWebhook(t.Context(), tenant, "ops", func(e *webhook.Endpoint, _ bool) error { e.Active = true; return nil }); err != nil {
			t.Fatal(err)
		}
		add(fmt.Sprint("more", n))
		deliver()
		c.add(time.Hour)
	}
	if list, _ = desk.Deliveries(tenant, "ops"); len(list) > webhook.KeptMax+1 {
		t.Errorf("%d deliveries are kept", len(list))
	}
	if err := desk.DropWebhook(t.Context(), tenant, "ops"); err != nil || len(a.newest().DocumentIDs(kindDelivery, tenant))+len(a.newest().DocumentIDs(kindQueue, tenant)) != 0 {
		t.Errorf("something is left: %v", err)
	}
}

// TestServices: a service that does not answer makes an alert, and one that answers again
// ends it.
func TestServices(t *testing.T) {
	var mu sync.Mutex
	status := 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path != "/health" || r.Header.Get("X-API-Key") != "secret" {
			status = 400
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	prepare(t, a, "https://ops.example/", "id: up\nevery: 1m\nlate: 1s\nwhen: {service: {}}\nactions: [{notify: true}]")
	w := newWatcher(a, c, a.newest)
	desk := Desk{w, a.propose}
	view, err := desk.PutService(t.Context(), tenant, triage.Registered{Name: "pay", URL: server.URL, APIKey: "secret", Health: "/health"})
	if err != nil || !view.Health.Up {
		t.Fatalf("%+v, %v", view, err)
	}
	states := []string{}
	for minute := range 9 {
		mu.Lock()
		status = map[bool]int{true: 503, false: 200}[minute >= 3 && minute < 6]
		mu.Unlock()
		c.add(time.Minute)
		w.lookAtServices(t.Context())
		w.sending.Wait()
		w.round(t.Context())
		var s triage.State
		if _, err := read(a.newest(), kindAlerts, tenant, "up", &s); err != nil {
			t.Fatal(err)
		}
		states = append(states, fmt.Sprint(len(s.Alerts)))
	}
	if got := strings.Join(states, ""); got != "000111000" {
		t.Errorf("alerts: %s", got)
	}
	health := desk.Services(tenant)[0].Health
	if uptime, looks := health.Uptime(); looks != 10 || uptime != 70 || len(health.Samples) != 7 {
		t.Errorf("%v %% of %d: %+v", uptime, looks, health)
	}
	if next := (Desk{newWatcher(a, c, a.newest), a.propose}).Services(tenant); len(next) != 1 || !next[0].Health.Up {
		t.Errorf("the next leader knows %+v", next)
	}
	if _, err := desk.PutService(t.Context(), tenant, triage.Registered{Name: "x", URL: "ftp://a"}); err == nil {
		t.Error("any URL is taken")
	}
}

// TestRulesHaveRevisions: those before are kept, and what is there from the start comes
// back.
func TestRulesHaveRevisions(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	desk := Desk{newWatcher(a, c, a.newest), a.propose}
	own, err := triage.ParseRule([]byte("id: service_down\nwhen: {service: {}}"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 8 {
		own.Name = fmt.Sprint("n", n)
		if _, err := desk.PutRule(t.Context(), tenant, own, "me", n == 0); err != nil {
			t.Fatal(err)
		}
	}
	view, err := desk.Rule(tenant, "service_down")
	if err != nil || view.Revision != 8 || view.Name != "n7" || len(view.Earlier) != revisionsMax || view.Earlier[0].Rule.Name != "n6" || len(desk.Rules(tenant)) != 17 {
		t.Errorf("%+v, %v", view, err)
	}
	if _, err := desk.PutRule(t.Context(), tenant, own, "me", true); err == nil {
		t.Error("made twice")
	}
	if err := desk.DropRule(t.Context(), tenant, "service_down"); err != nil {
		t.Error(err)
	}
	if view, err = desk.Rule(tenant, "service_down"); err != nil || !view.Builtin || view.Revision != 0 {
		t.Errorf("%+v, %v", view, err)
	}
	for _, id := range []string{"service_down", "nothing"} {
		if err := desk.DropRule(t.Context(), tenant, id); err == nil {
			t.Errorf("%s is dropped", id)
		}
	}
}

// TestEverythingFits: what grows is cut, so that it never keeps an alert from being written.
func TestEverythingFits(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	desk := Desk{newWatcher(a, c, a.newest), a.propose}
	big := triage.Incident{Title: "t", Class: "c", Severity: triage.High, State: triage.Open}
	for n := range triage.EvidenceMax {
		big.Note(triage.Entry{At: int64(n), Kind: "note", Text: strings.Repeat("<", triage.NoteMax)})
		big.Attach(triage.Evidence{Record: fmt.Sprint(n), Text: strings.Repeat("\"", triage.EvidenceTextMax)})
	}
	for range 60 {
		if _, err := desk.OpenIncident(t.Context(), tenant, big); err != nil {
			t.Fatal(err)
		}
	}
	list := desk.Incidents(tenant)
	if len(list) < 30 || len(list) >= 60 || len(list[0].Timeline) == 0 || len(list[0].Evidence) == 0 {
		t.Errorf("%d incidents, the first with %d entries", len(list), len(list[0].Timeline))
	}
	own, err := triage.ParseRule([]byte("id: long\nwhen: {service: {}}"))
	if err != nil {
		t.Fatal(err)
	}
	own.When.Service.Names = []string{strings.Repeat("x", 30<<10)}
	for range 3 {
		if _, err := desk.PutRule(t.Context(), tenant, own, "me", false); err != nil {
			t.Fatal(err)
		}
	}
}

// slow takes long, and finds nothing out of one tenant.
type slow struct {
	records
	c      *clock
	of     model.TenantID
	mu     sync.Mutex
	looked map[model.TenantID]int
}

func (s *slow) Search(ctx context.Context, request query.Request) (*query.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked[request.Audience.Tenant]++
	if request.Audience.Tenant == s.of {
		s.c.add(findMax)
		return nil, fmt.Errorf("it took too long, attempt %d \xff", s.looked[s.of])
	}
	return s.records.Search(ctx, request)
}

// TestSlowRules: a tenant whose rules take long or fail keeps nobody else's from being
// looked at, and does not fill the log of the catalogue with its reasons.
func TestSlowRules(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	s := &slow{c: c, of: "a", looked: map[model.TenantID]int{}}
	w := newWatcher(a, c, a.newest)
	w.Finder.Engine = s
	for _, of := range []model.TenantID{"a", "b", "c"} {
		b := newBatch(a.newest(), of)
		for n := range 3 {
			r, err := triage.ParseRule([]byte(fmt.Sprintf("id: r%d\nevery: 1m\nlate: 1s\nwhen: {query: x, by: [g], atLeast: 2}\nactions: [{notify: true}]", n)))
			if err != nil {
				t.Fatal(err)
			}
			if err := b.put(kindRule, r.ID, storedRule{Rule: *r, Revision: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.propose(t.Context(), a.propose); err != nil {
			t.Fatal(err)
		}
	}
	begun, index := c.time(), a.newest().Index
	for c.time().Sub(begun) < 30*time.Minute {
		w.tick(t.Context())
		c.add(time.Second)
	}
	if s.looked["b"] < 70 || s.looked["c"] < 70 || s.looked["a"] == 0 || s.looked["a"] > 180 {
		t.Errorf("looked %v times in 30 minutes at three rules of each, one window a minute", s.looked)
	}
	var state triage.State
	if _, err := read(a.newest(), kindAlerts, "a", "r0", &state); err != nil || !strings.Contains(state.Error, "it took too long") {
		t.Errorf("%+v, %v", state, err)
	}
	if written := a.newest().Index - index; written > 300 {
		t.Errorf("%d commands in half an hour", written)
	}
	for _, of := range []model.TenantID{"a", "b"} { // its last rule goes, or all of it does
		b := newBatch(a.newest(), of)
		for n := range 3 {
			b.drop(kindRule, fmt.Sprint("r", n))
			b.drop(kindAlerts, fmt.Sprint("r", n))
		}
		rules := w.rulesNow(a.newest(), of)
		if _, err := b.propose(t.Context(), a.propose); err != nil {
			t.Fatal(err)
		}
		c.add(time.Hour)
		for _, one := range w.turns(of, rules) {
			_ = w.look(t.Context(), of, one.rule, rules, one.end) // of "a" it fails
		}
		if left := a.newest().DocumentIDs(kindAlerts, of); len(left) != 0 {
			t.Errorf("what has gone is there again: %v", left)
		}
	}
}

// TestNodesOfAnOldVersion: while a node does not read documents, who makes one is told
// what to do, and nothing else happens.
func TestNodesOfAnOldVersion(t *testing.T) {
	a, c := agreementOf(t, catalogue.FormatDocuments-1), &clock{now: time.Unix(1_790_000_040, 0)}
	var log strings.Builder
	w := newWatcher(a, c, a.newest)
	w.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	index, desk := a.newest().Index, Desk{w, a.propose}
	own, err := triage.ParseRule([]byte(groupRule))
	if err != nil {
		t.Fatal(err)
	}
	_, ofRule := desk.PutRule(t.Context(), tenant, own, "me", true)
	_, ofWebhook := desk.ChangeWebhook(t.Context(), tenant, "ops", func(e *webhook.Endpoint, _ bool) error {
		*e = webhook.Endpoint{ID: "ops", URL: "https://ops.example/", Template: webhook.Generic, Active: true}
		return nil
	})
	for _, err := range []error{ofRule, ofWebhook} {
		if !errors.Is(err, catalogue.ErrRefused) || !strings.Contains(err.Error(), "upgrade node a (00000000000000aa, which reads format 4) first") {
			t.Errorf("%v", err)
		}
	}
	for range 100 {
		w.tick(t.Context())
		c.add(time.Minute)
	}
	if log.Len() > 0 || a.newest().Index != index {
		t.Errorf("%d commands, log %q", a.newest().Index-index, log.String())
	}
}

// TestRulesForNewerNodes: a rule that a node would not understand is not saved, others are,
// and who saves it is told which node to upgrade.
func TestRulesForNewerNodes(t *testing.T) {
	const nodeRule = "id: absent\nevent: service_availability\nseverity: critical\nwhen:\n  node: {}\n"
	for format, want := range map[uint16]string{
		catalogue.FormatNodeRules - 1: "upgrade node a (00000000000000aa, which reads format 5) first",
		catalogue.FormatNodeRules:     "",
	} {
		a, c := agreementOf(t, format), &clock{now: time.Unix(1_790_000_040, 0)}
		desk := Desk{newWatcher(a, c, a.newest), a.propose}
		for text, want := range map[string]string{nodeRule: want, groupRule: ""} {
			rule, err := triage.ParseRule([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			_, err = desk.PutRule(t.Context(), tenant, rule, "me", true)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("format %d, rule %s: %v, want %q", format, rule.ID, err, want)
			}
		}
	}
}

// TestDroppedIncident: an incident goes with its evidence and with what was told of it, and
// who heard of it hears that it is over, once: not of one that was closed before.
func TestDroppedIncident(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	prepare(t, a, "https://ops.example/")
	desk := Desk{newWatcher(a, c, a.newest), a.propose}
	if _, err := desk.ChangeWebhook(t.Context(), tenant, "ops", func(e *webhook.Endpoint, _ bool) error { e.Events = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range 2 {
		i := triage.Incident{Title: "about Alice", Class: "security", Severity: triage.High, State: triage.Open, Query: "user:Alice", Entities: map[string]string{"user": "Alice"}}
		i.Note(triage.Entry{Kind: "note", Text: "Alice again"})
		i.Attach(triage.Evidence{Record: "r", Text: `{"user":"Alice"}`})
		i, err := desk.OpenIncident(t.Context(), tenant, i)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, i.ID)
	}
	mentions := func() (n int) {
		for _, tenants := range a.newest().Documents {
			for _, d := range tenants[tenant].All {
				n += strings.Count(string(d.Body), "Alice")
			}
		}
		return n
	}
	before := mentions()
	if gone, err := desk.DropIncident(t.Context(), tenant, ids[0]); err != nil || gone.ID != ids[0] || before == 0 || mentions() != before/2 {
		t.Errorf("%+v, %v: %d mentions of %d", gone, err, mentions(), before)
	}
	if _, err := desk.DropIncident(t.Context(), tenant, ids[1]); err != nil || mentions() != 0 || len(desk.Incidents(tenant)) != 0 {
		t.Errorf("%v: %d mentions", err, mentions())
	}
	if _, err := desk.DropIncident(t.Context(), tenant, ids[0]); err == nil {
		t.Error("dropped twice")
	}
	list, err := desk.Deliveries(tenant, "ops")
	if err != nil || len(list) != 4 { // the newest first
		t.Fatalf("%+v, %v", list, err)
	}
	for n, status := range []string{triage.Resolved, triage.Resolved, triage.Firing, triage.Firing} {
		if e := list[n].Event; e.Incident != ids[1-n%2] || e.Status != status || !strings.Contains(e.Title, "was removed") {
			t.Errorf("%d: %+v", n, e)
		}
	}
	i, err := desk.OpenIncident(t.Context(), tenant, triage.Incident{Title: "over", Class: "c", Severity: triage.High, State: triage.Closed})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := desk.DropIncident(t.Context(), tenant, i.ID); err != nil {
		t.Fatal(err)
	}
	if list, err = desk.Deliveries(tenant, "ops"); err != nil || len(list) != 5 {
		t.Errorf("of one that was closed: %+v, %v", list, err)
	}
}

// TestFullCatalogue: who operates the nodes hears, once, that alerts find no place, and
// what to do.
func TestFullCatalogue(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	prepare(t, a, "https://ops.example/")
	var log strings.Builder
	w := newWatcher(a, c, a.newest)
	w.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.Propose = func(context.Context, catalogue.Command) (*catalogue.State, error) {
		return nil, fmt.Errorf("no place: %w", catalogue.ErrRefused)
	}
	for range 40 {
		w.tick(t.Context())
		c.add(time.Minute)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "DELETE /triage/incidents/{id}") {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

// TestWithdrawn: of a rule that is switched off, forgotten, or tells its alerts apart by
// another field nothing fires any more, and who heard of its alerts hears that they are over.
func TestWithdrawn(t *testing.T) {
	for how, change := range map[string]func(d Desk, r *triage.Rule) error{
		"switched off": func(d Desk, r *triage.Rule) error {
			r.Disabled = true
			_, err := d.PutRule(t.Context(), tenant, r, "me", false)
			return err
		},
		"forgotten": func(d Desk, r *triage.Rule) error { return d.DropRule(t.Context(), tenant, r.ID) },
		"another field": func(d Desk, r *triage.Rule) error {
			r.When.By = []string{"h"}
			_, err := d.PutRule(t.Context(), tenant, r, "me", false)
			return err
		},
		"as it was": func(d Desk, r *triage.Rule) error {
			r.Severity = triage.Low
			_, err := d.PutRule(t.Context(), tenant, r, "me", false)
			return err
		},
	} {
		a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
		prepare(t, a, "https://ops.example/")
		w := newWatcher(a, c, a.newest)
		desk := Desk{w, a.propose}
		for range 20 {
			if view, err := desk.Rule(tenant, "many"); err == nil && len(view.State.Alerts) > 0 {
				break
			}
			c.add(time.Minute)
			w.round(t.Context())
		}
		r, err := triage.ParseRule([]byte(groupRule))
		if err != nil {
			t.Fatal(err)
		}
		if err := change(desk, r); err != nil {
			t.Fatal(err)
		}
		over := how != "as it was"
		var last webhook.Delivery
		for _, id := range a.newest().DocumentIDs(kindDelivery, tenant) {
			if _, err := read(a.newest(), kindDelivery, tenant, id, &last); err != nil {
				t.Fatal(err)
			}
		}
		if got := last.Event.Status; (got == triage.Resolved) != over || len(last.Event.Alerts) != 1 || last.Event.Alerts[0].Labels["g"] == "" {
			t.Errorf("%s: told last: %+v", how, last.Event)
		}
		view, err := desk.Rule(tenant, "many")
		if (err == nil) != (how != "forgotten") || (len(view.State.Alerts) > 0) == over {
			t.Errorf("%s: %+v, %v", how, view.State.Alerts, err)
		}
		incidents := all[triage.Incident](a.newest(), kindIncident, tenant)
		if len(incidents) != 1 || (incidents[0].Firing == 0) != over {
			t.Errorf("%s: %+v", how, incidents)
		}
	}
}

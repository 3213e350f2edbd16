package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

const (
	// DefaultInterval is how often it is looked what is due.
	DefaultInterval = time.Second

	saveQuiet    = 5 * time.Minute // how often it is written down that nothing was found
	saveQuota    = time.Hour       // of rules on quotas, if anything ever was
	windowsMax   = 8               // of a rule in one round
	roundMax     = 20 * time.Second
	pauseShort   = 5 * time.Second  // for a rule of which not all records could be looked at
	pauseLong    = 30 * time.Second // for one that cannot be looked at
	warnEvery    = time.Hour
	sendersMax   = 16
	sendersOfMax = 8 // of one tenant
)

// Settings are what an operator decides.
type Settings struct {
	Interval time.Duration // between looks at what is due; 0: the default, below 0: never
	Reach    outward.Reach // where webhooks and services may be
	Mail     webhook.Mail  // how e-mail is sent
	// NoWebhooks keeps what is to be told to webhooks waiting, NoServices does not look at
	// services: the operator has switched them off.
	NoWebhooks, NoServices bool
}

// Config is what a Watcher has to do with. All must be given but Chance.
type Config struct {
	Settings
	Version string // of the program
	Finder  Finder
	State   func() *catalogue.State
	Leads   func() bool // this node leads the catalogue, and can be asked
	Propose func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
	Chance  func() float64 // between 0 and 1, so that not all come at once; default random
	Logger  *slog.Logger
	Now     func() time.Time
}

// Counts are what a Watcher has done on this node.
type Counts struct {
	Rules, RuleErrors, Transitions       uint64
	Deliveries, DeliveryFailures, Probes uint64
	Evaluating                           time.Duration
}

// Watcher watches and tells.
type Watcher struct {
	Config
	Sender  *webhook.Sender
	Prober  *outward.Client
	sending sync.WaitGroup

	// Of Run alone.
	shipped  []*triage.Rule // those of the start, which most tenants have as they are
	rules    map[model.TenantID]knownRules
	states   map[target]knownState
	setbacks map[target]setback
	last     model.TenantID // whose rules were looked at last: the next round begins behind it
	warned   time.Time      // when it was said that the catalogue is full

	mu      sync.Mutex
	busy    map[string]bool // webhooks that are being told; mu is held
	probes  map[target]*watched
	next    map[target]time.Time // when services are looked at; mu is held
	resting map[target]time.Time // webhooks that are left alone until then; mu is held

	counts struct {
		rules, ruleErrors, transitions, deliveries, failures, probes atomic.Uint64
		evaluating                                                   atomic.Int64
	}
}

// target is something of a tenant.
type target struct {
	tenant model.TenantID
	id     string
}

// knownRules are those that were decoded, of a version of the documents.
type knownRules struct {
	version uint64
	rules   []*triage.Rule
}

// knownState is what is known of a rule beyond what is written down: windows in which
// nothing was found are written seldom.
type knownState struct {
	version uint64 // of the document
	saved   int64  // how far the document is
	state   *triage.State
}

// setback is what became of a rule that could not be looked at.
type setback struct {
	until   time.Time // it is left alone
	written time.Time // when why was written down
}

// New returns a watcher.
func New(cfg Config) *Watcher {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Chance == nil {
		cfg.Chance = chance
	}
	client := outward.NewSender(cfg.Reach)
	cfg.Finder.counts = &counts{}
	return &Watcher{Config: cfg, shipped: triage.Defaults(), Sender: &webhook.Sender{Client: client, Mail: cfg.Mail, Version: cfg.Version}, Prober: client, rules: map[model.TenantID]knownRules{}, states: map[target]knownState{},
		setbacks: map[target]setback{}, busy: map[string]bool{}, probes: map[target]*watched{}, next: map[target]time.Time{}, resting: map[target]time.Time{}}
}

// chance returns a number between 0 and 1.
func chance() float64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53)
}

// Counts returns what was done here.
func (w *Watcher) Counts() Counts {
	c := &w.counts
	return Counts{Rules: c.rules.Load(), RuleErrors: c.ruleErrors.Load(), Transitions: c.transitions.Load(), Deliveries: c.deliveries.Load(),
		DeliveryFailures: c.failures.Load(), Probes: c.probes.Load(), Evaluating: time.Duration(c.evaluating.Load())}
}

// Waiting returns how many deliveries wait in the cluster.
func (w *Watcher) Waiting() (waiting int) {
	state := w.State()
	for _, tenant := range state.DocumentTenants(kindQueue) {
		for _, q := range all[webhook.Queue](state, kindQueue, tenant) {
			waiting += q.Waits()
		}
	}
	return waiting
}

// Run works until the context ends, while this node leads the catalogue.
func (w *Watcher) Run(ctx context.Context) error {
	if w.Interval < 0 {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(w.Interval)
	defer ticker.Stop()
	defer w.sending.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		w.tick(ctx)
	}
}

// tick does what is due, if it is for this node to do. While a node of the cluster does
// not read documents nothing can be written down, so nothing is looked at.
func (w *Watcher) tick(ctx context.Context) {
	if !w.Leads() || w.State().Format() < catalogue.FormatDocuments {
		w.forget()
		return
	}
	w.deliver(ctx)
	w.lookAtServices(ctx)
	w.round(ctx)
}

// forget forgets what is not written down: another node leads, and goes on from there.
func (w *Watcher) forget() {
	clear(w.rules)
	clear(w.states)
	clear(w.setbacks)
	w.Finder.counts.forget()
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.probes)
	clear(w.next)
	clear(w.resting)
}

// tenants returns those of which something is to be looked at, ascending.
func (w *Watcher) tenants(state *catalogue.State) []model.TenantID {
	list := append(state.DocumentTenants(kindRule), state.DocumentTenants(kindWebhook)...)
	for tenant := range state.Accounts {
		if w.contact(state, tenant).Active {
			list = append(list, tenant)
		}
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(t model.TenantID) bool { return leaves(state, t) })
}

// leaves reports whether a tenant is being removed: nobody is told of anything any more.
func leaves(state *catalogue.State, tenant model.TenantID) bool {
	return state.Accounts[tenant].Status == access.Deleting
}

// stands reports whether a rule is there yet. What follows from one that has gone, with
// its tenant perhaps, is not written down any more.
func (w *Watcher) stands(state *catalogue.State, tenant model.TenantID, r *triage.Rule) bool {
	if leaves(state, tenant) {
		return false
	}
	if r.Builtin {
		return w.heard(state, tenant, r)
	}
	return state.Document(kindRule, tenant, r.ID).Version != 0
}

// heard reports whether anybody is told of what a rule of the start finds.
func (w *Watcher) heard(state *catalogue.State, tenant model.TenantID, r *triage.Rule) bool {
	return len(state.Documents[kindWebhook][tenant].All) > 0 || r.Event == triage.EventQuota && w.contact(state, tenant).Active
}

// rulesNow returns the rules of a tenant that are looked at. Those of the start are quiet
// until somebody can be told.
func (w *Watcher) rulesNow(state *catalogue.State, tenant model.TenantID) []*triage.Rule {
	version := state.Documents[kindRule][tenant].Version
	known, there := w.rules[tenant]
	if !there || known.version != version {
		known = knownRules{version, w.shipped}
		if len(state.Documents[kindRule][tenant].All) > 0 {
			known.rules = inhibitorsFirst(rulesOf(state, tenant))
		}
		w.rules[tenant] = known
	}
	var rules []*triage.Rule
	for _, r := range known.rules {
		if !r.Disabled && (!r.Builtin || w.heard(state, tenant, r)) {
			rules = append(rules, agreed(state, tenant, r))
		}
	}
	return rules
}

// inhibitorsFirst returns rules with each behind those that keep it from telling anything:
// what both find in one window is not told before that is known.
func inhibitorsFirst(rules []*triage.Rule) []*triage.Rule {
	by := map[string][]*triage.Rule{}
	for _, r := range rules {
		for _, id := range r.Inhibits {
			by[id] = append(by[id], r)
		}
	}
	ordered, met := make([]*triage.Rule, 0, len(rules)), map[string]bool{}
	var visit func(r *triage.Rule)
	visit = func(r *triage.Rule) {
		if met[r.ID] {
			return // in a circle, who was met first is the last
		}
		met[r.ID] = true
		for _, other := range by[r.ID] {
			visit(other)
		}
		ordered = append(ordered, r)
	}
	for _, r := range rules {
		visit(r)
	}
	return ordered
}

// agreed returns a rule of the start with the threshold that the terms of the tenant have.
func agreed(state *catalogue.State, tenant model.TenantID, r *triage.Rule) *triage.Rule {
	account, there := state.Accounts[tenant]
	if !there || !r.Builtin || r.ID != triage.CriticalErrors {
		return r
	}
	own, least := *r, float64(max(*account.All().Alerts.CriticalCount, 1))
	own.When.AtLeast = &least
	return &own
}

// round looks at all rules that are due. It begins behind the tenant with which the last
// one ended: the slow rules of one do not keep those of others from being looked at.
func (w *Watcher) round(ctx context.Context) {
	began := w.Now()
	state := w.State()
	list := w.tenants(state)
	w.prune(list)
	at, there := slices.BinarySearch(list, w.last)
	if there {
		at++
	}
	for _, tenant := range slices.Concat(list[at:], list[:at]) {
		w.last = tenant
		rules := w.rulesNow(state, tenant)
		w.Finder.counts.begin(rules)
		for _, one := range w.turns(tenant, rules) {
			if ctx.Err() != nil || !w.Leads() || w.Now().Sub(began) > roundMax {
				return // what is due stays due
			}
			if w.Now().Before(w.setbacks[target{tenant, one.rule.ID}].until) {
				continue
			}
			if err := w.look(ctx, tenant, one.rule, rules, one.end); err != nil && ctx.Err() == nil {
				w.counts.ruleErrors.Add(1)
				w.Logger.Debug("a rule could not be looked at", "tenant", tenant, "rule", one.rule.ID, "error", err)
				w.full(tenant, one.rule, err)
			}
		}
	}
}

// turn is a window of a rule that is to be looked at.
type turn struct {
	rule  *triage.Rule
	end   int64
	since int64 // since when it is due, 0 of a rule that nobody has looked at
}

// turns returns the windows of a tenant's rules that have ended, in the order of their
// ends, first those of rules that nobody has looked at: rules that take long do not keep
// others from being looked at, and what a rule inhibits is looked at while that fires, also
// if nobody looked for a while. Windows that end together come in the order of the rules.
func (w *Watcher) turns(tenant model.TenantID, rules []*triage.Rule) (all []turn) {
	state, now := w.State(), w.Now().UnixNano()
	for _, r := range rules {
		k, err := w.known(state, tenant, r.ID)
		if err != nil {
			w.counts.ruleErrors.Add(1)
			w.Logger.Debug("the alerts of a rule cannot be read", "tenant", tenant, "rule", r.ID, "error", err)
			continue
		}
		ends, _ := k.state.Windows(r, now, windowsMax)
		for _, end := range ends {
			since := end
			if k.state.Through == 0 {
				since = 0 // its first one is always the newest that there is
			}
			all = append(all, turn{r, end, since})
		}
	}
	slices.SortStableFunc(all, func(a, b turn) int { return cmp.Compare(a.since, b.since) })
	return all
}

// prune forgets what is known of tenants that have nothing to look at any more.
func (w *Watcher) prune(list []model.TenantID) {
	gone := func(tenant model.TenantID) bool {
		_, there := slices.BinarySearch(list, tenant)
		return !there
	}
	maps.DeleteFunc(w.rules, func(tenant model.TenantID, _ knownRules) bool { return gone(tenant) })
	maps.DeleteFunc(w.states, func(at target, _ knownState) bool { return gone(at.tenant) })
	maps.DeleteFunc(w.setbacks, func(at target, _ setback) bool { return gone(at.tenant) })
}

// full says, once in a while, that alerts wait because there is no place to write them
// down.
func (w *Watcher) full(tenant model.TenantID, r *triage.Rule, err error) {
	if !errors.Is(err, catalogue.ErrRefused) {
		return
	}
	at := target{tenant, r.ID}
	back := w.setbacks[at]
	back.until = w.Now().Add(pauseLong)
	w.setbacks[at] = back
	if w.warned.IsZero() || w.Now().Sub(w.warned) >= warnEvery {
		w.warned = w.Now()
		w.Logger.Warn("alerts cannot be written down, and nobody is told of them: remove incidents (DELETE /triage/incidents/{id}), rules or webhooks that are not needed any more",
			"tenant", tenant, "rule", r.ID, "error", err)
	}
}

// known returns what is known of a rule.
func (w *Watcher) known(state *catalogue.State, tenant model.TenantID, id string) (knownState, error) {
	at := target{tenant, id}
	version := state.Document(kindAlerts, tenant, id).Version
	if k, there := w.states[at]; there && k.version == version {
		return k, nil
	}
	k := knownState{version: version, state: &triage.State{}}
	_, err := read(state, kindAlerts, tenant, id, k.state)
	k.saved = k.state.Through
	return k, err
}

// look looks at a window of a rule.
func (w *Watcher) look(ctx context.Context, tenant model.TenantID, r *triage.Rule, rules []*triage.Rule, end int64) error {
	began := time.Now()
	var sample triage.Sample
	var err error
	pprof.Do(ctx, pprof.Labels("watches", r.ID), func(ctx context.Context) {
		sample, err = w.Finder.Find(ctx, tenant, r, end, w.health(tenant))
	})
	w.counts.rules.Add(1)
	w.counts.evaluating.Add(int64(time.Since(began)))
	if err != nil {
		return w.trouble(ctx, tenant, r, err)
	}
	return w.step(ctx, tenant, r, rules, sample)
}

// trouble writes down why a rule cannot be looked at, once, and leaves it alone for a
// while. A reason that is another one each time is written down seldom.
func (w *Watcher) trouble(ctx context.Context, tenant model.TenantID, r *triage.Rule, why error) error {
	at := target{tenant, r.ID}
	back, incomplete := w.setbacks[at], errors.Is(why, errIncomplete)
	back.until = w.Now().Add(pauseLong)
	if incomplete {
		back.until = w.Now().Add(pauseShort)
	}
	w.setbacks[at] = back
	text := why.Error()
	text = strings.ToValidUTF8(text[:min(len(text), 500)], "")
	state := w.State()
	k, err := w.known(state, tenant, r.ID)
	if err != nil || k.state.Error == text || incomplete || ctx.Err() != nil || !w.stands(state, tenant, r) || k.state.Error != "" && w.Now().Sub(back.written) < saveQuiet {
		return why
	}
	b := newBatch(state, tenant)
	fresh := k.state.Clone()
	fresh.Error = text
	if err := b.put(kindAlerts, r.ID, fresh); err == nil {
		_, err = b.propose(ctx, w.Propose)
		if err == nil {
			back.written = w.Now()
			w.setbacks[at] = back
		} // else it is tried again with the next look
	}
	return why
}

// step takes what was found in a window, and writes down what follows from it.
func (w *Watcher) step(ctx context.Context, tenant model.TenantID, r *triage.Rule, rules []*triage.Rule, sample triage.Sample) error {
	for try := 1; ; try++ {
		state := w.State()
		k, err := w.known(state, tenant, r.ID)
		if err != nil {
			return err
		}
		if !w.stands(state, tenant, r) || state.Documents[kindRule][tenant].Version != w.rules[tenant].version {
			return nil // it has gone, or may be another one, meanwhile
		}
		// Another node may have come less far, or farther, than was thought here.
		next, skipped := k.state.Windows(r, w.Now().UnixNano(), 1)
		if len(next) == 0 || next[0] != sample.End {
			return nil
		}
		fresh := k.state.Clone()
		fresh.Error, fresh.Skipped = "", fresh.Skipped+skipped
		transitions, err := fresh.Step(r, sample, w.held(state, tenant, r, rules, sample.End))
		if errors.Is(err, triage.ErrBehind) {
			return nil // another node was here
		} else if err != nil {
			return err
		}
		at := target{tenant, r.ID}
		if quiet(k.state, fresh) && len(transitions) == 0 && !due(r, k, fresh) {
			w.states[at] = knownState{version: k.version, saved: k.saved, state: fresh}
			return nil
		}
		b := newBatch(state, tenant)
		p := plan{w: w, b: b, rule: r, state: fresh, end: sample.End}
		if err := p.outcome(ctx, transitions); err != nil {
			return err
		}
		if err := b.put(kindAlerts, r.ID, fresh); err != nil {
			return err
		}
		after, err := b.propose(ctx, w.Propose)
		if err == nil {
			w.counts.transitions.Add(uint64(len(transitions)))
			delete(w.setbacks, at)
			w.states[at] = knownState{version: after.Document(kindAlerts, tenant, r.ID).Version, saved: fresh.Through, state: fresh}
			return nil
		}
		delete(w.states, at)
		if !errors.Is(err, catalogue.ErrConflict) || try == conflictsMax || ctx.Err() != nil {
			return fmt.Errorf("write down alerts: %w", err)
		}
	}
}

// due reports whether it is to be written down again that nothing was found. Rules on
// quotas look at how it is now, so it does not matter how far they are: those of
// thousands of tenants, of which none is near a limit, write nothing.
func due(r *triage.Rule, k knownState, fresh *triage.State) bool {
	if r.When.Quota != nil {
		return k.version != 0 && fresh.Through-k.saved >= int64(saveQuota)
	}
	return k.version == 0 || fresh.Through-k.saved >= int64(saveQuiet)
}

// quiet reports whether nothing but time has gone by: what follows from it follows again
// from what is written down.
func quiet(before, after *triage.State) bool {
	if before.Error != after.Error || len(before.Quiet) != len(after.Quiet) || before.Skipped != after.Skipped {
		return false
	}
	return maps.EqualFunc(before.Alerts, after.Alerts, func(a, b *triage.Alert) bool {
		return a.Since == b.Since && a.Fired == b.Fired && a.Told == b.Told && a.Escaped == b.Escaped && a.Acked == b.Acked
	})
}

// held says of which alerts nothing is told.
func (w *Watcher) held(state *catalogue.State, tenant model.TenantID, r *triage.Rule, rules []*triage.Rule, now int64) func(*triage.Alert) bool {
	silences := all[triage.Silence](state, kindSilence, tenant)
	type inhibitor struct {
		rule  *triage.Rule
		state *triage.State
	}
	var inhibitors []inhibitor
	for _, other := range rules {
		if slices.Contains(other.Inhibits, r.ID) {
			if k, err := w.known(state, tenant, other.ID); err == nil {
				inhibitors = append(inhibitors, inhibitor{other, k.state})
			}
		}
	}
	return func(alert *triage.Alert) bool {
		for i := range silences {
			if silences[i].Covers(r, alert, now) {
				return true
			}
		}
		for _, other := range inhibitors {
			if triage.Inhibited(r, alert, other.rule, other.state) {
				return true
			}
		}
		return false
	}
}

// Package erase carries out what a cluster has agreed on of the removal of records, and
// finds out what rules of retention remove.
//
// Eraser is the main type. Run works while the node leads the catalogue: it begins what
// is planned, proposes each deletion to the shards of its tenant, once, asks all replicas
// until nothing is left of what it removes, looks for that on each of them, and writes
// every step into the catalogue. So whoever leads the catalogue next goes on where it
// was; a step that was done and not written down is done again, which changes nothing.
// Tenants do not wait for each other: the deletions of each are carried out one after the
// other, those of several at once, and rules are looked at beside them. Run is called from
// one goroutine, everything else from any.
package erase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/model/erasure"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage"
)

// How records are removed.
const (
	DefaultInterval  = time.Second      // between looks at what is planned or under way
	DefaultRetention = 10 * time.Minute // between looks at the rules of retention
	tenantGrace      = 5 * time.Second  // for all nodes to hear that a tenant is refused
	sealEvery        = 2 * time.Second  // between requests to seal what keeps files of logs
	askTimeout       = 20 * time.Second // for one replica
	checkTimeout     = 2 * time.Minute  // for one replica to look for what should have gone
	tenantsMax       = 16               // whose deletions are carried out at once, or whose rules are looked at
	dayTime          = 24 * time.Hour
	keptDaysMax      = 36_500 // terms that keep longer keep for ever
)

// Shards is what an Eraser asks of the nodes that have shards. The node implements it.
type Shards interface {
	// Delete proposes a deletion to whoever leads the shard.
	Delete(ctx context.Context, shard uint32, d storage.Deletion) (index uint64, err error)
	// Erased asks a node about its replica of a shard; "" is whoever leads it.
	Erased(ctx context.Context, node string, shard uint32, of peer.Erasure) (peer.Erased, error)
	// Seal asks a node to seal what it leads.
	Seal(ctx context.Context, node string) error
}

// Searcher answers queries; *query.Engine is one.
type Searcher interface {
	Search(ctx context.Context, request query.Request) (*query.Result, error)
}

// Config is what an Eraser has to do with. All must be given but the intervals.
type Config struct {
	Interval, Retention time.Duration // 0: the defaults; below 0: never
	Shards              Shards
	Engine              Searcher
	State               func() *catalogue.State
	Leads               func() bool // this node leads the catalogue, and can be asked
	Propose             func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
	Logger              *slog.Logger
	Now                 func() time.Time
	// Clock is the time by which rules of retention remove. In a cluster it is not that
	// of one node: a clock that is ahead would remove what is to be kept.
	Clock func(ctx context.Context) (time.Time, error)
}

// Eraser removes records. Its configuration must be complete.
type Eraser struct {
	Config
	rules   uint64  // the newest version of rules that were looked at; of Run alone
	carried carried // of who looks at rules alone: one at a time

	work sync.WaitGroup // what Run has begun
	mu   struct {
		sync.Mutex
		sealed time.Time               // when nodes were asked to seal last
		busy   map[model.TenantID]bool // whose deletions are being carried out
		turns  map[model.TenantID]int  // when whose open deletions were carried out last, as a number
		turn   int                     // the newest
	}
}

// carried is, for tenants with rules, what the newest deletion by retention has removed
// by each condition. The catalogue forgets deletions; what it has forgotten is not to be
// done again and again, while others wait.
type carried map[target]erasure.Deletion

type target struct {
	tenant model.TenantID
	query  string
}

// Run works until the context ends.
func (e *Eraser) Run(ctx context.Context) error {
	if e.Interval == 0 {
		e.Interval = DefaultInterval
	}
	if e.Retention == 0 {
		e.Retention = DefaultRetention
	}
	if e.Interval < 0 {
		<-ctx.Done()
		return nil
	}
	defer e.work.Wait()
	ticker := time.NewTicker(e.Interval)
	defer ticker.Stop()
	var looked time.Time
	looking := make(chan bool, 1) // has what became of a look at rules: not all could be planned
	looks := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case more := <-looking:
			if looks = false; more {
				looked = looked.Add(-e.Retention / 10 * 9) // again sooner
			}
			continue
		case <-ticker.C:
		}
		if !e.Leads() {
			continue
		}
		e.round(ctx)
		newest := uint64(0)
		for _, r := range e.State().Retention {
			newest = max(newest, r.Version)
		}
		if !looks && e.Retention > 0 && (newest > e.rules || e.Now().Sub(looked) >= e.Retention) {
			looked, e.rules, looks = e.Now(), newest, true
			e.work.Go(func() { looking <- e.retain(ctx) })
		}
	}
}

// round lets the deletions that are planned or under way go on: those of each tenant in
// their order. It does not wait: a tenant whose last round is not over is left alone.
func (e *Eraser) round(ctx context.Context) {
	deletions := e.State().Deletions
	open := map[model.TenantID][]erasure.Deletion{}
	var tenants []model.TenantID // that of the oldest deletion first
	for _, number := range slices.Sorted(maps.Keys(deletions)) {
		d := deletions[number]
		if d.Finished() {
			continue
		}
		if len(open[d.Tenant]) == 0 {
			tenants = append(tenants, d.Tenant)
		}
		open[d.Tenant] = append(open[d.Tenant], d)
	}
	for _, tenant := range e.inTurn(tenants) {
		if !e.take(tenant) {
			continue
		}
		e.work.Go(func() {
			defer e.giveBack(tenant)
			e.carryOut(ctx, open[tenant])
		})
	}
}

// inTurn returns tenants in the order in which it is their turn: who has waited longest
// first, so that many who get nowhere keep nobody else from it.
func (e *Eraser) inTurn(tenants []model.TenantID) []model.TenantID {
	e.mu.Lock()
	defer e.mu.Unlock()
	turns := make(map[model.TenantID]int, len(tenants))
	for _, tenant := range tenants {
		turns[tenant] = e.mu.turns[tenant]
	}
	e.mu.turns = turns
	slices.SortStableFunc(tenants, func(a, b model.TenantID) int { return cmp.Compare(turns[a], turns[b]) })
	return tenants
}

// take reports whether the deletions of a tenant can be carried out now: nobody does, and
// there are not too many others.
func (e *Eraser) take(tenant model.TenantID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.busy[tenant] || len(e.mu.busy) >= tenantsMax {
		return false
	}
	if e.mu.busy == nil {
		e.mu.busy = map[model.TenantID]bool{}
	}
	e.mu.busy[tenant] = true
	e.mu.turn++
	e.mu.turns[tenant] = e.mu.turn
	return true
}

func (e *Eraser) giveBack(tenant model.TenantID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.mu.busy, tenant)
}

// carryOut goes one step on with each of the deletions of a tenant.
func (e *Eraser) carryOut(ctx context.Context, deletions []erasure.Deletion) {
	for _, d := range deletions {
		if ctx.Err() != nil || !e.Leads() {
			return
		}
		if err := e.step(ctx, d); err != nil && ctx.Err() == nil {
			e.Logger.Warn("a deletion does not get on", "deletion", d.Number, "tenant", d.Tenant, "error", err)
		}
	}
}

// toSeal reports whether nodes are to be asked to seal now, and notes that they are.
func (e *Eraser) toSeal() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Now().Sub(e.mu.sealed) < sealEvery {
		return false
	}
	e.mu.sealed = e.Now()
	return true
}

func (e *Eraser) step(ctx context.Context, d erasure.Deletion) error {
	if d.Status == erasure.Planned {
		return e.begin(ctx, d)
	}
	if slices.ContainsFunc(d.Shards, func(s erasure.Shard) bool { return s.Index == 0 }) {
		return e.propose(ctx, d)
	}
	if slices.ContainsFunc(d.Shards, func(s erasure.Shard) bool { return !s.Gone }) {
		return e.look(ctx, d)
	}
	return e.finish(ctx, d)
}

// begin begins a deletion; holds may forbid it by now.
func (e *Eraser) begin(ctx context.Context, d erasure.Deletion) error {
	if d.Kind == erasure.OfTenant {
		account := e.State().Accounts[d.Tenant]
		if account.Status != access.Deleting || e.Now().UnixNano()-max(d.Created, account.Since) < int64(tenantGrace) {
			return nil // it may be written to
		}
	}
	_, err := e.Propose(ctx, catalogue.BeginDeletion{Number: d.Number})
	if errors.Is(err, catalogue.ErrRefused) {
		return e.end(ctx, d.Number, erasure.Failed, err.Error())
	}
	return err
}

// end writes down what has become of a deletion.
func (e *Eraser) end(ctx context.Context, number uint64, status erasure.Status, detail string) error {
	detail = strings.ToValidUTF8(detail[:min(len(detail), erasure.TextMax)], "")
	_, err := e.Propose(ctx, catalogue.NoteDeletion{Number: number, Status: status, Detail: detail})
	return err
}

// Command returns a deletion as shards have it.
func Command(d *erasure.Deletion) storage.Deletion {
	c := storage.Deletion{Number: d.Number, Tenant: d.Tenant, Query: d.Query, Time: d.Begun}
	c.From, c.To = d.Bounds()
	for _, except := range d.Except {
		x := storage.Exception{Query: except.Query}
		x.From, x.To = except.Bounds()
		c.Except = append(c.Except, x)
	}
	return c
}

// propose gives the deletion to the shards that do not have it.
func (e *Eraser) propose(ctx context.Context, d erasure.Deletion) error {
	var mu sync.Mutex
	var notes []erasure.Shard
	var errs []error
	var shards sync.WaitGroup
	for _, one := range d.Shards {
		if one.Index != 0 {
			continue
		}
		shards.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			before, err := e.Shards.Erased(ctx, "", one.Number, peer.Erasure{Tenant: d.Tenant, Count: true})
			if err == nil {
				one.Before = before.Records
				one.Index, err = e.Shards.Delete(ctx, one.Number, Command(&d))
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("shard %d: %w", one.Number, err))
				return
			}
			notes = append(notes, one)
		})
	}
	shards.Wait()
	if len(notes) > 0 {
		slices.SortFunc(notes, func(a, b erasure.Shard) int { return int(a.Number) - int(b.Number) })
		_, err := e.Propose(ctx, catalogue.NoteDeletion{Number: d.Number, Shards: notes, Detail: "records are hidden and are being removed"})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// look asks the replicas of shards how far they are.
func (e *Eraser) look(ctx context.Context, d erasure.Deletion) error {
	var notes []erasure.Shard
	var waits []string
	logged := false
	for _, one := range d.Shards {
		if one.Gone {
			continue
		}
		why, held, err := e.shard(ctx, &d, &one)
		if err != nil {
			why = err.Error()
		}
		logged = logged || held
		if why != "" {
			waits = append(waits, fmt.Sprintf("shard %d: %s", one.Number, why))
			continue
		}
		notes = append(notes, one)
	}
	sealed := logged && e.toSeal()
	if sealed {
		e.sealAll(ctx)
	}
	detail := strings.Join(waits, "; ")
	detail = strings.ToValidUTF8(detail[:min(len(detail), erasure.TextMax)], "")
	if len(notes) == 0 && detail == d.Detail && !sealed {
		return nil // else it is said again: the newest entry of the catalogue has to be in the newest file
	}
	_, err := e.Propose(ctx, catalogue.NoteDeletion{Number: d.Number, Shards: notes, Detail: detail})
	return err
}

// shard looks at all replicas of a shard. It says what is waited for, "" if for
// nothing: then it has looked for the records everywhere.
func (e *Eraser) shard(ctx context.Context, d *erasure.Deletion, one *erasure.Shard) (waits string, logged bool, err error) {
	replicas := e.State().Shards[one.Number].Replicas
	led := false
	for _, r := range replicas {
		erased, err := e.ask(ctx, askTimeout, r.Node, one.Number, peer.Erasure{Number: d.Number, Tenant: d.Tenant, Index: one.Index})
		if err != nil {
			return "", logged, err
		}
		logged = logged || erased.Logged
		if erased.Leads {
			led = true
			f := erased.Figures
			one.Rows, one.Rewritten, one.Dropped, one.Bytes = f.Rows, f.Rewritten, f.Dropped, f.Bytes
		}
		if !erased.Gone {
			waits = fmt.Sprintf("node %s: %s", r.Node, erased.Waits)
		}
	}
	if waits == "" && !led { // who leads knows how much it was
		waits = "nobody leads it"
	}
	if waits != "" {
		return waits, logged, nil
	}
	one.Left, one.Checked = 0, 0
	command := Command(d)
	for _, r := range replicas {
		erased, err := e.ask(ctx, checkTimeout, r.Node, one.Number, peer.Erasure{Number: d.Number, Tenant: d.Tenant, Check: true, Deletion: storage.AppendDeletion(nil, command), Index: one.Index})
		if err != nil {
			return "", logged, err
		}
		one.Left, one.Checked = max(one.Left, erased.Left), one.Checked+1
	}
	one.Gone = true
	return "", logged, nil
}

func (e *Eraser) ask(ctx context.Context, timeout time.Duration, node string, shard uint32, of peer.Erasure) (peer.Erased, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return e.Shards.Erased(ctx, node, shard, of)
}

// sealAll asks all nodes to seal, so that files of their logs can go.
func (e *Eraser) sealAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var nodes sync.WaitGroup
	for id, node := range e.State().Nodes {
		if node.State == catalogue.Gone {
			continue
		}
		nodes.Go(func() {
			if err := e.Shards.Seal(ctx, id); err != nil {
				e.Logger.Debug("a node did not seal", "node", id, "error", err)
			}
		})
	}
	nodes.Wait()
}

// finish ends a deletion of which nothing is left.
func (e *Eraser) finish(ctx context.Context, d erasure.Deletion) error {
	left, shards := uint64(0), 0
	for _, one := range d.Shards {
		left += one.Left
		if one.Left > 0 {
			shards++
		}
	}
	if left > 0 {
		return e.end(ctx, d.Number, erasure.Failed, fmt.Sprintf("%d records of %d shards are still found", left, shards))
	}
	if d.Kind == erasure.OfTenant {
		return e.forget(ctx, d)
	}
	if _, learned := e.State().Patterns[d.Tenant]; learned && d.Kind == erasure.ByQuery {
		// What was learned of the records goes, too; what stays is learned again.
		if _, err := e.Propose(ctx, catalogue.SetPatterns{Tenant: d.Tenant}); err != nil {
			return err
		}
	}
	return e.end(ctx, d.Number, erasure.Done, "nothing of it is left on any replica"+butHeld(d.Except))
}

// butHeld says which legal holds a deletion has left records to.
func butHeld(held []erasure.Exception) string {
	if len(held) == 0 {
		return ""
	}
	names := make([]string, len(held))
	for i, one := range held {
		names[i] = one.Hold
	}
	return ", but for what is held by " + strings.Join(names, ", ")
}

// forget forgets a tenant that has no record left. Records that came after all, through
// a node that had not heard, are another deletion.
func (e *Eraser) forget(ctx context.Context, d erasure.Deletion) error {
	came := uint64(0)
	for _, one := range d.Shards {
		erased, err := e.ask(ctx, askTimeout, "", one.Number, peer.Erasure{Tenant: d.Tenant, Count: true})
		if err != nil {
			return err
		}
		came += erased.Records
	}
	if came > 0 { // planned first, so that it is not forgotten in between
		_, err := e.Propose(ctx, catalogue.AddDeletion{Deletion: erasure.Deletion{Kind: erasure.OfTenant, Tenant: d.Tenant, Reason: d.Reason, By: d.By, Status: erasure.Planned}})
		if err != nil {
			return err
		}
		return e.end(ctx, d.Number, erasure.Failed, fmt.Sprintf("%d records came while the tenant was removed; it is removed again", came))
	}
	if _, err := e.Propose(ctx, catalogue.ForgetTenant{Tenant: d.Tenant, Number: d.Number}); err != nil {
		return err
	}
	return e.leaveLogs(ctx, d.Tenant)
}

// leaveLogs lets the files of the catalogue's log go that have what was agreed on with a
// tenant that is forgotten: names of keys, domains, rules. The newest entry has to be in a
// newer file for that, so one is made that changes nothing. A node that is not there does
// it with its next save.
func (e *Eraser) leaveLogs(ctx context.Context, tenant model.TenantID) error {
	e.sealAll(ctx)
	nothing := catalogue.DocumentChange{Kind: "erasure", Tenant: tenant, ID: "forgotten", Any: true, Drop: true}
	if _, err := e.Propose(ctx, catalogue.ChangeDocuments{Changes: []catalogue.DocumentChange{nothing}}); err != nil {
		return fmt.Errorf("leave the files of the catalogue's log: %w", err)
	}
	e.sealAll(ctx)
	return nil
}

// retain plans what rules of retention remove now. More says that it could not plan all,
// because others are to be carried out first.
func (e *Eraser) retain(ctx context.Context) (more bool) {
	rules := e.agreed()
	due := e.dues(ctx, rules)
	planned := e.repeated(rules)
	for _, tenant := range slices.Sorted(maps.Keys(rules)) {
		for _, d := range due[tenant] {
			of := target{d.Tenant, d.Query}
			if known, there := planned[of]; there && known.To >= d.To {
				continue
			}
			if _, err := e.Propose(ctx, catalogue.AddDeletion{Deletion: d}); err != nil {
				if e.full() {
					return true
				}
				e.Logger.Info("a rule of retention is not carried out", "tenant", tenant, "rule", d.Rule, "error", err)
				continue
			}
			planned[of] = d
		}
	}
	return false
}

// dues returns what the rules of each tenant remove now. It asks for several at once, so
// that one whose shards do not answer keeps few others waiting.
func (e *Eraser) dues(ctx context.Context, rules map[model.TenantID]erasure.Retention) map[model.TenantID][]erasure.Deletion {
	var mu sync.Mutex
	var asking sync.WaitGroup
	all, places := map[model.TenantID][]erasure.Deletion{}, make(chan struct{}, tenantsMax)
	for tenant, of := range rules {
		places <- struct{}{}
		asking.Go(func() {
			due, err := e.Due(ctx, tenant, of)
			<-places
			if err != nil && ctx.Err() == nil {
				e.Logger.Warn("it is not known what retention removes", "tenant", tenant, "error", err)
			}
			mu.Lock()
			defer mu.Unlock()
			all[tenant] = due
		})
	}
	asking.Wait()
	return all
}

// full reports whether no more deletions by retention can be planned.
func (e *Eraser) full() bool {
	open, byRetention := 0, 0
	for _, d := range e.State().Deletions {
		if !d.Finished() {
			open++
			if d.Kind == erasure.ByRetention {
				byRetention++
			}
		}
	}
	return open >= catalogue.DeletionsOpenMax || byRetention >= catalogue.RetentionsOpenMax
}

// repeated returns the newest deletion by retention for each target that need not be
// repeated: it is planned, under way or done, and the holds that kept records of it are
// there yet. It brings e.carried up to date.
func (e *Eraser) repeated(rules map[model.TenantID]erasure.Retention) carried {
	state := e.State()
	fresh := carried{}
	note := func(d erasure.Deletion) {
		of := target{d.Tenant, d.Query}
		if _, there := rules[d.Tenant]; there && d.To > fresh[of].To && holding(&d, state.Holds) {
			fresh[of] = d
		}
	}
	for _, d := range e.carried {
		if _, there := state.Deletions[d.Number]; !there {
			note(d)
		}
	}
	var open []erasure.Deletion
	for _, d := range state.Deletions {
		switch {
		case d.Kind != erasure.ByRetention:
		case d.Status == erasure.Done:
			note(d)
		case !d.Finished():
			open = append(open, d)
		}
	}
	e.carried = maps.Clone(fresh)
	for _, d := range open {
		note(d)
	}
	return fresh
}

// holding reports whether all holds are there that kept something of a deletion. If one
// was lifted, what it kept is to go.
func holding(d *erasure.Deletion, holds map[string]erasure.Hold) bool {
	return !slices.ContainsFunc(d.Except, func(x erasure.Exception) bool {
		hold, there := holds[x.Hold]
		return !there || hold.Tenant != d.Tenant || hold.Query != x.Query || hold.Span != x.Span
	})
}

// planRule is the name of what is agreed with a tenant that has no rules of its own.
const planRule = "plan"

// agreed returns the rules of all tenants: their own, or else how many days the terms
// of an account keep.
func (e *Eraser) agreed() map[model.TenantID]erasure.Retention {
	state := e.State()
	rules := maps.Clone(state.Retention)
	if rules == nil {
		rules = map[model.TenantID]erasure.Retention{}
	}
	for id, account := range state.Accounts {
		days := account.All().RetentionDays
		if _, own := rules[id]; own || days == nil || *days <= 0 || *days > keptDaysMax || account.Status == access.Deleting {
			continue
		}
		rules[id] = erasure.Retention{Rules: []erasure.Rule{{Name: planRule, Keep: time.Duration(*days) * dayTime}}}
	}
	return rules
}

// Due returns what rules remove now. Whole UTC days go, so that a rule has something to
// do once a day.
func (e *Eraser) Due(ctx context.Context, tenant model.TenantID, r erasure.Retention) (due []erasure.Deletion, err error) {
	now, err := e.Clock(ctx)
	if err != nil {
		return nil, err
	}
	for _, rule := range r.Rules {
		d := erasure.Deletion{Kind: erasure.ByRetention, Tenant: tenant, Query: rule.Match, Rule: rule.Name, Reason: "retention", By: "retention", Status: erasure.Planned}
		if rule.Keep > 0 {
			d.To = now.Add(-rule.Keep).UTC().Truncate(dayTime).UnixNano()
		}
		if rule.Bytes > 0 {
			until, err := e.beyond(ctx, tenant, rule.Bytes, now)
			if err != nil {
				return due, fmt.Errorf("rule %s: %w", rule.Name, err)
			}
			d.To = max(d.To, until)
		}
		if d.To > 0 {
			due = append(due, d)
		}
	}
	return due, nil
}

// beyond returns the end of the newest day of which a tenant's records, with all older
// ones, are more than so many bytes; 0 if there is none. Today stays.
func (e *Eraser) beyond(ctx context.Context, tenant model.TenantID, most int64, now time.Time) (until int64, err error) {
	days, err := e.days(ctx, tenant)
	if err != nil {
		return 0, err
	}
	sum, today := int64(0), now.UnixNano()/int64(dayTime)
	for _, day := range slices.Backward(slices.Sorted(maps.Keys(days))) {
		if sum += days[day]; sum > most && day < today {
			return (day + 1) * int64(dayTime), nil
		}
	}
	return 0, nil
}

// days returns how many stored bytes a tenant has of each day, on one replica of each
// shard.
func (e *Eraser) days(ctx context.Context, tenant model.TenantID) (map[int64]int64, error) {
	days := map[int64]int64{}
	for _, shard := range e.State().TenantShards(tenant) {
		erased, err := e.ask(ctx, askTimeout, "", shard, peer.Erasure{Tenant: tenant, Days: true})
		if err != nil {
			return nil, fmt.Errorf("shard %d: %w", shard, err)
		}
		for day, bytes := range erased.Days {
			days[day] += bytes
		}
	}
	return days, nil
}

package node_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/erasure"
	"github.com/stere-log/stere/node"
)

// order is a deletion, or a rule of retention, that was wanted: of what one client has
// written for a tenant.
type order struct {
	name   string
	tenant model.TenantID
	client int
	rule   bool
	asked  int64 // the ledger's clock
	done   int64 // the ledger's clock when it was known to be done, of a rule for the first time; 0: it is not
	until  int64 // of a rule: what it has removed is older; Unix ns
}

// carried is a deletion that was made for an order, as the catalogue has it.
type carried struct {
	order *order
	erasure.Deletion
	known int64 // the ledger's clock when it was known to be done; 0: it is not
}

// reaches reports whether the deletion is about a line of an attempt that has an id: it is
// of the deletion's times, and comes before its command in the log of its shard.
func (c *carried) reaches(a *attempt, line int, id model.RecordID) bool {
	from, to := c.Bounds()
	if at := a.request.Records[line].Time; c.order.tenant != a.request.Tenant || c.order.client != a.client || at < from || at >= to {
		return false
	}
	return id.Index > 0 && id.Index < c.place(id.Shard)
}

// place returns where in the log of a shard the command of the deletion is, 0 if it is not.
func (c *carried) place(shard model.ShardID) uint64 {
	for _, s := range c.Shards {
		if s.Number == uint32(shard) {
			return s.Index
		}
	}
	return 0
}

// keepFor is how long rules of retention keep.
const keepFor = 24 * time.Hour

// aims reports whether an order is about a line of an attempt, whenever it was written.
// What a rule may remove is known by the clocks of the machines.
func (l *ledger) aims(o *order, a *attempt, line int) bool {
	if o.tenant != a.request.Tenant || o.client != a.client {
		return false
	}
	return !o.rule || a.request.Records[line].Time < l.oldEnough()
}

// oldEnough is before when a rule of retention may remove.
func (l *ledger) oldEnough() int64 {
	return time.Now().Add(time.Duration(l.ahead)*time.Second - keepFor).UTC().Truncate(24 * time.Hour).UnixNano()
}

// mayBeGone reports whether a line may have been removed. It is called with mu held.
func (l *ledger) mayBeGone(a *attempt, line int) bool {
	for _, o := range l.orders {
		if l.aims(o, a, line) && (o.rule || o.done == 0 || a.began < o.done) {
			return true
		}
	}
	return false
}

// mustBeGone returns the order that has removed a line for whoever asks at a time, nil if
// there is none: the line was acknowledged before the order, or is before its deletion in
// the log, as far as its id is known. It is called with mu held.
func (l *ledger) mustBeGone(a *attempt, line int, id model.RecordID, asked int64) *order {
	for _, o := range l.orders {
		if o.done != 0 && o.done < asked && a.acked != 0 && a.acked < o.asked && l.aims(o, a, line) && (!o.rule || a.request.Records[line].Time < o.until) {
			return o
		}
	}
	for _, c := range l.carried {
		if c.known != 0 && c.known < asked && c.reaches(a, line, id) {
			return c.order
		}
	}
	return nil
}

// counted is a complete answer to the question how many there are.
type counted struct {
	question
	have map[string]int // by component
	end  int64          // the ledger's clock
}

// judge finds what was missing, be it for a moment, although no deletion was about it: what
// is behind the command of a deletion in the log, or not of its times, must be in every
// complete answer, also in those from before the deletion has ended. It is known when all
// deletions have.
func (l *ledger) judge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	removable := func(a *attempt, line int, asked int64) bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(l.carried)), func(c *carried) bool {
			return c.order.asked < asked && c.reaches(a, line, a.result.ID(line))
		})
	}
	for line, seen := range l.gone {
		if at := l.lines[line]; !removable(at.attempt, at.line, seen) {
			l.t.Errorf("%q, acknowledged as %s, was missing in a complete answer at %d, and no deletion was about it", line, at.attempt.result.ID(at.line), seen)
		}
	}
	for _, c := range l.counted {
		least := map[string]int{}
		for _, a := range l.attempts {
			if !c.asks(a) || a.acked == 0 || a.acked > c.began {
				continue
			}
			for i := range a.lines {
				if !removable(a, i, c.end) {
					least[component(a.client)]++
				}
			}
		}
		for name, n := range least {
			if c.have[name] < n {
				l.t.Errorf("%d records of %s were counted at %d, %d had been acknowledged and no deletion was about them", c.have[name], name, c.end, n)
			}
		}
	}
}

// order notes that something is to be removed.
func (l *ledger) order(tenant model.TenantID, client int, rule bool) *order {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := &order{name: fmt.Sprint("order-", len(l.orders)), tenant: tenant, client: client, rule: rule, asked: l.tick()}
	l.orders = append(l.orders, o)
	return o
}

// noteAhead notes by how many seconds all clocks but one may be ahead.
func (l *ledger) noteAhead(seconds int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ahead = max(l.ahead, seconds)
}

// noteErased notes what the catalogue says of deletions, and returns how many are not done.
func (l *ledger) noteErased(state *catalogue.State) (open int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range state.Deletions {
		for _, o := range l.orders {
			if o.name != d.Reason && (!o.rule || d.Kind != erasure.ByRetention || o.name != d.Rule || o.tenant != d.Tenant) {
				continue
			}
			if !d.Finished() {
				open++
			}
			l.carry(o, d)
			if o.rule && d.To > l.oldEnough() {
				l.t.Errorf("retention removes records of before %v: no clock but one says that these are old", time.Unix(0, d.To).UTC())
			}
			switch {
			case d.Status == erasure.Failed:
				l.t.Errorf("a deletion has failed: %+v", d)
			case d.Status == erasure.Done && (o.done == 0 || o.until < d.To):
				o.done, o.until = l.tick(), d.To
				l.stats["deletions"]++
			}
		}
	}
	return open
}

// carry notes how far a deletion has come that was made for an order. It is called with
// mu held.
func (l *ledger) carry(o *order, d erasure.Deletion) {
	c := l.carried[d.Number]
	if c == nil {
		c = &carried{order: o}
		l.carried[d.Number] = c
	}
	if c.Version > d.Version { // of a node that is behind
		return
	}
	if c.Deletion = d; c.known == 0 && d.Status == erasure.Done {
		c.known = l.tick()
	}
}

// erase wants what a client has written to be removed, now or as it becomes old.
func (w *world) erase(rule bool) {
	if m := w.some(true); m != nil {
		w.eraseOf(m.current().node, tenants[w.rng.IntN(len(tenants))], w.rng.IntN(w.tuning.clients), rule)
	}
}

// eraseAmidWrites removes what the world's own client has written while it goes on: what
// comes behind the command of the deletion must be missing at no moment.
func (w *world) eraseAmidWrites() {
	m := w.some(true)
	if m == nil {
		return
	}
	p, a := m.current(), w.attempt()
	if !w.tester.send(p, a) {
		return
	}
	o := w.eraseOf(p.node, a.request.Tenant, a.client, false)
	begun := func() bool {
		w.noteErased(p.node)
		return w.ledger.hasBegun(o)
	}
	if !w.soonHolds(begun) {
		return
	}
	for range writesAmidErasure {
		w.tester.send(p, w.attempt())
		w.tester.ask(p, question{tenant: a.request.Tenant, client: a.client})
	}
}

// writesAmidErasure are enough for as long as a deletion takes to have sealed what it removes.
const writesAmidErasure = 20

func (l *ledger) hasBegun(o *order) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(slices.Collect(maps.Values(l.carried)), func(c *carried) bool { return c.order == o && c.Begun != 0 })
}

// eraseOf does so at a node.
func (w *world) eraseOf(n *node.Node, tenant model.TenantID, client int, rule bool) *order {
	var rules []erasure.Rule
	if rule {
		for _, o := range w.ledger.rulesOf(tenant) { // they are changed together
			rules = append(rules, o.asRule())
		}
	}
	o := w.ledger.order(tenant, client, rule)
	w.ended.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), operatorPatience)
		defer cancel()
		var command catalogue.Command = catalogue.AddDeletion{Deletion: erasure.Deletion{
			Kind: erasure.ByQuery, Tenant: tenant, Query: "component:" + component(client), Reason: o.name, By: "simulation", Status: erasure.Planned,
		}}
		if rule {
			command = catalogue.SetRetention{Tenant: tenant, Retention: erasure.Retention{Rules: append(rules, o.asRule())}}
		}
		if _, err := n.Directory().Change(ctx, command); err != nil {
			w.ledger.count("failed orders")
			w.logger.Info("an order to remove failed", "error", err)
		}
	})
	return o
}

// retainAhead sets the clock of who leads the catalogue, which looks at rules of
// retention, days ahead, and makes a rule.
func (w *world) retainAhead() {
	for _, m := range w.running(true) {
		if n := m.current().node; n.Cluster().Leads() {
			m.ahead.Store(int64(between(w.rng, 2, 5) * 86400))
			w.noteClocks()
			w.erase(true)
			w.soonHolds(func() bool { return w.noteErased(n) > 0 })
			return
		}
	}
}

func (o *order) asRule() erasure.Rule {
	return erasure.Rule{Name: o.name, Match: "component:" + component(o.client), Keep: keepFor}
}

func (l *ledger) rulesOf(tenant model.TenantID) (rules []*order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.orders {
		if o.rule && o.tenant == tenant {
			rules = append(rules, o)
		}
	}
	return rules
}

// noteErased looks what has become of deletions, as a node knows it.
func (w *world) noteErased(n *node.Node) (open int) {
	return w.ledger.noteErased(n.Cluster().State())
}

// erased waits until nothing is to be removed any more.
func (w *world) erased() {
	for _, m := range w.machines {
		w.until(m.ip+" knows that deletions have ended", func() bool { return w.noteErased(m.current().node) == 0 })
	}
}

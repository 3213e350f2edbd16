package node_test

import (
	"context"
	"fmt"
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
// there is none. It is called with mu held.
func (l *ledger) mustBeGone(a *attempt, line int, asked int64) *order {
	for _, o := range l.orders {
		if o.done != 0 && o.done < asked && a.acked != 0 && a.acked < o.asked && l.aims(o, a, line) && (!o.rule || a.request.Records[line].Time < o.until) {
			return o
		}
	}
	return nil
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

// erase wants what a client has written to be removed, now or as it becomes old.
func (w *world) erase(rule bool) {
	m := w.some(true)
	if m == nil {
		return
	}
	n, tenant, client := m.current().node, tenants[w.rng.IntN(len(tenants))], w.rng.IntN(w.tuning.clients)
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

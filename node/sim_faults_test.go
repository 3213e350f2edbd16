package node_test

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/internal/sim"
	"github.com/stere-log/stere/node"
)

// bothWays changes a pair of links.
func (w *world) bothWays(change func(*sim.Link)) {
	a, b := w.pair()
	w.net.Change(a.ip, b.ip, change)
	w.net.Change(b.ip, a.ip, change)
}

// pair returns two machines.
func (w *world) pair() (a, b *machine) {
	n := w.rng.IntN(len(w.machines))
	return w.machines[n], w.machines[(n+1+w.rng.IntN(len(w.machines)-1))%len(w.machines)]
}

// fault is something that can go wrong, or that an operator does.
type fault struct {
	name   string
	weight int
	many   bool // it takes several machines
	do     func(*world)
}

var faults = []fault{
	{"power at a change", 4, false, func(w *world) { w.crashSoon(true) }},
	{"kill at a change", 2, false, func(w *world) { w.crashSoon(false) }},
	{"kill", 3, false, func(w *world) { w.crash(false) }},
	{"power", 3, false, func(w *world) { w.crash(true) }},
	{"power of all", 1, false, func(w *world) {
		w.kill(true, w.machines...)
		w.back()
	}},
	{"restart", 1, false, func(w *world) {
		if m := w.some(true); m != nil {
			m.stop()
			m.start()
		}
	}},
	{"start", 4, false, func(w *world) {
		if m := w.some(false); m != nil {
			m.start()
		}
	}},
	{"power of most", 1, true, func(w *world) {
		a, b := w.pair()
		w.kill(true, a, b)
		w.back()
	}},
	{"cut", 2, true, func(w *world) { w.bothWays(func(l *sim.Link) { l.Cut = true }) }},
	{"cut one way", 2, true, func(w *world) {
		a, b := w.pair()
		w.net.Change(a.ip, b.ip, func(l *sim.Link) { l.Cut = true })
	}},
	{"isolate", 2, true, func(w *world) {
		a, _ := w.pair()
		for _, b := range w.machines {
			if a != b {
				w.net.Change(a.ip, b.ip, func(l *sim.Link) { l.Cut = true })
				w.net.Change(b.ip, a.ip, func(l *sim.Link) { l.Cut = true })
			}
		}
	}},
	{"slow link", 1, true, func(w *world) {
		delay := time.Duration(w.rng.Int64N(int64(400 * time.Millisecond)))
		w.bothWays(func(l *sim.Link) { l.Delay, l.Jitter, l.Rate = delay, delay, 1<<20 })
	}},
	{"bad link", 1, true, func(w *world) {
		loss := w.rng.Float64()
		w.bothWays(func(l *sim.Link) { l.Loss, l.Reset = loss, loss/20 })
	}},
	{"reset", 1, true, func(w *world) {
		a, b := w.pair()
		w.net.Reset(a.ip, b.ip)
	}},
	{"transfer", 1, true, func(w *world) {
		w.operate(func(ctx context.Context, n *node.Node, shard uint32, _, to string) error {
			return n.Cluster().Transfer(ctx, shard, to)
		})
	}},
	{"move", 3, true, func(w *world) {
		w.operate(func(ctx context.Context, n *node.Node, shard uint32, from, to string) error {
			_, err := n.Healer().MoveReplica(ctx, shard, from, to, "simulation")
			return err
		})
	}},
	{"drain", 2, true, func(w *world) {
		w.operate(func(ctx context.Context, n *node.Node, _ uint32, from, _ string) error {
			return n.Healer().Drain(ctx, from, "simulation")
		})
	}},
	{"undrain", 1, true, func(w *world) {
		w.operate(func(ctx context.Context, n *node.Node, _ uint32, from, _ string) error {
			return n.Healer().Undrain(ctx, from, "simulation")
		})
	}},
	{"remove", 2, true, func(w *world) {
		w.operate(func(ctx context.Context, n *node.Node, _ uint32, from, _ string) error {
			return n.Healer().RemoveNode(ctx, from, false, "simulation")
		})
	}},
	{"replicas of a tenant", 1, true, func(w *world) {
		tenant, wanted := tenants[w.rng.IntN(len(tenants))], []int{0, 1, 3, 5}[w.rng.IntN(4)]
		w.operate(func(ctx context.Context, n *node.Node, _ uint32, _, _ string) error {
			return n.Healer().SetTenantReplicas(ctx, tenant, wanted, "simulation")
		})
	}},
	{"add shards", 2, true, func(w *world) {
		more, target := between(w.rng, 1, 2), "tenant "+string(tenants[w.rng.IntN(len(tenants))])
		w.operate(func(ctx context.Context, n *node.Node, _ uint32, _, _ string) error {
			if err := n.Healer().AddShards(ctx, min(len(n.Cluster().State().Shards)+more, shardsMax), "simulation"); err != nil {
				return err
			}
			_, err := n.Healer().Execute(ctx, heal.Request{Action: heal.SpreadTenant, Target: target, By: "simulation"})
			return err
		})
	}},
	{"spread while one is deaf", 1, true, func(w *world) { w.spreadBehindBack() }},
	{"power right after an acknowledgement", 2, true, func(w *world) { w.killAfterAcknowledgement() }},
	{"a leader that does not hear", 1, true, func(w *world) { w.deafLeader() }},
	{"power right after a vote", 1, true, func(w *world) { w.cutElectionShort() }},
	{"move under a reader", 1, true, func(w *world) { w.moveUnderReader() }},
	{"slow move", 1, true, func(w *world) { w.moveSlowly() }},
	{"clock", 2, false, func(w *world) { w.jump() }},
	{"delete", 2, false, func(w *world) { w.erase(false) }},
	{"delete amid writes", 1, false, func(w *world) { w.eraseAmidWrites() }},
	{"retention", 1, false, func(w *world) { w.erase(true) }},
	{"retention by a clock that is ahead", 1, true, func(w *world) { w.retainAhead() }},
	{"key after a spread", 1, true, func(w *world) { w.repeatAfterSpread() }},
	{rotten, 1, true, func(w *world) { w.rotLog() }},
	{"join", 1, true, func(w *world) {
		if len(w.machines) < machinesMax {
			m := w.add(len(w.machines))
			m.joins = true
			m.start()
		}
	}},
	{"heal", 8, true, func(w *world) { w.net.Heal() }},
}

// fail does something at random.
func (w *world) fail() {
	w.buryDead()
	if m := w.some(true); m != nil {
		w.noteErased(m.current().node)
	}
	sum := 0
	for _, f := range faults {
		if !f.many || len(w.machines) > 1 {
			sum += f.often()
		}
	}
	n := w.rng.IntN(sum)
	for _, f := range faults {
		if f.many && len(w.machines) == 1 {
			continue
		}
		if n -= f.often(); n < 0 {
			w.counts[f.name]++
			w.logger.Info("fault", "name", f.name)
			f.do(w)
			return
		}
	}
}

// oftenWeight is the weight of a fault that is asked for with -often.
const oftenWeight = 40

// often is the weight of a fault in this run.
func (f fault) often() int {
	if f.name == *simOften {
		return oftenWeight
	}
	return f.weight
}

// some returns a machine that runs a node, or one that does not; nil if there
// is none.
func (w *world) some(running bool) *machine {
	machines := w.running(running)
	if len(machines) == 0 {
		return nil
	}
	return machines[w.rng.IntN(len(machines))]
}

// shardsMax is to how many shards are added.
const shardsMax = 5

// machinesMax is how many machines a cluster grows to.
const machinesMax = 5

// operatorPatience is how long an operator waits for an order to be taken.
const operatorPatience = 10 * time.Second

// operate gives an order at some node: for a shard, one that has a replica of
// it and one that may have none.
func (w *world) operate(order func(ctx context.Context, n *node.Node, shard uint32, from, to string) error) {
	if m := w.some(true); m != nil {
		w.operateAt(m, order)
	}
}

// operateAt does so at a node that runs.
func (w *world) operateAt(m *machine, order func(ctx context.Context, n *node.Node, shard uint32, from, to string) error) {
	n := m.current().node
	state := n.Cluster().State()
	nodes, shards := slices.Sorted(maps.Keys(state.Nodes)), state.Numbers()
	if len(shards) == 0 {
		return
	}
	shard := shards[w.rng.IntN(len(shards))]
	replicas := state.Shards[shard].Replicas
	from, to := replicas[w.rng.IntN(len(replicas))].Node, nodes[w.rng.IntN(len(nodes))]
	w.ended.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), operatorPatience)
		defer cancel()
		if err := order(ctx, n, shard, from, to); err != nil {
			w.ledger.count("failed orders")
			w.logger.Info("an order failed", "error", err)
		} else {
			w.ledger.count("orders")
		}
	})
}

// crash ends a node; mostly it comes back soon.
func (w *world) crash(power bool) {
	m := w.some(true)
	if m == nil {
		return
	}
	w.kill(power, m)
	if w.rng.IntN(4) > 0 {
		w.back()
	}
}

// crashSoon lets a node crash at one of the next changes of its disk.
func (w *world) crashSoon(power bool) {
	if m := w.some(true); m != nil {
		m.strikeSoon(power, w.rng.IntN(400))
	}
}

// back starts what is down, after a while.
func (w *world) back() {
	time.Sleep(time.Duration(w.rng.Int64N(int64(time.Second))))
	w.buryDead()
	for _, m := range w.running(false) {
		m.start()
	}
}

package node_test

import (
	"context"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/sim"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/replicas"
	"github.com/stere-log/stere/query"
)

// What follows are faults of several steps, each right after the one before: at
// random they would hardly ever come together so.

const (
	// soon is how often a scenario looks for its next step.
	soon = time.Millisecond
	// stepPatience is how long a scenario waits for one.
	stepPatience = 3 * time.Second
	// askers ask every askPace, for as long as an election takes.
	askers  = 20
	askPace = 25 * time.Millisecond
	// slowReadMax is how long a slow reader takes, well within what a replica that
	// goes waits for its readers.
	slowReadMax = 10 * time.Second
)

// replica returns the replica of a shard on a machine, nil if there is none.
func (m *machine) replica(shard uint32) *replicas.One {
	p := m.current()
	if p == nil || m.w.ledger.isDead(p) {
		return nil
	}
	for _, one := range p.node.Replicas() {
		if uint32(one.Shard()) == shard {
			return one
		}
	}
	return nil
}

// leads reports whether the machine says that it leads a shard in a term that is
// newer than another.
func (m *machine) leads(shard uint32, after uint64) bool {
	one := m.replica(shard)
	if one == nil {
		return false
	}
	stats := one.Group.Stats()
	return stats.Leads && stats.Term > after
}

// soonHolds waits for what comes next in a scenario; false: it does not.
func (w *world) soonHolds(holds func() bool) bool {
	for end := time.Now().Add(stepPatience); time.Now().Before(end); time.Sleep(soon) {
		if holds() {
			return true
		}
	}
	return false
}

// trio returns a shard with three voters on machines that run, and its leader
// first; nil if there is none.
func (w *world) trio() (shard uint32, trio []*machine) {
	running := w.running(true)
	if len(running) == 0 {
		return 0, nil
	}
	state := running[0].current().node.Cluster().State()
	for _, number := range state.Numbers() {
		trio = trio[:0]
		for _, r := range state.Shards[number].Replicas {
			for _, m := range running {
				if m.current().node.Cluster().Self() == r.Node && r.Role == catalogue.Voter && m.replica(number) != nil {
					trio = append(trio, m)
				}
			}
		}
		for i, m := range trio {
			if len(trio) == 3 && len(state.Shards[number].Replicas) == 3 && m.leads(number, 0) {
				trio[0], trio[i] = trio[i], trio[0]
				return number, trio
			}
		}
	}
	return 0, nil
}

// cut cuts one way between machines, or mends it.
func (w *world) cut(from, to *machine, cut bool) {
	w.net.Change(from.ip, to.ip, func(l *sim.Link) { l.Cut = cut })
}

// attempt makes a request of the world's own client.
func (w *world) attempt() *attempt {
	c := w.tester
	c.n++
	return w.ledger.begin(c.rng, c.number, c.n)
}

// killAfterAcknowledgement kills a leader that has just acknowledged, when nobody
// else knows that the entry is committed, and asks the others while they elect.
// Whoever leads next takes long to commit something.
func (w *world) killAfterAcknowledgement() {
	_, trio := w.trio()
	if trio == nil {
		return
	}
	for _, m := range trio {
		for _, other := range trio {
			if m != other {
				w.net.Change(m.ip, other.ip, func(l *sim.Link) { l.Delay = max(l.Delay, 80*time.Millisecond) })
			}
		}
	}
	a := w.attempt()
	if !w.tester.send(trio[0].current(), a) {
		return
	}
	shard := uint32(a.result.ID(0).Shard)
	if trio[0].leads(shard, 0) {
		w.kill(true, trio[0])
	}
	var slow sync.WaitGroup
	slow.Go(func() { w.slowFollower(shard, trio[1], trio[2]) })
	w.askAll(question{tenant: a.request.Tenant, client: -1, count: true})
	slow.Wait()
	for _, m := range trio {
		m.slow.Store(0)
	}
	if w.rng.IntN(2) == 0 {
		w.back()
	}
}

// slowFollower waits until one of two machines leads a shard and makes the disk
// of the other one slow: it answers heartbeats at once and stores late what the
// leader needs to commit anything. It runs beside others.
func (w *world) slowFollower(shard uint32, a, b *machine) {
	w.soonHolds(func() bool {
		for _, pair := range [][2]*machine{{a, b}, {b, a}} {
			if pair[0].leads(shard, 0) {
				pair[1].slow.Store(int64(500 * time.Millisecond))
				return true
			}
		}
		return false
	})
}

// repeatAfterSpread sends requests with keys, gives their tenant more shards and
// sends them again: a key is to be found where it was.
func (w *world) repeatAfterSpread() {
	w.net.Heal()
	w.back()
	m := w.some(true)
	if m == nil {
		return
	}
	p, tenant := m.current(), tenants[w.rng.IntN(len(tenants))]
	var known []*attempt
	for range 16 {
		if a := w.attempt(); a.request.Key != "" && w.tester.send(p, a) {
			known = append(known, a)
		}
	}
	n := p.node
	before := len(n.Cluster().State().WriteShards(tenant))
	ctx, cancel := context.WithTimeout(context.Background(), 3*operatorPatience)
	defer cancel()
	if n.Healer().AddShards(ctx, min(len(n.Cluster().State().Shards)+1, shardsMax), "simulation") != nil {
		return
	}
	for tries := 0; tries < askers && !w.ledger.mayFail(p); tries++ {
		_, _ = n.Healer().Execute(ctx, heal.Request{Action: heal.SpreadTenant, Target: "tenant " + string(tenant), By: "simulation"})
		if w.soonHolds(func() bool { return len(n.Cluster().State().WriteShards(tenant)) > before }) {
			w.ledger.count("keys after a spread")
			for _, a := range known {
				w.tester.send(p, a)
			}
			return
		}
	}
}

// askAll asks every machine all the time for a while.
func (w *world) askAll(q question) {
	var asking sync.WaitGroup
	for range askers {
		for _, m := range w.running(true) {
			whom := m.current()
			asking.Go(func() { w.tester.ask(whom, q) })
		}
		time.Sleep(askPace)
	}
	asking.Wait()
}

// deafLeader lets a leader hand over and not hear that somebody took it: it
// believes that it leads until its lease ends, and is asked meanwhile.
func (w *world) deafLeader() {
	shard, trio := w.trio()
	if trio == nil {
		return
	}
	old, target, third := trio[0], trio[1], trio[2]
	for _, tenant := range tenants {
		if len(old.current().node.Cluster().State().TenantShards(tenant)) != 1 {
			return // others would be asked for the rest, and cannot be reached
		}
	}
	for _, m := range w.machines {
		if m != old && m != target {
			w.cut(m, old, true)
		}
	}
	w.net.Change(target.ip, old.ip, func(l *sim.Link) { l.Delay, l.Jitter = 30*time.Millisecond, 0 })
	group, to := old.replica(shard), target.current().node.Cluster().Self()
	term := group.Group.Stats().Term
	w.ended.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stepPatience)
		defer cancel()
		_ = group.Group.Transfer(ctx, to) // its answer is lost
	})
	if !w.soonHolds(func() bool { one := target.replica(shard); return one == nil || one.Group.Stats().Term > term }) {
		return
	}
	w.cut(target, old, true)
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(soon) {
		if a := w.attempt(); w.tester.send(third.current(), a) {
			w.tester.ask(old.current(), question{tenant: a.request.Tenant, client: -1, count: true})
		}
	}
}

// spreadBehindBack gives a tenant shards while who leads the catalogue cannot tell
// one node, which all others reach; others write to them, and it is asked.
func (w *world) spreadBehindBack() {
	_, trio := w.trio()
	var leads, deaf, third *machine
	for _, m := range trio {
		switch {
		case m.current().node.Cluster().Leads():
			leads = m
		case deaf == nil:
			deaf = m
		default:
			third = m
		}
	}
	if leads == nil || third == nil {
		return
	}
	n, tenant := leads.current().node, tenants[w.rng.IntN(len(tenants))]
	ctx, cancel := context.WithTimeout(context.Background(), operatorPatience)
	defer cancel()
	if n.Healer().AddShards(ctx, min(len(n.Cluster().State().Shards)+1, shardsMax), "simulation") != nil {
		return
	}
	time.Sleep(2 * stepPatience) // it gets its replicas
	w.cut(leads, deaf, true)
	w.cut(deaf, leads, true)
	if _, err := n.Healer().Execute(ctx, heal.Request{Action: heal.SpreadTenant, Target: "tenant " + string(tenant), By: "simulation"}); err == nil {
		opened := func() bool { t := n.Cluster().State().Tenants[tenant]; return len(t.Shards) > 0 && t.Writes == 0 }
		for tries := 0; tries < askers && w.soonHolds(opened); tries++ {
			a := w.attempt()
			a.request.Key = ""
			if w.tester.send(leads.current(), a) {
				w.tester.ask(deaf.current(), question{tenant: a.request.Tenant, client: -1, count: true})
			}
		}
	}
	w.net.Heal()
}

// cutElectionShort takes the power from a voter that has just voted, before it
// hears from whom it voted for, and lets it meet another candidate.
func (w *world) cutElectionShort() {
	shard, trio := w.trio()
	if trio == nil {
		return
	}
	rival, a, b := trio[0], trio[1], trio[2]
	term := rival.replica(shard).Group.Stats().Term
	for _, m := range []*machine{a, b} {
		w.cut(rival, m, true)
		w.cut(m, rival, true)
	}
	slow := func(l *sim.Link) { l.Delay, l.Jitter = 60*time.Millisecond, 0 }
	w.net.Change(a.ip, b.ip, slow)
	w.net.Change(b.ip, a.ip, slow)
	if !w.soonHolds(func() bool { return a.leads(shard, term) || b.leads(shard, term) }) {
		return
	}
	winner, voter := a, b
	if b.leads(shard, term) {
		winner, voter = b, a
	}
	w.kill(true, voter)
	w.cut(winner, voter, true)
	w.cut(voter, winner, true)
	entry, first := w.attempt(), winner.current()
	w.ended.Go(func() { w.tester.send(first, entry) }) // it stays in the winner's log
	voter.start()
	w.cut(rival, voter, false)
	w.cut(voter, rival, false)
	if w.soonHolds(func() bool { return rival.leads(shard, term) || voter.leads(shard, term) }) {
		w.tester.send(voter.current(), w.attempt())
		w.tester.send(rival.current(), w.attempt())
	}
	w.net.Heal()
}

// moveSlowly moves a replica over links that are so slow that its segments take
// longer than everything else.
func (w *world) moveSlowly() {
	rate := between(w.rng, 1<<10, 8<<10)
	a, _ := w.pair()
	for _, b := range w.machines {
		if a != b {
			w.net.Change(b.ip, a.ip, func(l *sim.Link) { l.Rate = rate })
		}
	}
	if p := a.current(); p != nil {
		to := p.node.Cluster().Self()
		w.operate(func(ctx context.Context, n *node.Node, shard uint32, from, _ string) error {
			_, err := n.Healer().MoveReplica(ctx, shard, from, to, "simulation")
			return err
		})
	}
}

// readSlowly reads what a tenant has on a machine with long pauses, as whoever
// reads much does: what it has begun to read stays until it has ended.
func (c *client) readSlowly(ctx context.Context, whom *process) {
	if whom == nil {
		return
	}
	opening, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	views, err := whom.node.Views(opening, tenants[c.rng.IntN(len(tenants))])
	if err != nil {
		return
	}
	c.w.ledger.count("slow reads")
	end := time.Now().Add(slowReadMax)
	for _, view := range views {
		for _, p := range view.Parts {
			if time.Now().Before(end) {
				c.pause(ctx, time.Second)
			}
			all := index.DocSetRange(0, p.Rows())
			if _, err = p.Records(context.Background(), all); err != nil && !c.w.ledger.mayFail(whom) {
				c.w.t.Errorf("read shard %d slowly at %s: %v", view.Shard, whom.machine.ip, err)
				break
			}
		}
	}
	for _, view := range views {
		if view.Release != nil {
			view.Release()
		}
	}
}

// moveUnderReader moves a replica away from somebody who reads it.
func (w *world) moveUnderReader() {
	tenant := tenants[w.rng.IntN(len(tenants))]
	for _, from := range w.running(true) {
		p := from.current()
		state := p.node.Cluster().State()
		for _, shard := range state.Numbers() {
			if from.replica(shard) == nil {
				continue
			}
			for _, to := range w.running(true) {
				if to.current() == nil || to.replica(shard) != nil || w.ledger.isDead(to.current()) {
					continue
				}
				opening, cancel := context.WithTimeout(context.Background(), stepPatience)
				views, err := p.node.Views(opening, tenant)
				if err == nil {
					_, err = p.node.Healer().MoveReplica(opening, shard, p.node.Cluster().Self(), to.current().node.Cluster().Self(), "simulation")
				}
				if cancel(); err == nil && w.soonHolds(func() bool { return from.replica(shard) == nil }) {
					time.Sleep(time.Second) // it would be deleted, if nobody read it
					w.ledger.count("reads of a replica that goes")
					w.readAll(p, views)
				}
				for _, view := range views {
					if view.Release != nil {
						view.Release()
					}
				}
				return
			}
		}
	}
}

// readAll reads what views have.
func (w *world) readAll(p *process, views []query.View) {
	for _, view := range views {
		for _, part := range view.Parts {
			if _, err := part.Records(context.Background(), index.DocSetRange(0, part.Rows())); err != nil && !w.ledger.mayFail(p) {
				w.t.Errorf("read shard %d at %s while its replica goes: %v", view.Shard, p.machine.ip, err)
				return
			}
		}
	}
}

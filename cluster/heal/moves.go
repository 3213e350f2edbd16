package heal

import (
	"context"
	"maps"
	"slices"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/model"
)

// under returns the moves of a shard that the catalogue says are in progress.
func under(shard catalogue.Shard) []placement.Move {
	var moves []placement.Move
	succeeds := map[string]bool{}
	for _, r := range shard.Replicas {
		if r.Role != catalogue.Leaving {
			continue
		}
		m := placement.Move{Kind: placement.RemoveReplica, Shard: model.ShardID(shard.Number), From: r.Node, Reason: r.Reason}
		if next, ok := shard.On(r.Successor); ok {
			m.Kind, m.To, m.Source = placement.MoveReplica, next.Node, next.Source
			succeeds[next.Node] = true
		}
		moves = append(moves, m)
	}
	for _, r := range shard.Replicas {
		if r.Role == catalogue.Joining && !succeeds[r.Node] {
			moves = append(moves, placement.Move{Kind: placement.AddReplica, Shard: model.ShardID(shard.Number), To: r.Node, Source: r.Source, Reason: r.Reason})
		}
	}
	return moves
}

// began returns the replicas of a shard with a move that begins.
func began(shard catalogue.Shard, m placement.Move, reason string) []catalogue.Replica {
	replicas := slices.Clone(shard.Replicas)
	for i := range replicas {
		if r := &replicas[i]; r.Node == m.From && m.From != "" {
			r.Role, r.Source, r.Successor, r.Reason = catalogue.Leaving, "", m.To, reason
		}
	}
	if m.To == "" {
		return replicas
	}
	joining := catalogue.Replica{Node: m.To, Role: catalogue.Joining, Source: m.Source, Reason: reason}
	replicas = slices.DeleteFunc(replicas, func(r catalogue.Replica) bool { return r.Node == m.To })
	return append(replicas, joining)
}

// cancelled returns the replicas of a shard without a move that was in progress.
func cancelled(shard catalogue.Shard, m placement.Move) []catalogue.Replica {
	var replicas []catalogue.Replica
	for _, r := range shard.Replicas {
		switch {
		case r.Node == m.To && r.Role == catalogue.Joining:
			continue
		case r.Node == m.From && r.Role == catalogue.Leaving:
			r.Role, r.Successor = catalogue.Voter, ""
		}
		replicas = append(replicas, r)
	}
	return replicas
}

// translate makes of a picture what a plan is made of.
func (w *watch) translate(p *picture) {
	p.given = placement.State{}
	stale := w.stale(p.state)
	for _, n := range p.observed.Nodes {
		one := placement.Node{ID: n.ID, Zone: n.Zone, For: n.For, Capacity: n.Disk.Total, Voter: n.Votes}
		one.Used = max(n.Disk.Total-n.Disk.Free-stale[n.ID], 0)
		switch {
		case n.Life == LifeGone:
			one.State = placement.Gone
		case n.Life == LifeSilent:
			one.State, one.For = placement.Dead, 0 // it takes nothing, and nothing of it is lost
		case n.Life == LifeDead:
			one.State = placement.Dead
		case n.State == catalogue.Draining:
			one.State = placement.Draining
		}
		p.given.Nodes = append(p.given.Nodes, one)
	}
	for _, s := range p.observed.Shards {
		one := placement.Shard{ID: model.ShardID(s.Number), Bytes: s.Bytes, WriteRate: s.WriteRate, Wanted: s.Wanted, Leader: s.Leader}
		for _, r := range s.Replicas {
			one.Replicas = append(one.Replicas, placement.Replica{Node: r.Node, Learner: r.Role == catalogue.Joining, Complete: r.Complete})
		}
		p.given.Shards = append(p.given.Shards, one)
		p.given.Moves = append(p.given.Moves, p.inProgress(s)...)
	}
	p.given.Tenants = w.tenants(p)
}

// inProgress are the moves of a shard with the bytes that are still to come.
func (p *picture) inProgress(s ObservedShard) []placement.Move {
	moves := under(p.state.Shards[s.Number])
	for i := range moves {
		m := &moves[i]
		if n, ok := p.node(m.From); m.Kind == placement.MoveReplica && (!ok || !n.Life.Up()) {
			m.Kind = placement.ReplaceReplica
		}
		for _, r := range s.Replicas {
			if r.Node != m.To {
				continue
			}
			if m.Bytes = s.Bytes; r.Complete {
				m.Bytes = 0
			} else if r.MissingBytes > 0 {
				m.Bytes = r.MissingBytes
			}
		}
	}
	return moves
}

// stale are the bytes of replicas that nodes have reported and that are to be
// there no more: they are about to be destroyed.
func (w *watch) stale(state *catalogue.State) map[string]int64 {
	bytes := map[string]int64{}
	for id, n := range w.nodes {
		for number, r := range n.replicas {
			if _, ok := state.Shards[number].On(id); !ok {
				bytes[id] += r.Bytes
			}
		}
	}
	return bytes
}

// tenants are those that send most, with what they have sent within a day.
func (w *watch) tenants(p *picture) []placement.Tenant {
	sent := map[model.TenantID]int64{}
	for _, s := range p.observed.Shards {
		if n := w.nodes[s.Leader]; n != nil {
			for tenant, bytes := range n.replicas[s.Number].Tenants {
				sent[model.TenantID(tenant)] += bytes
			}
		}
	}
	var tenants []placement.Tenant
	for _, id := range slices.Sorted(maps.Keys(sent)) {
		tenants = append(tenants, placement.Tenant{ID: id, Shards: len(p.state.TenantShards(id)), BytesPerDay: sent[id]})
	}
	return tenants
}

// slots count the copies that are under way, in units of placement.Move.Weight. A plan has counted those that may
// begin one by one; what begins together needs more.
type slots struct {
	limits          placement.Limits
	sends, receives map[string]int
	copies          int
}

func newSlots(given placement.State, limits placement.Limits) *slots {
	s := &slots{limits: limits.WithDefaults(len(given.Nodes)), sends: map[string]int{}, receives: map[string]int{}}
	for _, m := range given.Moves {
		s.occupy(m)
	}
	return s
}

func (s *slots) occupy(m placement.Move) {
	if m.Kind.Copies() {
		s.copies += m.Weight()
		s.sends[m.Source] += m.Weight()
		s.receives[m.To] += m.Weight()
	}
}

// take reports whether moves may begin together. Those that may not yet keep
// their slots all the same: what is less urgent does not get them first.
func (s *slots) take(moves []placement.Move) bool {
	const unit = placement.SmallShare
	least := len(moves) // also where the limits are lower
	fits := true
	for _, m := range moves {
		s.occupy(m)
	}
	for _, m := range moves {
		if m.Kind.Copies() {
			fits = fits && s.copies <= unit*max(s.limits.Copies, least) && s.sends[m.Source] <= unit*max(s.limits.PerSource, least) && s.receives[m.To] <= unit*s.limits.PerTarget
		}
	}
	return fits
}

// rebuild lets replicas go whose log is damaged: they have forgotten how they
// voted, so that they may only come back as new ones. The leader of the shard
// removes them, their nodes delete what is left of them, and the plan has
// another one made. It waits until the others can decide without them.
func (c *Controller) rebuild(ctx context.Context, p *acting) error {
	for _, s := range p.observed.Shards {
		for _, r := range s.Replicas {
			target := replicaTarget(s.Number, r.Node)
			if !r.LogLost || r.Role == catalogue.Leaving || !s.decideWithout(r.Node) || !c.may(p, RebuildReplica, target) {
				continue
			}
			a, err := c.begin(ctx, p, catalogue.Action{Name: RebuildReplica, Target: target, By: p.by, Reason: p.because("%s", r.Problem)})
			if err != nil {
				return err
			}
			after, err := c.propose(ctx, catalogue.SetReplicas{Shard: s.Number, If: p.state.Index, Replicas: discarded(p.state.Shards[s.Number], r.Node)})
			p.advance(after)
			if !passing(err) {
				return err
			}
			if err != nil {
				c.failed(a.Name + " " + a.Target)
				if err := c.end(ctx, p, a, catalogue.ActionCancelled, "%v", err); err != nil {
					return err
				}
			}
			break // one of a shard at a time
		}
	}
	return nil
}

// decideWithout reports whether most of the other voters are healthy.
func (s *ObservedShard) decideWithout(node string) bool {
	voters := 0
	for _, r := range s.Replicas {
		if r.Role != catalogue.Joining && r.Node != node {
			voters++
		}
	}
	return s.Healthy > voters/2
}

// discarded returns the replicas of a shard where one is to go, whatever move it
// takes part in.
func discarded(shard catalogue.Shard, node string) []catalogue.Replica {
	replicas := slices.Clone(shard.Replicas)
	for i := range replicas {
		switch r := &replicas[i]; {
		case r.Node == node:
			r.Role, r.Source, r.Successor, r.Reason = catalogue.Leaving, "", "", "its log is damaged"
		case r.Successor == node:
			r.Role, r.Successor = catalogue.Voter, ""
		}
	}
	return replicas
}

func replicaTarget(shard uint32, node string) string {
	return target{what: targetReplica, shard: shard, to: node}.String()
}

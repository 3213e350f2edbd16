package heal

import (
	"context"
	"fmt"
	"slices"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
)

// settle brings the history to what is: it ends the actions whose move has come
// to an end, names moves that nobody wrote down, and takes in what nodes mend
// by themselves. It is bookkeeping and changes nothing else, so that it goes on
// while self-healing is off.
func (c *Controller) settle(ctx context.Context, p *acting) error {
	left := recordsMax
	claimed := map[string]bool{}
	running := map[uint64]bool{}
	for _, a := range p.state.Actions {
		if a.Outcome != catalogue.ActionRunning || a.DryRun {
			continue
		}
		running[a.Number], claimed[a.Target] = true, true
		outcome, detail := c.became(p, a)
		if outcome == "" || left == 0 {
			continue
		}
		left--
		if err := c.end(ctx, p, a, outcome, "%s", detail); !passing(err) {
			return err
		}
	}
	for number := range c.unclaimed {
		if !running[number] {
			delete(c.unclaimed, number)
		}
	}
	for _, number := range p.state.Numbers() {
		for _, m := range under(p.state.Shards[number]) {
			if claimed[targetOf(m).String()] || left == 0 {
				continue
			}
			left--
			if _, err := c.begin(ctx, p, orphan(m)); !passing(err) {
				return err
			}
		}
	}
	return c.repairs(ctx, p, left)
}

// orphan is the entry for a move that is in progress and that nobody wrote
// down.
func orphan(m placement.Move) catalogue.Action {
	return catalogue.Action{Name: nameOf(m), Target: targetOf(m).String(), Reason: clean("%s", m.Reason), Bytes: m.Bytes}
}

// became says what has become of a running action, "" if it goes on.
func (c *Controller) became(p *acting, a catalogue.Action) (outcome, detail string) {
	t, ok := parseTarget(a.Target)
	switch {
	case IsMaintenance(a.Name):
		// Who has begun it looks at what comes of it, as long as it is there.
		if c.age(a) > 2*maintenanceTimeout && c.forgotten(a) {
			return catalogue.ActionFailed, "it is not known what became of it"
		}
		return "", ""
	case ok && t.what == targetShard:
		return c.becameOfMove(p, a, t)
	case ok && t.what == targetReplica:
		return becameOfRepair(p.picture, a, t)
	case ok && t.what == targetNode && a.Name == DrainNode:
		return c.becameOfDrain(p.picture, a, t)
	case ok && t.what == targetLeader:
		if s, _ := p.shard(t.shard); s.Leader == t.to && t.to != "" && c.forgotten(a) {
			return catalogue.ActionDone, "it leads"
		}
	}
	// Who was asked for it may still be about it.
	if (!oneStep(a) || c.age(a) > 2*actTimeout) && c.forgotten(a) {
		return catalogue.ActionFailed, "it is not known what became of it"
	}
	return "", ""
}

// oneStep reports whether an action is made by one change, whose outcome nothing but its
// answer tells.
func oneStep(a catalogue.Action) bool {
	if IsMaintenance(a.Name) || a.Name == DrainNode {
		return false
	}
	t, ok := parseTarget(a.Target)
	return !ok || t.what != targetShard && t.what != targetReplica && t.what != targetLeader
}

// forgotten counts the pictures in which nothing was seen of an action.
func (c *Controller) forgotten(a catalogue.Action) bool {
	c.unclaimed[a.Number]++
	return c.unclaimed[a.Number] > settled
}

func (c *Controller) becameOfMove(p *acting, a catalogue.Action, t target) (outcome, detail string) {
	shard := p.state.Shards[t.shard]
	if slices.ContainsFunc(under(shard), func(m placement.Move) bool { return targetOf(m) == t }) {
		delete(c.unclaimed, a.Number)
		return "", ""
	}
	_, there := shard.On(t.from)
	to, arrived := shard.On(t.to)
	arrived = arrived && to.Role == catalogue.Voter
	if (t.from == "" || !there) && (t.to == "" || arrived) {
		return catalogue.ActionDone, ""
	}
	if !c.forgotten(a) {
		return "", ""
	}
	return catalogue.ActionCancelled, "it was given up"
}

func becameOfRepair(p *picture, a catalogue.Action, t target) (outcome, detail string) {
	s, _ := p.shard(t.shard)
	for _, r := range s.Replicas {
		if r.Node != t.to {
			continue
		}
		if a.Name == RebuildReplica && r.Role == catalogue.Joining {
			break // it was discarded, this is the next one
		}
		if n, _ := p.node(t.to); n.Life == LifeAlive && r.Complete && r.Missing == 0 {
			return catalogue.ActionDone, ""
		}
		return "", ""
	}
	if a.Name == RebuildReplica {
		return catalogue.ActionDone, "it was discarded"
	}
	return catalogue.ActionCancelled, "the replica is not to be there any more"
}

func (c *Controller) becameOfDrain(p *picture, a catalogue.Action, t target) (outcome, detail string) {
	node, ok := p.state.Nodes[t.to]
	switch {
	case !ok || node.State == catalogue.Gone:
		return catalogue.ActionDone, "the node is gone"
	case node.State == catalogue.Active && c.forgotten(a):
		return catalogue.ActionCancelled, "the node is not draining any more"
	case node.State == catalogue.Draining && len(p.state.ReplicasOn(t.to)) == 0 && !p.votes(t.to):
		return catalogue.ActionDone, "nothing is left on it"
	}
	return "", ""
}

// repairs writes down the segments that nodes have found damaged and fetch
// again.
func (c *Controller) repairs(ctx context.Context, p *acting, left int) error {
	for _, s := range p.observed.Shards {
		for _, r := range s.Replicas {
			n, _ := p.node(r.Node)
			if n.Life != LifeAlive || !r.Reported || r.Rotten == 0 && len(c.rotten) == 0 {
				continue
			}
			t := target{what: targetReplica, shard: s.Number, to: r.Node}.String()
			known, ok := c.rotten[t]
			if !ok && r.Rotten > 0 && wasRepaired(p.state, t, n) {
				known = r.Rotten
			}
			if r.Rotten > known && left > 0 {
				left--
				a := catalogue.Action{Name: RepairReplica, Target: t, By: Itself, Bytes: r.MissingBytes}
				a.Reason = fmt.Sprintf("%d segments were found damaged", r.Rotten-known)
				if _, err := c.begin(ctx, p, a); !passing(err) {
					return err
				}
			}
			if known = r.Rotten; known > 0 {
				c.rotten[t] = known
			} else {
				delete(c.rotten, t)
			}
		}
	}
	return nil
}

// wasRepaired reports whether the history has a repair since a node began to
// run: its leader before has written down what it tells.
func wasRepaired(state *catalogue.State, target string, n ObservedNode) bool {
	start := n.Reported.Add(-n.Uptime)
	return slices.ContainsFunc(state.Actions, func(a catalogue.Action) bool {
		return a.Name == RepairReplica && a.Target == target && !since(a).Before(start)
	})
}

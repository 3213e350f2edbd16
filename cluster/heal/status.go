package heal

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
)

// Status is all there is to say about the healing of a cluster.
type Status struct {
	Enabled  bool               `json:"enabled"` // false: everything is switched off
	Paused   bool               `json:"paused"`  // no balancing
	Acts     bool               `json:"acts"`    // this node is the one that acts
	Observed Observed           `json:"observed"`
	Actions  []ActionStatus     `json:"actions"`
	Running  []Progress         `json:"running"`
	Planned  []Move             `json:"planned"`
	Problems []Problem          `json:"problems"`
	History  []catalogue.Action `json:"history"` // newest first
	Settings catalogue.Settings `json:"settings"`
	Tenants  []TenantSpread     `json:"tenants"` // that have been given shards or send most
	// ReplaceAfter is how long a node is dead before its replicas are made anew.
	ReplaceAfter time.Duration `json:"replace_after"`
	// NodesWanted is how many nodes the cluster needs for what it has, and WantedWhy what
	// asks for so many: for whoever starts and stops machines.
	NodesWanted int    `json:"nodes_wanted"`
	WantedWhy   string `json:"wanted_why"`
}

// ActionStatus is how it is with the actions of one name.
type ActionStatus struct {
	Kind
	Enabled bool          `json:"enabled"`
	Wait    time.Duration `json:"wait"` // until it has cooled down
	Last    time.Time     `json:"last,omitzero"`
	Count   uint64        `json:"count"`
}

// Move is a move that is planned or in progress.
type Move struct {
	Action   string `json:"action"` // its name
	Target   string `json:"target"`
	Kind     string `json:"kind"`
	Shard    uint32 `json:"shard"`
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Source   string `json:"source,omitempty"` // of the bytes
	Bytes    int64  `json:"bytes"`            // that are sent
	Priority string `json:"priority,omitempty"`
	Reason   string `json:"reason"`
	Waits    string `json:"waits,omitempty"` // for what; "": it begins with the next observation
	// Takes is how long the copy should take at the rate of those in progress;
	// 0: not known.
	Takes time.Duration `json:"takes,omitempty"`
}

// Progress is a move that is in progress.
type Progress struct {
	Move
	Started time.Time     `json:"started"`
	Left    int64         `json:"left"`           // bytes
	Rate    float64       `json:"rate,omitempty"` // bytes a second
	ETA     time.Duration `json:"eta,omitempty"`  // 0: not known
	By      string        `json:"by,omitempty"`
}

// Problem is what no move mends now.
type Problem struct {
	Kind   string  `json:"kind"`
	Shard  *uint32 `json:"shard,omitempty"` // nil: about no shard
	Node   string  `json:"node,omitempty"`
	Reason string  `json:"reason"`
	rank   int
}

// Status tells what was seen, is done, is planned and was done.
func (c *Controller) Status(ctx context.Context) (Status, error) {
	p, err := c.recent(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{
		Enabled: p.state.HealingOf(All).Enabled, Paused: p.state.Settings.Paused, Acts: c.cluster.Leads(), Observed: p.observed,
		Running: p.running(), Planned: c.planned(p), Problems: p.problems(), Settings: p.state.Settings, Tenants: p.tenants(),
		History: slices.Clone(p.state.Actions), ReplaceAfter: c.cfg.Limits.ReplaceAfter,
	}
	s.NodesWanted, s.WantedWhy = p.nodesWanted()
	slices.Reverse(s.History)
	if s.ReplaceAfter == 0 {
		s.ReplaceAfter = placement.ReplaceAfter
	}
	for _, k := range Kinds() {
		h := p.state.HealingOf(k.Name)
		one := ActionStatus{Kind: k, Enabled: h.Enabled, Count: h.Count, Wait: c.cooldown(p.state, k.Name, p.at)}
		if one.Cooldown = time.Duration(h.Cooldown); h.Cooldown == 0 {
			one.Cooldown = c.defaultCooldown(k.Name)
		}
		if h.LastAt > 0 {
			one.Last = time.Unix(0, h.LastAt)
		}
		s.Actions = append(s.Actions, one)
	}
	return s, nil
}

// nodesWanted returns how many nodes are needed: as many as there are replicas of a shard,
// and so many that no disk is above the mark where nodes give away what they lead. It is
// the same before and after nodes come, so that who follows it does not go to and fro.
func (p *picture) nodesWanted() (nodes int, why string) {
	for _, s := range p.observed.Shards {
		nodes = max(nodes, s.Wanted)
	}
	why = fmt.Sprintf("shards are to have %d replicas", nodes)
	used, total, disks := int64(0), int64(0), 0
	for _, n := range p.observed.Nodes {
		if n.State == catalogue.Active && n.Life.Up() && n.Disk.Total > 0 {
			used, total, disks = used+n.Disk.Total-n.Disk.Free, total+n.Disk.Total, disks+1
		}
	}
	if disks == 0 {
		return nodes, why
	}
	each := placement.DiskShedLeaders * float64(total) / float64(disks)
	if least := int(math.Ceil(float64(used) / each)); least > nodes {
		return least, fmt.Sprintf("%d bytes are to take at most %.0f %% of disks of %d bytes", used, 100*placement.DiskShedLeaders, total/int64(disks))
	}
	return nodes, why
}

func shown(m placement.Move) Move {
	one := Move{
		Action: nameOf(m), Target: targetOf(m).String(), Kind: m.Kind.String(), Shard: uint32(m.Shard), From: m.From, To: m.To,
		Source: m.Source, Bytes: m.Bytes, Reason: m.Reason,
	}
	if m.Priority != 0 {
		one.Priority = m.Priority.String()
	}
	return one
}

// planned are the moves of a picture that have not begun.
func (c *Controller) planned(p *picture) []Move {
	rate, copies := 0.0, 0
	for _, s := range p.observed.Shards {
		for _, r := range s.Replicas {
			if r.Rate > 0 {
				rate += r.Rate
				copies++
			}
		}
	}
	moves := make([]Move, 0, len(p.plan.Moves))
	for _, m := range p.plan.Moves {
		one := shown(m)
		one.Waits = c.hinders(&acting{picture: p}, m)
		if copies > 0 {
			one.Takes = eta(m.Bytes, rate/float64(copies))
		}
		moves = append(moves, one)
	}
	return moves
}

// eta is how long bytes take, 0 if that is not known.
func eta(bytes int64, rate float64) time.Duration {
	if rate <= 0 || bytes <= 0 {
		return 0
	}
	const long = 1000 * time.Hour
	return time.Duration(min(float64(bytes)/rate*float64(time.Second), float64(long))).Round(time.Second)
}

// running are the moves in progress.
func (p *picture) running() []Progress {
	var all []Progress
	for _, m := range p.given.Moves {
		one := Progress{Move: shown(m), Left: m.Bytes}
		for _, a := range p.state.Actions {
			if a.Outcome == catalogue.ActionRunning && a.Target == one.Target && !a.DryRun {
				one.Action, one.By, one.Started, one.Bytes = a.Name, a.By, since(a), a.Bytes
			}
		}
		s, _ := p.shard(uint32(m.Shard))
		for _, r := range s.Replicas {
			if r.Node == m.To {
				one.Rate, one.ETA = r.Rate, eta(m.Bytes, r.Rate)
			}
		}
		all = append(all, one)
	}
	return all
}

// problems are those of the plan, of nodes and of replicas, the worst first.
func (p *picture) problems() []Problem {
	var all []Problem
	for _, x := range p.plan.Problems {
		number := uint32(x.Shard)
		all = append(all, Problem{Kind: x.Kind.String(), Shard: &number, Reason: x.Reason, rank: int(x.Kind)})
	}
	const later = 100
	for _, id := range p.announced() {
		if why := p.opensNot(id); why != "" {
			all = append(all, Problem{Kind: "tenant", Reason: fmt.Sprintf("tenant %s does not write to shards that it was given: %s", id, why), rank: later})
		}
	}
	for _, n := range p.observed.Nodes {
		if n.Life == LifeDead || n.Life == LifeSilent {
			all = append(all, Problem{Kind: "node", Node: n.ID, Reason: fmt.Sprintf("node %s (%s) has been %s for %s", n.ID, n.Name, n.Life, n.For.Round(time.Second)), rank: later})
		}
		if n.Life == LifeGone {
			continue
		}
		for _, text := range n.Problems {
			all = append(all, Problem{Kind: "node", Node: n.ID, Reason: fmt.Sprintf("node %s (%s): %s", n.ID, n.Name, text), rank: later})
		}
	}
	for _, s := range p.observed.Shards {
		for _, r := range s.Replicas {
			if r.Problem != "" {
				number := s.Number
				all = append(all, Problem{Kind: "replica", Shard: &number, Node: r.Node, Reason: r.Problem, rank: later})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return cmp.Compare(a.rank, b.rank) })
	return all
}

package heal

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/placement"
)

// Life is whether a node is there.
type Life string

// The lives of a node.
const (
	LifeAlive   Life = "alive"
	LifeSuspect Life = "suspect" // gossip is not sure
	LifeSilent  Life = "silent"  // gossip says alive, but it has not reported several times
	LifeDead    Life = "dead"
	LifeGone    Life = "gone" // for good, as the catalogue says
)

// Up reports whether what a node holds can be counted on.
func (l Life) Up() bool { return l == LifeAlive || l == LifeSuspect }

// Observed is the cluster as it was seen.
type Observed struct {
	Time   time.Time       `json:"time"`
	Nodes  []ObservedNode  `json:"nodes"`
	Shards []ObservedShard `json:"shards"`
}

// ObservedNode is a node as it was seen.
type ObservedNode struct {
	ID        string              `json:"id"`
	Name      string              `json:"name"`
	Zone      string              `json:"zone,omitempty"`
	State     catalogue.NodeState `json:"state"`
	Life      Life                `json:"life"`
	For       time.Duration       `json:"for"`                // how long it has been so
	Reported  time.Time           `json:"reported,omitzero"`  // when its last report came
	Uptime    time.Duration       `json:"uptime,omitempty"`   // by then
	ClockSkew time.Duration       `json:"clock_skew"`         // how much its clock is ahead of most
	Disk      Disk                `json:"disk"`               // as last heard
	Memory    int64               `json:"memory,omitempty"`   // resident bytes
	Votes     bool                `json:"votes"`              // in the catalogue
	Replicas  int                 `json:"replicas"`           // that the catalogue has there
	Leaders   int                 `json:"leaders"`            // of these
	Bytes     int64               `json:"bytes"`              // of its replicas
	Version   string              `json:"version,omitempty"`  // of the program
	Catalogue uint64              `json:"catalogue"`          // index of the newest state that it is known to know
	Problems  []string            `json:"problems,omitempty"` // that it reports or that were seen
}

// ObservedShard is a shard as it was seen.
type ObservedShard struct {
	Number    uint32            `json:"number"`
	Leader    string            `json:"leader,omitempty"`
	Term      uint64            `json:"term,omitempty"`
	Bytes     int64             `json:"bytes"`      // of one replica
	WriteRate float64           `json:"write_rate"` // bytes a second
	Wanted    int               `json:"wanted"`
	Healthy   int               `json:"healthy"` // complete replicas that vote, on nodes that are up
	Replicas  []ObservedReplica `json:"replicas"`

	members []Member // as the leader told them; none if it has not
}

// ObservedReplica is a replica that the catalogue names, as it was seen.
type ObservedReplica struct {
	catalogue.Replica
	Reported     bool    `json:"reported"` // the rest is known
	Complete     bool    `json:"complete"`
	Applied      uint64  `json:"applied,omitempty"`
	Bytes        int64   `json:"bytes"`
	Records      int64   `json:"records"`
	Missing      int     `json:"missing,omitempty"`       // segments
	MissingBytes int64   `json:"missing_bytes,omitempty"` // of these
	Rotten       int     `json:"rotten,omitempty"`
	Rate         float64 `json:"rate,omitempty"` // bytes a second at which they become fewer
	Problem      string  `json:"problem,omitempty"`
	LogLost      bool    `json:"log_lost,omitempty"` // its log is damaged
}

// ClockSkewMax is how far a clock may be off without being a problem.
const ClockSkewMax = 2 * time.Second

const (
	// missedMax is how many reports in a row a node may miss before it counts
	// as silent.
	missedMax = 3
	// absentMin is how long a node is missing from gossip before it counts as
	// dead: whoever has just started does not know everybody yet.
	absentMin = 10 * time.Second
	// rateWeight is how much the newest measurement counts in an average.
	rateWeight = 0.3
)

// watched is what is remembered of a node between two observations.
type watched struct {
	report   Report
	replicas map[uint32]ReplicaReport // of the report, by shard
	at       time.Time                // when it came; zero: never
	missed   int                      // reports in a row
	up       time.Time                // since when it is up
	absent   time.Time                // since when gossip does not know it; zero: it does
	writes   map[uint32]float64       // bytes a second, by shard that it leads
	copies   map[uint32]float64       // bytes a second, by shard that it fetches
}

// watch is what is remembered between two observations.
type watch struct {
	nodes map[string]*watched
}

// hear takes in what nodes have reported.
func (w *watch) hear(now time.Time, state *catalogue.State, members map[string]gossip.Member, reports map[string]Report) {
	maps.DeleteFunc(w.nodes, func(id string, _ *watched) bool { _, ok := state.Nodes[id]; return !ok })
	for id := range state.Nodes {
		n := w.nodes[id]
		if n == nil {
			n = &watched{writes: map[uint32]float64{}, copies: map[uint32]float64{}}
			w.nodes[id] = n
		}
		if _, ok := members[id]; ok {
			n.absent = time.Time{}
		} else if n.absent.IsZero() {
			n.absent = now
		}
		if r, ok := reports[id]; ok {
			n.hear(now, r)
		} else {
			n.missed++
		}
	}
}

func (n *watched) hear(now time.Time, r Report) {
	replicas := make(map[uint32]ReplicaReport, len(r.Replicas))
	writes, copies := map[uint32]float64{}, map[uint32]float64{}
	elapsed := now.Sub(n.at).Seconds()
	for _, one := range r.Replicas {
		replicas[one.Shard] = one
		before, ok := n.replicas[one.Shard]
		if !ok || n.at.IsZero() || elapsed <= 0 {
			continue
		}
		if one.Leads {
			writes[one.Shard] = average(n.writes[one.Shard], float64(max(one.Written-before.Written, 0))/elapsed)
		}
		if one.MissingBytes > 0 {
			copies[one.Shard] = average(n.copies[one.Shard], float64(max(before.MissingBytes-one.MissingBytes, 0))/elapsed)
		}
	}
	n.report, n.replicas, n.at, n.missed, n.writes, n.copies = r, replicas, now, 0, writes, copies
}

func average(before, newest float64) float64 {
	if before == 0 {
		return newest
	}
	return before + rateWeight*(newest-before)
}

// life says whether a node is there, and for how long it has been so. Contact
// with it in the catalogue's group counts as life as well.
func (w *watch) life(now time.Time, node catalogue.Node, member gossip.Member, known, contact bool) (Life, time.Duration) {
	n := w.nodes[node.ID]
	if node.State == catalogue.Gone {
		return LifeGone, max(now.Sub(time.Unix(0, node.Since)), 0)
	}
	heard := !n.at.IsZero() && n.missed == 0 || contact
	since := member.Since // of gossip's state
	if !known {
		since = n.absent
	}
	if n.at.After(since) {
		since = n.at
	}
	life := LifeAlive
	switch {
	case heard && n.missed < missedMax:
	case known && member.State.Up(), heard, !known && now.Sub(since) < absentMin:
		if member.State == gossip.Suspect {
			life = LifeSuspect
		}
		if n.missed >= missedMax {
			life = LifeSilent
		}
	default:
		life = LifeDead
	}
	if life != LifeDead {
		if n.up.IsZero() {
			n.up = now
			if known && member.State == gossip.Alive && !member.Since.IsZero() && member.Since.Before(now) {
				n.up = member.Since
			}
		}
		return life, now.Sub(n.up)
	}
	n.up = time.Time{}
	return life, max(now.Sub(since), 0)
}

// picture is one observation with what follows from it.
type picture struct {
	at       time.Time
	state    *catalogue.State // what it is of, and what is planned on
	observed Observed
	given    placement.State
	plan     placement.Result
	voters   []Member // and learners of the catalogue
	// known is whether every node that is there has reported at least once.
	known bool
	// undiscarded are the replicas that are on nodes still although their log is
	// damaged, by their targets.
	undiscarded map[string]bool
}

func (p *picture) node(id string) (ObservedNode, bool) {
	at, ok := slices.BinarySearchFunc(p.observed.Nodes, id, func(n ObservedNode, id string) int { return cmp.Compare(n.ID, id) })
	if !ok {
		return ObservedNode{}, false
	}
	return p.observed.Nodes[at], true
}

// answers reports whether a node is alive and has told how it is for this very picture.
func (p *picture) answers(node string) bool {
	n, known := p.node(node)
	return known && n.Life == LifeAlive && n.Reported.Equal(p.at)
}

func (p *picture) shard(number uint32) (ObservedShard, bool) {
	at, ok := slices.BinarySearchFunc(p.observed.Shards, number, func(s ObservedShard, number uint32) int { return cmp.Compare(s.Number, number) })
	if !ok {
		return ObservedShard{}, false
	}
	return p.observed.Shards[at], true
}

// observe makes a picture of what was heard.
func (w *watch) observe(now time.Time, state *catalogue.State, members map[string]gossip.Member, voters []Member) *picture {
	p := &picture{at: now, state: state, voters: voters, known: true, observed: Observed{Time: now}, undiscarded: map[string]bool{}}
	for id, n := range w.nodes {
		for number, r := range n.replicas {
			if r.LogLost {
				p.undiscarded[replicaTarget(number, id)] = true
			}
		}
	}
	votes, contact := map[string]bool{}, map[string]bool{}
	for _, m := range voters {
		votes[m.Node] = m.Voter
		contact[m.Node] = m.Contact > 0 && m.Contact < contactMax
	}
	skews := gossip.Skews(slices.Collect(maps.Values(members)))
	for _, id := range slices.Sorted(maps.Keys(state.Nodes)) {
		member, known := members[id]
		n := w.node(now, state.Nodes[id], member, known, contact[id])
		n.Votes, n.ClockSkew = votes[id], skews[id]
		if n.ClockSkew.Abs() > ClockSkewMax {
			n.Problems = append(n.Problems, "its clock is off by "+n.ClockSkew.Round(time.Millisecond).String())
		}
		if n.Life != LifeDead && n.Life != LifeGone && w.nodes[id].at.IsZero() && n.Life != LifeSilent {
			p.known = false
		}
		p.observed.Nodes = append(p.observed.Nodes, n)
	}
	for _, number := range state.Numbers() {
		p.observed.Shards = append(p.observed.Shards, w.shard(p, state.Shards[number]))
	}
	p.count()
	return p
}

func (w *watch) node(now time.Time, node catalogue.Node, member gossip.Member, known, contact bool) ObservedNode {
	seen := w.nodes[node.ID]
	n := ObservedNode{ID: node.ID, Name: node.Name, Zone: node.Zone, State: node.State, Version: node.Version}
	n.Life, n.For = w.life(now, node, member, known, contact)
	if known {
		n.Disk = Disk{Total: int64(member.DiskTotal), Free: int64(member.DiskFree)}
	}
	if !seen.at.IsZero() {
		r := seen.report
		n.Reported, n.Uptime, n.Disk, n.Memory, n.Catalogue, n.Problems = seen.at, r.Uptime, r.Disk, r.Memory, r.Catalogue, slices.Clone(r.Problems)
	}
	if n.Life == LifeSilent {
		n.Problems = append(n.Problems, "it answers gossip, but has not reported several times")
	}
	if n.Disk.Full && n.Life.Up() {
		n.Problems = append(n.Problems, "its disk is full: records are refused")
	}
	return n
}

func (w *watch) shard(p *picture, shard catalogue.Shard) ObservedShard {
	s := ObservedShard{Number: shard.Number, Wanted: p.state.Wanted(shard)}
	var whole, most int64
	for _, r := range shard.Replicas {
		one := ObservedReplica{Replica: r}
		seen, node := w.nodes[r.Node], catalogue.Gone
		up := false
		if n, ok := p.node(r.Node); ok {
			up, node = n.Life.Up(), n.State
		}
		if seen != nil && node != catalogue.Gone {
			if report, ok := seen.replicas[shard.Number]; ok {
				one.take(report)
				one.Rate = seen.copies[shard.Number]
				most = max(most, report.Bytes)
				if report.Complete {
					whole = max(whole, report.Bytes)
				}
				if up {
					s.led(r.Node, report, seen.writes[shard.Number])
				}
			}
		}
		if up && one.Complete && r.Role != catalogue.Joining {
			s.Healthy++
		}
		s.Replicas = append(s.Replicas, one)
	}
	if s.Bytes = whole; whole == 0 {
		s.Bytes = most
	}
	return s
}

func (r *ObservedReplica) take(report ReplicaReport) {
	r.Reported, r.Complete, r.Applied, r.Bytes, r.Records = true, report.Complete, report.Applied, report.Bytes, report.Records
	r.Missing, r.MissingBytes, r.Rotten, r.Problem = report.Missing, report.MissingBytes, report.Rotten, report.Problem
	r.LogLost = report.LogLost
}

// led takes in who leads as far as a report tells. The newest term is right,
// and in it whoever says it of itself.
func (s *ObservedShard) led(node string, report ReplicaReport, rate float64) {
	switch {
	case report.Leads && report.Term >= s.Term:
		s.Leader, s.Term, s.WriteRate, s.members = node, report.Term, rate, report.Members
	case report.Leader != "" && report.Term > s.Term:
		s.Leader, s.Term, s.members = report.Leader, report.Term, nil
	}
}

// count adds up what nodes hold.
func (p *picture) count() {
	at := make(map[string]*ObservedNode, len(p.observed.Nodes))
	for i := range p.observed.Nodes {
		at[p.observed.Nodes[i].ID] = &p.observed.Nodes[i]
	}
	for _, s := range p.observed.Shards {
		for _, r := range s.Replicas {
			if n := at[r.Node]; n != nil {
				n.Replicas++
				n.Bytes += r.Bytes
				if s.Leader == r.Node {
					n.Leaders++
				}
			}
		}
	}
}

package placement_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/model"
)

// world is a cluster that does what plans say, one step at a time, and looks
// after each step whether what was promised holds.
type world struct {
	t      *testing.T
	random *rand.Rand
	state  placement.State
	limits placement.Limits
	shard  map[model.ShardID]int
	node   map[string]int
	// left are the replicas that were moved away since the cluster was left
	// alone: none may come back.
	left     map[string]bool
	settling bool
	strict   bool // no replica may come back at all
	returns  int
	copied   int64
	moves    map[placement.Kind]int
}

const (
	gib  = 1 << 30
	long = time.Hour
)

func nodeID(i int) string { return fmt.Sprintf("n%04d", i) }

func newWorld(t *testing.T, seed uint64) *world {
	return &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), shard: map[model.ShardID]int{}, node: map[string]int{}, left: map[string]bool{}, moves: map[placement.Kind]int{}}
}

func (w *world) addNode(zone string, capacity int64) string {
	id := nodeID(len(w.state.Nodes))
	w.node[id] = len(w.state.Nodes)
	w.state.Nodes = append(w.state.Nodes, placement.Node{ID: id, Zone: zone, Capacity: capacity, For: long})
	return id
}

// addShard makes a shard on random nodes: as bad an arrangement as can be.
func (w *world) addShard(bytes int64, wanted int) {
	s := placement.Shard{ID: model.ShardID(len(w.state.Shards)), Bytes: bytes, Wanted: wanted, WriteRate: w.random.Float64()}
	for _, i := range w.random.Perm(len(w.state.Nodes)) {
		if n := &w.state.Nodes[i]; len(s.Replicas) < wanted && n.State == placement.Alive {
			s.Replicas = append(s.Replicas, placement.Replica{Node: n.ID, Complete: true})
			n.Used += bytes
		}
	}
	if len(s.Replicas) > 0 {
		s.Leader = s.Replicas[0].Node
	}
	w.shard[s.ID] = len(w.state.Shards)
	w.state.Shards = append(w.state.Shards, s)
}

func (w *world) up(id string) bool {
	state := w.state.Nodes[w.node[id]].State
	return state == placement.Alive || state == placement.Draining
}

func (w *world) healthy(s *placement.Shard) (n int) {
	for _, r := range s.Replicas {
		if w.up(r.Node) && r.Complete && !r.Learner {
			n++
		}
	}
	return n
}

func (w *world) zones(s *placement.Shard) map[string]int {
	zones := map[string]int{}
	for _, r := range s.Replicas {
		if !r.Learner {
			zones[w.state.Nodes[w.node[r.Node]].Zone]++
		}
	}
	return zones
}

// set changes the state of a node; shards that it led get another leader.
func (w *world) set(id string, state placement.NodeState, since time.Duration) {
	n := &w.state.Nodes[w.node[id]]
	n.State, n.For = state, since
	clear(w.left)
	for i := range w.state.Shards {
		s := &w.state.Shards[i]
		if s.Leader != "" && w.up(s.Leader) {
			continue
		}
		s.Leader = ""
		for _, r := range s.Replicas {
			if w.up(r.Node) && r.Complete && !r.Learner && 2*w.healthy(s) > len(s.Replicas) {
				s.Leader = r.Node
				break
			}
		}
	}
}

// plan plans, and checks the plan as it stands.
func (w *world) plan() placement.Result {
	w.t.Helper()
	result := placement.Plan(w.state, w.limits)
	w.checkPlan(result)
	return result
}

func (w *world) checkPlan(result placement.Result) {
	w.t.Helper()
	busy := map[model.ShardID]bool{}
	sends, receives, copies := map[string]int{}, map[string]int{}, 0
	occupy := func(m placement.Move) {
		if m.Bytes > 0 || m.Kind == placement.AddReplica || m.Kind == placement.ReplaceReplica || m.Kind == placement.MoveReplica {
			sends[m.Source] += m.Weight()
			receives[m.To] += m.Weight()
			copies += m.Weight()
		}
		busy[m.Shard] = true
	}
	for _, m := range w.state.Moves {
		occupy(m)
	}
	priority := placement.Priority(0)
	for _, m := range result.Moves {
		if m.Priority < priority && m.Priority != placement.Repair && m.Priority != placement.Surplus && m.Priority < placement.Drain {
			w.t.Fatalf("%v comes after %v: %+v", m.Priority, priority, m)
		}
		priority = m.Priority
		if m.Reason == "" {
			w.t.Fatalf("no reason: %+v", m)
		}
		if m.Wait != placement.Ready {
			continue
		}
		if busy[m.Shard] {
			w.t.Fatalf("two moves of one shard at a time: %+v", m)
		}
		occupy(m)
		w.checkReady(m)
	}
	limit := w.limits
	if limit.PerSource == 0 {
		limit.PerSource, limit.PerTarget, limit.Copies = 2, 2, max(4, len(w.state.Nodes)/4)
	}
	for id, n := range sends {
		if n > limit.PerSource*placement.SmallShare {
			w.t.Fatalf("%s sends %d", id, n)
		}
	}
	for id, n := range receives {
		if n > limit.PerTarget*placement.SmallShare {
			w.t.Fatalf("%s receives %d", id, n)
		}
	}
	if copies > limit.Copies*placement.SmallShare {
		w.t.Fatalf("%d copies", copies)
	}
}

func (w *world) checkReady(m placement.Move) {
	w.t.Helper()
	s := &w.state.Shards[w.shard[m.Shard]]
	at := func(id string) int {
		return slices.IndexFunc(s.Replicas, func(r placement.Replica) bool { return r.Node == id })
	}
	if m.From != "" && at(m.From) < 0 {
		w.t.Fatalf("from a node that has no replica: %+v", m)
	}
	if m.Kind == placement.RemoveReplica {
		return
	}
	if n := w.state.Nodes[w.node[m.To]]; n.State != placement.Alive {
		w.t.Fatalf("to a node that is %v: %+v", n.State, m)
	}
	if m.Kind == placement.TransferLeadership {
		if i := at(m.To); i < 0 || s.Replicas[i].Learner || !s.Replicas[i].Complete || s.Leader != m.From {
			w.t.Fatalf("to a replica that cannot lead: %+v of %+v", m, s)
		}
		return
	}
	if i := at(m.To); i >= 0 && !s.Replicas[i].Learner {
		w.t.Fatalf("a second replica on a node: %+v", m)
	}
	if i := at(m.Source); i < 0 || !s.Replicas[i].Complete || !w.up(m.Source) {
		w.t.Fatalf("from a source that has not the bytes: %+v of %+v", m, s)
	}
	if m.Kind == placement.MoveReplica && !w.up(m.From) || m.Kind == placement.ReplaceReplica && w.up(m.From) {
		w.t.Fatalf("wrong kind: %+v", m)
	}
}

// start begins a move: the target becomes a learner.
func (w *world) start(m placement.Move) {
	s := &w.state.Shards[w.shard[m.Shard]]
	if m.To != "" && m.Kind != placement.TransferLeadership {
		key := fmt.Sprint(m.Shard, m.To)
		if w.settling && w.left[key] {
			if w.returns++; w.strict {
				w.t.Fatalf("a replica comes back: %+v", m)
			}
		}
		if !slices.ContainsFunc(s.Replicas, func(r placement.Replica) bool { return r.Node == m.To }) {
			s.Replicas = append(slices.Clone(s.Replicas), placement.Replica{Node: m.To, Learner: true})
			w.state.Nodes[w.node[m.To]].Used += m.Bytes
		}
	}
	w.state.Moves = append(w.state.Moves, m)
}

// finish ends a move and checks what it did.
func (w *world) finish(i int) {
	w.t.Helper()
	m := w.state.Moves[i]
	w.state.Moves = slices.Delete(slices.Clone(w.state.Moves), i, i+1)
	s := &w.state.Shards[w.shard[m.Shard]]
	healthy, zones := w.healthy(s), len(w.zones(s))
	before := len(s.Replicas)
	s.Finish(m)
	if after := w.healthy(s); after < min(healthy, s.Wanted) {
		w.t.Fatalf("%d healthy replicas became %d: %+v", healthy, after, m)
	}
	if m.Priority == placement.Balance || m.Priority == placement.Disk || m.Priority == placement.Zone {
		if after := len(w.zones(s)); after < zones {
			w.t.Fatalf("%d zones became %d: %+v", zones, after, m)
		}
	}
	seen := map[string]bool{}
	for _, r := range s.Replicas {
		if seen[r.Node] {
			w.t.Fatalf("two replicas on %s: %+v", r.Node, s)
		}
		seen[r.Node] = true
	}
	if m.From != "" && m.Kind != placement.TransferLeadership {
		w.state.Nodes[w.node[m.From]].Used -= s.Bytes
		w.left[fmt.Sprint(m.Shard, m.From)] = true
	}
	if s.Leader == "" && w.healthy(s) > 0 && before > 0 {
		s.Leader = s.Replicas[slices.IndexFunc(s.Replicas, func(r placement.Replica) bool { return w.up(r.Node) && r.Complete && !r.Learner })].Node
	}
	for _, n := range w.state.Nodes {
		if n.Capacity > 0 && m.To == n.ID && m.Bytes > 0 && float64(n.Used) > placement.DiskRefuse*float64(n.Capacity) {
			w.t.Fatalf("disk of %s has %d of %d bytes after %+v", n.ID, n.Used, n.Capacity, m)
		}
	}
	w.copied += m.Bytes
	w.moves[m.Kind]++
}

// give up ends a move without success.
func (w *world) giveUp(m placement.Move) {
	i := slices.IndexFunc(w.state.Moves, func(other placement.Move) bool { return other.Shard == m.Shard && other.To == m.To })
	w.state.Moves = slices.Delete(slices.Clone(w.state.Moves), i, i+1)
	s := &w.state.Shards[w.shard[m.Shard]]
	if m.Kind == placement.TransferLeadership {
		return
	}
	s.Replicas = slices.DeleteFunc(slices.Clone(s.Replicas), func(r placement.Replica) bool {
		if r.Node == m.To && r.Learner {
			w.state.Nodes[w.node[m.To]].Used -= m.Bytes
			return true
		}
		return false
	})
}

// round plans, begins what is ready, and ends some of what has begun.
func (w *world) round(share float64) placement.Result {
	w.t.Helper()
	result := w.plan()
	for _, m := range result.Cancel {
		w.giveUp(m)
	}
	for _, m := range result.Ready() {
		w.start(m)
	}
	for i := len(w.state.Moves) - 1; i >= 0; i-- {
		if w.random.Float64() < share && w.canFinish(w.state.Moves[i]) {
			w.finish(i)
		}
	}
	return result
}

// canFinish reports whether the nodes of a move answer and a majority decides.
func (w *world) canFinish(m placement.Move) bool {
	s := &w.state.Shards[w.shard[m.Shard]]
	return (m.To == "" || w.up(m.To)) && w.healthy(s) > 0
}

// settle goes on until there is nothing left to do.
func (w *world) settle(share float64) (rounds int) {
	w.t.Helper()
	for len(w.state.Moves) > 0 {
		if m := w.state.Moves[0]; w.canFinish(m) && m.Kind != placement.RemoveReplica {
			w.finish(0)
		} else {
			w.giveUp(m)
		}
	}
	clear(w.left)
	w.settling = true
	defer func() { w.settling = false }()
	for ; ; rounds++ {
		going := len(w.state.Moves)
		result := w.round(share)
		if len(result.Moves)+len(result.Cancel)+going == 0 {
			return rounds
		}
		if most := 60 + 20*len(w.state.Shards); rounds > most {
			w.t.Fatalf("after %d rounds there are still %d moves, first %+v", rounds, len(result.Moves), result.Moves[:min(3, len(result.Moves))])
		}
	}
}

// all executes a whole plan in its order.
func (w *world) all(result placement.Result) {
	w.t.Helper()
	for _, m := range result.Moves {
		w.start(m)
		w.finish(len(w.state.Moves) - 1)
	}
}

func (w *world) leaders() map[string]int {
	leaders := map[string]int{}
	for _, s := range w.state.Shards {
		leaders[s.Leader]++
	}
	return leaders
}

func (w *world) loads() map[string]int64 {
	loads := map[string]int64{}
	for _, n := range w.state.Nodes {
		if n.State == placement.Alive {
			loads[n.ID] = 0
		}
	}
	for _, s := range w.state.Shards {
		for _, r := range s.Replicas {
			loads[r.Node] += s.Bytes
		}
	}
	return loads
}

// shuffled is the same state in another order.
func (w *world) shuffled() placement.State {
	s := placement.State{Nodes: slices.Clone(w.state.Nodes), Shards: slices.Clone(w.state.Shards), Moves: slices.Clone(w.state.Moves), Tenants: slices.Clone(w.state.Tenants)}
	w.random.Shuffle(len(s.Nodes), func(i, j int) { s.Nodes[i], s.Nodes[j] = s.Nodes[j], s.Nodes[i] })
	w.random.Shuffle(len(s.Shards), func(i, j int) { s.Shards[i], s.Shards[j] = s.Shards[j], s.Shards[i] })
	return s
}

func equal(t *testing.T, a, b any) {
	t.Helper()
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("have\n%+v\nwant\n%+v", a, b)
	}
}

func sortedValues(m map[string]int) []int {
	return slices.Sorted(maps.Values(m))
}

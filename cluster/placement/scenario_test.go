package placement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/placement"
)

// regular is a cluster of many equal shards that has come to rest.
func regular(t *testing.T, zones, perZone, shards, wanted int) *world {
	w := newWorld(t, uint64(zones*1000+perZone))
	for i := range zones * perZone {
		w.addNode(fmt.Sprintf("z%d", i%zones), 8000*gib)
	}
	for range shards {
		w.addShard(9*gib+w.random.Int64N(2*gib), wanted)
	}
	w.settle(1)
	w.checkRest()
	w.copied, w.strict = 0, true
	clear(w.moves)
	return w
}

// rest settles the cluster and wants no more bytes copied than the lower bound
// and a tenth, and every node within the band.
func (w *world) rest(bound int64) {
	w.t.Helper()
	w.copied = 0
	rounds := w.settle(0.8)
	w.checkRest()
	w.t.Logf("%d rounds, %.3f of the lower bound", rounds, float64(w.copied)/float64(bound))
	if float64(w.copied) > 1.1*float64(bound) {
		w.t.Errorf("copied %d bytes, %d are enough", w.copied, bound)
	}
	if w.copied < bound*9/10 {
		w.t.Errorf("copied %d bytes, less than the bound %d: the bound is wrong", w.copied, bound)
	}
	zones, loads := map[string][]int64{}, w.loads()
	for _, n := range w.state.Nodes {
		if n.State == placement.Alive {
			zones[n.Zone] = append(zones[n.Zone], loads[n.ID])
		}
	}
	for zone, loads := range zones {
		var sum int64
		for _, n := range loads {
			sum += n
		}
		mean := float64(sum) / float64(len(loads))
		if low, high := float64(slices.Min(loads))/mean, float64(slices.Max(loads))/mean; low < 0.9 || high > 1.1 {
			w.t.Errorf("nodes of zone %s have %.2f to %.2f of their mean", zone, low, high)
		}
	}
	leaders := w.leaders()
	counts := sortedValues(leaders)
	if counts[len(counts)-1]-counts[0] > 1 {
		w.t.Errorf("nodes lead %d to %d shards", counts[0], counts[len(counts)-1])
	}
	if again := w.plan(); len(again.Moves) > 0 {
		w.t.Errorf("at rest there are %d moves, first %+v", len(again.Moves), again.Moves[0])
	}
}

func (w *world) load(ids ...string) (sum int64) {
	for _, s := range w.state.Shards {
		for _, r := range s.Replicas {
			if slices.Contains(ids, r.Node) {
				sum += s.Bytes
			}
		}
	}
	return sum
}

// lacking is what nodes lack of nine tenths of what a node has on average.
func (w *world) lacking(ids ...string) (sum int64) {
	var all int64
	loads := w.loads()
	for _, n := range loads {
		all += n
	}
	for _, id := range ids {
		sum += max(0, all*9/10/int64(len(loads))-w.load(id))
	}
	return sum
}

func TestNodeDies(t *testing.T) {
	w := regular(t, 3, 8, 400, 3)
	bound := w.load(nodeID(5))
	w.set(nodeID(5), placement.Dead, time.Minute)
	if result := w.plan(); slices.ContainsFunc(result.Moves, func(m placement.Move) bool { return m.Bytes > 0 }) {
		t.Errorf("a node is dead for a minute, and already %+v", result.Moves[0])
	}
	w.set(nodeID(5), placement.Dead, 5*time.Minute)
	first := w.plan().Moves[0]
	if want := fmt.Sprintf("node n0005 is dead for 5m, shard %d has 2 of 3 replicas", first.Shard); first.Reason != want || first.Kind != placement.ReplaceReplica {
		t.Errorf("the first move is %+v, want the reason %q", first, want)
	}
	w.rest(bound)
	w.set(nodeID(5), placement.Alive, time.Second) // it comes back with nothing
	w.rest(w.lacking(nodeID(5)))
}

func TestTwoNodesDie(t *testing.T) {
	w := regular(t, 1, 12, 300, 5)
	bound := w.load(nodeID(1), nodeID(2))
	w.set(nodeID(1), placement.Gone, 0)
	w.set(nodeID(2), placement.Dead, time.Hour)
	healthy := 0
	for _, m := range w.plan().Moves {
		if m.Kind == placement.ReplaceReplica && m.Wait != placement.ForShard {
			now := w.healthy(&w.state.Shards[w.shard[m.Shard]])
			if now < healthy {
				t.Fatalf("%d healthy replicas after %d: %+v", now, healthy, m)
			}
			healthy = now
		}
	}
	w.rest(bound)
}

func TestNodesJoin(t *testing.T) {
	for _, zones := range []int{1, 3, 5} {
		w := regular(t, zones, 20, 800, 3)
		var joined []string
		for i := range zones {
			joined = append(joined, w.addNode(fmt.Sprintf("z%d", i), 8000*gib))
		}
		w.rest(w.lacking(joined...))
	}
}

func TestZoneIsLost(t *testing.T) {
	for _, zones := range []int{3, 4} {
		w := regular(t, zones, 6, 400, 3)
		var lost []string
		for _, n := range w.state.Nodes {
			if n.Zone == "z1" {
				lost = append(lost, n.ID)
			}
		}
		bound := w.load(lost...)
		for _, id := range lost {
			w.set(id, placement.Dead, time.Hour)
		}
		w.rest(bound)
		for i := range w.state.Shards {
			for zone, n := range w.zones(&w.state.Shards[i]) {
				if zone == "z1" || n > (3+zones-2)/(zones-1) {
					t.Fatalf("%d replicas of a shard in zone %s", n, zone)
				}
			}
		}
	}
}

func TestZoneJoins(t *testing.T) {
	w := regular(t, 2, 6, 400, 3)
	for range 6 {
		w.addNode("z9", 8000*gib)
	}
	// Every shard has two replicas in one zone; one of them goes.
	var bound int64
	for _, s := range w.state.Shards {
		bound += s.Bytes
	}
	w.rest(bound)
}

func TestDrain(t *testing.T) {
	w := regular(t, 3, 8, 400, 3)
	bound := w.load(nodeID(7))
	w.set(nodeID(7), placement.Draining, 0)
	w.rest(bound)
	if left := w.load(nodeID(7)); left > 0 {
		t.Errorf("%d bytes are left on a drained node", left)
	}
}

// TestGrowthBelowTheBandMovesNothing: loads that vary by a few per cent are no
// reason to copy.
func TestGrowthBelowTheBandMovesNothing(t *testing.T) {
	w := regular(t, 3, 8, 800, 3)
	for i := range w.state.Shards {
		s := &w.state.Shards[i]
		s.Bytes += w.random.Int64N(s.Bytes / 20)
	}
	if result := w.plan(); len(result.Moves) > 0 {
		t.Errorf("%d moves, first %+v", len(result.Moves), result.Moves[0])
	}
}

func TestRaiseAndLower(t *testing.T) {
	w := regular(t, 3, 4, 100, 3)
	var sum int64
	for i := range w.state.Shards {
		w.state.Shards[i].Wanted = 5
		sum += w.state.Shards[i].Bytes
	}
	w.rest(2 * sum)
	for i := range w.state.Shards {
		w.state.Shards[i].Wanted = 1
	}
	w.settle(1)
	w.checkRest()
	if w.moves[placement.RemoveReplica] != 400 {
		t.Errorf("removed %d replicas, want 400", w.moves[placement.RemoveReplica])
	}
}

// TestFactorGrowsWithTheCluster: from one node to three and five.
func TestFactorGrowsWithTheCluster(t *testing.T) {
	w := newWorld(t, 1)
	w.addNode("", 100*gib)
	for range 8 {
		w.addShard(gib, 5)
	}
	for nodes, want := range []int{1, 1, 3, 3, 5, 5} {
		w.settle(1)
		for i := range w.state.Shards {
			if n := w.healthy(&w.state.Shards[i]); n != want {
				t.Fatalf("%d nodes: a shard has %d replicas, want %d", nodes+1, n, want)
			}
		}
		if few := w.plan().Counts[placement.FewNodes]; (few > 0) != (want < 5) {
			t.Errorf("%d nodes: %d shards are reported to want more", nodes+1, few)
		}
		w.addNode("", 100*gib)
	}
}

// TestLeadersOnFullDisks: where all disks are above the first mark, the nodes that are below
// the next one lead, level; who is above that leads nothing.
func TestLeadersOnFullDisks(t *testing.T) {
	for _, test := range []struct {
		shares []int64 // of the disks, percent
		leads  []bool
		level  bool
	}{
		{[]int64{81, 82, 83}, []bool{true, true, true}, true},
		{[]int64{78, 79, 90}, []bool{true, true, false}, true},
		{[]int64{81, 84, 92}, []bool{true, true, false}, true},
		{[]int64{90, 92, 94}, []bool{true, true, true}, true},
		{[]int64{76, 78, 90}, []bool{true, true, false}, false}, // 78: what it leads it keeps, and it gets nothing
	} {
		w := newWorld(t, 1)
		for range test.shares {
			w.addNode("", 1000*gib)
		}
		for range 12 {
			w.addShard(0, 3)
		}
		w.settle(1)
		for i, share := range test.shares {
			w.state.Nodes[i].Used = share * 10 * gib
		}
		for range 40 {
			w.round(1)
		}
		lead, most, least := w.leaders(), 0, 12
		for i, leads := range test.leads {
			n := lead[nodeID(i)]
			if leads != (n > 0) {
				t.Errorf("%v: %v lead", test.shares, lead)
			}
			if leads {
				most, least = max(most, n), min(least, n)
			}
		}
		if test.level && most > least+1 {
			t.Errorf("%v: %v lead", test.shares, lead)
		}
	}
}

func TestDisks(t *testing.T) {
	w := regular(t, 1, 10, 200, 3)
	n := &w.state.Nodes[3]
	n.Capacity, n.Used = 1000*gib, 860*gib // what else is on the disk counts
	w.strict = true
	excess := n.Used - 800*gib
	before := w.load(n.ID)
	w.copied = 0
	w.settle(1)
	if share := float64(w.state.Nodes[3].Used) / float64(1000*gib); share > placement.DiskShedLeaders {
		t.Errorf("the disk is %.2f full", share)
	}
	if moved := before - w.load(n.ID); moved < excess {
		t.Errorf("%d bytes left the node, %d are too much", moved, excess)
	}
	w = regular(t, 1, 10, 200, 3)
	w.state.Nodes[3].Used = 8000 * gib * 82 / 100
	w.settle(1)
	if w.leaders()[nodeID(3)] != 0 || w.load(nodeID(3)) == 0 {
		t.Errorf("a node above its first mark leads %d shards and holds %d bytes", w.leaders()[nodeID(3)], w.load(nodeID(3)))
	}
	w.state.Nodes[3].Used = 8000 * gib * 78 / 100
	if result := w.plan(); len(result.Moves) > 0 {
		t.Errorf("below the mark leaders come back at once: %+v", result.Moves[0])
	}
	// All disks are nearly full: a lost replica has no place.
	for i := range w.state.Nodes {
		w.state.Nodes[i].Used = w.state.Nodes[i].Capacity * 96 / 100
	}
	w.set(nodeID(9), placement.Gone, 0)
	result := w.plan()
	if result.Counts[placement.NoTarget] == 0 || slices.ContainsFunc(result.Moves, func(m placement.Move) bool { return m.Bytes > 0 }) {
		t.Errorf("full disks take replicas: %+v", result)
	}
}

func TestWhatCannotBeMended(t *testing.T) {
	w := regular(t, 1, 3, 10, 3)
	w.set(nodeID(0), placement.Dead, time.Second)
	w.set(nodeID(1), placement.Dead, time.Second)
	result := w.plan()
	if len(result.Moves) > 0 || result.Counts[placement.NoQuorum] != 10 || !strings.Contains(result.Problems[0].Reason, "node n0000 is dead for 1s") {
		t.Errorf("without a majority: %+v", result)
	}
	w.set(nodeID(2), placement.Gone, 0)
	if result = w.plan(); len(result.Moves) > 0 || result.Counts[placement.NoReplica] != 10 {
		t.Errorf("without a replica: %+v", result)
	}
}

// TestMovesThatCannotEnd are given up, and the shard is planned for afterwards.
func TestMovesThatCannotEnd(t *testing.T) {
	w := regular(t, 1, 8, 40, 3)
	w.set(nodeID(0), placement.Gone, 0)
	w.start(w.plan().Ready()[0])
	m := w.state.Moves[0]
	w.set(m.To, placement.Gone, 0)
	result := w.plan()
	if len(result.Cancel) != 1 || result.Cancel[0].Reason != "node "+m.To+" is gone" {
		t.Fatalf("cancelled is %+v", result.Cancel)
	}
	w.giveUp(m)
	w.settle(1)
	w.checkRest()
	// A removal is not wanted any more when another replica is lost meanwhile.
	w.state.Shards[0].Wanted = 1
	w.start(w.plan().Ready()[0])
	w.state.Shards[0].Wanted = 3
	if result = w.plan(); len(result.Cancel) != 1 || len(result.Moves) > 0 {
		t.Errorf("cancelled is %+v, planned %+v", result.Cancel, result.Moves)
	}
	// Nor is one that would leave two voters, one of which is dead.
	s := &w.state.Shards[0]
	s.Wanted = 1
	from := w.state.Moves[0].From
	if result = w.plan(); len(result.Cancel) != 0 {
		t.Errorf("cancelled is %+v", result.Cancel)
	}
	other := s.Replicas[slices.IndexFunc(s.Replicas, func(r placement.Replica) bool { return r.Node != from })].Node
	w.set(other, placement.Dead, time.Second)
	if result = w.plan(); len(result.Cancel) != 1 || !strings.Contains(result.Cancel[0].Reason, "no majority") {
		t.Errorf("cancelled is %+v", result.Cancel)
	}
}

// TestStrays: learners that nobody waits for are used or removed.
func TestStrays(t *testing.T) {
	w := regular(t, 1, 6, 30, 3)
	add := func(s *placement.Shard, complete bool) string {
		for _, n := range w.state.Nodes {
			if !slices.ContainsFunc(s.Replicas, func(r placement.Replica) bool { return r.Node == n.ID }) {
				s.Replicas = append(s.Replicas, placement.Replica{Node: n.ID, Learner: true, Complete: complete})
				return n.ID
			}
		}
		return ""
	}
	s := &w.state.Shards[0]
	stray := add(s, true)
	if m := w.plan().Moves[0]; m.Kind != placement.RemoveReplica || m.From != stray {
		t.Errorf("the move is %+v", m)
	}
	lost := s.Replicas[0].Node
	w.set(lost, placement.Gone, 0)
	for _, m := range w.plan().Moves {
		if m.Shard == s.ID && m.Kind != placement.TransferLeadership && (m.To != stray || m.From != lost || m.Bytes != 0) {
			t.Errorf("the move is %+v", m)
		}
	}
}

// TestNonsense: what is wrong in a state must not stop the planner.
func TestNonsense(t *testing.T) {
	for _, state := range []placement.State{
		{},
		{Shards: []placement.Shard{{ID: 1, Wanted: 3, Bytes: -5, Replicas: []placement.Replica{{Node: "x"}, {Node: "x"}}, Leader: "y"}}},
		{Nodes: []placement.Node{{ID: "a"}, {ID: "a", State: 77}, {ID: "b", Used: -1, Capacity: -1}}, Shards: []placement.Shard{
			{ID: 1, Wanted: -1, Replicas: []placement.Replica{{Node: "x", Complete: true}, {Node: "a", Complete: true}}, Leader: "x"},
			{ID: 1, Wanted: 9}, {ID: 2, Wanted: 99}},
			Moves: []placement.Move{{Shard: 9}, {Shard: 1, Kind: placement.MoveReplica, From: "q", To: "r"}, {Kind: 99, Shard: 2, To: "b"}}},
	} {
		placement.Plan(state, placement.Limits{})
		placement.Voters(state.Nodes, 3)
	}
}

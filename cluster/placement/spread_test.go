package placement_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/model"
)

func TestSpread(t *testing.T) {
	const day = placement.ShardBytesPerDay
	for _, tc := range []struct {
		bytes                 int64
		shards, current, want int
	}{
		{0, 64, 0, 1}, {-1, 64, 0, 1}, {day, 64, 0, 1}, {day + 1, 64, 1, 2}, {2 * day, 64, 1, 2}, {2*day + 1, 64, 1, 4}, {5 * day, 64, 2, 8},
		{1 << 62, 64, 8, 64}, {1 << 62, 3, 1, 3}, {0, 64, 16, 16}, {0, 4, 16, 16}, {0, 0, 0, 1},
	} {
		if have := placement.Spread(tc.bytes, tc.shards, tc.current); have != tc.want {
			t.Errorf("Spread(%d, %d, %d) is %d, want %d", tc.bytes, tc.shards, tc.current, have, tc.want)
		}
	}
}

func ids(n int) []model.ShardID {
	all := make([]model.ShardID, n)
	for i := range all {
		all[i] = model.ShardID(i)
	}
	return all
}

func TestGrowKeepsWhatThereIs(t *testing.T) {
	for tenant := range 50 {
		name := model.TenantID(fmt.Sprintf("tenant-%d", tenant))
		var have []model.ShardID
		for n := 1; n <= 64; n *= 2 {
			grown := placement.Grow(name, have, ids(32+n), n)
			if len(grown) != n || !slices.Equal(grown[:len(have)], have) {
				t.Fatalf("%v became %v", have, grown)
			}
			sorted := slices.Clone(grown)
			slices.Sort(sorted)
			if len(slices.Compact(sorted)) != n {
				t.Fatalf("a shard twice: %v", grown)
			}
			have = grown
		}
		// Growing at once and in steps comes to the same.
		if a, b := placement.Grow(name, nil, ids(64), 8), placement.Grow(name, placement.Grow(name, nil, ids(64), 3), ids(64), 8); !slices.Equal(a, b) {
			t.Fatalf("%v and %v", a, b)
		}
	}
	if n := len(placement.Grow("a", nil, ids(3), 5)); n != 3 {
		t.Errorf("%d shards of 3", n)
	}
	if n := len(placement.Grow("a", ids(3), ids(3), 2)); n != 3 {
		t.Errorf("growing to 2 leaves %d of 3", n)
	}
}

// TestGrowIsForEver: where tenants lie must not change with a release.
func TestGrowIsForEver(t *testing.T) {
	equal(t, placement.Grow("default", nil, ids(64), 6), []model.ShardID{60, 1, 2, 26, 5, 42})
	equal(t, placement.Grow("tenant-7", nil, ids(64), 6), []model.ShardID{62, 35, 36, 18, 56, 6})
}

func TestTenantsLieEvenly(t *testing.T) {
	const tenants, shards = 20000, 64
	count := make([]int, shards)
	for i := range tenants {
		count[placement.Grow(model.TenantID(fmt.Sprint("t", i)), nil, ids(shards), 1)[0]]++
	}
	slices.Sort(count)
	// The spread of a fair draw is about 18; five times that is far out.
	if mean := tenants / shards; count[0] < mean-90 || count[shards-1] > mean+90 {
		t.Errorf("shards have %d to %d tenants, the mean is %d", count[0], count[shards-1], mean)
	}
}

func TestGrowths(t *testing.T) {
	w := regular(t, 1, 3, 16, 1)
	w.state.Tenants = []placement.Tenant{{ID: "c", Shards: 1, BytesPerDay: 100 << 40}, {ID: "b", Shards: 4, BytesPerDay: 1}, {ID: "a", BytesPerDay: 1}}
	equal(t, w.plan().Growths, []placement.Growth{{Tenant: "a", From: 0, To: 1}, {Tenant: "c", From: 1, To: 16}})
}

func TestVoters(t *testing.T) {
	node := func(id, zone string, voter bool, age time.Duration) placement.Node {
		return placement.Node{ID: id, Zone: zone, Voter: voter, For: age}
	}
	dead := func(n placement.Node, age time.Duration) placement.Node {
		n.State, n.For = placement.Dead, age
		return n
	}
	a, b, c := node("a", "x", false, time.Hour), node("b", "y", false, time.Minute), node("c", "z", false, time.Second)
	d, e, f := node("d", "x", true, time.Second), node("e", "x", true, time.Second), node("f", "y", true, time.Minute)
	full := placement.Node{ID: "g", Zone: "q", Capacity: 100, Used: 99}
	for i, tc := range []struct {
		nodes []placement.Node
		want  int
		ids   []string
	}{
		{nil, 5, nil},
		{[]placement.Node{a}, 5, []string{"a"}},
		{[]placement.Node{a, b}, 5, []string{"a"}},
		{[]placement.Node{a, b, c}, 5, []string{"a", "b", "c"}},
		{[]placement.Node{a, b, c}, 1, []string{"a"}},
		{[]placement.Node{a, b, d, e, f}, 3, []string{"d", "e", "f"}},                    // who votes stays
		{[]placement.Node{a, b, c, d, e, f}, 3, []string{"c", "d", "f"}},                 // but for a zone
		{[]placement.Node{a, b, d, dead(e, time.Second), f}, 3, []string{"d", "e", "f"}}, // a restart
		{[]placement.Node{a, b, d, dead(e, time.Hour), f}, 3, []string{"a", "d", "f"}},   // a death
		{[]placement.Node{a, b, c, d, e, f, full}, 5, []string{"b", "c", "d", "e", "f"}},
		{[]placement.Node{{ID: "h", State: placement.Draining, Voter: true}, a}, 1, []string{"a"}}, // a drain
	} {
		have := placement.Voters(tc.nodes, tc.want)
		if !slices.Equal(have, tc.ids) {
			t.Errorf("case %d: voters are %v, want %v", i, have, tc.ids)
		}
		slices.Reverse(tc.nodes)
		if again := placement.Voters(tc.nodes, tc.want); !slices.Equal(have, again) {
			t.Errorf("case %d: in another order the voters are %v, not %v", i, again, have)
		}
	}
}

func TestPlace(t *testing.T) {
	node := func(id string, used int64, state placement.NodeState) placement.Node {
		return placement.Node{ID: id, Capacity: 100, Used: used, State: state}
	}
	on := func(nodes ...string) (s placement.Shard) {
		for _, n := range nodes {
			s.Replicas = append(s.Replicas, placement.Replica{Node: n})
		}
		return s
	}
	state := placement.State{
		Nodes: []placement.Node{
			node("a", 50, placement.Alive), node("b", 10, placement.Alive), node("c", 20, placement.Alive),
			node("dead", 0, placement.Dead), node("drains", 0, placement.Draining), node("full", 81, placement.Alive),
		},
		Shards: []placement.Shard{on("a", "b"), on("b", "c"), on("b")},
	}
	for i, want := range [][]string{{"c"}, {"c", "a"}, {"c", "a", "c"}, {"c", "a", "c", "a"}, {"c", "a", "c", "a", "b"}} {
		equal(t, placement.Place(state, i+1), want)
	}
	state.Nodes = state.Nodes[3:]
	if have := placement.Place(state, 2); have != nil {
		t.Errorf("placed on %v", have)
	}
}

package catalogue

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
)

// TestRules tries what each rule is there to refuse, and what it just allows,
// on the sample: node a drains and leaves shard 0 for b; shards 1 to 3 are on a.
func TestRules(t *testing.T) {
	const unknown, nodeC = "00000000000000ff", "000000000000000c"
	on := func(replicas ...Replica) []Replica { return replicas }
	a, b := Replica{Node: nodeA, Role: Voter}, Replica{Node: nodeB, Role: Joining}
	as := func(r Replica, role Role) Replica { r.Role = role; return r }
	edit := func(change func(*Node)) PutNode {
		n := node(nodeC)
		change(&n)
		return PutNode{Node: n}
	}
	for _, test := range []struct {
		c    Command
		want error
	}{
		{initial(), ErrConflict},
		{edit(func(*Node) {}), nil},
		{edit(func(n *Node) { n.Name = node(nodeA).Name }), ErrRefused},
		{edit(func(n *Node) { n.Name = "Upper" }), ErrInvalid},
		{edit(func(n *Node) { n.Name = strings.Repeat("n", 64) }), nil},
		{edit(func(n *Node) { n.Name = strings.Repeat("n", 65) }), ErrInvalid},
		{edit(func(n *Node) { n.ID = "c" }), ErrInvalid},
		{edit(func(n *Node) { n.Zone = "a b" }), ErrInvalid},
		{edit(func(n *Node) { n.Address, n.API = "", "host.example:80" }), nil},
		{edit(func(n *Node) { n.Address = "host" }), ErrInvalid},
		{edit(func(n *Node) { n.Address = ":7000" }), ErrInvalid},
		{edit(func(n *Node) { n.Address = "host:0" }), ErrInvalid},
		{edit(func(n *Node) { n.Address = "host:65536" }), ErrInvalid},
		{edit(func(n *Node) { n.API = "ho st:1" }), ErrInvalid},
		{edit(func(n *Node) { n.API = "[fe80::1%eth0]:1" }), nil},
		{edit(func(n *Node) { n.Version = "1\n" }), ErrInvalid},
		{edit(func(n *Node) { n.Formats = Formats{2, 1} }), ErrInvalid},
		{SetNodeState{ID: unknown, State: Draining}, ErrUnknownNode},
		{SetNodeState{ID: nodeA, State: "away"}, ErrInvalid},
		{SetNodeState{ID: nodeA, State: Gone}, ErrRefused},
		{SetNodeState{ID: nodeA, State: Gone, Force: true}, nil},
		{SetNodeState{ID: nodeA, State: Active}, nil},
		{SetReplicas{Shard: 9, Replicas: on(a)}, ErrUnknownShard},
		{SetReplicas{Shard: 0, Replicas: on(a, b), If: 6}, ErrConflict},
		{SetReplicas{Shard: 0, Replicas: on(a, b), If: 7}, nil},
		{SetReplicas{Shard: 0, Replicas: on(a, a)}, ErrRefused},
		{SetReplicas{Shard: 0}, ErrInvalid},
		{SetReplicas{Shard: 0, Replicas: on(as(a, Leaving), as(b, Leaving))}, ErrRefused},
		{SetReplicas{Shard: 0, Replicas: on(b)}, ErrRefused},
		{SetReplicas{Shard: 0, Replicas: on(as(b, Voter))}, nil},
		{SetReplicas{Shard: 1, Replicas: on(a, as(b, Voter))}, ErrRefused},
		{SetReplicas{Shard: 1, Replicas: on(a, b)}, nil},
		{SetReplicas{Shard: 1, Replicas: on(a, Replica{Node: unknown, Role: Joining})}, ErrUnknownNode},
		{SetReplicas{Shard: 1, Replicas: on(as(a, "leader"))}, ErrInvalid},
		{SetReplicas{Shard: 1, Replicas: on(Replica{Node: nodeA, Role: Voter, Reason: strings.Repeat("x", TextMax+1)})}, ErrInvalid},
		{SetReplicas{Shard: 1, Replicas: on(Replica{Node: nodeA, Role: Voter, Source: "x"})}, ErrInvalid},
		{SetReplicas{Shard: 1, Replicas: on(b, Replica{Node: nodeA, Role: Leaving, Successor: nodeB})}, nil},
		{SetReplicas{Shard: 1, Replicas: on(b, Replica{Node: nodeA, Role: Voter, Successor: nodeB})}, ErrInvalid},
		{SetReplicas{Shard: 1, Replicas: on(b, Replica{Node: nodeA, Role: Leaving, Successor: nodeA})}, ErrInvalid},
		{SetReplicas{Shard: 1, Replicas: on(b, Replica{Node: nodeA, Role: Leaving, Successor: "x"})}, ErrInvalid},
		{SetWanted{Shard: 1, Wanted: 2}, ErrInvalid},
		{SetWanted{Shard: 9, Wanted: 3}, ErrUnknownShard},
		{AddShards{Count: 1, Replicas: [][]Replica{on(b)}}, ErrInvalid},
		{AddShards{Count: 2, Replicas: [][]Replica{on(a)}}, ErrInvalid},
		{AddShards{Count: 1, Replicas: [][]Replica{on(a)}, First: 5}, ErrConflict},
		{AddShards{Count: 1, Replicas: [][]Replica{on(a, Replica{Node: nodeB})}, First: 4}, nil},
		{AddShards{Count: 1, Replicas: [][]Replica{on(Replica{Node: unknown})}}, ErrUnknownNode},
		{SetSettings{Settings: Settings{Replicas: 2, CatalogueVoters: 3}}, ErrInvalid},
		{SetSettings{Settings: Settings{Replicas: 3}}, ErrInvalid},
		{SetSettings{Settings: Settings{Replicas: 3, CatalogueVoters: 3}, If: 4}, ErrConflict},
		{SetTenant{ID: "a b"}, ErrInvalid},
		{SetTenant{ID: "t", Tenant: Tenant{Shards: []uint32{1, 1}}}, ErrInvalid},
		{SetTenant{ID: "t", Tenant: Tenant{Shards: []uint32{9}}}, ErrUnknownShard},
		{SetHealing{Name: "move", Cooldown: -1}, ErrInvalid},
		{SetHealing{}, ErrInvalid},
		{PutAction{Action{Number: 2, Name: "move", Outcome: ActionDone}}, nil},
		{PutAction{Action{Number: 3, Name: "move", Outcome: ActionDone}}, ErrInvalid},
		{PutAction{Action{Number: 1, Name: "move", Outcome: ActionDone, Started: 7, Ended: 9}}, nil},
		{PutAction{Action{Number: 1, Name: "drain", Outcome: ActionDone}}, ErrConflict},
		{PutAction{Action{Name: "move", Outcome: "over"}}, ErrInvalid},
		{PutAction{Action{Outcome: ActionDone}}, ErrInvalid},
	} {
		s := sample(t)
		next, err := s.Apply(30, test.c)
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) || (next == nil) != (err != nil) {
			t.Errorf("%#v: %v, want %v", test.c, err, test.want)
		}
		if err == nil {
			follows(t, s, next, test.c)
		}
	}
	if _, err := newState().Apply(1, SetNodeState{ID: nodeA, State: Gone}); !errors.Is(err, ErrRefused) {
		t.Errorf("before Init: %v", err)
	}
}

func apply(t testing.TB, s *State, c Command) *State {
	t.Helper()
	next, err := s.Apply(s.Index+1, c)
	if err != nil {
		t.Fatalf("%#v: %v", c, err)
	}
	return next
}

// TestGoneIsForGood: a node that is gone keeps its id, not its name, and its
// lost replicas stay until others took their place.
func TestGoneIsForGood(t *testing.T) {
	s := apply(t, sample(t), SetNodeState{ID: nodeA, State: Gone, Force: true})
	for _, c := range []Command{PutNode{Node: node(nodeA)}, SetNodeState{ID: nodeA, State: Active}} {
		if _, err := s.Apply(50, c); !errors.Is(err, ErrRefused) {
			t.Errorf("%#v: %v", c, err)
		}
	}
	if _, ok := s.Resolve(nodeA); ok {
		t.Error("a node that is gone has an address")
	}
	again := node("000000000000000c")
	again.Name = node(nodeA).Name
	s = apply(t, s, PutNode{Node: again})
	s = apply(t, s, SetReplicas{Shard: 1, Replicas: []Replica{{Node: nodeA, Role: Leaving}, {Node: again.ID, Role: Joining}}})
	if on := s.ReplicasOn(nodeA); !slices.Equal(on, []uint32{0, 1, 2, 3}) {
		t.Errorf("replicas of shards %v", on)
	}
	if _, err := s.Apply(50, SetReplicas{Shard: 1, Replicas: []Replica{{Node: again.ID, Role: Joining}}}); !errors.Is(err, ErrRefused) {
		t.Errorf("left with no complete replica: %v", err)
	}
	s = apply(t, s, SetReplicas{Shard: 1, Replicas: []Replica{{Node: again.ID, Role: Voter}}})
	if _, err := s.Apply(50, SetReplicas{Shard: 1, Replicas: []Replica{{Node: again.ID, Role: Voter}, {Node: nodeA, Role: Joining}}}); !errors.Is(err, ErrRefused) {
		t.Errorf("a replica for a node that is gone: %v", err)
	}
}

// TestSinceIsOfTheRole: a role that stays keeps its time.
func TestSinceIsOfTheRole(t *testing.T) {
	s := sample(t)
	s = apply(t, s, SetReplicas{Shard: 0, Replicas: []Replica{{Node: nodeA, Role: Leaving, Since: 99}, {Node: nodeB, Role: Voter}}, Time: 40})
	if r := s.Shards[0].Replicas; r[0].Since != 3 || r[1].Since != 40 {
		t.Errorf("%+v", r)
	}
	s = apply(t, s, PutNode{Node: node(nodeA), Time: 50})
	if n := s.Nodes[nodeA]; n.State != Draining || n.Since != 9 {
		t.Errorf("%+v", n)
	}
}

// TestHistory fills the history over its limit: what has ended goes first.
func TestHistory(t *testing.T) {
	s := sample(t) // action 1 runs
	for i := range ActionsMax + 10 {
		s = apply(t, s, PutAction{Action{Name: "drain", Outcome: ActionDone, Started: int64(i), DryRun: i%2 == 1}})
	}
	if len(s.Actions) != ActionsMax || s.Actions[0].Number != 1 || s.Actions[1].Number != 13 || s.Next != ActionsMax+12 {
		t.Fatalf("%d actions, first %d and %d, next %d", len(s.Actions), s.Actions[0].Number, s.Actions[1].Number, s.Next)
	}
	if h := s.Healing["drain"]; !h.Enabled || h.LastAt != ActionsMax+8 || h.Count != ActionsMax/2+4 {
		t.Errorf("%+v", h)
	}
	if _, err := s.Apply(9999, PutAction{Action{Number: 5, Name: "drain", Outcome: ActionDone}}); !errors.Is(err, ErrRefused) {
		t.Errorf("an action that is forgotten: %v", err)
	}
	running := s.Actions[0]
	running.Outcome, running.Ended = ActionFailed, 1
	s = apply(t, s, PutAction{running})
	s = apply(t, s, PutAction{running}) // once more
	if h := s.Healing["move"]; h.Count != 1 || h.LastAt != 7 || h.Cooldown != 5 {
		t.Errorf("%+v", h)
	}
	running.Detail = "other"
	if _, err := s.Apply(9999, PutAction{running}); !errors.Is(err, ErrConflict) {
		t.Errorf("an action that has ended: %v", err)
	}
	s = apply(t, s, PutAction{Action{Name: "drain", Outcome: ActionDone}})
	if s.Actions[0].Number != 13 {
		t.Errorf("first action %d", s.Actions[0].Number)
	}
}

// TestLimits fills what has a limit.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a state with all that it may have")
	}
	s := apply(t, newState(), initial())
	full := func(what string, c Command) {
		t.Helper()
		if _, err := s.Apply(s.Index+1, c); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range HealingMax {
		s = apply(t, s, SetHealing{Name: fmt.Sprint("a", i)})
	}
	full("names of actions", SetHealing{Name: "more"})
	s = apply(t, s, PutAction{Action{Name: "more", Outcome: ActionRunning, Started: 1}})

	// Filling the maps by commands would copy each of them as often as it is long.
	s.Tenants, s.Nodes, s.Shards = map[model.TenantID]Tenant{}, maps.Clone(s.Nodes), maps.Clone(s.Shards)
	for i := range TenantsMax {
		s.putTenant(model.TenantID(fmt.Sprint("t", i)), Tenant{Replicas: 1})
	}
	full("tenants", SetTenant{ID: "t", Tenant: Tenant{Replicas: 1}})
	apply(t, s, SetTenant{ID: "t7", Tenant: Tenant{Replicas: 3}})

	for i := 1; i < NodesMax; i++ {
		n := node(id(i + 100))
		n.Name, n.State = fmt.Sprint("n", i), Active
		s.Nodes[n.ID] = n
	}
	full("nodes", PutNode{Node: node(nodeB)})
	for i := range ShardsMax - 4 {
		s.putShard(Shard{Number: uint32(i + 4), Replicas: s.Shards[0].Replicas})
	}
	full("shards", AddShards{Count: 1, Replicas: [][]Replica{{{Node: nodeA}}}})
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	goneNodes(t, s)

	s.bytes = ofTenantsMax // as full as tenants may make it, healing goes on
	full("patterns", SetPatterns{Tenant: "t", Patterns: []byte("patterns")})
	full("saved queries", PutQuery{Tenant: "t", Query: SavedQuery{Name: "q", Text: "*"}})
	apply(t, s, SetReplicas{Shard: 1, Replicas: []Replica{{Node: nodeA, Role: Voter, Reason: "because"}}})

	s.bytes = contentMax
	if _, err := s.Apply(99, SetReplicas{Shard: 1, Replicas: []Replica{{Node: nodeA, Role: Voter, Reason: "because"}}}); !errors.Is(err, ErrRefused) {
		t.Errorf("a state that is full grows: %v", err)
	}
	apply(t, s, SetReplicas{Shard: 1, Replicas: []Replica{{Node: nodeA, Role: Voter}}})
}

// goneNodes makes more nodes gone than are remembered.
func goneNodes(t *testing.T, s *State) {
	t.Helper()
	s = apply(t, s, SetReplicas{Shard: 7, Replicas: []Replica{{Node: nodeA, Role: Voter}, {Node: id(101), Role: Joining}}})
	for i := 1; i <= GoneMax+2; i++ {
		s = apply(t, s, SetNodeState{ID: id(i + 100), State: Gone, Force: true, Time: int64(i)})
	}
	if _, named := s.Nodes[id(101)]; !named || len(s.Nodes) != NodesMax-2 || s.Nodes[id(102)].ID != "" || s.Nodes[id(103)].ID != "" {
		t.Errorf("%d nodes are left, want %d with the one that a shard names", len(s.Nodes), NodesMax-2)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}

// TestReads asks a state.
func TestReads(t *testing.T) {
	s := sample(t)
	if s.Wanted(s.Shards[0]) != 1 || s.Wanted(s.Shards[1]) != 3 {
		t.Error("wanted replicas")
	}
	if !slices.Equal(s.TenantShards("t"), []uint32{1}) || !slices.Equal(s.TenantShards("other"), []uint32{0, 1, 2, 3}) {
		t.Error("shards of tenants")
	}
	if on := s.ReplicasOn(nodeB); !slices.Equal(on, []uint32{0}) {
		t.Errorf("replicas of shards %v", on)
	}
	if address, ok := s.Resolve(nodeB); !ok || address != node(nodeB).Address {
		t.Errorf("address %q", address)
	}
	if h := s.HealingOf("move"); h.Cooldown != 5 || !s.HealingOf("other").Enabled {
		t.Error("healing")
	}
}

// TestKeyShardsStay: shards that are added, at whatever time, do not change where
// keys belong.
func TestKeyShardsStay(t *testing.T) {
	s := apply(t, newState(), initial())
	want := s.KeyShards("t")
	if len(want) == 0 || len(want) != len(s.Shards) {
		t.Fatalf("keys belong to %v of %d shards", want, len(s.Shards))
	}
	created := s.Shards[0].Created
	for _, at := range []int64{created, created - 1, created + 1} {
		s = apply(t, s, AddShards{Count: 1, Replicas: [][]Replica{{{Node: nodeA}}}, Time: at})
		if got := s.KeyShards("t"); !slices.Equal(got, want) {
			t.Errorf("after shards were added at %d keys belong to %v, want %v", at-created, got, want)
		}
	}
	s = apply(t, s, SetTenant{ID: "t", Tenant: Tenant{Shards: []uint32{2, 0}}})
	if got := s.KeyShards("t"); !slices.Equal(got, []uint32{2}) {
		t.Errorf("keys of a tenant of two shards belong to %v", got)
	}
}

// TestTenantIsGivenShards: first they are announced, then they are written to;
// where keys belong stays, and what a tenant has stays with it.
func TestTenantIsGivenShards(t *testing.T) {
	s := apply(t, newState(), initial())
	first := s.TenantShards("t")
	s = apply(t, s, AddShards{Count: 2, Replicas: [][]Replica{{{Node: nodeA}}, {{Node: nodeA}}}})
	added := s.Numbers()[len(first):]
	if !slices.Equal(s.TenantShards("t"), first) || !slices.Equal(s.WriteShards("t"), first) {
		t.Fatalf("a tenant has %v and writes to %v after shards were added, want %v", s.TenantShards("t"), s.WriteShards("t"), first)
	}
	want := func(s *State, has, writes int) {
		t.Helper()
		all := append(slices.Clone(first), added...)
		if !slices.Equal(s.TenantShards("t"), all[:has]) || !slices.Equal(s.WriteShards("t"), all[:writes]) || !slices.Equal(s.KeyShards("t"), first) {
			t.Fatalf("a tenant has %v, writes to %v, keys to %v", s.TenantShards("t"), s.WriteShards("t"), s.KeyShards("t"))
		}
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
		if n := s.Tenants["t"].Announced; (n == s.Index) != (writes < has) {
			t.Fatalf("announced at %d, now is %d", n, s.Index)
		}
	}
	keys := len(first)
	one, both := append(slices.Clone(first), added[0]), append(slices.Clone(first), added...)
	refused := func(s *State, err error, tenants ...Tenant) {
		t.Helper()
		for _, tenant := range tenants {
			if _, have := s.Apply(s.Index+1, SetTenant{ID: "t", Tenant: tenant}); !errors.Is(have, err) {
				t.Fatalf("%+v: %v, want %v", tenant, have, err)
			}
		}
	}
	refused(s, ErrRefused, Tenant{Shards: one, Keys: keys}) // not announced
	refused(s, ErrConflict, Tenant{Shards: one, Keys: keys - 1, Writes: keys}, Tenant{Shards: first[:keys-1], Keys: keys - 1}, Tenant{Shards: added, Keys: 1})
	refused(s, ErrInvalid, Tenant{Shards: one, Keys: keys, Writes: keys - 1}, Tenant{Shards: one, Keys: keys, Writes: keys + 2}, Tenant{Shards: one, Writes: 1})
	s = apply(t, s, SetTenant{ID: "t", Tenant: Tenant{Shards: one, Keys: keys, Writes: keys}})
	want(s, keys+1, keys)
	refused(s, ErrRefused, Tenant{Shards: both, Keys: keys})
	announced := s
	s = apply(t, s, SetTenant{ID: "t", Tenant: Tenant{Shards: one, Keys: keys}})
	want(s, keys+1, keys+1)
	refused(s, ErrConflict, Tenant{Shards: one, Keys: keys, Writes: keys}, Tenant{Shards: first, Keys: keys})
	// Nor is it made one that was given nothing: what it has there would be lost.
	refused(s, ErrConflict, Tenant{}, Tenant{Replicas: 3}, Tenant{Shards: first}, Tenant{Shards: one})
	s = apply(t, s, SetTenant{ID: "t", Tenant: Tenant{Shards: both, Keys: keys, Writes: keys + 1}})
	want(s, keys+2, keys+1)

	// Whoever opens what it has seen announced does not open what came after.
	s = apply(t, announced, SetTenant{ID: "t", Tenant: Tenant{Shards: both, Keys: keys, Writes: keys}})
	refused(s, ErrConflict, Tenant{Shards: one, Keys: keys})

	// Of two changes at the same moment each is about its part, whichever comes first.
	part := func(s *State, part TenantPart, tenant Tenant) *State {
		return apply(t, s, SetTenant{ID: "t", Tenant: tenant, Part: part})
	}
	five, opens := Tenant{Shards: one, Keys: keys, Writes: keys, Replicas: 5}, Tenant{Shards: one, Keys: keys}
	for _, s := range []*State{part(part(announced, TenantReplicas, five), TenantShards, opens), part(part(announced, TenantShards, opens), TenantReplicas, five)} {
		if got := s.Tenants["t"]; got.Replicas != 5 || got.Writes != 0 || !slices.Equal(got.Shards, one) || got.Announced != 0 {
			t.Fatalf("replicas and shards were changed at the same moment: %+v", got)
		}
	}
	if after := part(announced, TenantReplicas, Tenant{Replicas: 3}); after.Tenants["t"].Announced != announced.Tenants["t"].Announced {
		t.Fatal("replicas were chosen, and shards count as announced anew")
	}
	if _, err := announced.Apply(announced.Index+1, SetTenant{ID: "t", Part: "name"}); !errors.Is(err, ErrInvalid) {
		t.Fatalf("a part that there is not: %v", err)
	}
	older := node(nodeB)
	older.Formats.Max = FormatTenantParts - 1
	mixed := apply(t, announced, PutNode{Node: older})
	if _, err := mixed.Apply(mixed.Index+1, SetTenant{ID: "t", Tenant: five, Part: TenantReplicas}); !errors.Is(err, ErrRefused) || mixed.PartOf(TenantReplicas) != "" {
		t.Fatalf("a node does not know of parts: %v", err)
	} else if want := fmt.Sprintf("upgrade node %s (%s, which reads format 5) first", older.Name, older.ID); !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want it to say %q", err, want)
	}

	// A node that does not know of this would ask fewer shards.
	old := node(nodeB)
	old.Formats.Max = FormatTenants - 1
	s = apply(t, announced, PutNode{Node: old})
	refused(s, ErrRefused, Tenant{Shards: one, Keys: keys})
}

package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/raft"
)

// pick returns one of them.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func id(n int) string { return fmt.Sprintf("%016x", n) }

// random returns a command that is likely, but not sure, to be accepted.
func random(r *rand.Rand, s *State) Command {
	now := int64(r.IntN(1000) + 1)
	some := id(r.IntN(12) + 10)
	number := uint32(r.IntN(len(s.Shards) + 2))
	switch r.IntN(20) {
	case 0:
		return Init{Cluster: clusterID, Node: node(some), Shards: r.IntN(5), Settings: Settings{Replicas: r.IntN(4)}, Time: now}
	case 1, 2, 3:
		n := node(some)
		n.Zone, n.Name = pick(r, "", "a", "b"), pick(r, n.Name, n.Name, n.Name, "node-0b")
		return PutNode{Node: n, Time: now}
	case 4, 5:
		return SetNodeState{ID: some, State: pick(r, Active, Draining, Draining, Gone), Force: r.IntN(4) == 0, Time: now}
	case 6:
		return SetWanted{Shard: number, Wanted: pick(r, 0, 1, 2, 3, 5), Time: now}
	case 7:
		var lists [][]Replica
		for range r.IntN(3) {
			lists = append(lists, []Replica{{Node: some}, {Node: id(r.IntN(12) + 10), Role: pick(r, Voter, Voter, Joining)}}[:1+r.IntN(2)])
		}
		return AddShards{Count: len(lists), Replicas: lists, First: uint32(pick(r, 0, 0, len(s.Shards))), Time: now}
	case 8:
		return SetSettings{Settings: Settings{Replicas: pick(r, 1, 3, 5), CatalogueVoters: pick(r, 1, 3, 4), Paused: r.IntN(2) == 0}, If: uint64(r.IntN(int(s.Index) + 1)), Time: now}
	case 9, 10:
		t := Tenant{Replicas: pick(r, 0, 0, 3, 4)}
		for range r.IntN(3) {
			t.Shards = append(t.Shards, number, uint32(r.IntN(10)))
		}
		return SetTenant{ID: pick[model.TenantID](r, "x", "y", "z", "not one"), Tenant: t, Time: now}
	case 11:
		return SetHealing{Name: pick(r, "move", "drain", ""), Enabled: r.IntN(2) == 0, Cooldown: int64(r.IntN(9)), Time: now}
	case 12, 13, 14:
		return PutAction{Action{
			Number: pick(r, 0, 0, s.Next, uint64(r.IntN(int(s.Next)+2))), Name: pick(r, "move", "drain", "heal"), Target: pick(r, "a", "b"),
			Outcome: pick(r, ActionPlanned, ActionRunning, ActionDone, ActionFailed, "?"), Started: pick(r, 0, now), DryRun: r.IntN(3) == 0,
		}}
	}
	return SetReplicas{Shard: number, If: pick(r, 0, s.Index, s.Index, s.Index/2), Replicas: randomReplicas(r, s.Shards[number], some), Time: now}
}

// randomReplicas changes those that a shard has.
func randomReplicas(r *rand.Rand, shard Shard, some string) []Replica {
	var replicas []Replica
	for _, replica := range shard.Replicas {
		if r.IntN(4) == 0 {
			replica.Role = pick(r, Joining, Voter, Voter, Leaving)
		}
		if r.IntN(8) > 0 {
			replicas = append(replicas, replica)
		}
	}
	if r.IntN(2) == 0 {
		replicas = append(replicas, Replica{Node: some, Role: pick(r, Joining, Joining, Joining, Voter), Source: pick(r, "", some), Reason: pick(r, "", "a \"<word>\"\u2028")})
	}
	return replicas
}

// follows checks one accepted step: what must hold between two states, beyond
// what check finds in one.
func follows(t *testing.T, before, after *State, c Command) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%#v: %s", c, fmt.Sprintf(format, args...))
	}
	if err := after.check(); err != nil {
		fail("%v", err)
	}
	counted := *after
	counted.settle()
	if counted.bytes != after.bytes {
		fail("%d bytes are counted, there are %d", after.bytes, counted.bytes)
	}
	for id, n := range before.Nodes {
		if n.State == Gone && after.Nodes[id] != n {
			fail("a node that was gone changed")
		}
	}
	for number, shard := range after.Shards {
		old, had := before.Shards[number]
		if had && shard.Version == old.Version && !reflect.DeepEqual(shard, old) {
			fail("shard %d changed without its version", number)
		}
		for _, r := range shard.Replicas {
			if _, ok := old.On(r.Node); !ok && (after.Nodes[r.Node].State == Gone || had && r.Role != Joining) {
				fail("a new replica is on a node that is gone, or is %s", r.Role)
			}
		}
	}
	if _, changes := c.(SetReplicas); !changes && len(before.Shards) == len(after.Shards) {
		for number, shard := range after.Shards {
			if !reflect.DeepEqual(shard.Replicas, before.Shards[number].Replicas) {
				fail("changed the replicas of shard %d", number)
			}
		}
	}
	if len(after.Actions) < len(before.Actions) || after.Next < before.Next {
		fail("the history is shorter")
	}
}

// written returns all of a state as bytes.
func written(t testing.TB, s *State) []byte {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRandomHistories gives random commands to one replica that stays, one
// that is saved and opened again and one that now and then gets a snapshot and
// misses commands in between. All come to the same states; states never change.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomHistory(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func randomHistory(t *testing.T, r *rand.Rand) {
	stays, restarts, follower := mustOpen(t, &memory{}), mustOpen(t, &memory{}), mustOpen(t, &memory{})
	behind := false
	accepted := 0
	for index := uint64(2); index < 600; index += uint64(1 + r.IntN(2)) {
		if index == 2 || r.IntN(30) == 0 {
			for _, c := range []*Catalogue{stays, restarts, follower} {
				c.Configured(index, fmt.Append(nil, "members of ", index))
			}
			continue
		}
		before := stays.State()
		copied := written(t, before)
		command := random(r, before)
		encoded := Encode(command)
		if r.IntN(50) == 0 {
			encoded = encoded[:len(encoded)/2]
		}
		result := stays.Apply(index, 1, encoded).(outcome)
		if !bytes.Equal(copied, written(t, before)) {
			t.Fatalf("%#v changed a state", command)
		}
		if after := stays.State(); result.err == nil {
			accepted++
			follows(t, before, after, command)
		} else if after != before {
			t.Fatalf("%#v is refused and has changed something", command)
		}
		restarts.Apply(index, 1, encoded)
		same(t, "a replica that restarts", restarts.State(), stays.State())
		if r.IntN(20) == 0 {
			restarts = reopened(t, restarts)
			same(t, "opened again", restarts.State(), stays.State())
		}
		if behind = behind || r.IntN(30) == 0; !behind {
			follower.Apply(index, 1, encoded)
		} else if r.IntN(10) == 0 {
			install(t, restarts, follower)
			behind = false
		}
		if !behind {
			same(t, "the follower", follower.State(), stays.State())
		}
	}
	if accepted < 50 {
		t.Errorf("only %d commands were accepted", accepted)
	}
}

// reopened saves and opens.
func reopened(t *testing.T, c *Catalogue) *Catalogue {
	t.Helper()
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, c.cfg.Store)
	c.mu.Lock()
	want := c.mu.pos
	c.mu.Unlock()
	if pos, ok := again.Snapshot(); !ok || !reflect.DeepEqual(pos, want) || !reflect.DeepEqual(again.mu.pos, want) {
		t.Fatalf("position %+v, want %+v", pos, want)
	}
	// Members of after the position come again from the log.
	again.Configured(c.mu.membersIndex, c.mu.members)
	return again
}

// install gives one replica's saved state to another, twice.
func install(t *testing.T, from, to *Catalogue) {
	t.Helper()
	if err := from.Save(); err != nil {
		t.Fatal(err)
	}
	pos, ok := from.Snapshot()
	if !ok {
		t.Fatal("nothing is saved")
	}
	for range 2 {
		r, err := from.OpenSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := to.Restore(pos, r); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := to.Snapshot(); !reflect.DeepEqual(got, pos) {
		t.Fatalf("position %+v, want %+v", got, pos)
	}
	same(t, "opened after a snapshot", mustOpen(t, to.cfg.Store).State(), from.State())
	to.Configured(from.mu.membersIndex, from.mu.members)
}

// sample returns a state with something of everything.
func sample(t testing.TB) *State {
	t.Helper()
	s := newState()
	for i, c := range []Command{
		initial(), PutNode{node(nodeB), 2}, SetReplicas{0, 0, []Replica{{Node: nodeA, Role: Leaving}, {Node: nodeB, Role: Joining, Source: nodeA, Reason: "drain"}}, 3},
		SetTenant{"t", Tenant{Shards: []uint32{1}}, 4}, SetHealing{"move", true, 5, 6}, PutAction{Action{Name: "move", Outcome: ActionRunning, Started: 7}},
		SetWanted{1, 3, 8}, SetNodeState{nodeA, Draining, false, 9},
	} {
		var err error
		if s, err = s.Apply(uint64(i+5), c); err != nil {
			t.Fatalf("%#v: %v", c, err)
		}
	}
	return s
}

var samplePosition = raft.Position{Index: 20, Term: 2, Configuration: []byte("members"), ConfigurationIndex: 1}

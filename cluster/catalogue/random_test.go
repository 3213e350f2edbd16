package catalogue

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/model/erasure"
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
	switch r.IntN(30) {
	case 28, 29:
		return SetPatterns{Tenant: pick[model.TenantID](r, "x", "y", "not one"), Patterns: pick(r, nil, []byte{1}, []byte("patterns")), If: pick(r, 0, s.Index, s.Index/2), Time: now}
	case 0:
		return Init{Cluster: clusterID, Node: node(some), Shards: r.IntN(5), Settings: Settings{Replicas: r.IntN(4)}, Time: now}
	case 1, 2, 3:
		n := node(some)
		if r.IntN(200) == 0 {
			n.Formats.Max = Format - 1
		}
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
		return SetTenant{ID: pick[model.TenantID](r, "x", "y", "z", "not one"), Tenant: t, Part: pick(r, "", TenantReplicas, TenantShards), Time: now}
	case 11:
		return SetHealing{Name: pick(r, "move", "drain", ""), Enabled: r.IntN(2) == 0, Cooldown: int64(r.IntN(9)), Time: now}
	case 12, 13, 14:
		return PutAction{Action{
			Number: pick(r, 0, 0, s.Next, uint64(r.IntN(int(s.Next)+2))), Name: pick(r, "move", "drain", "heal"), Target: pick(r, "a", "b"),
			Outcome: pick(r, ActionPlanned, ActionRunning, ActionDone, ActionFailed, "?"), Started: pick(r, 0, now), DryRun: r.IntN(3) == 0,
		}}
	case 15, 16, 17, 18, 19, 20, 21, 22:
		return randomAccess(r, s, now)
	}
	if r.IntN(3) == 0 {
		return randomDocuments(r, s, now)
	}
	if r.IntN(2) == 0 {
		return randomErasure(r, s, now)
	}
	if r.IntN(4) == 0 {
		tenant, name := pick[model.TenantID](r, "x", "y", "not one"), pick(r, "errors", "a.b", "Slow_1", "", "no name")
		if r.IntN(3) == 0 {
			return DropQuery{Tenant: tenant, Name: name, Time: now}
		}
		return PutQuery{Tenant: tenant, Query: SavedQuery{Name: name, Text: pick(r, "", "level:error", "a \"<b>\"\n"), Description: pick(r, "", "what\nfor", "all"), By: pick(r, "", "me")}, New: r.IntN(2) == 0, Time: now}
	}
	return SetReplicas{Shard: number, If: pick(r, 0, s.Index, s.Index, s.Index/2), Replicas: randomReplicas(r, s.Shards[number], some), Time: now}
}

// sum returns the hash of a secret.
func sum(n int) []byte { return bytes.Repeat(binary.LittleEndian.AppendUint64(nil, uint64(n)), 4) }

// key returns a key of a tenant.
func key(n int, tenant model.TenantID) access.Key {
	return access.Key{ID: id(n), Name: "k", Tenant: tenant, Role: "reader", Secrets: []access.Secret{{Sum: sum(n)}}}
}

// randomAccess returns a command of keys, accounts or domains.
func randomAccess(r *rand.Rand, s *State, now int64) Command {
	tenant := pick[model.TenantID](r, "x", "y", "z", "not one")
	name := pick(r, "a.example", "b.example", "c.example", "not one")
	switch n := r.IntN(6); r.IntN(8) {
	case 0, 1, 2:
		k, ok := s.Keys[id(n)]
		if !ok || r.IntN(8) == 0 {
			k = key(n, tenant)
		}
		version := k.Version
		k.Restriction, k.Expires, k.Version = pick(r, "", "a:b"), int64(r.IntN(2000)), uint64(r.IntN(9))
		if r.IntN(3) == 0 {
			k.Secrets = []access.Secret{{Sum: sum(r.IntN(1 << 16))}, {Sum: k.Secrets[0].Sum, Until: now}}
		}
		if r.IntN(6) == 0 {
			k.Revoked = now
		}
		return PutKey{Key: k, If: pick(r, version, version, version, 0), Time: now}
	case 3:
		return NoteUses{Used: map[string]int64{id(n): now, id(9): now}, Time: now}
	case 4, 5:
		a := access.Account{ID: tenant, Plan: pick(r, access.Basic, access.Premium, "gold"), Status: pick(r, access.Active, access.Suspended, access.Active, access.Deleting), Contact: pick(r, "", "a@b.example")}
		return PutAccount{Account: a, If: pick(r, s.Accounts[tenant].Version, 0), Time: now}
	case 6:
		d := access.Domain{Name: name, Tenant: tenant, Status: pick(r, access.Active, access.Suspended)}
		return PutDomain{Domain: d, If: pick(r, s.Domains[name].Version, 0), Time: now}
	}
	return DropDomain{Name: name, Time: now}
}

// randomErasure returns a command of deletions, holds or retention.
func randomErasure(r *rand.Rand, s *State, now int64) Command {
	tenant := pick[model.TenantID](r, "x", "x", "y", "not one")
	span := erasure.Span{From: pick(r, 0, 0, now-5), To: pick(r, 0, 0, now, 1)}
	number, query := uint64(r.IntN(int(s.NextDeletion)+2)), pick(r, "", "a:b")
	hold := pick(r, "case-1", "case-2", "no id")
	switch r.IntN(12) {
	case 0, 1, 2:
		d := erasure.Deletion{Kind: pick(r, erasure.ByQuery, erasure.ByRetention, erasure.OfTenant, "?"), Tenant: tenant, Query: query, Span: span, Reason: "r", Status: erasure.Planned}
		if d.Kind == erasure.OfTenant && r.IntN(4) > 0 {
			d.Query, d.Span = "", erasure.Span{}
		}
		return AddDeletion{Deletion: d, Time: now}
	case 3, 4:
		return BeginDeletion{Number: number, Matched: uint64(r.IntN(9)), Time: now}
	case 5, 6:
		note := NoteDeletion{Number: number, Status: pick(r, "", "", erasure.Done, erasure.Failed, erasure.Running), Detail: pick(r, "", "a \"<b>\""), Time: now}
		if shards := s.Deletions[number].Shards; len(shards) > 0 {
			one := shards[r.IntN(len(shards))]
			one.Index, one.Rows, one.Gone = now64(now), one.Rows+1, r.IntN(2) == 0
			note.Shards = []erasure.Shard{one}
		}
		return note
	case 7:
		return CancelDeletion{Number: number, Detail: "by me", Time: now}
	case 8:
		return PutHold{Hold: erasure.Hold{ID: hold, Tenant: tenant, Query: query, Span: span, Reason: pick(r, "r", "")}, Time: now}
	case 9:
		return DropHold{ID: hold, Time: now}
	case 10:
		return ForgetTenant{Tenant: tenant, Number: number, Time: now}
	}
	var rules []erasure.Rule
	for i := range r.IntN(3) {
		rules = append(rules, erasure.Rule{Name: fmt.Sprint("rule", i), Match: query, Keep: pick[time.Duration](r, time.Hour, 24*time.Hour, 1)})
	}
	return SetRetention{Tenant: tenant, Retention: erasure.Retention{Rules: rules}, If: pick(r, 0, s.Retention[tenant].Version), Time: now}
}

func now64(now int64) uint64 { return uint64(max(now, 1)) }

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
	if _, forgets := c.(ForgetTenant); !forgets {
		followsAccess(fail, before, after)
	}
	if len(after.Actions) < len(before.Actions) || after.Next < before.Next {
		fail("the history is shorter")
	}
}

// followsAccess is follows for keys and accounts.
func followsAccess(fail func(string, ...any), before, after *State) {
	for id, old := range before.Keys {
		k, there := after.Keys[id]
		if !there && len(before.Keys) < KeysMax {
			fail("key %s is forgotten", id)
		}
		if k.Tenant != old.Tenant || k.Used < old.Used || old.Revoked != 0 && k.Revoked == 0 {
			fail("key %s became %+v", id, k)
		}
	}
	for id, old := range before.Accounts {
		if old.Status == access.Deleting && after.Accounts[id].Status != access.Deleting {
			fail("tenant %s is not being deleted any more", id)
		}
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
	for index := uint64(2); index < 800; index += uint64(1 + r.IntN(2)) {
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
		SetTenant{"t", Tenant{Shards: []uint32{1}}, TenantShards, 4}, SetHealing{"move", true, 5, 6}, PutAction{Action{Name: "move", Outcome: ActionRunning, Started: 7}},
		PutKey{key(1, "t"), 0, 8}, NoteUses{map[string]int64{id(1): 77}, 8}, PutAccount{access.Account{ID: "t", Plan: access.Basic, Status: access.Suspended}, 0, 8},
		PutDomain{access.Domain{Name: "t.example", Tenant: "t", Status: access.Active}, 0, 8},
		SetWanted{1, 3, 8}, SetNodeState{nodeA, Draining, false, 9}, SetPatterns{"t", []byte("patterns"), 0, 10},
		ChangeDocuments{[]DocumentChange{{Kind: "rule", Tenant: "t", ID: "a", Body: []byte("A")}, {Kind: "rule", Tenant: "t", ID: "b", Body: []byte("B")}}, 10},
	} {
		var err error
		if s, err = s.Apply(uint64(i+5), c); err != nil {
			t.Fatalf("%#v: %v", c, err)
		}
	}
	return s
}

var samplePosition = raft.Position{Index: 20, Term: 2, Configuration: []byte("members"), ConfigurationIndex: 1}

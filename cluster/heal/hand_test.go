package heal_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/model"
)

// TestMoveByHand: what is safe is done although everything is off, and what is
// not is refused.
func TestMoveByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 12, quick())
		c := s.controller()
		if err := c.Toggle(t.Context(), heal.All, false, 0, "op"); err != nil {
			t.Fatal(err)
		}
		var from, to, other string
		s.on(func() {
			shard := s.state.Shards[3]
			s.copied = simShard / 40
			from, other = shard.Replicas[0].Node, shard.Replicas[1].Node
			for n := range 6 {
				if _, ok := shard.On(id(n)); !ok {
					to = id(n)
				}
			}
		})
		for _, test := range []struct {
			shard    uint32
			from, to string
			want     error
		}{
			{99, from, to, heal.ErrUnknown},
			{3, "", "", heal.ErrUnknown},
			{3, to, from, heal.ErrUnknown},
			{3, from, id(77), heal.ErrUnknown},
			{3, from, other, heal.ErrUnsafe},
			{3, from, "", heal.ErrUnsafe}, // two would be left
		} {
			if made, err := c.MoveReplica(t.Context(), test.shard, test.from, test.to, "op"); !errors.Is(err, test.want) || len(made) > 0 {
				t.Errorf("%+v: %+v, %v", test, made, err)
			}
		}
		dry, err := c.Execute(t.Context(), heal.Request{Move: &heal.Places{Shard: 3, From: from, To: to}, DryRun: true, By: "op"})
		if err != nil || len(dry) != 1 || !dry[0].DryRun {
			t.Errorf("dry run: %+v, %v", dry, err)
		}
		made, err := c.MoveReplica(t.Context(), 3, from, to, "op")
		if err != nil || len(made) != 1 {
			t.Fatalf("%+v, %v", made, err)
		}
		if _, err := c.MoveReplica(t.Context(), 3, other, from, "op"); !errors.Is(err, heal.ErrUnsafe) {
			t.Errorf("two moves of a shard: %v", err)
		}
		s.run(5 * time.Second)
		status, err := c.Status(t.Context())
		if err != nil || len(status.Running) != 1 || status.Running[0].By != "op" || status.Running[0].To != to || status.Running[0].Left == 0 || status.Running[0].Left >= simShard || status.Enabled {
			t.Errorf("status %+v, %v", status.Running, err)
		}
		s.run(4 * time.Second)
		if status, err = c.Status(t.Context()); err != nil || len(status.Running) != 1 || status.Running[0].ETA < 5*time.Second || status.Running[0].ETA > 20*time.Second {
			t.Errorf("ETA: %+v, %v", status.Running, err)
		}
		s.rest()
		s.on(func() {
			if _, ok := s.state.Shards[3].On(to); !ok || len(s.state.Shards[3].Replicas) != 3 {
				t.Errorf("shard 3: %+v", s.state.Shards[3])
			}
			for _, a := range s.state.Actions {
				if a.Number == made[0].Number && (a.Outcome != catalogue.ActionDone || a.Bytes != simShard) {
					t.Errorf("history %+v", a)
				}
			}
		})
		leader := ""
		s.on(func() { leader = s.groups[3].leader })
		if made, err := c.TransferLeader(t.Context(), 3, "", "op"); err != nil || len(made) != 1 || made[0].Outcome != catalogue.ActionDone || leader == s.groups[3].leader {
			t.Errorf("transfer: %+v, %v", made, err)
		}
		if made, err := c.TransferLeader(t.Context(), 3, from, "op"); err == nil || len(made) != 1 || made[0].Outcome != catalogue.ActionFailed {
			t.Errorf("transfer to a node without a replica: %+v, %v", made, err)
		}
	})
}

// TestRequests: what makes no sense is refused, and changes nothing.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 3, 6, quick())
		c := s.controller()
		index := uint64(0)
		s.on(func() { index = s.state.Index })
		for name, err := range map[string]error{
			"unknown action":  c.Toggle(t.Context(), "dance", false, 0, "op"),
			"unknown node":    c.RemoveNode(t.Context(), id(77), true, "op"),
			"drain unknown":   c.Drain(t.Context(), id(77), "op"),
			"undrain active":  c.Undrain(t.Context(), id(1), "op"),
			"execute nothing": func() error { _, err := c.Execute(t.Context(), heal.Request{By: "op"}); return err }(),
			"execute unknown": func() error { _, err := c.Execute(t.Context(), heal.Request{Action: "dance", By: "op"}); return err }(),
			"nothing to do": func() error {
				_, err := c.Execute(t.Context(), heal.Request{Action: heal.MoveReplica, By: "op"})
				return err
			}(),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		s.on(func() {
			if s.state.Index != index {
				t.Errorf("something was written: %+v", s.state.Actions)
			}
		})
		if err := c.SetReplicas(t.Context(), 2, "op"); !errors.Is(err, catalogue.ErrInvalid) {
			t.Errorf("two replicas: %v", err)
		}
		if err := c.SetReplicas(t.Context(), 1, "op"); err != nil {
			t.Fatal(err)
		}
		s.rest()
		s.checkRest() // and nobody raises it again
		var only string
		s.on(func() { only = s.state.Shards[0].Replicas[0].Node })
		if err := c.RemoveNode(t.Context(), only, true, "op"); !errors.Is(err, heal.ErrUnsafe) {
			t.Errorf("remove the only replica: %v", err)
		}
	})
}

// TestLeaderOfTheCatalogueDrains: it gives leadership and vote away by itself.
func TestLeaderOfTheCatalogueDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 12, quick())
		var leader string
		s.on(func() { leader = s.leader })
		if err := s.controller().Drain(t.Context(), leader, "op"); err != nil {
			t.Fatal(err)
		}
		s.rest()
		s.checkRest()
		if s.leader == leader {
			t.Error("it still leads")
		}
	})
}

// TestRottenReplica: what nodes mend by themselves is in the history, once.
func TestRottenReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 3, 6, quick())
		repairs := func() (n int, last catalogue.Action) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, a := range s.state.Actions {
				if a.Name == heal.RepairReplica {
					n++
					last = a
				}
			}
			return n, last
		}
		s.on(func() {
			s.copied = simShard / 40
			s.rotten["2 "+id(1)] = 3
			s.groups[2].have[id(1)] -= simShard / 2
		})
		s.rest()
		if n, a := repairs(); n != 1 || a.Outcome != catalogue.ActionDone || !strings.HasPrefix(a.Reason, "3 segments") || a.Bytes == 0 {
			t.Errorf("%d repairs, %+v", n, a)
		}
		s.on(func() { s.leader = id(2) }) // who knows only the history
		s.run(time.Minute)
		s.on(func() { s.rotten["2 "+id(1)] = 4 })
		s.rest()
		if n, a := repairs(); n != 2 || a.Outcome != catalogue.ActionDone || !strings.HasPrefix(a.Reason, "1 segments") {
			t.Errorf("%d repairs, %+v", n, a)
		}
	})
}

// TestTenantGrows: a tenant that is kept to few shards gets more, keeps those it
// has, and no other is touched. It writes to them when every node asks them.
func TestTenantGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 3, 12, quick())
		s.on(func() {
			s.put(catalogue.SetTenant{ID: "big", Tenant: catalogue.Tenant{Shards: []uint32{4}}})
			s.put(catalogue.SetTenant{ID: "small", Tenant: catalogue.Tenant{Shards: []uint32{5}}})
			s.tenants = map[string]int64{"big": placement.ShardBytesPerDay / 4, "small": 1, "all": 1 << 50}
		})
		s.on(func() { s.deaf = id(2) })
		s.run(time.Minute)
		s.on(func() {
			if big := s.state.Tenants["big"]; len(big.Shards) != 4 || big.Writes != 1 {
				t.Errorf("big lies so before all nodes know: %+v", big)
			}
		})
		status, err := s.controller().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(status.Problems, func(p heal.Problem) bool {
			return strings.Contains(p.Reason, "tenant big") && strings.Contains(p.Reason, id(2))
		}) {
			t.Errorf("problems %+v", status.Problems)
		}
		if one := status.Tenants[1]; one.Tenant != "big" || one.Shards != 1 || one.Announced != 3 || one.Waits == "" {
			t.Errorf("tenants %+v", status.Tenants)
		}
		s.on(func() { s.deaf = "" })
		s.rest()
		big := s.state.Tenants["big"]
		if shards := big.Shards; len(shards) != 4 || shards[0] != 4 || big.Writes != 0 || big.Keys != 1 {
			t.Errorf("big lies so: %+v", big)
		}
		if len(s.state.Tenants["small"].Shards) != 1 || len(s.state.Tenants[model.TenantID("all")].Shards) != 0 {
			t.Errorf("tenants %+v", s.state.Tenants)
		}
		if s.effects["tenant"] != 2 {
			t.Errorf("%v", s.effects)
		}
	})
}

// TestTenantReplicas: the shards that may have a tenant's records get as many
// replicas as it wants, if that is more than the others want; fewer only those that
// it alone was given. Nothing else changes, and all of it is taken back.
func TestTenantReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 7, 5, 5, 3, catalogue.Settings{Replicas: 3, ReplicasChosen: true}, quick())
		s.on(func() {
			s.put(catalogue.AddShards{Count: 2, First: 3, Replicas: [][]catalogue.Replica{{{Node: id(0)}}, {{Node: id(1)}}}})
			s.put(catalogue.SetTenant{ID: "few", Tenant: catalogue.Tenant{Shards: []uint32{3}}})
			s.put(catalogue.SetTenant{ID: "many", Tenant: catalogue.Tenant{Shards: []uint32{2, 4}}})
		})
		wants := func(tenant model.TenantID, n int, want ...int) {
			t.Helper()
			if err := s.controller().SetTenantReplicas(t.Context(), tenant, n, "ops"); err != nil {
				t.Fatal(err)
			}
			s.rest()
			s.checkRest()
			var have []int
			for _, number := range s.state.Numbers() {
				have = append(have, len(s.state.Shards[number].Replicas))
			}
			if !slices.Equal(have, want) {
				t.Errorf("tenant %s with %d: shards have %v replicas, want %v", tenant, n, have, want)
			}
		}
		wants("many", 5, 3, 3, 5, 3, 5)
		wants("few", 1, 3, 3, 5, 1, 5)
		wants("default", 1, 3, 3, 5, 1, 5)
		wants("default", 5, 5, 5, 5, 1, 5)
		wants("many", 0, 5, 5, 5, 1, 3)
		wants("default", 0, 3, 3, 3, 1, 3)
		wants("few", 0, 3, 3, 3, 3, 3)
		status, err := s.controller().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h := status.History[0]; h.Name != heal.AddReplica && h.Name != heal.SetReplicas || len(s.state.Tenants) != 2 {
			t.Errorf("the newest of the history is %+v, tenants %+v", h, s.state.Tenants)
		}
	})
}

// TestAskedForAgain asks for what was begun before and of which it is not known what
// became, around the time at which it is ended for that: what is made is in the history.
func TestAskedForAgain(t *testing.T) {
	begun := func(t *testing.T) (s *sim, running func() bool) {
		s = three(t, 3, 4, quick())
		s.on(func() { // its answer was lost
			now := time.Now().UnixNano()
			s.put(catalogue.PutAction{Action: catalogue.Action{Name: heal.SetReplicas, Target: "cluster", By: "op", Reason: "5 replicas were asked for", Started: now, Planned: now, Outcome: catalogue.ActionRunning}})
		})
		return s, func() (is bool) {
			s.on(func() { is = s.running(heal.SetReplicas, "cluster") })
			return is
		}
	}
	var ends time.Duration
	synctest.Test(t, func(t *testing.T) {
		for _, running := begun(t); running(); ends += time.Millisecond {
			time.Sleep(time.Millisecond)
		}
	})
	for early := range 30 {
		synctest.Test(t, func(t *testing.T) {
			s, running := begun(t)
			time.Sleep(ends - time.Duration(early)*time.Millisecond)
			if err := s.controller().SetReplicas(t.Context(), 1, "op"); err != nil {
				t.Errorf("%d ms before it ends: %v", early, err)
			}
			if s.rest(); running() {
				t.Errorf("%d ms before it ends: it has not ended", early)
			}
		})
	}
}

// TestMaintenance: what is safe is done on the node that is named, once within the cooldown, and
// written down; a dry run does nothing.
func TestMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 3, 4, quick())
		c := s.controller()
		var one, two string
		s.on(func() { one, two = s.state.Shards[1].Replicas[0].Node, s.state.Shards[1].Replicas[1].Node })
		replica := "replica of shard 1 on " + one
		do := func(action, target string, dry bool) ([]catalogue.Action, error) {
			return c.Execute(t.Context(), heal.Request{Action: action, Target: target, DryRun: dry, By: "op"})
		}
		done := func(action string) (n int) {
			s.on(func() { n = s.effects[action] })
			return n
		}
		for _, test := range []struct {
			action, target string
			want           error
		}{
			{heal.RestartComponent, "node " + one, heal.ErrUnknown},
			{heal.RestartComponent, "", heal.ErrUnknown},
			{heal.RestartComponent, "replica of shard 99 on " + one, heal.ErrUnknown},
			{heal.RestartComponent, "replica of shard 1 on " + id(77), heal.ErrUnknown},
			{heal.DropCache, replica, heal.ErrUnknown},
			{heal.FlushNode, "node " + id(77), heal.ErrUnknown},
		} {
			if made, err := do(test.action, test.target, false); !errors.Is(err, test.want) || len(made) > 0 || done(test.action) > 0 {
				t.Errorf("%s of %q: %+v, %v", test.action, test.target, made, err)
			}
		}
		for action, target := range map[string]string{heal.RestartComponent: replica, heal.DropCache: "node " + two, heal.FlushNode: "node " + one} {
			if made, err := do(action, target, true); err != nil || len(made) != 1 || !made[0].DryRun || done(action) != 0 {
				t.Fatalf("dry run of %s: %+v, %v, done %d times", action, made, err, done(action))
			}
			made, err := do(action, target, false)
			if err != nil || len(made) != 1 || made[0].Outcome != catalogue.ActionDone || !strings.HasPrefix(made[0].Detail, "done on ") || made[0].Target != target || done(action) != 1 {
				t.Fatalf("%s: %+v, %v, done %d times", action, made, err, done(action))
			}
			if made, err := do(action, target, false); !errors.Is(err, heal.ErrUnsafe) || len(made) > 0 || done(action) != 1 {
				t.Fatalf("%s right after: %+v, %v", action, made, err)
			}
		}
		time.Sleep(time.Minute)
		if err := c.Toggle(t.Context(), heal.DropCache, false, 0, "op"); err != nil {
			t.Fatal(err)
		}
		if _, err := do(heal.DropCache, "node "+one, false); !errors.Is(err, heal.ErrUnsafe) {
			t.Errorf("of what is switched off: %v", err)
		}
		s.kill(two)
		if made, err := do(heal.RestartComponent, replica, false); !errors.Is(err, heal.ErrUnsafe) || !strings.Contains(err.Error(), "no majority") || len(made) > 0 {
			t.Errorf("another one has just died, which gossip does not know yet: %+v, %v", made, err)
		}
		time.Sleep(time.Minute)
		if _, err := do(heal.FlushNode, "node "+two, false); !errors.Is(err, heal.ErrUnsafe) {
			t.Errorf("of a node that is down: %v", err)
		}
		if _, err := do(heal.RestartComponent, replica, false); !errors.Is(err, heal.ErrUnsafe) {
			t.Errorf("without it there is no majority: %v", err)
		}
	})
}

// TestNodesWanted: as many as a shard has replicas, and enough for the bytes.
func TestNodesWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 3, 4, quick())
		want := func(n int) {
			t.Helper()
			status, err := s.controller().Status(t.Context())
			if err != nil || status.NodesWanted != n || status.WantedWhy == "" {
				t.Fatalf("%d nodes are wanted, because %s, want %d: %v", status.NodesWanted, status.WantedWhy, n, err)
			}
		}
		want(3)
		s.on(func() {
			for _, n := range s.nodes {
				n.used = n.capacity * 9 / 10
			}
		})
		time.Sleep(time.Minute)
		want(4)
	})
}

// TestShardsAreAdded: by hand, also against old orders; they get their replicas,
// and a tenant that sends much is given some of them.
func TestShardsAreAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 3, 4, quick())
		s.rest()
		c := s.controller()
		for _, n := range []int{3, 4 + heal.ShardsAtOnce + 1, 257} {
			if err := c.AddShards(t.Context(), n, "me"); !errors.Is(err, heal.ErrUnsafe) {
				t.Errorf("%d shards: %v", n, err)
			}
		}
		if err := c.AddShards(t.Context(), 4, "me"); err != nil {
			t.Error(err)
		}
		if n := len(s.state.Shards); n != 4 {
			t.Fatalf("%d shards", n)
		}
		if err := c.AddShards(t.Context(), 10, "me"); err != nil {
			t.Fatal(err)
		}
		s.rest()
		s.checkRest()
		s.on(func() {
			if n := len(s.state.Shards); n != 10 || len(s.state.TenantShards("big")) != 4 {
				t.Errorf("%d shards, big has %v", n, s.state.TenantShards("big"))
			}
			s.tenants = map[string]int64{"big": placement.ShardBytesPerDay / 2}
		})
		s.rest()
		s.on(func() {
			if big := s.state.Tenants["big"]; len(big.Shards) != 8 || big.Writes != 0 || big.Keys != 4 {
				t.Errorf("big lies so: %+v", big)
			}
			n := s.state.Nodes[id(1)]
			n.Formats.Max = catalogue.FormatTenants - 1
			s.put(catalogue.PutNode{Node: n})
		})
		if err := c.AddShards(t.Context(), 12, "me"); !errors.Is(err, heal.ErrUnsafe) {
			t.Errorf("with an old node: %v", err)
		}
		// By hand a tenant gets twice as many, or as many as there are.
		s.on(func() {
			n := s.state.Nodes[id(1)]
			n.Formats.Max = catalogue.FormatTenants
			s.put(catalogue.PutNode{Node: n})
		})
		if _, err := c.Execute(t.Context(), heal.Request{Action: heal.SpreadTenant, Target: "tenant small", By: "me"}); err != nil {
			t.Error(err)
		}
		s.rest()
		s.on(func() {
			if small := s.state.Tenants["small"]; len(small.Shards) != 8 || small.Writes != 0 || small.Keys != 4 {
				t.Errorf("small lies so: %+v", small)
			}
		})
	})
}

// TestFullDisk: what else fills a disk makes its node give away replicas; that
// stops when it is below the mark. One report that says so is not believed.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 30, quick())
		s.on(func() { s.nodes[id(3)].used = simDisk * 9 / 10 })
		s.run(2 * time.Second)
		s.on(func() { s.nodes[id(3)].used = 0 })
		s.run(time.Minute)
		if s.effects["begin"] > 0 {
			t.Errorf("one bad report: %v", s.effects)
		}
		s.on(func() { s.nodes[id(3)].used = simDisk*85/100 - 10*simShard })
		s.rest()
		s.on(func() {
			if s.state.Healing[heal.RelieveDisk].Count == 0 {
				t.Errorf("%v, %+v", s.effects, s.state.Healing)
			}
			if share := float64(s.nodes[id(3)].used+int64(len(s.state.ReplicasOn(id(3))))*simShard) / float64(simDisk); share > placement.DiskShedReplicas {
				t.Errorf("the disk is still %.2f full", share)
			}
		})
	})
}

// TestSilentNode: gossip alone does not make a node one to count on, nor is it
// replaced as long as gossip knows it.
func TestSilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 12, quick())
		s.on(func() { s.mute = id(4) })
		s.run(10 * time.Minute)
		s.on(func() {
			if s.effects["begin"] > 0 {
				t.Errorf("replicas were moved: %v", s.effects)
			}
		})
		status, err := s.controller().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := status.Observed.Nodes[4]
		if n.Life != heal.LifeSilent || len(status.Problems) == 0 || status.Problems[0].Node != n.ID {
			t.Errorf("node %+v, problems %+v", n, status.Problems)
		}
		s.on(func() { s.mute = "" })
		s.rest()
		s.checkRest()
	})
}

package heal_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/cluster/placement"
)

// quick is a configuration for nodes that die often.
func quick() heal.Config {
	return heal.Config{Limits: placement.Limits{ReplaceAfter: 30 * time.Second}, RaiseAfter: 20 * time.Second}
}

// TestOneNodeBecomesThree: a cluster begun with one node has three replicas of
// everything once two more have joined, nobody having said so.
func TestOneNodeBecomesThree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, 1, 1, 12, catalogue.Settings{}, quick())
		s.run(time.Minute)
		s.on(func() {
			if s.state.Settings.Replicas != 1 || len(s.state.Actions) > 0 {
				t.Errorf("one node: %+v, %+v", s.state.Settings, s.state.Actions)
			}
		})
		s.join(1, "z1")
		s.run(time.Minute)
		s.join(2, "z2")
		even := 0 // looks at which the catalogue had two voters
		for range 2 * int(2*time.Minute/simTick) {
			s.tick()
			s.on(func() {
				votes := 0
				for _, m := range s.voting {
					if m.Voter {
						votes++
					}
				}
				if votes == 2 {
					even++
				}
				for _, g := range s.groups {
					if len(g.voters()) == 2 && len(g.healthy()) == 2 && slices.ContainsFunc(g.members, func(m heal.Member) bool { return !g.complete(m.Node) }) {
						t.Errorf("shard %d waits with two voters: %+v", g.shard, g.members)
					}
				}
			})
		}
		took := s.rest()
		s.checkRest()
		s.checkLevel()
		if even > 1 {
			t.Errorf("the catalogue had two voters %d times", even)
		}
		s.on(func() {
			if s.state.Settings.Replicas != 3 || s.state.Settings.ReplicasChosen {
				t.Errorf("settings %+v", s.state.Settings)
			}
		})
		t.Logf("after %s: %v", took, s.effects)
	})
}

// TestRebuild: a replica whose log is damaged is removed and made anew, on the
// same node where there is no other, and never before its node has deleted what
// is left of it. Where the others cannot decide without it nothing is done.
func TestRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 3, 4, quick())
		var node string
		s.on(func() {
			node = s.state.Shards[2].Replicas[0].Node
			s.lost = map[string]bool{"2 " + node: true}
			s.groups[2].damaged = node
			s.groups[2].depose()
		})
		left, back := false, false
		for range int(3 * time.Minute / simTick) {
			s.tick()
			s.on(func() {
				r, ok := s.state.Shards[2].On(node)
				left = left || !ok
				if left && s.lost["2 "+node] && ok {
					t.Errorf("the shard is to have a replica where the damaged one is: %+v", r)
				}
				if !ok && s.chance.IntN(8) == 0 { // its node hears of that late
					delete(s.lost, "2 "+node)
					s.groups[2].damaged = ""
				}
				back = left && r.Role == catalogue.Voter
			})
		}
		s.rest()
		s.checkRest()
		s.on(func() {
			if !left || !back {
				t.Errorf("it left: %v, it is back: %v", left, back)
			}
			done := 0
			for _, a := range s.state.Actions {
				if a.Name == heal.RebuildReplica && a.Outcome == catalogue.ActionDone {
					done++
				}
			}
			if done != 1 {
				t.Errorf("%d rebuilds are done, want 1: %+v", done, s.state.Actions)
			}
			// Two of three: the third cannot decide.
			for _, r := range s.state.Shards[1].Replicas[:2] {
				s.lost["1 "+r.Node] = true
			}
		})
		s.run(time.Minute)
		s.on(func() {
			for _, r := range s.state.Shards[1].Replicas {
				if r.Role != catalogue.Voter {
					t.Errorf("a replica of a shard without a majority is to go: %+v", r)
				}
			}
		})
	})
}

// three is a cluster of so many nodes in three zones with three replicas of
// everything, at rest.
func three(t *testing.T, nodes, shards int, config heal.Config) *sim {
	t.Helper()
	s := newSim(t, uint64(nodes*100+shards), nodes, 3, shards, catalogue.Settings{Replicas: 3, ReplicasChosen: true}, config)
	s.rest()
	s.checkRest()
	s.checkLevel()
	if t.Failed() {
		s.dump()
		t.FailNow()
	}
	s.on(func() { clear(s.effects) })
	return s
}

// TestJoin: a node that joins gets its share of bytes and leaders.
func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 60, quick())
		for n := 6; n < 9; n++ {
			s.join(n, []string{"z0", "z1", "z2"}[n%3])
		}
		took := s.rest()
		s.checkRest()
		s.checkLevel()
		t.Logf("after %s: %v", took, s.effects)
	})
}

// TestDeadNode: what a dead node had is made anew after a while, not sooner.
func TestDeadNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 30, quick())
		s.kill(id(4))
		s.run(25 * time.Second)
		s.on(func() {
			if s.effects["begin"] > 0 {
				t.Errorf("replicas were moved at once: %v", s.effects)
			}
		})
		s.rest()
		s.on(func() {
			for number, g := range s.groups {
				if n := len(g.healthy()); n != 3 {
					t.Errorf("shard %d has %d healthy replicas", number, n)
				}
			}
			if h := s.state.Healing[heal.ReplaceReplica]; h.Count == 0 {
				t.Errorf("healing %+v", s.state.Healing)
			}
		})
		s.revive(id(4))
		s.rest()
		s.checkRest()
		s.checkLevel()
	})
}

// TestShortAbsence: a node that is away for less than ReplaceAfter costs nothing.
func TestShortAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 5, 20, quick())
		for range 3 {
			s.kill(id(2))
			s.run(20 * time.Second)
			s.revive(id(2))
			s.run(10 * time.Second)
		}
		s.rest()
		s.checkRest()
		if s.effects["begin"] > 0 {
			t.Errorf("replicas were moved: %v", s.effects)
		}
	})
}

// TestDrain empties a node, then removes it, then empties another that comes
// back into use.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 30, quick())
		if err := s.controller().RemoveNode(t.Context(), id(5), false, "op"); err == nil {
			t.Error("a node with replicas was removed")
		}
		if err := s.controller().Drain(t.Context(), id(5), "op"); err != nil {
			t.Fatal(err)
		}
		s.rest()
		s.checkRest()
		s.on(func() {
			if on := s.state.ReplicasOn(id(5)); len(on) > 0 {
				t.Errorf("shards %v are still there", on)
			}
		})
		if err := s.controller().RemoveNode(t.Context(), id(5), false, "op"); err != nil {
			t.Fatal(err)
		}
		s.kill(id(5))
		s.rest()
		if err := s.controller().Drain(t.Context(), id(4), "op"); err != nil {
			t.Fatal(err)
		}
		s.run(5 * time.Second)
		if err := s.controller().Undrain(t.Context(), id(4), "op"); err != nil {
			t.Fatal(err)
		}
		s.rest()
		s.checkRest()
		s.checkLevel()
		outcomes := map[string]int{}
		for _, a := range s.state.Actions {
			if a.Name == heal.DrainNode && a.By == "op" {
				outcomes[a.Outcome]++
			}
		}
		if outcomes[catalogue.ActionDone] != 1 || outcomes[catalogue.ActionCancelled] != 1 {
			t.Errorf("drains: %v", outcomes)
		}
	})
}

// TestOff: while all is off, or one action, nothing of it is done; a dry run
// writes down and does nothing; by hand it is done all the same.
func TestOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 30, quick())
		c := s.controller()
		if err := c.Toggle(t.Context(), heal.All, false, 0, "op"); err != nil {
			t.Fatal(err)
		}
		s.kill(id(4))
		s.run(5 * time.Minute)
		s.on(func() {
			if len(s.effects) > 0 {
				t.Errorf("while off: %v", s.effects)
			}
		})
		dry, err := c.Execute(t.Context(), heal.Request{DryRun: true, By: "op"})
		if err != nil || len(dry) == 0 {
			t.Fatalf("dry run: %+v, %v", dry, err)
		}
		for _, a := range dry {
			if !a.DryRun || a.Detail == "" {
				t.Errorf("dry run: %+v", a)
			}
		}
		if len(s.effects) > 0 {
			t.Errorf("a dry run has done %v", s.effects)
		}
		one := dry[0]
		if one.Name != heal.ReplaceReplica {
			t.Errorf("first of all comes %+v", one)
		}
		made, err := c.Execute(t.Context(), heal.Request{Action: one.Name, Target: one.Target, By: "op", Reason: "now"})
		if err != nil || len(made) != 1 || made[0].By != "op" || made[0].Reason != "now" {
			t.Fatalf("by hand: %+v, %v", made, err)
		}
		s.run(2 * time.Minute)
		if s.effects["begin"] != 1 {
			t.Errorf("one by hand: %v", s.effects)
		}
		if err := c.Toggle(t.Context(), heal.ReplaceReplica, false, 0, "op"); err != nil {
			t.Fatal(err)
		}
		if err := c.Toggle(t.Context(), heal.All, true, 0, "op"); err != nil {
			t.Fatal(err)
		}
		s.run(2 * time.Minute)
		if s.effects["begin"] != 1 {
			t.Errorf("with %s off: %v", heal.ReplaceReplica, s.effects)
		}
		if err := c.Toggle(t.Context(), heal.ReplaceReplica, true, 0, "op"); err != nil {
			t.Fatal(err)
		}
		s.rest()
		s.revive(id(4))
		s.rest()
		s.checkRest()
	})
}

// TestPause stops balance and not repair.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 30, quick())
		if err := s.controller().Pause(t.Context(), "op"); err != nil {
			t.Fatal(err)
		}
		s.on(func() { clear(s.effects) })
		s.join(6, "z0")
		s.run(5 * time.Minute)
		if s.effects["begin"] > 0 || s.effects["transfer"] > 0 {
			t.Errorf("while paused: %v", s.effects)
		}
		s.kill(id(3))
		s.run(5 * time.Minute)
		if s.effects["begin"] == 0 {
			t.Error("no repair while paused")
		}
		if err := s.controller().Resume(t.Context(), "op"); err != nil {
			t.Fatal(err)
		}
		s.revive(id(3))
		s.rest()
		s.checkRest()
		s.checkLevel()
	})
}

// TestCooldown: between two starts of an action there is its cooldown, but for
// those that start together.
func TestCooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := quick()
		config.Cooldowns = map[string]time.Duration{heal.MoveReplica: 20 * time.Second, heal.TransferLeader: 15 * time.Second}
		s := three(t, 6, 60, config)
		if err := s.controller().Toggle(t.Context(), heal.TransferLeader, true, 30*time.Second, "op"); err != nil {
			t.Fatal(err)
		}
		s.run(time.Minute)
		var first uint64
		s.on(func() { first = s.state.Next })
		s.join(6, "z0")
		s.rest()
		s.checkLevel()
		last, pauses := map[string]int64{}, map[string]int{}
		for _, a := range s.state.Actions {
			if a.Number < first || a.By != heal.Itself {
				continue
			}
			since := time.Duration(a.Started - last[a.Name])
			last[a.Name] = a.Started
			want := map[string]time.Duration{heal.MoveReplica: 20 * time.Second, heal.TransferLeader: 30 * time.Second}[a.Name]
			if since > time.Second && since < want {
				t.Errorf("%+v comes %s after the last one", a, since)
			}
			if since >= want && want > 0 {
				pauses[a.Name]++
			}
		}
		if pauses[heal.MoveReplica] < 2 {
			t.Errorf("pauses: %v", pauses)
		}
	})
}

// TestDriversRun: drivers and controllers on goroutines of their own, on every
// node, for every shard.
func TestDriversRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 4, 6, 3, 8, catalogue.Settings{Replicas: 3, ReplicasChosen: true}, quick())
		s.free, s.lossy = true, 0.1
		for n := range 6 {
			for number := range uint32(8) {
				s.mu.Lock()
				d := s.driver(id(n), number)
				s.mu.Unlock()
				s.wg.Go(func() { d.Run(s.ctx) })
			}
		}
		s.run(10 * time.Minute)
		s.on(func() { s.lossy = 0 })
		s.rest()
		s.checkRest()
		s.checkLevel()
	})
}

// TestHistoryIsMended: a move that nobody wrote down is written down, and an
// action whose move never began is ended, but not at once.
func TestHistoryIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t, 6, 12, quick())
		var from, to string
		find := func(target string) (found catalogue.Action) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, a := range s.state.Actions {
				if a.Target == target {
					found = a
				}
			}
			return found
		}
		s.on(func() {
			shard := s.state.Shards[3]
			from = shard.Replicas[0].Node
			for n := range 6 {
				if _, ok := shard.On(id(n)); !ok {
					to = id(n)
				}
			}
			shard.Replicas = slices.Clone(shard.Replicas)
			shard.Replicas[0].Role, shard.Replicas[0].Successor, shard.Replicas[0].Reason = catalogue.Leaving, to, "because"
			shard.Replicas = append(shard.Replicas, catalogue.Replica{Node: to, Role: catalogue.Joining, Reason: "because"})
			s.put(catalogue.SetReplicas{Shard: 3, Replicas: shard.Replicas})
			now := time.Now().UnixNano()
			for _, target := range []string{"shard 4 to " + id(77), "leader of shard 4 from a to b", "node " + id(77), "cluster"} {
				s.put(catalogue.PutAction{Action: catalogue.Action{Name: heal.AddReplica, Target: target, Started: now, Planned: now, Outcome: catalogue.ActionRunning}})
			}
		})
		s.run(5 * time.Second)
		if a := find("shard 4 to " + id(77)); a.Outcome != catalogue.ActionRunning {
			t.Errorf("ended too soon: %+v", a)
		}
		s.rest()
		s.checkRest()
		if a := find("shard 3 from " + from + " to " + to); a.Outcome != catalogue.ActionDone || a.Reason != "because" || a.Name != heal.MoveReplica || a.By != "" {
			t.Errorf("not written down: %+v", a)
		}
		if a := find("shard 4 to " + id(77)); a.Outcome != catalogue.ActionCancelled {
			t.Errorf("not ended: %+v", a)
		}
		if a := find("cluster"); a.Outcome != catalogue.ActionFailed {
			t.Errorf("not ended: %+v", a)
		}
	})
}

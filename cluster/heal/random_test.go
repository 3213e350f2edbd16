package heal_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
)

// event lets something happen to the cluster.
func (s *sim) event() {
	var nodes, active, down []string
	s.on(func() {
		for _, node := range slices.Sorted(maps.Keys(s.nodes)) {
			switch state := s.state.Nodes[node].State; {
			case state == catalogue.Gone:
				continue
			case !s.up(node):
				down = append(down, node)
			case state == catalogue.Active:
				active = append(active, node)
			}
			nodes = append(nodes, node)
		}
	})
	node := nodes[s.chance.IntN(len(nodes))]
	const fewest, most = 4, 9
	switch s.chance.IntN(14) {
	case 0, 1, 2:
		if len(down) < 2 {
			s.kill(node)
		}
	case 3, 4, 5:
		s.revive(node)
	case 6:
		if len(nodes) < most {
			s.join(len(s.nodes), fmt.Sprintf("z%d", s.chance.IntN(3)))
		}
	case 7:
		if len(active) > fewest && slices.Contains(active, node) {
			_ = s.controller().Drain(s.ctx, node, "op") // its answer may be lost
		}
	case 8:
		_ = s.controller().Undrain(s.ctx, node, "op")
	case 9:
		if len(nodes) > fewest+1 && len(down) > 0 && s.spares(down[0]) {
			_ = s.controller().RemoveNode(s.ctx, down[0], true, "op")
		}
	case 10:
		s.on(func() { s.leader = "" })
	case 11:
		s.on(func() { s.groups[uint32(s.chance.IntN(len(s.groups)))].depose() })
	case 12:
		_ = s.controller().SetReplicas(s.ctx, []int{1, 3, 3, 3, 5}[s.chance.IntN(5)], "op")
	case 13:
		s.off(s.chance.IntN(2) == 0)
	}
}

// off switches everything off, lets time pass, in which nothing may happen but
// what has begun, and switches it on.
func (s *sim) off(dry bool) {
	lossy := 0.0
	s.on(func() { lossy, s.lossy = s.lossy, 0 })
	defer s.on(func() { s.lossy = lossy })
	if err := s.controller().Toggle(s.ctx, heal.All, false, 0, "op"); err != nil {
		return // nobody leads
	}
	s.run(10 * time.Second) // what was on its way arrives
	var before map[string]int
	s.on(func() { before = maps.Clone(s.effects) })
	s.run(20 * time.Second)
	if dry {
		_, _ = s.controller().Execute(s.ctx, heal.Request{DryRun: true, By: "op"})
		s.run(10 * time.Second)
	}
	s.on(func() {
		for _, what := range []string{"begin", "give up", "settings", "transfer", "tenant"} {
			if s.effects[what] != before[what] {
				s.Errorf("while off: %v, before %v", s.effects, before)
			}
		}
	})
	for s.controller().Toggle(s.ctx, heal.All, true, 0, "op") != nil {
		s.tick()
	}
}

// spares reports whether every group can do without a node for good.
func (s *sim) spares(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	stays := func(id string) bool { return id != node && s.state.Nodes[id].State != catalogue.Gone }
	if !majority(s.voting, stays) {
		return false
	}
	for _, g := range s.groups {
		if g.pending != nil || !majority(g.members, stays) || !slices.ContainsFunc(g.voters(), func(id string) bool { return stays(id) && g.complete(id) }) {
			return false
		}
	}
	return true
}

// TestRandomHistories lets chance have its way with small clusters: nodes die,
// come back, join, drain and go for good, leaders change, answers and reports
// are lost, everything is switched off for a while. Every change of members is
// checked, everything is in the history, and in the end all is as it should be.
func TestRandomHistories(t *testing.T) {
	histories := 60
	if testing.Short() {
		histories = 15
	}
	effects := map[string]int{}
	for seed := range uint64(histories) {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, seed, 5+int(seed%3), 3, 8+int(seed%9), catalogue.Settings{Replicas: 3, ReplicasChosen: seed%2 == 0}, quick())
				s.lossy = []float64{0, 0.05, 0.3}[seed%3]
				if seed%4 == 1 {
					s.copied = simShard / 100 // so slow that much happens meanwhile
				}
				for range 40 {
					s.event()
					s.run(time.Duration(s.chance.IntN(30)) * time.Second)
				}
				s.on(func() { s.lossy = 0 })
				for _, node := range slices.Sorted(maps.Keys(s.nodes)) {
					s.revive(node)
				}
				s.rest()
				s.checkRest()
				if t.Failed() {
					s.dump()
				}
				for what, n := range s.effects {
					effects[what] += n
				}
			})
		})
		if !ok {
			break
		}
	}
	t.Logf("%v", effects)
	for _, what := range []string{"begin", "give up", "transfer", "vote", "settings", "node"} {
		if effects[what] < histories/4 {
			t.Errorf("only %d times: %s", effects[what], what)
		}
	}
}

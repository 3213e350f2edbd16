package heal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/raft"
)

// id is the id of a node.
func id(n int) string { return fmt.Sprintf("%016x", n+1) }

func named(n int, zone string) catalogue.Node {
	return catalogue.Node{ID: id(n), Name: fmt.Sprintf("node-%d", n+1), Zone: zone, Address: fmt.Sprintf("10.0.0.%d:7100", n+1), Formats: catalogue.Formats{Min: 1, Max: catalogue.Format}}
}

// begun is a cluster of one node.
func begun(t testing.TB, shards int, settings catalogue.Settings, now int64, zone string) *catalogue.State {
	t.Helper()
	empty := &catalogue.State{
		Nodes: map[string]catalogue.Node{}, Shards: map[uint32]catalogue.Shard{}, Tenants: map[model.TenantID]catalogue.Tenant{},
		Healing: map[string]catalogue.Healing{}, Next: 1,
	}
	s, err := empty.Apply(1, catalogue.Init{Cluster: id(99), Node: named(0, zone), Shards: shards, Settings: settings, Time: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// oneShard is a shard whose group, catalogue and nodes do as chance has it.
type oneShard struct {
	*testing.T
	random  *rand.Rand
	states  []*catalogue.State // all of them, newest last
	down    map[string]bool
	group   *simGroup
	drivers map[string]*heal.Driver
	views   map[string]*believer
	lossy   float64
	steps   map[heal.StepKind]int
	last    string
	took    func(heal.Step) // is told of them; nil: nobody
}

const shardNodes = 7

func newOneShard(t *testing.T, seed uint64) *oneShard {
	s := &oneShard{T: t, random: rand.New(rand.NewPCG(seed, 2)), down: map[string]bool{}, steps: map[heal.StepKind]int{}}
	s.states = []*catalogue.State{begun(t, 1, catalogue.Settings{Replicas: []int{1, 3, 5}[s.random.IntN(3)]}, 1, "")}
	for n := 1; n < shardNodes; n++ {
		s.apply(catalogue.PutNode{Node: named(n, "")})
	}
	s.group = &simGroup{
		t: t, random: s.random, up: func(node string) bool { return !s.down[node] }, want: s.wanted,
		members: []heal.Member{{Node: id(0), Voter: true}}, bytes: 10, have: map[string]int64{id(0): 10},
		succeeds: s.successors,
	}
	s.group.elect()
	s.drivers, s.views = map[string]*heal.Driver{}, map[string]*believer{}
	for n := range shardNodes {
		s.restart(id(n))
	}
	return s
}

func (s *oneShard) state() *catalogue.State { return s.states[len(s.states)-1] }
func (s *oneShard) shard() catalogue.Shard  { return s.state().Shards[0] }

func (s *oneShard) apply(c catalogue.Command) error {
	next, err := s.state().Apply(s.state().Index+1, c)
	if err == nil {
		s.states = append(s.states, next)
	}
	return err
}

// viewLag is how many states what a node knows may be behind.
const viewLag = 3

// wanted is how many healthy replicas must stay when one goes, as anybody may
// believe it: so many as are wanted, and where nobody knows of the one that
// goes no more than stay.
func (s *oneShard) wanted(without string) int {
	wanted := s.state().Settings.Replicas
	least := wanted
	for _, old := range s.states[max(0, len(s.states)-viewLag):] {
		staying := 0
		for _, r := range old.Shards[0].Replicas {
			if r.Role != catalogue.Leaving {
				staying++
			}
		}
		if _, named := old.Shards[0].On(without); !named {
			least = min(least, staying)
		}
	}
	return least
}

// successors are the nodes whose replica takes the place of another's, as
// anybody may believe it.
func (s *oneShard) successors(node string) (nodes []string) {
	for _, old := range s.states[max(0, len(s.states)-viewLag):] {
		if r, _ := old.Shards[0].On(node); r.Successor != "" {
			nodes = append(nodes, r.Successor)
		}
	}
	return nodes
}

// restart gives a node a driver that remembers nothing.
func (s *oneShard) restart(node string) {
	view := &believer{g: s.group, node: node}
	lag := 0
	s.views[node] = view
	s.drivers[node] = heal.NewDriver(heal.DriverConfig{
		Self: node, Shard: 0, Group: view,
		State: func() *catalogue.State {
			// What a node knows may be old, but it never goes back.
			newest := len(s.states) - 1
			if s.lossy > 0 {
				newest = max(newest-s.random.IntN(viewLag), 0)
			}
			lag = max(lag, newest)
			return s.states[lag]
		},
		Complete: func(_ context.Context, nodes []string) map[string]bool {
			complete := map[string]bool{}
			for _, node := range nodes {
				if !s.down[node] && s.random.Float64() >= s.lossy/4 {
					complete[node] = s.group.complete(node)
				}
			}
			return complete
		},
		Propose: func(_ context.Context, c catalogue.Command) (*catalogue.State, error) {
			lost := s.random.Float64() < s.lossy
			if lost && s.random.IntN(2) == 0 {
				return nil, raft.ErrUncertain
			}
			before := s.shard()
			if err := s.apply(c); err != nil {
				return nil, err
			}
			s.checkRecord(before)
			if lost {
				return nil, raft.ErrUncertain
			}
			return s.state(), nil
		},
		Took: func(step heal.Step, err error) {
			s.steps[step.Kind]++
			if s.took != nil {
				s.took(step)
			}
			s.last = fmt.Sprintf("%+v: %v", step, err)
			if errors.Is(err, catalogue.ErrRefused) || errors.Is(err, catalogue.ErrInvalid) {
				s.Fatalf("%+v of %+v: %v", step, s.shard(), err)
			}
		},
	})
}

// checkRecord: what a driver has written down is so, for good.
func (s *oneShard) checkRecord(before catalogue.Shard) {
	s.Helper()
	for _, r := range before.Replicas {
		after, stays := s.shard().On(r.Node)
		member := slices.ContainsFunc(s.group.members, func(m heal.Member) bool { return m.Node == r.Node })
		if !stays && member && r.Role == catalogue.Leaving {
			s.Fatalf("node %s is said to be out and is not: %+v", r.Node, s.group.members)
		}
		if stays && r.Role == catalogue.Joining && after.Role == catalogue.Voter && !slices.Contains(s.group.voters(), r.Node) {
			s.Fatalf("node %s is said to vote and does not: %+v", r.Node, s.group.members)
		}
	}
}

// intend changes what is to be, as the controller or a hand would.
func (s *oneShard) intend() {
	shard, random := s.shard(), s.random
	replicas := slices.Clone(shard.Replicas)
	node := id(random.IntN(shardNodes))
	busy := slices.ContainsFunc(replicas, func(r catalogue.Replica) bool { return r.Role != catalogue.Voter })
	at := random.IntN(len(replicas))
	_, has := shard.On(node)
	switch kind := random.IntN(10); {
	case kind == 0: // anything that the catalogue takes
		replicas[at].Role = []catalogue.Role{catalogue.Joining, catalogue.Voter, catalogue.Leaving}[random.IntN(3)]
		replicas[at].Successor = ""
	case busy: // give up
		kept := replicas[:0]
		for _, r := range replicas {
			if r.Role != catalogue.Joining {
				r.Role, r.Successor = catalogue.Voter, ""
				kept = append(kept, r)
			}
		}
		replicas = kept
	case kind < 4 && !has && len(replicas) < 5:
		replicas = append(replicas, catalogue.Replica{Node: node, Role: catalogue.Joining})
	case kind < 8 && !has:
		replicas[at].Role, replicas[at].Successor = catalogue.Leaving, node
		replicas = append(replicas, catalogue.Replica{Node: node, Role: catalogue.Joining})
	default:
		replicas[at].Role = catalogue.Leaving
	}
	_ = s.apply(catalogue.SetReplicas{Shard: 0, Replicas: replicas}) // it may refuse
}

// event lets something happen.
func (s *oneShard) event() {
	node := id(s.random.IntN(shardNodes))
	switch s.random.IntN(12) {
	case 0, 1:
		s.down[node] = true
	case 2, 3, 4:
		delete(s.down, node)
		s.restart(node)
	case 5:
		if view := s.views[node]; view.leads() && s.group.pending == nil {
			view.old = slices.Clone(s.group.members) // it does not notice
			s.group.depose()
		}
	case 6:
		s.group.depose()
	case 7:
		if s.random.IntN(8) == 0 && len(s.down) == 0 {
			_ = s.apply(catalogue.SetNodeState{ID: node, State: catalogue.Gone, Force: true})
			s.down[node] = true
		}
	default:
		s.intend()
	}
	for id, n := range s.state().Nodes { // gone is gone
		if n.State == catalogue.Gone {
			s.down[id] = true
		}
	}
	s.group.elect()
}

func (s *oneShard) round() (took bool) {
	for _, n := range s.random.Perm(shardNodes) {
		if node := id(n); !s.down[node] {
			did, _ := s.drivers[node].Step(s.Context())
			took = took || did
			if view := s.views[node]; s.random.IntN(3) == 0 {
				view.old = nil
			}
		}
	}
	s.group.elect()
	return took
}

// rest leaves the shard alone until nothing is done any more.
func (s *oneShard) rest() {
	s.lossy, s.group.lossy = 0, 0
	for n := range shardNodes {
		if node := id(n); s.state().Nodes[node].State != catalogue.Gone {
			delete(s.down, node)
			s.views[node].old = nil
		}
	}
	s.group.elect()
	for quiet, rounds := 0, 0; quiet < 3; rounds++ {
		if rounds > 200 {
			s.Fatalf("no rest: catalogue %+v, group %+v led by %q, last step %s", s.shard().Replicas, s.group.members, s.group.leader, s.last)
		}
		if quiet++; s.round() {
			quiet = 0
		}
		s.group.copyOn(4)
		if s.group.leader == "" {
			return // a majority is gone for good
		}
		for node := range s.group.have {
			if !s.down[node] && !s.group.complete(node) {
				quiet = 0
			}
		}
	}
}

// checkRest: catalogue and group say the same, but for what waits for a
// decision: replicas that are too many although none is, and such on nodes that
// are gone.
func (s *oneShard) checkRest() {
	s.Helper()
	if s.group.leader == "" {
		return
	}
	shard := s.shard()
	for _, m := range s.group.members {
		if _, ok := shard.On(m.Node); !ok {
			s.Errorf("node %s is a member, the catalogue has %+v", m.Node, shard.Replicas)
		}
	}
	for _, r := range shard.Replicas {
		votes := slices.Contains(s.group.voters(), r.Node)
		switch {
		case r.Role == catalogue.Joining:
			s.Errorf("node %s is still joining", r.Node)
		case r.Role == catalogue.Leaving && r.Successor != "" && !s.down[r.Successor]:
			s.Errorf("node %s is still leaving: %+v", r.Node, shard.Replicas)
		case r.Role == catalogue.Leaving && r.Successor == "" && len(s.group.healthy()) > s.state().Settings.Replicas:
			s.Errorf("node %s is still leaving, %v are healthy", r.Node, s.group.healthy())
		case r.Role == catalogue.Voter && !votes:
			s.Errorf("node %s does not vote: %+v", r.Node, s.group.members)
		}
	}
}

// TestStepsOfAMove: the steps of moving the only replica, of adding two, and of
// removing one.
func TestStepsOfAMove(t *testing.T) {
	s := newOneShard(t, 1)
	var steps []string
	s.took = func(step heal.Step) {
		steps = append(steps, strings.TrimSpace(string(step.Kind)+" "+strings.TrimLeft(step.Node, "0")))
	}
	for _, test := range []struct {
		replicas []catalogue.Replica
		want     string
	}{
		{
			[]catalogue.Replica{{Node: id(0), Role: catalogue.Leaving, Successor: id(1)}, {Node: id(1), Role: catalogue.Joining}},
			"add learner 2, add voter 2, record, transfer 2, remove 1, record",
		},
		{
			[]catalogue.Replica{{Node: id(1), Role: catalogue.Voter}, {Node: id(2), Role: catalogue.Joining}, {Node: id(3), Role: catalogue.Joining}},
			"add learner 3, add learner 4, add voter 3, record, add voter 4, record",
		},
		{
			[]catalogue.Replica{{Node: id(1), Role: catalogue.Leaving}, {Node: id(2), Role: catalogue.Voter}, {Node: id(3), Role: catalogue.Voter}},
			"transfer, remove 2, record",
		},
	} {
		steps = nil
		_ = s.apply(catalogue.SetSettings{Settings: catalogue.Settings{Replicas: 1, CatalogueVoters: 5}})
		if err := s.apply(catalogue.SetReplicas{Shard: 0, Replicas: test.replicas}); err != nil {
			t.Fatal(err)
		}
		s.rest()
		s.checkRest()
		if have := strings.Join(steps, ", "); have != test.want {
			t.Errorf("%+v:\n%s, want\n%s", test.replicas, have, test.want)
		}
	}
}

const shardHistories = 2000

// TestFollow drives one shard through crashes, lost answers, leaders that do
// not know that they lead no more, old views and changes of the catalogue in
// between, checks every change of the members, and wants rest in the end.
func TestFollow(t *testing.T) {
	changes, led := 0, 0
	steps := map[heal.StepKind]int{}
	for seed := range uint64(shardHistories) {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newOneShard(t, seed)
			s.lossy = []float64{0, 0.1, 0.5}[seed%3]
			s.group.lossy = s.lossy
			for range 60 {
				s.event()
				for range s.random.IntN(4) {
					s.round()
					s.group.copyOn(s.random.Int64N(8))
				}
			}
			s.rest()
			s.checkRest()
			if s.group.leader != "" {
				led++
			}
			changes += s.group.changes
			for kind, n := range s.steps {
				steps[kind] += n
			}
		})
		if !ok {
			break
		}
	}
	t.Logf("%d changes of members, steps %v, %d of %d with a leader in the end", changes, steps, led, shardHistories)
	for _, kind := range []heal.StepKind{heal.StepLearner, heal.StepVoter, heal.StepRemove, heal.StepTransfer, heal.StepRecord} {
		if steps[kind] < shardHistories/10 {
			t.Errorf("only %d steps %q", steps[kind], kind)
		}
	}
	if led < shardHistories/2 {
		t.Errorf("only %d shards had a leader in the end", led)
	}
}

package heal_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/raft"
)

// sim is a cluster in memory, on the clock of the bubble: a catalogue that some
// node leads, groups with their leaders, copies that take time, nodes that die.
// It wants an entry in the history for everything that is done to it.
type sim struct {
	*testing.T
	ctx    context.Context
	config heal.Config
	wg     sync.WaitGroup

	mu      sync.Mutex
	random  *rand.Rand // under the lock
	chance  *rand.Rand // of the test itself
	state   *catalogue.State
	leader  string        // of the catalogue
	voting  []heal.Member // of the catalogue: Node and Voter
	nodes   map[string]*simNode
	groups  map[uint32]*simGroup
	lossy   float64 // share of the answers that are lost, of reports that do not come
	written int64
	copied  int64          // bytes that each copy gets in a tick
	effects map[string]int // by what was done
	tenants map[string]int64
	rotten  map[string]int  // by "shard node"
	lost    map[string]bool // logs that are damaged, likewise
	mute    string          // a node that does not report
	deaf    string          // a node that does not hear of changes of the catalogue
	free    bool            // drivers run by themselves
}

type simNode struct {
	id, zone string
	up       bool
	since    time.Time // of up
	started  time.Time
	capacity int64
	used     int64 // beyond the replicas
	control  *heal.Controller
	stop     context.CancelFunc
	drivers  map[uint32]*heal.Driver
	skew     time.Duration
}

const (
	simTick    = 500 * time.Millisecond
	simShard   = int64(10 << 30)
	simDisk    = int64(4000 << 30)
	simDetects = 3 * time.Second // gossip a death
	simElects  = 2 * time.Second // somebody
)

// newSim is a cluster with so many nodes in so many zones, of which the first
// has all the shards.
func newSim(t *testing.T, seed uint64, nodes, zones, shards int, settings catalogue.Settings, config heal.Config) *sim {
	ctx, cancel := context.WithCancel(t.Context())
	s := &sim{
		T: t, ctx: ctx, config: config, random: rand.New(rand.NewPCG(seed, 3)), chance: rand.New(rand.NewPCG(seed, 4)), nodes: map[string]*simNode{}, groups: map[uint32]*simGroup{},
		effects: map[string]int{}, copied: simShard / 5, tenants: map[string]int64{}, rotten: map[string]int{},
	}
	s.state = begun(t, shards, settings, time.Now().UnixNano(), "z0")
	s.leader, s.voting = id(0), []heal.Member{{Node: id(0), Voter: true}}
	for number := range uint32(shards) {
		s.groups[number] = s.group(number, id(0), simShard)
	}
	for n := range nodes {
		s.join(n, fmt.Sprintf("z%d", n%zones))
	}
	t.Cleanup(func() {
		cancel()
		s.wg.Wait()
	})
	return s
}

// group is that of a shard whose first replica is on a node.
func (s *sim) group(number uint32, node string, bytes int64) *simGroup {
	return &simGroup{
		t: s.T, random: s.random, shard: number, up: s.up, bytes: bytes, have: map[string]int64{node: bytes}, leader: node,
		members: []heal.Member{{Node: node, Voter: true}},
		want: func(without string) int {
			shard := s.state.Shards[number]
			wanted := s.state.Wanted(shard)
			if _, named := shard.On(without); !named {
				wanted = min(wanted, len(shard.Replicas))
			}
			return wanted
		},
		succeeds: func(node string) []string { r, _ := s.state.Shards[number].On(node); return []string{r.Successor} },
	}
}

// join makes a node a member and starts it.
func (s *sim) join(n int, zone string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 {
		s.put(catalogue.PutNode{Node: named(n, zone)})
	}
	s.nodes[id(n)] = &simNode{id: id(n), zone: zone, capacity: simDisk}
	s.startNode(id(n))
}

func (s *sim) put(c catalogue.Command) {
	next, err := s.state.Apply(s.state.Index+1, c)
	if err != nil {
		s.Errorf("%#v: %v", c, err)
		return
	}
	s.state = next
}

// startNode starts a node that is down. The lock is held.
func (s *sim) startNode(node string) {
	n := s.nodes[node]
	ctx, cancel := context.WithCancel(s.ctx)
	n.up, n.since, n.started, n.stop = true, time.Now(), time.Now(), cancel
	config := s.config
	config.Cluster = &seen{s, node}
	control, err := heal.New(config)
	if err != nil {
		s.Fatal(err)
	}
	n.control, n.drivers = control, map[uint32]*heal.Driver{}
	s.wg.Go(func() { control.Run(ctx) })
}

func (s *sim) kill(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.nodes[node]; n.up {
		n.up, n.since = false, time.Now()
		n.stop()
	}
}

func (s *sim) revive(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.nodes[node].up && s.state.Nodes[node].State != catalogue.Gone {
		s.startNode(node)
	}
}

// up reports whether a node runs. The lock is held.
func (s *sim) up(node string) bool { n := s.nodes[node]; return n != nil && n.up }

// tick lets copies go on, leaders be elected and drivers take their steps.
func (s *sim) tick() {
	time.Sleep(simTick)
	s.mu.Lock()
	numbers := slices.Sorted(maps.Keys(s.groups))
	s.written += 1 << 20
	s.electLeader()
	for _, number := range numbers {
		g := s.groups[number]
		g.lossy = s.lossy
		if g.leader != "" && g.up(g.leader) && majority(g.members, g.up) || s.random.IntN(int(simElects/simTick)) == 0 {
			g.elect()
		}
		g.copyOn(s.copied)
	}
	s.mu.Unlock()
	for _, number := range numbers {
		s.mu.Lock()
		leader := s.groups[number].leader
		run := s.up(leader) && !s.free
		var d *heal.Driver
		if run {
			d = s.driver(leader, number)
		}
		s.mu.Unlock()
		if run {
			_, _ = d.Step(s.ctx)
		}
	}
}

// electLeader lets somebody lead the catalogue. The lock is held.
func (s *sim) electLeader() {
	if s.up(s.leader) && slices.ContainsFunc(s.voting, func(m heal.Member) bool { return m.Node == s.leader && m.Voter }) && majority(s.voting, s.up) {
		return
	}
	if s.leader = ""; !majority(s.voting, s.up) || s.random.IntN(int(simElects/simTick)) != 0 {
		return
	}
	var able []string
	for _, m := range s.voting {
		if m.Voter && s.up(m.Node) {
			able = append(able, m.Node)
		}
	}
	s.leader = able[s.random.IntN(len(able))]
}

// driver is the driver that a node has for a shard. The lock is held.
func (s *sim) driver(node string, number uint32) *heal.Driver {
	if d := s.nodes[node].drivers[number]; d != nil {
		return d
	}
	d := heal.NewDriver(heal.DriverConfig{
		Self: node, Shard: number, Group: &lockedGroup{s, &believer{g: s.groups[number], node: node}},
		State: (&seen{s, node}).State,
		Complete: func(_ context.Context, nodes []string) map[string]bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			complete := map[string]bool{}
			for _, node := range nodes {
				if s.up(node) && s.random.Float64() >= s.lossy/4 {
					complete[node] = s.groups[number].complete(node)
				}
			}
			return complete
		},
		Propose: func(ctx context.Context, c catalogue.Command) (*catalogue.State, error) {
			return s.propose(node, c, false)
		},
	})
	s.nodes[node].drivers[number] = d
	return d
}

// lockedGroup is a believer under the lock of the sim.
type lockedGroup struct {
	s *sim
	b *believer
}

func (g *lockedGroup) Leads() bool {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	return g.b.Leads()
}

func (g *lockedGroup) Members() []heal.Member {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	return g.b.Members()
}

func (g *lockedGroup) Confirm(ctx context.Context) error {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	return g.b.Confirm(ctx)
}

func (g *lockedGroup) Change(ctx context.Context, change heal.Change, node string) error {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	return g.b.Change(ctx, change, node)
}

func (g *lockedGroup) Transfer(ctx context.Context, to string) error {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	return g.b.Transfer(ctx, to)
}

// propose changes the catalogue, if somebody leads it.
func (s *sim) propose(node string, c catalogue.Command, controlled bool) (*catalogue.State, error) {
	time.Sleep(5 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.up(node) || !s.up(s.leader) {
		return nil, catalogue.NotLeaderError{}
	}
	lost := s.random.Float64() < s.lossy
	if lost && s.random.IntN(2) == 0 {
		return nil, raft.ErrUncertain
	}
	if a, ok := c.(catalogue.PutAction); ok && a.Action.Started != 0 && len(a.Action.Reason) == 0 && a.Action.By == heal.Itself {
		s.Errorf("no reason: %+v", a.Action)
	}
	before := s.state
	next, err := s.state.Apply(s.state.Index+1, stamped(c))
	if err != nil {
		return nil, err
	}
	s.state = next
	for number, shard := range next.Shards {
		if s.groups[number] == nil { // it is new
			s.groups[number] = s.group(number, shard.Replicas[0].Node, 0)
		}
	}
	if controlled {
		s.checkWritten(before, c)
	}
	if lost {
		return nil, raft.ErrUncertain
	}
	return next, nil
}

// stamped gives a command the time that Propose gives it.
func stamped(c catalogue.Command) catalogue.Command {
	now := time.Now().UnixNano()
	switch c := c.(type) {
	case catalogue.SetReplicas:
		c.Time = now
		return c
	case catalogue.SetNodeState:
		c.Time = now
		return c
	}
	return c
}

// running reports whether the history has a running action that is about all
// of the words. The lock is held.
func (s *sim) running(words ...string) bool {
	return slices.ContainsFunc(s.state.Actions, func(a catalogue.Action) bool {
		for _, w := range words {
			if !strings.Contains(a.Name+" "+a.Target+" ", w+" ") {
				return false
			}
		}
		return a.Outcome == catalogue.ActionRunning && !a.DryRun
	})
}

// checkWritten: what a controller does was written down before. The lock is
// held.
func (s *sim) checkWritten(before *catalogue.State, c catalogue.Command) {
	switch c := c.(type) {
	case catalogue.SetReplicas:
		what := "give up"
		shard := fmt.Sprintf("shard %d", c.Shard)
		for _, r := range c.Replicas {
			old, had := before.Shards[c.Shard].On(r.Node)
			if r.Role == catalogue.Joining && !had {
				if what = "begin"; !s.running(shard, "to "+r.Node) {
					s.Errorf("%+v is not in the history", c)
				}
			}
			if r.Role == catalogue.Leaving && old.Role != catalogue.Leaving {
				if what = "begin"; !s.running(shard, "from "+r.Node) && !s.running(shard, "on "+r.Node) {
					s.Errorf("%+v is not in the history", c)
				}
			}
		}
		s.effects[what]++
	case catalogue.SetSettings:
		s.effects["settings"]++
		if !s.running("cluster") {
			s.Errorf("%+v is not in the history", c)
		}
	case catalogue.SetTenant:
		s.effects["tenant"]++
		action := heal.SpreadTenant
		if c.Tenant.Replicas != before.Tenants[c.ID].Replicas {
			action = heal.SetReplicas
		}
		if !s.running(action, "tenant "+string(c.ID)) {
			s.Errorf("%+v is not in the history", c)
		}
	case catalogue.SetNodeState:
		s.effects["node"]++
		if !s.running("node " + c.ID) {
			s.Errorf("%+v is not in the history", c)
		}
	}
}

// seen is the cluster as one node sees it.
type seen struct {
	s    *sim
	node string
}

func (v *seen) Self() string { return v.node }

func (v *seen) Leads() bool {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	return v.s.leader == v.node && v.s.up(v.node)
}

func (v *seen) State() *catalogue.State {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	return v.s.state
}

func (v *seen) Members() []gossip.Member {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	var members []gossip.Member
	for _, n := range v.s.nodes {
		m := gossip.Member{ID: n.id, State: gossip.Alive, Since: n.since, ClockSkew: n.skew, Self: n.id == v.node}
		if !n.up {
			m.Since = n.since.Add(simDetects)
			if m.State = gossip.Dead; time.Since(n.since) < simDetects {
				m.State, m.Since = gossip.Suspect, n.since
			}
		}
		members = append(members, m)
	}
	return members
}

func (v *seen) Reports(ctx context.Context) map[string]heal.Report {
	time.Sleep(100 * time.Millisecond)
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	reports := map[string]heal.Report{}
	for id, n := range v.s.nodes {
		if n.up && id != v.s.mute && (id == v.node || v.s.random.Float64() >= v.s.lossy) {
			reports[id] = v.s.report(n)
		}
	}
	return reports
}

func (s *sim) report(n *simNode) heal.Report {
	r := heal.Report{Node: n.id, Catalogue: s.state.Index, Time: time.Now().UnixNano(), Uptime: time.Since(n.started)}
	if n.id == s.deaf {
		r.Catalogue = 1
	}
	used := n.used
	for number, g := range s.groups {
		have, ok := g.have[n.id]
		if !ok {
			continue
		}
		used += have
		key := fmt.Sprintf("%d %s", number, n.id)
		one := heal.ReplicaReport{Shard: number, Leader: g.leader, Leads: g.leader == n.id, Term: g.term, Complete: have >= g.bytes, Bytes: have, Written: s.written, Rotten: s.rotten[key]}
		if have < g.bytes {
			one.Missing, one.MissingBytes = int((g.bytes-have)>>30)+1, g.bytes-have
		}
		if one.Leads {
			one.Tenants, one.Members = s.tenants, (&believer{g: g, node: n.id}).Members()
		}
		if s.lost[key] {
			one = heal.ReplicaReport{Shard: number, LogLost: true, Problem: "its log is damaged"}
		}
		r.Replicas = append(r.Replicas, one)
	}
	r.Disk = heal.Disk{Total: n.capacity, Free: max(n.capacity-used, 0)}
	return r
}

func (v *seen) Propose(_ context.Context, c catalogue.Command) (*catalogue.State, error) {
	return v.s.propose(v.node, c, true)
}

func (v *seen) Maintain(_ context.Context, node string, maintenance heal.Maintenance) (string, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if !v.s.up(node) {
		return "", raft.ErrUncertain
	}
	v.s.effects[maintenance.Name]++
	return "done on " + node, nil
}

func (v *seen) Transfer(_ context.Context, shard uint32, to string) error {
	time.Sleep(20 * time.Millisecond)
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	if shard == catalogue.Group {
		for _, m := range v.s.voting {
			if m.Voter && m.Node != v.s.leader && v.s.up(m.Node) {
				v.s.leader = m.Node
				return nil
			}
		}
		return raft.ErrBehind
	}
	v.s.effects["transfer"]++
	if !v.s.running(fmt.Sprintf("leader of shard %d", shard)) {
		v.s.Errorf("transfer of shard %d to %q is not in the history", shard, to)
	}
	g := v.s.groups[shard]
	if g.leader == "" {
		return raft.ErrNotLeader
	}
	return g.transfer(to)
}

func (v *seen) CatalogueMembers() []heal.Member {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	members := slices.Clone(v.s.voting)
	for i := range members {
		if members[i].Contact = -1; v.s.up(members[i].Node) {
			members[i].Contact, members[i].Match = time.Millisecond, v.s.state.Index
		}
	}
	return members
}

func (v *seen) ChangeCatalogue(_ context.Context, change heal.Change, node string) error {
	time.Sleep(5 * time.Millisecond)
	s := v.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leader != v.node || !s.up(v.node) {
		return raft.ErrNotLeader
	}
	if !s.running(heal.CatalogueVoter, "node "+node+":") {
		s.Errorf("%s %s in the catalogue is not in the history", change, node)
	}
	next := slices.Clone(s.voting)
	at := slices.IndexFunc(next, func(m heal.Member) bool { return m.Node == node })
	switch {
	case change == heal.AddLearner && at < 0:
		next = append(next, heal.Member{Node: node})
	case change == heal.AddVoter && at < 0:
		return raft.ErrNotMember
	case change == heal.AddVoter && !s.up(node):
		return raft.ErrBehind
	case change == heal.AddVoter:
		next[at].Voter = true
		s.effects["vote"]++
	case change == heal.Remove && at >= 0:
		next = slices.Delete(next, at, at+1)
		s.effects["vote"]++
	}
	if !majority(s.voting, s.up) {
		return raft.ErrUncertain // it does not know yet that it leads nobody
	}
	if !majority(next, s.up) {
		s.Errorf("%s %s takes the majority of the catalogue away: %+v", change, node, next)
	}
	s.voting = next
	return nil
}

// on runs something with the lock.
func (s *sim) on(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// controller is the controller of a node that is up.
func (s *sim) controller() *heal.Controller {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, node := range slices.Sorted(maps.Keys(s.nodes)) {
		if s.nodes[node].up {
			return s.nodes[node].control
		}
	}
	s.Fatal("no node is up")
	return nil
}

// run lets time pass.
func (s *sim) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		s.tick()
	}
}

// restAfter is how long nothing may happen for the cluster to be at rest.
const restAfter = time.Minute

// rest lets time pass until nothing happens any more, and returns how long that
// took.
func (s *sim) rest() time.Duration {
	s.Helper()
	begin, last, index := time.Now(), time.Now(), uint64(0)
	for time.Since(last) < restAfter {
		s.tick()
		s.on(func() {
			busy := s.leader == ""
			for _, g := range s.groups {
				busy = busy || g.pending != nil || g.leader == "" && len(g.healthy()) > 0
			}
			if s.state.Index != index || busy {
				index, last = s.state.Index, time.Now()
			}
		})
		if time.Since(begin) > 6*time.Hour {
			s.dump()
			s.Fatal("no rest")
		}
	}
	return time.Since(begin) - restAfter
}

func (s *sim) dump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Logf("catalogue led by %q, voters %+v", s.leader, s.voting)
	for _, number := range s.state.Numbers() {
		g := s.groups[number]
		s.Logf("shard %d: %+v; group %+v led by %q, have %v", number, s.state.Shards[number].Replicas, g.members, g.leader, g.have)
	}
	for _, a := range s.state.Actions[max(0, len(s.state.Actions)-12):] {
		s.Logf("%+v", a)
	}
}

// checkRest looks at a cluster that has come to rest with all nodes up.
func (s *sim) checkRest() {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	usable, zones, kept := 0, map[string]int{}, map[string]bool{}
	for id, n := range s.state.Nodes {
		if n.State == catalogue.Active && s.up(id) {
			usable++
			zones[n.Zone]++
		}
	}
	for _, number := range s.state.Numbers() {
		shard, g := s.state.Shards[number], s.groups[number]
		wanted := s.state.Wanted(shard)
		want := min(wanted, max(1, usable-(usable+1)%2)) // more, if there are, may stay
		if healthy := g.healthy(); len(healthy) < want || len(healthy) > wanted || len(g.members) != len(healthy) || len(shard.Replicas) != len(healthy) {
			s.Errorf("shard %d: healthy %v of %+v, catalogue %+v, want %d to %d", number, healthy, g.members, shard.Replicas, want, wanted)
		}
		in, onActive := map[string]int{}, 0
		for _, r := range shard.Replicas {
			if s.state.Nodes[r.Node].State == catalogue.Active {
				onActive++
			}
		}
		for _, r := range shard.Replicas {
			in[s.state.Nodes[r.Node].Zone]++
			if r.Role != catalogue.Voter {
				s.Errorf("shard %d: %+v", number, r)
			}
			// A draining node keeps what no other one can take.
			if state := s.state.Nodes[r.Node].State; state == catalogue.Draining && onActive == usable {
				kept[r.Node] = true
			} else if state != catalogue.Active {
				s.Errorf("shard %d is on node %s, which is %s", number, r.Node, s.state.Nodes[r.Node].State)
			}
		}
		if most := min(want, len(zones)); len(in) < most {
			s.Errorf("shard %d is in zones %v of %v", number, in, zones)
		}
	}
	for _, a := range s.state.Actions {
		node, _ := strings.CutPrefix(a.Target, "node ")
		if a.Outcome == catalogue.ActionRunning && !(a.Name == heal.DrainNode && kept[node]) {
			s.Errorf("still running: %+v", a)
		}
	}
	votes, member := 0, map[string]bool{}
	for _, m := range s.voting {
		if member[m.Node] = true; m.Voter {
			votes++
		}
	}
	if want := min(s.state.Settings.CatalogueVoters, max(1, usable-(usable+1)%2)); votes != want {
		s.Errorf("%d nodes vote in the catalogue, want %d: %+v", votes, want, s.voting)
	}
	for id, n := range s.state.Nodes {
		if member[id] != (n.State != catalogue.Gone) {
			s.Errorf("node %s is %s, follows the catalogue: %v", id, n.State, member[id])
		}
	}
}

// checkLevel: bytes within a tenth of the mean of the zone, leaders within one.
func (s *sim) checkLevel() {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes, leaders, zones := map[string]int64{}, map[string]int{}, map[string][]string{}
	for id, n := range s.state.Nodes {
		if n.State == catalogue.Active {
			leaders[id] = 0
			zones[n.Zone] = append(zones[n.Zone], id)
		}
	}
	for _, g := range s.groups {
		leaders[g.leader]++
		for node, have := range g.have {
			bytes[node] += have
		}
	}
	for zone, nodes := range zones {
		var sum int64
		for _, id := range nodes {
			sum += bytes[id]
		}
		for _, id := range nodes {
			share := float64(bytes[id]) * float64(len(nodes)) / float64(sum)
			if share < 1-placement.BalanceBand || share > 1+placement.BalanceBand {
				s.Errorf("node %s has %.2f of the mean of zone %s", id, share, zone)
			}
		}
	}
	counts := slices.Sorted(maps.Values(leaders))
	if counts[len(counts)-1]-counts[0] > 1 {
		s.Errorf("nodes lead %v", leaders)
	}
}

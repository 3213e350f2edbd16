package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/internal/sim"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/membership"
)

// street is where nodes of a test run in virtual time: a network, and disks that
// outlive the nodes.
type street struct {
	t     *testing.T
	net   *sim.Network
	disks map[string]*sim.Disk
}

func newStreet(t *testing.T) *street {
	return &street{t: t, net: sim.NewNetwork(rand.New(rand.NewPCG(1, 1)), sim.Link{Delay: time.Millisecond}), disks: map[string]*sim.Disk{}}
}

// dweller is a node of a street while it runs.
type dweller struct {
	node   *node.Node
	log    *safeBuffer
	cancel context.CancelFunc
	done   chan error
}

type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *safeBuffer) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), text)
}

// start runs a node at an address, on the disk that is there.
func (s *street) start(ip string, cluster node.ClusterConfig, change ...func(*node.Config)) *dweller {
	s.t.Helper()
	if s.disks[ip] == nil {
		s.disks[ip] = sim.NewDisk()
	}
	l := &dweller{log: &safeBuffer{}, done: make(chan error, 1)}
	host := s.net.Host(ip)
	cfg := node.Config{DataDir: "data", FS: s.disks[ip], Shards: 1, Cluster: cluster, ShutdownTimeout: time.Second, Logger: slog.New(slog.NewTextHandler(l.log, nil))}
	var err error
	if cfg.Listener, err = host.Listen(7100); err != nil {
		s.t.Fatal(err)
	}
	if cluster.Listen != "" {
		cfg.Cluster.Secret, cfg.Cluster.Dial = []byte("the secret of a cluster in a test"), host.Dial
		if cfg.Cluster.Listener, err = host.Listen(node.DefaultClusterPort); err != nil {
			s.t.Fatal(err)
		}
		packets, err := host.Packets(node.DefaultGossipPort)
		if err != nil {
			s.t.Fatal(err)
		}
		cfg.Cluster.GossipTransport = packets
	}
	for _, c := range change {
		c(&cfg)
	}
	if l.node, err = node.New(s.t.Context(), cfg); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() { l.done <- l.node.Run(ctx) }()
	return l
}

// ready waits for a node.
func (l *dweller) ready(t *testing.T) {
	t.Helper()
	select {
	case <-l.node.Ready():
	case err := <-l.done:
		t.Fatalf("the node ended: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the node does not become ready")
	}
}

// stop ends a node.
func (l *dweller) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	if err := <-l.done; err != nil {
		t.Errorf("run node: %v", err)
	}
}

// settle lets goroutines of libraries end that sleep before they look whether
// they are still needed.
func settle() { time.Sleep(time.Minute) }

func (l *dweller) clusterID() string { return l.node.Cluster().State().Cluster }

// TestJoinWithAFolderOfItsOwn: a node that has begun a cluster of its own does
// not go on as if it had joined another one.
func TestJoinWithAFolderOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreet(t)
		defer settle()
		first := p.start("10.0.0.1", node.ClusterConfig{Name: "a", Listen: "10.0.0.1", Bootstrap: true})
		first.ready(t)
		alone := p.start("10.0.0.2", node.ClusterConfig{})
		alone.ready(t)
		alone.stop(t)
		joins := node.ClusterConfig{Name: "b", Listen: "10.0.0.2", Join: []string{"10.0.0.1"}}
		wrong := p.start("10.0.0.2", joins)
		select {
		case err := <-wrong.done:
			if !errors.Is(err, membership.ErrAlone) {
				t.Fatalf("the node ended with %v, want %v", err, membership.ErrAlone)
			}
		case <-wrong.node.Ready():
			t.Fatal("a node that is to join is ready as a cluster of its own")
		case <-time.After(time.Minute):
			t.Fatal("a node that is to join waits for ever")
		}
		// As the first of a cluster it keeps what it has.
		founder := joins
		founder.Join, founder.Bootstrap = nil, true
		again := p.start("10.0.0.2", founder)
		again.ready(t)
		again.stop(t)

		delete(p.disks, "10.0.0.2")
		second := p.start("10.0.0.2", joins)
		second.ready(t)
		if second.clusterID() != first.clusterID() {
			t.Fatal("the node is in another cluster")
		}
		second.stop(t)
		second = p.start("10.0.0.2", joins)
		second.ready(t)
		second.stop(t)
		first.stop(t)
	})
}

// TestBootstrapLooksFirst: a founder with an empty disk enters the cluster that
// answers at the addresses it is given, and founds one when none does.
func TestBootstrapLooksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreet(t)
		defer settle()
		founder := node.ClusterConfig{Name: "a", Listen: "10.0.0.1", Bootstrap: true, Join: []string{"10.0.0.2"}}
		first := p.start("10.0.0.1", founder)
		first.ready(t)
		if !first.log.has("no cluster has answered at the addresses to join") {
			t.Error("it is not said that nobody was asked")
		}
		second := p.start("10.0.0.2", node.ClusterConfig{Name: "b", Listen: "10.0.0.2", Join: []string{"10.0.0.1"}})
		second.ready(t)
		cluster := first.clusterID()
		first.stop(t)

		// The same disk begins nothing.
		first = p.start("10.0.0.1", founder)
		first.ready(t)
		if first.clusterID() != cluster {
			t.Error("a restart made another cluster")
		}
		// Another name, since the one before is still a member.
		third := p.start("10.0.0.3", node.ClusterConfig{Name: "c", Listen: "10.0.0.3", Bootstrap: true, Join: []string{"10.0.0.1", "10.0.0.2"}})
		third.ready(t)
		if third.clusterID() != cluster {
			t.Error("an empty disk founded a second cluster beside the one that answers")
		}
		for _, l := range []*dweller{third, second, first} {
			l.stop(t)
		}
		settle()
	})
}

// TestAloneByMistake: a node with a cluster port that was told nothing says what
// it does.
func TestAloneByMistake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			cluster node.ClusterConfig
			warns   bool
		}{
			{node.ClusterConfig{}, false},
			{node.ClusterConfig{Listen: "10.0.0.1", Bootstrap: true}, false},
			{node.ClusterConfig{Listen: "10.0.0.1", BootstrapExpect: 1}, false},
			{node.ClusterConfig{Listen: "10.0.0.1"}, true},
		} {
			l := newStreet(t).start("10.0.0.1", test.cluster)
			l.ready(t)
			if got := l.log.has("begins a cluster of its own"); got != test.warns {
				t.Errorf("%+v: warned %v, want %v", test.cluster, got, test.warns)
			}
			l.stop(t)
		}
		settle()
	})
}

// TestLogIsGone: a node that knows its cluster and has nothing of the catalogue begins no
// other cluster, and votes no more before the others have taken its vote.
func TestLogIsGone(t *testing.T) {
	lose := func(disk *sim.Disk) {
		for _, name := range []string{"data/log", "data/catalogue", "data/store"} {
			if err := disk.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := newStreet(t)
		defer settle()
		alone := p.start("10.0.0.1", node.ClusterConfig{})
		alone.ready(t)
		alone.stop(t)
		lose(p.disks["10.0.0.1"])
		_, err := node.New(t.Context(), node.Config{DataDir: "data", FS: p.disks["10.0.0.1"], Shards: 1})
		if err == nil || !strings.Contains(err.Error(), "has nothing of the catalogue") {
			t.Errorf("a node alone whose log is gone is opened: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := newStreet(t)
		defer settle()
		var all []*dweller
		for i, name := range []string{"a", "b", "c"} {
			cluster := node.ClusterConfig{Name: name, Listen: fmt.Sprintf("10.0.0.%d", i+1), Bootstrap: i == 0, Replicas: 1}
			if i > 0 {
				cluster.Join = []string{"10.0.0.1"}
			}
			all = append(all, p.start(cluster.Listen, cluster))
			all[i].ready(t)
		}
		votes := func(id string) bool {
			return slices.ContainsFunc(all[0].node.Cluster().CatalogueMembers(), func(m heal.Member) bool { return m.Node == id && m.Voter })
		}
		third := all[2].node.Cluster().Self()
		for began := time.Now(); !votes(third) && time.Since(began) < time.Hour; {
			time.Sleep(time.Second)
		}
		if !votes(third) {
			t.Fatal("the third node gets no vote: the test is of no use")
		}
		all[2].stop(t)
		lose(p.disks["10.0.0.3"])
		all[2] = p.start("10.0.0.3", node.ClusterConfig{Name: "c", Listen: "10.0.0.3", Join: []string{"10.0.0.1"}})
		all[2].ready(t)
		if !all[2].log.has("out of the catalogue's group") {
			t.Error("a voter whose log is gone goes on as if it had one")
		}
		for _, l := range []*dweller{all[2], all[1], all[0]} {
			l.stop(t)
		}
	})
}

// TestRestartAloneComplainsOfNothing: a node that leads before it has applied its log
// does not take itself for one without a cluster.
func TestRestartAloneComplainsOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newStreet(t)
		defer settle()
		id := ""
		for range 8 { // which is first, leading or applying, differs from run to run
			lone := p.start("10.0.0.1", node.ClusterConfig{})
			lone.ready(t)
			if lone.log.has("not in its cluster") {
				t.Error("a node that was started again says that it is not in its cluster")
			}
			if now := lone.clusterID(); id != "" && now != id {
				t.Errorf("the cluster is %q after a restart, was %q", now, id)
			} else {
				id = now
			}
			killed := p.disks["10.0.0.1"].Kill() // nothing is saved beside the log
			lone.stop(t)
			p.disks["10.0.0.1"] = killed
		}
	})
}

// TestHealthyClusterComplainsOfNothing: what is in the logs of nodes that are started one after
// the other, take records and are restarted in turn, is nothing that somebody must look after.
// A node that nobody joins does complain.
func TestHealthyClusterComplainsOfNothing(t *testing.T) {
	warm(t)
	synctest.Test(t, func(t *testing.T) {
		p := newStreet(t)
		defer settle()
		addresses := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}
		quiet := func(l *dweller, when string) {
			t.Helper()
			for _, bad := range []string{"level=WARN", "level=ERROR"} {
				if l.log.has(bad) {
					t.Errorf("%s %s complains:\n%s", when, l.node.ID(), l.log)
				}
			}
		}
		start := func(ip string) *dweller {
			return p.start(ip, node.ClusterConfig{Name: "n" + ip[len(ip)-1:], Listen: ip, BootstrapExpect: 3, Replicas: 3, Join: addresses})
		}
		all := map[string]*dweller{}
		for _, ip := range addresses {
			all[ip] = start(ip)
			time.Sleep(3 * time.Second)
		}
		for _, l := range all {
			l.ready(t)
		}
		time.Sleep(time.Minute) // replicas are made, and get their votes
		for _, ip := range addresses {
			all[ip].stop(t)
			quiet(all[ip], "until it is stopped")
			for other, l := range all {
				if other != ip {
					if _, err := write(l.node, "default", "", "a line"); err != nil {
						t.Errorf("while %s is away: %v", ip, err)
					}
				}
			}
			all[ip] = start(ip)
			all[ip].ready(t)
			time.Sleep(10 * time.Second)
		}
		for _, ip := range addresses {
			quiet(all[ip], "after a restart")
			if got := len(search(t, all[ip].node, "default", "line")); got != 6 {
				t.Errorf("%s finds %d lines, want 6", ip, got)
			}
		}
		for _, l := range all {
			l.stop(t)
		}

		lonely := newStreet(t).start("10.0.0.1", node.ClusterConfig{Name: "n1", Listen: "10.0.0.1", BootstrapExpect: 3, Join: addresses})
		time.Sleep(time.Minute)
		for _, want := range []string{`level=WARN msg="the node is not in its cluster yet" error="1 of 3 expected`, `level=WARN msg="this node is alone`} {
			if !lonely.log.has(want) {
				t.Errorf("a node that nobody joins does not say %s:\n%s", want, lonely.log)
			}
		}
		lonely.stop(t)
	})
}

// TestExpectDifferent: nodes that are to begin a cluster together, one of which was told
// another number than the others, begin one cluster all the same, whichever it is.
func TestExpectDifferent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for wrong := range 3 {
			p := newStreet(t)
			addresses := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}
			id := map[string]string{}
			expect := func(ip string, n int) *dweller {
				return p.start(ip, node.ClusterConfig{Name: "n" + ip[len(ip)-1:], Listen: ip, BootstrapExpect: n, Join: addresses})
			}
			for _, ip := range addresses { // their ids decide who begins
				waits := expect(ip, 3)
				id[ip] = waits.node.Cluster().Self()
				waits.stop(t)
			}
			slices.SortFunc(addresses, func(a, b string) int { return strings.Compare(id[a], id[b]) })
			var all []*dweller
			for i, ip := range addresses {
				n := 3
				if i == wrong {
					n = 5
				}
				all = append(all, expect(ip, n))
			}
			warned := false
			for _, l := range all {
				l.ready(t)
				if l.clusterID() != all[0].clusterID() {
					t.Errorf("node %d wrong: two clusters", wrong)
				}
				warned = warned || l.log.has("different --bootstrap-expect")
			}
			if !warned {
				t.Errorf("node %d wrong: nobody says so", wrong)
			}
			for _, l := range all {
				l.stop(t)
			}
			settle()
		}
	})
}

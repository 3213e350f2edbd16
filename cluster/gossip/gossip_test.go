package gossip_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/gossip"
)

const allAlive = "id1 alive, id2 alive, id3 alive"

// three opens three nodes and waits until all know all.
func three(t *testing.T, network *network, change func(*gossip.Config)) []*gossip.Gossip {
	t.Helper()
	var nodes []*gossip.Gossip
	for i := 1; i <= 3; i++ {
		g, _ := network.node(t, i, change)
		nodes = append(nodes, g)
	}
	for _, g := range nodes {
		awaitStates(t, g, 30*time.Second, allAlive)
	}
	return nodes
}

// TestSkews: everybody finds the same clock wrong, also who has it.
func TestSkews(t *testing.T) {
	clocks := map[string]time.Duration{"a": 0, "b": time.Hour, "c": 0, "dead": -time.Hour}
	for self, own := range clocks {
		for _, there := range []int{2, 3, 4} {
			var members []gossip.Member
			for id, clock := range clocks {
				state := gossip.Alive
				if id == "dead" && there < 4 || id == "c" && there < 3 {
					state = gossip.Dead
				}
				members = append(members, gossip.Member{ID: id, ClockSkew: clock - own, State: state, Self: id == self})
			}
			got := gossip.Skews(members)
			if self == "dead" || self == "c" && there < 3 {
				continue // who asks is there
			}
			want := map[string]time.Duration{"a": 0, "b": time.Hour}
			switch there {
			case 2:
				want = map[string]time.Duration{"a": -own, "b": time.Hour - own}
			case 3:
				want["c"] = 0
			case 4:
				want["c"], want["dead"] = 0, -time.Hour
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s sees %d: %v, want %v", self, there, got, want)
			}
		}
	}
}

func TestMembersFindEachOther(t *testing.T) {
	for name, key := range map[string][]byte{"plain": nil, "encrypted": key(t, "the secret of cluster a")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				nodes := three(t, newNetwork(), func(c *gossip.Config) { c.SecretKey = key })
				if took := time.Since(begin); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				m, ok := nodes[0].Member("id3")
				if !ok || m.Name != "name-id3" || m.ClusterAddress != "id3:7101" || m.GossipAddress != address(3) || m.Self {
					t.Errorf("have %+v", m)
				}
				if m, _ := nodes[0].Member("id1"); !m.Self {
					t.Errorf("have %+v for the node itself", m)
				}
				if _, ok := nodes[0].Member("id9"); ok {
					t.Error("have a member that is not there")
				}
				next := gossip.Meta{Name: "other", DiskFree: 7, Load: 0.5, Leaders: 2}
				if err := nodes[2].Update(next); err != nil {
					t.Fatal(err)
				}
				await(t, nodes[1], 2*time.Second, func() bool { m, _ := nodes[1].Member("id3"); return m.Meta == next })
				for _, g := range nodes {
					if err := g.JoinError(); err != nil && g != nodes[0] {
						t.Errorf("have %v", err)
					}
				}
			})
		})
	}
}

func key(t *testing.T, secret string) []byte {
	t.Helper()
	k, err := gossip.Key([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDeathIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		nodes := three(t, network, nil)
		nodes[2].Close()
		begin := time.Now()
		for _, g := range nodes[:2] {
			awaitStates(t, g, 10*time.Second, "id1 alive, id2 alive, id3 dead")
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if m, _ := nodes[0].Member("id3"); m.Since.Before(begin) || m.Since.After(time.Now()) {
			t.Errorf("have it dead since %v", m.Since)
		}
		// It comes back elsewhere, as containers do.
		network.node(t, 3, func(c *gossip.Config) { c.Transport = network.host(ip(33)) })
		for _, g := range nodes[:2] {
			awaitStates(t, g, time.Minute, allAlive)
			if m, _ := g.Member("id3"); m.GossipAddress != address(33) {
				t.Errorf("have it at %s", m.GossipAddress)
			}
			if c := g.Conflicts(); len(c) != 0 {
				t.Errorf("have the conflicts %v", c)
			}
		}
	})
}

// TestSuspicionIsSeen depends on a text of the library: see libraryLog.
func TestSuspicionIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		nodes := three(t, network, nil)
		network.separate(1, ip(3))
		await(t, nodes[0], 10*time.Second, func() bool { m, _ := nodes[0].Member("id3"); return m.State == gossip.Suspect })
		awaitStates(t, nodes[0], 10*time.Second, "id1 alive, id2 alive, id3 dead")
	})
}

func TestLeavingIsNoDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := three(t, newNetwork(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := nodes[2].Leave(ctx); err != nil {
			t.Error(err)
		}
		if err := nodes[2].Leave(ctx); err != nil {
			t.Errorf("have %v the second time", err)
		}
		nodes[2].Close()
		if err := nodes[2].Leave(ctx); !errors.Is(err, gossip.ErrClosed) {
			t.Errorf("have %v", err)
		}
		for _, g := range nodes[:2] {
			awaitStates(t, g, 5*time.Second, "id1 alive, id2 alive, id3 left")
		}
	})
}

// TestBackWithoutSeeds: who left and comes back with nobody to ask is found by the others,
// all at once and soon.
func TestBackWithoutSeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		nodes := three(t, network, nil)
		for away := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := nodes[away].Leave(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			nodes[away].Close()
			time.Sleep(5 * time.Second)
			nodes[away], _ = network.node(t, away+1, func(c *gossip.Config) { c.Seeds = nil })
			for _, g := range nodes {
				awaitStates(t, g, 2*time.Second, allAlive)
			}
			time.Sleep(10 * time.Second)
			for i, g := range nodes {
				if have := states(g); have != allAlive {
					t.Errorf("node %d then has %s", i+1, have)
				}
			}
		}
	})
}

func TestHalvesFindEachOtherAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		nodes := three(t, network, nil)
		network.separate(1, ip(2), ip(3))
		awaitStates(t, nodes[0], time.Minute, "id1 alive, id2 dead, id3 dead")
		awaitStates(t, nodes[1], time.Minute, "id1 dead, id2 alive, id3 alive")
		time.Sleep(10 * time.Minute)
		network.separate(0, ip(2), ip(3))
		for _, g := range nodes {
			awaitStates(t, g, 2*time.Minute, allAlive)
		}
	})
}

func TestSeedsMayComeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		g, book := network.node(t, 2, func(c *gossip.Config) { c.Meta.Name = "" })
		time.Sleep(5 * time.Minute)
		if err := g.JoinError(); !errors.Is(err, gossip.ErrNoAnswer) || !strings.Contains(err.Error(), address(1)) {
			t.Errorf("have %v", err)
		}
		if n := book.lines("goes on trying"); n < 2 || n > 6 {
			t.Errorf("it says %d times that it is alone", n)
		}
		network.node(t, 1, nil)
		awaitStates(t, g, time.Minute, "id1 alive, id2 alive")
		time.Sleep(time.Minute)
		if err := g.JoinError(); err != nil {
			t.Errorf("have %v", err)
		}
	})
}

func TestNamesOfSeedsAreResolvedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		network.node(t, 1, nil)
		asked := 0
		lookup := func(_ context.Context, host string) ([]string, error) {
			asked++
			switch {
			case host != "seed.example":
				return nil, errors.New("asked for " + host)
			case asked < 3:
				return nil, errors.New("no such host")
			case asked < 6:
				return []string{ip(9)}, nil
			}
			return []string{ip(9), ip(1)}, nil
		}
		g, _ := network.node(t, 2, func(c *gossip.Config) { c.Seeds, c.LookupHost = []string{"seed.example:7102"}, lookup })
		awaitStates(t, g, 2*time.Minute, "id1 alive, id2 alive")
	})
}

func TestOneNodeIsItsOwnSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, book := newNetwork().node(t, 1, nil)
		time.Sleep(time.Minute)
		if err := g.JoinError(); err != nil || book.String() != "" {
			t.Errorf("have %v and the log %s", err, book)
		}
	})
}

func TestSecretsMustBeTheSame(t *testing.T) {
	a, b := key(t, "the secret of cluster a"), key(t, "the secret of cluster b")
	for _, test := range []struct {
		name        string
		seed, joins []byte
		want        error
		log         string
	}{
		{"other", a, b, gossip.ErrOtherSecret, "another cluster secret"},
		{"only the seed", a, nil, gossip.ErrNeedsSecret, "no cluster secret"},
		{"not the seed", nil, b, gossip.ErrSpeaksPlain, "has a cluster secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				seed, book := network.node(t, 1, func(c *gossip.Config) { c.SecretKey = test.seed })
				g, own := network.node(t, 2, func(c *gossip.Config) { c.SecretKey = test.joins })
				time.Sleep(10 * time.Second)
				if err := g.JoinError(); !errors.Is(err, test.want) {
					t.Errorf("have %v, want %v", err, test.want)
				}
				if !strings.Contains(own.String(), test.want.Error()) {
					t.Errorf("have the log %s", own)
				}
				if n := book.lines(test.log); n != 1 {
					t.Errorf("the seed's log says it %d times: %s", n, book)
				}
				if got := states(seed); got != "id1 alive" {
					t.Errorf("have %s", got)
				}
			})
		})
	}
}

func TestOtherClustersStayApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		seed, book := network.node(t, 1, func(c *gossip.Config) { c.Meta.Cluster = "x" })
		network.node(t, 2, func(c *gossip.Config) { c.Meta.Cluster = "y" })
		network.node(t, 3, nil) // does not know its cluster yet
		time.Sleep(time.Minute)
		if got := states(seed); got != "id1 alive, id3 alive" {
			t.Errorf("have %s", got)
		}
		if book.lines("another cluster") != 1 {
			t.Errorf("have the log %s", book)
		}
	})
}

func TestConflictsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, book := network.node(t, 1, nil)
		network.node(t, 2, nil)
		twin, twinBook := network.node(t, 2, func(c *gossip.Config) { c.Transport = network.host(ip(22)) })
		network.node(t, 3, func(c *gossip.Config) { c.Meta.Name = "name-id1" })
		want := []gossip.Conflict{
			{Kind: "id", Value: "id2", A: address(22), B: address(2)},
			{Kind: "name", Value: "name-id1", A: "id1", B: "id3"},
		}
		await(t, a, time.Minute, func() bool { return slices.Equal(a.Conflicts(), want) })
		await(t, twin, time.Minute, func() bool { return slices.Contains(twin.Conflicts(), want[0]) })
		if book.lines("two nodes have the same id") != 1 || book.lines("two nodes have the same name") != 1 || twinBook.lines("two nodes have the same id") != 1 {
			t.Errorf("have the logs %s, %s", book, twinBook)
		}
	})
}

func TestClockSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, 1, nil)
		network.node(t, 2, func(c *gossip.Config) {
			c.Now = func() time.Time { return time.Now().Add(7 * time.Second) }
		})
		network.node(t, 3, func(c *gossip.Config) {
			c.Now = func() time.Time { return time.Now().Add(-3 * time.Second) }
		})
		awaitStates(t, a, 30*time.Second, allAlive)
		time.Sleep(30 * time.Second)
		for id, want := range map[string]time.Duration{"id1": 0, "id2": 7 * time.Second, "id3": -3 * time.Second} {
			if m, _ := a.Member(id); (m.ClockSkew - want).Abs() > time.Millisecond {
				t.Errorf("%s: have a skew of %v, want %v", id, m.ClockSkew, want)
			}
		}
	})
}

func TestOverUDP(t *testing.T) {
	open := func(id string, seeds ...string) *gossip.Gossip {
		g, err := gossip.Open(gossip.Config{NodeID: id, Bind: "127.0.0.1:0", Seeds: seeds, SecretKey: key(t, "the secret of cluster a")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		return g
	}
	a := open("a")
	b := open("b", a.Addr())
	awaitStates(t, a, time.Minute, "a alive, b alive")
	awaitStates(t, b, time.Minute, "a alive, b alive")
}

func TestValidateListsEveryFault(t *testing.T) {
	err := gossip.Config{
		Bind: "host:x", Advertise: ":7", Seeds: []string{"nowhere", ":1"}, SecretKey: []byte("short"),
		Meta: gossip.Meta{Name: strings.Repeat("x", 300)},
	}.Validate()
	for _, part := range []string{"NodeID", "Bind", "Advertise", "nowhere", `":1"`, "SecretKey", "Meta"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("have %v, want %s in it", err, part)
		}
	}
	if err := (gossip.Config{NodeID: "a", Bind: "name:1"}).Validate(); err == nil {
		t.Error("a name is accepted as Bind")
	}
}

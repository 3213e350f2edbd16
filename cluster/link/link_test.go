package link_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/link"
)

func TestConnectionsReachTheirGroups(t *testing.T) {
	for name, secret := range map[string][]byte{"secret": secretA, "plain": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				set := func(c *link.Config) { c.Secret = secret }
				a, _ := network.node(t, "a", set)
				b, book := network.node(t, "b", set)
				if a.Secured() != (secret != nil) {
					t.Error("Secured is wrong")
				}
				for number := range uint32(3) {
					go echo(openGroup(t, b, number))
				}
				for number := range uint32(3) {
					conn, err := openGroup(t, a, number).Dial("b", patience)
					if err != nil {
						t.Fatal(err)
					}
					if id, ok := link.NodeID(conn); !ok || id != "b" {
						t.Errorf("have the node %q", id)
					}
					if err := says(conn, "hello"); err != nil {
						t.Error(err)
					}
					conn.Close()
				}
				if book.String() != "" {
					t.Errorf("have the log %s", book)
				}
			})
		})
	}
}

func TestOverTCP(t *testing.T) {
	addresses := map[string]string{}
	open := func(id string) *link.Link {
		l, err := link.Open(link.Config{
			NodeID: id, Listen: "127.0.0.1:0", Secret: secretA,
			Resolve: func(nodeID string) (string, bool) { a, ok := addresses[nodeID]; return a, ok },
		})
		if err != nil {
			t.Fatal(err)
		}
		addresses[id] = l.Addr().String()
		return l
	}
	a, b := open("a"), open("b")
	defer a.Close()
	go echo(openGroup(t, b, 1))
	conn, err := openGroup(t, a, 1).Dial("b", patience)
	if err != nil {
		t.Fatal(err)
	}
	if err := says(conn, "hello"); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlives the link")
	}
	conn.Close()
	if _, err := openGroup(t, a, 2).Dial("b", patience); !errors.Is(err, link.ErrUnreachable) {
		t.Errorf("have %v", err)
	}
}

// TestMistakesAreClear dials from a to b while something is wrong: the error of
// a and the log of b must say what.
func TestMistakesAreClear(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b func(*link.Config)
		dial func(a *link.Link) error
		want error
		log  string
	}{
		{name: "other secret", b: func(c *link.Config) { c.Secret = secretB }, want: link.ErrOtherSecret, log: "another cluster secret"},
		{name: "only a has a secret", b: func(c *link.Config) { c.Secret = nil }, want: link.ErrSpeaksPlain, log: "this node has none"},
		{name: "only b has a secret", a: func(c *link.Config) { c.Secret = nil }, want: link.ErrNeedsSecret, log: "node a speaks plain"},
		{
			name: "other node", a: func(c *link.Config) { c.Resolve = func(string) (string, bool) { return "b:1", true } },
			dial: dialNode("c"), want: link.ErrWrongNode, log: "wanted another node than b",
		},
		{
			name: "other node, plain", a: func(c *link.Config) {
				c.Secret, c.Resolve = nil, func(string) (string, bool) { return "b:1", true }
			},
			b: func(c *link.Config) { c.Secret = nil }, dial: dialNode("c"), want: link.ErrWrongNode, log: "this is node b",
		},
		{
			name: "other cluster", a: func(c *link.Config) { c.Cluster = "x" }, b: func(c *link.Config) { c.Cluster = "y" },
			want: link.ErrWrongCluster, log: "another cluster",
		},
		{name: "unknown group", dial: dialGroup(7, "b"), want: link.ErrUnknownGroup},
		{
			name: "no server", want: link.ErrNotServing,
			dial: func(a *link.Link) error { _, err := a.DialHTTP(context.Background(), "b"); return err },
		},
		{name: "unknown node", dial: dialNode("nobody"), want: link.ErrUnknownNode},
		{name: "nobody there", dial: dialNode("z"), want: link.ErrUnreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				a, _ := network.node(t, "a", test.a)
				b, book := network.node(t, "b", test.b)
				go echo(openGroup(t, b, 1))
				dial := test.dial
				if dial == nil {
					dial = dialGroup(1, "b")
				}
				begin := time.Now()
				if err := dial(a); !errors.Is(err, test.want) {
					t.Errorf("have %v, want %v", err, test.want)
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("it took %v to say so", took)
				}
				time.Sleep(2 * time.Second) // a bubble's: b reads what a still sends
				synctest.Wait()
				if !strings.Contains(book.String(), test.log) || test.log == "" && book.String() != "" {
					t.Errorf("have the log %s, want %q in it", book, test.log)
				}
			})
		})
	}
}

func dialNode(id string) func(*link.Link) error { return dialGroup(1, id) }

func dialGroup(number uint32, id string) func(*link.Link) error {
	return func(l *link.Link) error {
		g, err := l.Group(number)
		if err != nil {
			return err
		}
		_, err = g.Dial(id, patience)
		return err
	}
}

func TestClusterMayBecomeKnownLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, "a", nil)
		b, _ := network.node(t, "b", func(c *link.Config) { c.Cluster = "x" })
		go echo(openGroup(t, b, 1))
		g := openGroup(t, a, 1)
		conn, err := g.Dial("b", patience)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if err := a.SetCluster("y"); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Dial("b", patience); !errors.Is(err, link.ErrWrongCluster) {
			t.Errorf("have %v", err)
		}
		if a.SetCluster("no id") == nil {
			t.Error("have no error")
		}
	})
}

// TestSilentPeersBlockNobody fills the places of one address with connections
// that say nothing, or nonsense.
func TestSilentPeersBlockNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, "a", nil)
		b, book := network.node(t, "b", func(c *link.Config) { c.Handshakes, c.HandshakesOfOne = 20, 10 })
		go echo(openGroup(t, b, 1))
		dial := network.dialFrom("evil")
		var silent []io.ReadCloser
		for i := range 30 {
			conn, err := dial(context.Background(), "b:1")
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				go conn.Write([]byte{0x16, 3, 1, 2, 0}) // the head of a TLS record, and no more
			}
			silent = append(silent, conn)
		}
		begin := time.Now()
		conn, err := openGroup(t, a, 1).Dial("b", patience)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("an honest node waits for %v", took)
		}
		conn.Close()
		for _, s := range silent {
			if _, err := s.Read(make([]byte, 1)); err == nil {
				t.Error("a silent peer is answered")
			}
			s.Close()
		}
		if took := time.Since(begin); took > 2*link.DefaultHandshakeTimeout {
			t.Errorf("silent peers stay for %v", took)
		}
		if !strings.Contains(book.String(), "too many connections of this address") {
			t.Errorf("have the log %s", book)
		}
	})
}

func TestGarbageIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"http":           "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"long preamble":  "Strp\x01\x01\xff\xff",
		"empty preamble": "Strp\x01\x01\x00\x00",
		"version":        "Strp\x09\x01\x00\x00",
		"tls":            "\x16\x03\x01\x00\x05hello",
	} {
		for _, secret := range [][]byte{nil, secretA} {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				_, book := network.node(t, "b", func(c *link.Config) { c.Secret = secret })
				conn, err := network.dialFrom("x")(context.Background(), "b:1")
				if err != nil {
					t.Fatal(err)
				}
				go conn.Write([]byte(text))
				io.Copy(io.Discard, conn)
				conn.Close()
				synctest.Wait()
				if book.lines("was refused") != 1 {
					t.Errorf("%s: have the log %s", name, book)
				}
			})
		}
	}
}

func TestLogIsNotFilledByPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, "a", func(c *link.Config) { c.Resolve = func(string) (string, bool) { return "b:1", true } })
		_, book := network.node(t, "b", nil)
		g := openGroup(t, a, 1)
		for range 100 {
			if _, err := g.Dial("b", patience); !errors.Is(err, link.ErrUnknownGroup) {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := book.lines("was refused"); n != 0 {
			t.Errorf("have %d lines about a group that is not there, which may come or have gone", n)
		}
		for range 100 {
			g.Dial("c", patience)
		}
		synctest.Wait()
		if n := book.lines("was refused"); n != 1 {
			t.Errorf("have %d lines", n)
		}
		time.Sleep(2 * time.Minute)
		g.Dial("c", patience)
		synctest.Wait()
		if book.lines("was refused") != 2 || book.lines("omitted=99") != 1 {
			t.Errorf("have the log %s", book)
		}
	})
}

func TestQueuesAndConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, "a", nil)
		b, _ := network.node(t, "b", func(c *link.Config) { c.Connections, c.AcceptQueue = 3, 2 })
		from, to := openGroup(t, a, 1), openGroup(t, b, 1)
		dial := func(want error) net.Conn {
			t.Helper()
			conn, err := from.Dial("b", patience)
			if !errors.Is(err, want) {
				t.Fatalf("have %v, want %v", err, want)
			}
			if conn != nil {
				t.Cleanup(func() { conn.Close() })
			}
			return conn
		}
		first := dial(nil)
		dial(nil)
		dial(link.ErrBusy) // the queue is full
		accepted, err := to.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := link.NodeID(accepted); id != "a" || !ok {
			t.Errorf("have the node %q", id)
		}
		dial(nil)
		if _, err := to.Accept(); err != nil {
			t.Fatal(err)
		}
		dial(link.ErrBusy) // there are three connections
		first.Close()
		accepted.Close()
		accepted.Close()
		dial(nil)
	})
}

func TestClosedGroupsAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, "a", nil)
		b, _ := network.node(t, "b", nil)
		from, to := openGroup(t, a, 1), openGroup(t, b, 1)
		if _, err := b.Group(1); !errors.Is(err, link.ErrGroupOpen) {
			t.Errorf("have %v", err)
		}
		conn, err := from.Dial("b", patience)
		if err != nil {
			t.Fatal(err)
		}
		to.Close()
		if _, err := to.Accept(); err == nil {
			t.Error("a closed group accepts")
		}
		if _, err := to.Dial("a", patience); !errors.Is(err, link.ErrClosed) {
			t.Errorf("have %v", err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a connection outlives its group")
		}
		conn.Close()
		if _, err := from.Dial("b", patience); !errors.Is(err, link.ErrUnknownGroup) {
			t.Errorf("have %v", err)
		}
		go echo(openGroup(t, b, 1))
		if conn, err = from.Dial("b", patience); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		b.Close()
		if _, err := b.Group(2); !errors.Is(err, link.ErrClosed) {
			t.Errorf("have %v", err)
		}
		if _, err := b.DialHTTP(t.Context(), "a"); !errors.Is(err, link.ErrClosed) {
			t.Errorf("have %v", err)
		}
	})
}

func TestDialEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, "a", nil)
		l := network.listen("deaf:1")
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
			}
		}()
		defer l.Close()
		begin := time.Now()
		_, err := openGroup(t, a, 1).Dial("deaf", time.Second)
		if !errors.Is(err, link.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("have %v", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestValidateListsEveryFault(t *testing.T) {
	err := link.Config{NodeID: "a b", Cluster: "?", Secret: []byte("short"), TLS: &link.TLS{CertFile: "x"}, Connections: -1, HandshakeTimeout: -1}.Validate()
	for _, part := range []string{"NodeID", "Cluster", "Listen", "Resolve", "Secret has 5", "TLS.KeyFile", "Connections", "HandshakeTimeout"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("have %v, want %s in it", err, part)
		}
	}
}

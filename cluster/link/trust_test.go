package link_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/link"
)

// Certificates and a secret together: both must be right, on both sides.
func TestCertificatesAndSecret(t *testing.T) {
	late := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	own, other := newAuthority(t), newAuthority(t)
	for _, test := range []struct {
		name             string
		a, b             *authority
		secretA, secretB []byte
		want             error
		log              string // of b
	}{
		{name: "good", a: own, b: own, secretA: secretA, secretB: secretA},
		{name: "another secret", a: own, b: own, secretA: secretA, secretB: secretB, want: link.ErrSecretProof, log: "secret is another or missing"},
		{name: "the caller has none", a: own, b: own, secretB: secretA, want: link.ErrSecretProof, log: "secret is another or missing"},
		{name: "the other has none", a: own, b: own, secretA: secretA, want: link.ErrSecretProof},
		{name: "another authority", a: own, b: other, secretA: secretA, secretB: secretA, want: link.ErrOtherSecret, log: "authority"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				a, dialler := network.node(t, "a", func(c *link.Config) { c.Secret, c.TLS = test.secretA, test.a.node(late, "a") })
				b, book := network.node(t, "b", func(c *link.Config) { c.Secret, c.TLS = test.secretB, test.b.node(late, "b") })
				go echo(openGroup(t, b, 1))
				g := openGroup(t, a, 1)
				for range 5 { // refusals come as often as somebody dials, lines do not
					conn, err := g.Dial("b", patience)
					if !errors.Is(err, test.want) {
						t.Errorf("have %v, want %v", err, test.want)
					}
					if conn != nil {
						if err := says(conn, "hello"); err != nil {
							t.Error(err)
						}
						conn.Close()
					}
					time.Sleep(time.Second)
				}
				synctest.Wait()
				if test.log != "" && book.lines(test.log) != 1 {
					t.Errorf("want one line with %q, have\n%s", test.log, book)
				}
				if n := dialler.lines("a node does not trust"); test.want != nil && n != 1 {
					t.Errorf("who dials logs %d lines:\n%s", n, dialler)
				}
			})
		})
	}
}

// kinds of nodes while a cluster is switched.
const (
	before = "before" // a secret, or plain
	both   = "both"
	after  = "after" // certificates only
)

// A cluster is switched node by node, from plain or from a secret, and at every
// moment each node reaches each other.
func TestSwitching(t *testing.T) {
	late := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, secret := range map[string][]byte{"plain": nil, "secret": secretA} {
		own := newAuthority(t)
		reaches := func(t *testing.T, from, to string) (err error) {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				open := func(id, kind string) *link.Link {
					l, _ := network.node(t, id, func(c *link.Config) {
						c.Secret = secret
						if kind != before {
							c.TLS = own.node(late, id)
							c.TLS.Both = kind == both
						}
					})
					return l
				}
				a, b := open("a", from), open("b", to)
				go echo(openGroup(t, b, 1))
				g := openGroup(t, a, 1)
				for range 3 {
					conn, dialled := g.Dial("b", patience)
					if err = dialled; err != nil {
						return
					}
					if err = says(conn, "hello"); err != nil {
						return
					}
					conn.Close()
					time.Sleep(40 * time.Second)
				}
			})
			return err
		}
		for _, test := range []struct {
			from, to string
			want     bool
		}{
			{before, before, true}, {before, both, true}, {both, before, true}, {both, both, true},
			{both, after, true}, {after, both, true}, {after, after, true}, {before, after, false}, {after, before, false},
		} {
			t.Run(fmt.Sprintf("%s: %s dials %s", name, test.from, test.to), func(t *testing.T) {
				if err := reaches(t, test.from, test.to); (err == nil) != test.want {
					t.Errorf("have %v", err)
				}
			})
		}
	}
}

// With a secret, the second connection to a node takes up the session of the first;
// with certificates, which end, each is verified. Who is dialled still proves who it is.
func TestSessionsAreTakenUpAgain(t *testing.T) {
	own, late := newAuthority(t), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name  string
		trust func(c *link.Config)
		want  bool
	}{
		{"secret", func(*link.Config) {}, true},
		{"certificates", func(c *link.Config) { c.TLS = own.node(late, c.NodeID) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				a, _ := network.node(t, "a", func(c *link.Config) {
					test.trust(c)
					c.Resolve = func(string) (string, bool) { return "b:1", true } // also c
				})
				b, _ := network.node(t, "b", test.trust)
				calls, answers := openGroup(t, a, 1), openGroup(t, b, 1)
				dial := func() (here, there net.Conn) {
					t.Helper()
					here, err := calls.Dial("b", patience)
					if err != nil {
						t.Fatal(err)
					}
					if there, err = answers.Accept(); err != nil {
						t.Fatal(err)
					}
					return here, there
				}
				for i := range 3 {
					here, there := dial()
					for _, c := range []net.Conn{here, there} {
						if have := c.(*link.Conn).Conn.(*tls.Conn).ConnectionState().DidResume; have != (test.want && i > 0) {
							t.Errorf("connection %d: taken up again %v", i, have)
						}
					}
					if have, _ := link.NodeID(there); have != "a" {
						t.Errorf("connection %d is of node %q", i, have)
					}
					here.Close()
					there.Close()
				}
				if _, err := calls.Dial("c", patience); !errors.Is(err, link.ErrWrongNode) {
					t.Errorf("another node at the address: have %v", err)
				}
			})
		})
	}
}

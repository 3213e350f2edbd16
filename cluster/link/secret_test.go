package link_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/link"
)

func TestSecretIsWrittenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	secret, err := link.CreateSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("have the mode %v, %v", info.Mode(), err)
	}
	if got, err := link.LoadSecret(path); err != nil || !bytes.Equal(got, secret) || len(secret) < 43 {
		t.Errorf("have %q, %v, want %q", got, err, secret)
	}
	if _, err := link.CreateSecret(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("have %v for a file that is there", err)
	}
	if got, err := link.LoadSecret(path); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("have %q, %v after a second try, want %q", got, err, secret)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%d files are left", len(files))
	}
	if _, err := link.CreateSecret(filepath.Join(t.TempDir(), "no", "secret")); err == nil {
		t.Error("have no error for a folder that is not there")
	}
}

func TestSecretFilesAreChecked(t *testing.T) {
	for _, test := range []struct {
		text string
		mode fs.FileMode
		want string // in the error; empty: none
	}{
		{"  a secret of some length\n\n", 0o600, ""},
		{"a secret of some length", 0o440, ""},
		{"a secret of some length", 0o644, "chmod 600"},
		{"a secret of some length", 0o620, "chmod 600"},
		{"short\n            ", 0o600, "5 bytes"},
		{strings.Repeat("x", 5000), 0o600, "no secret"},
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		secret, err := link.LoadSecret(path)
		if test.want == "" {
			if err != nil || string(secret) != strings.TrimSpace(test.text) {
				t.Errorf("have %q, %v", secret, err)
			}
			continue
		}
		if !errors.Is(err, link.ErrSecret) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "short") {
			t.Errorf("have %v, want %s in it", err, test.want)
		}
	}
	if _, err := link.LoadSecret(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("have %v", err)
	}
	if _, err := link.LoadSecret(t.TempDir()); !errors.Is(err, link.ErrSecret) {
		t.Errorf("have %v for a folder", err)
	}
}

// authority is a user's own.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), KeyUsage: x509.KeyUsageCertSign,
	}
	pair := a.sign(template)
	a.key = pair.PrivateKey.(*ecdsa.PrivateKey)
	a.cert, _ = x509.ParseCertificate(pair.Certificate[0])
	return a
}

func (a *authority) sign(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) node(end time.Time, names ...string) *link.TLS {
	pair := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: names, NotBefore: time.Unix(0, 0), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &link.TLS{Certificate: &pair, CAs: pool}
}

func TestOwnCertificates(t *testing.T) {
	late := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	own, other := newAuthority(t), newAuthority(t)
	liar := own.node(late, "c")
	liar.AnyName = true // lets itself say that it is a
	for _, test := range []struct {
		name string
		a, b *link.TLS
		want error
		log  string
	}{
		{name: "good", a: own.node(late, "a"), b: own.node(late, "b.logs.example")},
		{name: "other authority", a: own.node(late, "a"), b: other.node(late, "b"), want: link.ErrOtherSecret, log: "authority"},
		{name: "a claims to be another", a: liar, b: own.node(late, "b"), want: link.ErrIdentity, log: "not node a"},
		{name: "b has expired", a: own.node(late, "a"), b: own.node(time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC), "b"), want: link.ErrCertificate, log: "does not accept"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				a, _ := network.node(t, "a", func(c *link.Config) { c.Secret, c.TLS = nil, test.a })
				b, book := network.node(t, "b", func(c *link.Config) { c.Secret, c.TLS = nil, test.b })
				go echo(openGroup(t, b, 1))
				time.Sleep(2 * time.Minute)
				conn, err := openGroup(t, a, 1).Dial("b", patience)
				if !errors.Is(err, test.want) {
					t.Errorf("have %v, want %v", err, test.want)
				}
				if conn != nil {
					conn.Close()
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if !strings.Contains(book.String(), test.log) {
					t.Errorf("have the log %s", book)
				}
			})
		})
	}
}

// TestCertificatesHaveTheNamesOfNodes: where nodes have names, a certificate is good for the
// node that is called so and for no other that is known, to who dials and to who is dialled. A
// node that is not known yet is let in, and only as what its certificate names.
func TestCertificatesHaveTheNamesOfNodes(t *testing.T) {
	late := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	authority := newAuthority(t)
	called := map[string]string{"a": "db1", "b": "db2", "c": "db3"}
	named := func(name string) *link.TLS {
		own := authority.node(late, name)
		own.Name = func(id string) string { return called[id] }
		return own
	}
	lax := func(name string) *link.TLS { // as nodes that do not look, or lie
		own := authority.node(late, name)
		own.AnyName = true
		return own
	}
	for _, test := range []struct {
		name      string
		id        string // of who dials
		a, b      *link.TLS
		want      error
		log, says string
	}{
		{name: "good", id: "a", a: named("db1"), b: named("db2.logs.example"), says: "true false"},
		{name: "in capitals", id: "a", a: named("DB1.Logs.Example"), b: named("DB2"), says: "true false"},
		{name: "of a node that does not look", id: "a", a: lax("db1"), b: named("db2"), says: "true false"},
		{name: "to a node that does not look", id: "a", a: named("db1"), b: lax("whatever"), want: link.ErrWrongNode},
		{name: "a secret alone", id: "a", says: "true true"},
		{name: "nobody looks", id: "a", a: lax("x"), b: lax("y"), says: "true true"},
		{name: "a is called otherwise", id: "a", a: lax("db3"), b: named("db2"), want: link.ErrIdentity, log: "not node db1"},
		{name: "b is called otherwise", id: "a", a: named("db1"), b: lax("db3"), want: link.ErrWrongNode},
		{name: "a new node", id: "new", a: lax("db1"), b: named("db2"), says: "true false"},
		{name: "a new node that would be another", id: "new", a: lax("db4"), b: named("db2"), says: "false false"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newNetwork()
				a, dialler := network.node(t, test.id, func(c *link.Config) { c.TLS = test.a })
				b, book := network.node(t, "b", func(c *link.Config) { c.TLS = test.b })
				go b.Serve(link.ServeConfig{Handler: func(_ context.Context, call *link.Call) link.Reply {
					return link.Reply{Body: fmt.Append(nil, call.Named("db1"), " ", call.Named("db3"))}
				}})
				synctest.Wait()
				caller := link.NewCaller(link.CallerConfig{Dial: a.DialHTTP})
				defer caller.Close()
				_, answer, err := caller.Do(t.Context(), "b", "GET", "/", nil)
				if !errors.Is(err, test.want) {
					t.Errorf("have %v, want %v", err, test.want)
				}
				if err == nil {
					if have := string(answer); have != test.says {
						t.Errorf("the caller is db1 and db3: have %s, want %s", have, test.says)
					}
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if !strings.Contains(book.String(), test.log) {
					t.Errorf("want %q in the log, have %s", test.log, book)
				}
				if test.want != nil && dialler.lines("a node does not trust") != 1 {
					t.Errorf("who dials logs %s", dialler)
				}
			})
		})
	}
	wrong := named("db2")
	_, err := link.Open(link.Config{NodeID: "a", Listen: "127.0.0.1:0", TLS: wrong, Resolve: func(string) (string, bool) { return "", false }})
	if err == nil || !strings.Contains(err.Error(), "not this node, db1") {
		t.Errorf("a node with the certificate of another one: have %v", err)
	}
}

func TestOwnCertificateMustBeGood(t *testing.T) {
	own := newAuthority(t)
	late := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	foreign := own.node(late, "a")
	foreign.CAs = newAuthority(t).node(late).CAs
	for want, own := range map[string]*link.TLS{
		"names":         own.node(late, "b"),
		"own authority": foreign,
		"expired":       own.node(time.Unix(1, 0), "a"),
		"no such file":  {CertFile: "/nowhere", KeyFile: "/nowhere", CAFile: "/nowhere"},
	} {
		_, err := link.Open(link.Config{NodeID: "a", Listen: "127.0.0.1:0", TLS: own, Resolve: func(string) (string, bool) { return "", false }})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("have %v, want %s in it", err, want)
		}
	}
}

func TestCertificateFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	own := newAuthority(t)
	files := &link.TLS{CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key"), CAFile: filepath.Join(dir, "ca")}
	write := func(pair *tls.Certificate) {
		key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for path, block := range map[string]*pem.Block{
			files.CertFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
			files.KeyFile:  {Type: "PRIVATE KEY", Bytes: key},
			files.CAFile:   {Type: "CERTIFICATE", Bytes: own.cert.Raw},
		} {
			if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	late := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	write(own.node(time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC), "b").Certificate)
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, "a", func(c *link.Config) { c.Secret, c.TLS = nil, own.node(late, "a") })
		b, book := network.node(t, "b", func(c *link.Config) { c.Secret, c.TLS = nil, files })
		go echo(openGroup(t, b, 1))
		g := openGroup(t, a, 1)
		time.Sleep(2 * time.Minute)
		if _, err := g.Dial("b", patience); !errors.Is(err, link.ErrCertificate) {
			t.Errorf("have %v with an old certificate", err)
		}
		touched := time.Now()
		again := func() { // a new time of change, and time for a look
			touched = touched.Add(time.Minute)
			for _, path := range []string{files.CertFile, files.KeyFile, files.CAFile} {
				if err := os.Chtimes(path, touched, touched); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Second)
		}
		again() // the same old one
		for range 3 {
			if _, err := g.Dial("b", patience); !errors.Is(err, link.ErrCertificate) {
				t.Errorf("have %v with an old certificate", err)
			}
			time.Sleep(10 * time.Second)
		}
		if n := book.lines("cannot be used"); n != 1 {
			t.Errorf("what cannot be used is logged %d times:\n%s", n, book)
		}
		if n := book.lines("has ended"); n != 1 {
			t.Errorf("the end is logged %d times:\n%s", n, book)
		}
		write(own.node(late, "b").Certificate)
		again()
		conn, err := g.Dial("b", patience)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		time.Sleep(2 * time.Second)
	})
}

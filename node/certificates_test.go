package node_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/node"
)

// issue makes a certificate that an authority signs, or one of an authority.
func issue(t *testing.T, by *tls.Certificate, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if by == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		parent, signer = by.Leaf, by.PrivateKey.(*ecdsa.PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestCertificatesNameNodes: where certificates have to name nodes, nodes whose do so are a
// cluster, also over a restart. Who has that of another node neither takes its name nor one of
// its own, though it has the secret and lies of what it is.
func TestCertificatesNameNodes(t *testing.T) {
	warm(t)
	authority := issue(t, nil, "authority")
	known := x509.NewCertPool()
	known.AddCert(authority.Leaf)
	synctest.Test(t, func(t *testing.T) {
		p := newStreet(t)
		defer settle()
		start := func(ip, name, certificate string, lies bool) *dweller {
			cluster := node.ClusterConfig{Name: name, Listen: ip, TLS: &link.TLS{Certificate: issue(t, authority, certificate), CAs: known, AnyName: lies}}
			if cluster.Bootstrap = ip == "10.0.0.1"; !cluster.Bootstrap {
				cluster.Join = []string{"10.0.0.1"}
			}
			return p.start(ip, cluster)
		}
		first := start("10.0.0.1", "a", "a", false)
		first.ready(t)
		second := start("10.0.0.2", "b", "b", false)
		second.ready(t)
		for _, name := range []string{"c", "b"} { // "b" is taken
			delete(p.disks, "10.0.0.3")
			liar := start("10.0.0.3", name, "b", true)
			select {
			case <-liar.node.Ready():
				t.Errorf("a node is let in as %q with the certificate of b", name)
			case err := <-liar.done:
				t.Errorf("the node ended: %v", err)
			case <-time.After(time.Minute):
			}
			if want := map[string]string{"c": "does not name it, c", "b": "has the name"}[name]; !liar.log.has(want) {
				t.Errorf("a node is kept out as %q, and its log does not say %q", name, want)
			}
			liar.stop(t)
		}
		second.stop(t)
		// It is who it was, and its certificate is that of another node: then it is not heard.
		second = start("10.0.0.2", "b", "a", true)
		select {
		case <-second.node.Ready():
			t.Error("a node with the certificate of another one is ready")
		case err := <-second.done:
			t.Errorf("the node ended: %v", err)
		case <-time.After(time.Minute):
		}
		if !first.log.has("not node b") {
			t.Error("the log of who is dialled does not say why it refuses")
		}
		second.stop(t)
		second = start("10.0.0.2", "b", "b", false)
		second.ready(t)
		for _, one := range []*dweller{second, first} {
			one.stop(t)
		}
	})
}

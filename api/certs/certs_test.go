package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stere-log/stere/internal/reread"
)

// write writes a certificate for a host and its key.
func write(t *testing.T, dir, file, host string, serial int64) Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pair := Pair{filepath.Join(dir, file+".crt"), filepath.Join(dir, file+".key")}
	for path, block := range map[string]*pem.Block{pair.Cert: {Type: "CERTIFICATE", Bytes: der}, pair.Key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}

// TestNamesAndRenewal shakes hands by names while certificates are renewed, and
// while a renewal is half done.
func TestNamesAndRenewal(t *testing.T) {
	dir := t.TempDir()
	now := time.Unix(1_700_000_000, 0)
	pairs := []Pair{write(t, dir, "a", "a.example", 1), write(t, dir, "b", "b.example", 2)}
	store, err := Open(pairs, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	shake := func(name string, versions uint16) (int64, error) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		go func() { _ = tls.Server(there, store.Config()).Handshake() }() // the client has the error
		client := tls.Client(here, &tls.Config{InsecureSkipVerify: true, ServerName: name, MaxVersion: versions})
		if err := client.Handshake(); err != nil {
			return 0, err
		}
		return client.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	want := func(name string, serial int64) {
		t.Helper()
		if got, err := shake(name, 0); err != nil || got != serial {
			t.Errorf("%q: certificate %d, %v, want %d", name, got, err, serial)
		}
	}
	want("a.example", 1)
	want("b.example", 2)
	want("c.example", 1)
	want("", 1)
	if _, err := shake("a.example", tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	write(t, dir, "b", "b.example", 33)
	if err := os.Chtimes(pairs[1].Cert, now, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	want("b.example", 2) // not looked at again yet
	now = now.Add(reread.Every)
	want("b.example", 33)
	if err := os.WriteFile(pairs[0].Key, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(reread.Every)
	want("a.example", 1)
	if _, err := Open([]Pair{pairs[0]}, time.Now, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("half a pair is taken at the start")
	}
	write(t, dir, "a", "a.example", 44)
	now = now.Add(reread.Every)
	want("a.example", 44)
}

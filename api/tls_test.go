package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stere-log/stere/api/certs"
)

// TestTLS speaks TLS with the server, and not without.
func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"stere"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pair := certs.Pair{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}
	for path, block := range map[string]*pem.Block{pair.Cert: {Type: "CERTIFICATE", Bytes: der}, pair.Key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, func(c *Config) { c.Certificates = []certs.Pair{pair} })
	plain := w.http.Transport.(*http.Transport)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	secure := &http.Client{Transport: &http.Transport{DialContext: plain.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(secure.CloseIdleConnections)
	answer, err := secure.Get("https://stere/health")
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != 200 || answer.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("over TLS: %d %v", answer.StatusCode, answer.Header)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if answer, err := w.http.Get("http://stere/health"); err == nil {
		_ = answer.Body.Close()
		if answer.StatusCode == 200 {
			t.Error("the port answers without TLS")
		}
	}
}

// Package certs has the certificates of the HTTP port. Store is the main type: it
// reads pairs of files, gives every connection the certificate for the name that
// it asks for, and reads the files again when they change, so that a renewed
// certificate counts without a restart.
//
// A Store is safe for concurrent use and owns no goroutine: files are looked at by
// connections, at most every few seconds.
package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Limits.
const (
	PairsMax  = 256
	lookEvery = 5 * time.Second
)

// Pair is the files of a certificate with its chain and of its key, PEM.
type Pair struct{ Cert, Key string }

// Store has certificates.
type Store struct {
	pairs  []Pair
	now    func() time.Time
	logger *slog.Logger

	mu struct {
		sync.Mutex
		looked time.Time
		stamps []stamp
		loaded []*tls.Certificate
	}
}

// stamp tells whether files have changed.
type stamp struct {
	cert, key   time.Time
	certN, keyN int64
}

// Open reads the pairs; the first one is for clients that name no host, or one
// that no certificate has.
func Open(pairs []Pair, now func() time.Time, logger *slog.Logger) (*Store, error) {
	if len(pairs) == 0 || len(pairs) > PairsMax {
		return nil, fmt.Errorf("read certificates: %d pairs of files, want 1 to %d", len(pairs), PairsMax)
	}
	s := &Store{pairs: pairs, now: now, logger: logger}
	stamps, err := s.look()
	if err != nil {
		return nil, err
	}
	loaded, err := s.load()
	if err != nil {
		return nil, err
	}
	s.mu.stamps, s.mu.loaded, s.mu.looked = stamps, loaded, now()
	return s, nil
}

// look returns the stamps of all files.
func (s *Store) look() ([]stamp, error) {
	stamps := make([]stamp, len(s.pairs))
	for i, pair := range s.pairs {
		cert, err := os.Stat(pair.Cert)
		key, err2 := os.Stat(pair.Key)
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		stamps[i] = stamp{cert.ModTime(), key.ModTime(), cert.Size(), key.Size()}
	}
	return stamps, nil
}

func (s *Store) load() ([]*tls.Certificate, error) {
	loaded := make([]*tls.Certificate, len(s.pairs))
	for i, pair := range s.pairs {
		one, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("read certificate %s: %w", pair.Cert, err)
		}
		loaded[i] = &one
	}
	return loaded, nil
}

// current returns the certificates, read anew if files have changed. While those
// cannot be read, as in the middle of a renewal, the old ones stay.
func (s *Store) current() []*tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if d := now.Sub(s.mu.looked); d >= 0 && d < lookEvery {
		return s.mu.loaded
	}
	s.mu.looked = now
	stamps, err := s.look()
	if err == nil && equal(stamps, s.mu.stamps) {
		return s.mu.loaded
	}
	var loaded []*tls.Certificate
	if err == nil {
		loaded, err = s.load()
	}
	if err != nil {
		s.logger.Error("the certificates have changed and cannot be read: the old ones stay", "error", err)
		return s.mu.loaded
	}
	s.mu.stamps, s.mu.loaded = stamps, loaded
	s.logger.Info("the certificates were read again")
	return loaded
}

func equal(a, b []stamp) bool {
	for i := range a {
		if !a[i].cert.Equal(b[i].cert) || !a[i].key.Equal(b[i].key) || a[i].certN != b[i].certN || a[i].keyN != b[i].keyN {
			return false
		}
	}
	return true
}

// Config returns what the HTTP port needs for TLS 1.2 and later.
func (s *Store) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			all := s.current()
			for _, one := range all {
				if hello.ServerName != "" && hello.SupportsCertificate(one) == nil {
					return one, nil
				}
			}
			return all[0], nil
		},
	}
}

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
	"fmt"
	"log/slog"
	"time"

	"github.com/stere-log/stere/internal/reread"
)

// PairsMax is how many pairs there can be.
const PairsMax = 256

// Pair is the files of a certificate with its chain and of its key, PEM.
type Pair struct{ Cert, Key string }

// Store has certificates.
type Store struct {
	pairs []Pair
	files *reread.Files[[]*tls.Certificate]
}

// Open reads the pairs; the first one is for clients that name no host, or one
// that no certificate has.
func Open(pairs []Pair, now func() time.Time, logger *slog.Logger) (*Store, error) {
	if len(pairs) == 0 || len(pairs) > PairsMax {
		return nil, fmt.Errorf("read certificates: %d pairs of files, want 1 to %d", len(pairs), PairsMax)
	}
	s := &Store{pairs: pairs}
	var paths []string
	for _, pair := range pairs {
		paths = append(paths, pair.Cert, pair.Key)
	}
	var err error
	s.files, err = reread.Open(reread.Config[[]*tls.Certificate]{
		Paths: paths, Now: now, Read: s.load,
		// In the middle of a renewal a certificate and its key do not fit each other.
		Told: func(_ []*tls.Certificate, err error) {
			if err != nil {
				logger.Error("the certificates have changed and cannot be read: the old ones stay", "error", err)
				return
			}
			logger.Info("the certificates were read again")
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	return s, nil
}

func (s *Store) load() ([]*tls.Certificate, error) {
	loaded := make([]*tls.Certificate, len(s.pairs))
	for i, pair := range s.pairs {
		one, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pair.Cert, err)
		}
		loaded[i] = &one
	}
	return loaded, nil
}

// Config returns what the HTTP port needs for TLS 1.2 and later.
func (s *Store) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			all := s.files.Current()
			for _, one := range all {
				if hello.ServerName != "" && hello.SupportsCertificate(one) == nil {
					return one, nil
				}
			}
			return all[0], nil
		},
	}
}

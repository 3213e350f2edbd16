package link

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	// certificateProtocol in a TLS hello says that who dials has a certificate of
	// its own, and wants to see one.
	certificateProtocol = "stere-cluster-certificate/1"
	// lookEvery is the least time between two looks whether files of TLS have
	// changed.
	lookEvery = 5 * time.Second
	// oldWayFor is how long a node that did not take a certificate is dialled the
	// old way while nodes are switched.
	oldWayFor = time.Minute
	// expiryNotice is how long before its end a certificate is complained of.
	expiryNotice = 7 * 24 * time.Hour
	proofBytes   = sha256.Size
)

// trust is what this node can prove to be, and what proves others.
type trust struct {
	now *identity // nil: plain
	// While nodes are switched to certificates: how it was before, nil for plain.
	both bool
	old  *identity
}

func newTrust(c Config) (*trust, error) {
	now, err := newIdentity(c)
	if err != nil {
		return nil, err
	}
	t := &trust{now: now}
	if c.TLS != nil && c.TLS.Both {
		t.both = true
		before := c
		before.TLS = nil
		if t.old, err = newIdentity(before); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// server is the identity for a peer that begins with TLS.
func (t *trust) server(hello *tls.ClientHelloInfo) *identity {
	if !t.both || t.old == nil {
		return t.now
	}
	for _, protocol := range hello.SupportedProtos {
		if protocol == certificateProtocol {
			return t.now
		}
	}
	return t.old
}

// plain reports whether peers may speak plain.
func (t *trust) plain() bool { return t.now == nil || t.both && t.old == nil }

// files watches the files of TLS.
type files struct {
	sync.Mutex
	looked time.Time
	stamp  [3]stamp
	failed bool // what is there cannot be used, which was said
	warned *identity
	oldWay map[string]time.Time // nodes that did not take a certificate, until when
}

type stamp struct {
	at   time.Time
	size int64
}

// look returns what the files are now.
func (t TLS) look() (stamps [3]stamp, err error) {
	for i, path := range []string{t.CertFile, t.KeyFile, t.CAFile} {
		info, err := os.Stat(path)
		if err != nil {
			return stamps, fmt.Errorf("read certificates: %w", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}

// current returns what counts for a new connection: files of TLS that have
// changed are read again. After an error what was good before stays.
func (l *Link) current() *trust {
	if l.config.TLS == nil {
		return l.trust.Load()
	}
	l.files.Lock()
	defer l.files.Unlock()
	now := l.config.Now()
	if d := now.Sub(l.files.looked); d >= 0 && d < lookEvery {
		return l.trust.Load()
	}
	l.files.looked = now
	if l.config.TLS.Certificate == nil {
		l.readAgain()
	}
	l.complain(now)
	return l.trust.Load()
}

// readAgain reads the files if they have changed. The lock is held.
func (l *Link) readAgain() {
	stamps, err := l.config.TLS.look()
	if err == nil && stamps == l.files.stamp && !l.files.failed {
		return
	}
	if err == nil {
		err = l.load()
	}
	switch {
	case err == nil:
		l.files.stamp, l.files.failed = stamps, false
		l.config.Logger.Info("the certificates of the cluster port were read again, for new connections")
	case !l.files.failed:
		l.files.failed = true
		l.config.Logger.Error("the certificates of the cluster port have changed and cannot be used: the old ones stay", "error", err)
	}
}

func (l *Link) load() error {
	t, err := newTrust(l.config)
	if err == nil {
		l.trust.Store(t)
	}
	return err
}

// complain says once of each certificate that it ends soon, or has ended. The
// lock is held.
func (l *Link) complain(now time.Time) {
	id := l.trust.Load().now
	if left := id.ends.Sub(now); left < expiryNotice && l.files.warned != id {
		l.files.warned = id
		message := "this node's certificate for the cluster port ends soon"
		if left <= 0 {
			message = "this node's certificate for the cluster port has ended: other nodes refuse it"
		}
		l.config.Logger.Warn(message, "end", id.ends)
	}
}

// dialsOldWay reports whether a node is to be dialled as before certificates.
func (l *Link) dialsOldWay(nodeID string) bool {
	l.files.Lock()
	defer l.files.Unlock()
	until, ok := l.files.oldWay[nodeID]
	if ok && !l.config.Now().Before(until) {
		delete(l.files.oldWay, nodeID)
		ok = false
	}
	return ok
}

// noteOldWay remembers by which way a node was reached.
func (l *Link) noteOldWay(nodeID string, old bool) {
	l.files.Lock()
	defer l.files.Unlock()
	switch {
	case !old:
		delete(l.files.oldWay, nodeID)
	case l.files.oldWay == nil:
		l.files.oldWay = map[string]time.Time{}
		fallthrough
	case len(l.files.oldWay) < peersLoggedMax:
		l.files.oldWay[nodeID] = l.config.Now().Add(oldWayFor)
	}
}

// distrust reports whether a node was reached and is not believed, or does not
// believe this one: what an operator has to mend.
func distrust(err error) bool {
	for _, kind := range []error{ErrOtherSecret, ErrSpeaksPlain, ErrNeedsSecret, ErrCertificate, ErrIdentity, ErrSecretProof, errNotNamed} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// proof proves inside a TLS session of users' own certificates that the secret
// is known, too. It is of this session and side alone.
func proof(secret []byte, session *tls.Conn, side string) ([]byte, error) {
	state := session.ConnectionState()
	material, err := state.ExportKeyingMaterial("EXPORTER-stere-cluster", nil, 32)
	if err != nil {
		return nil, fmt.Errorf("prove the secret: %w", err)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "stere cluster proof, 1", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("prove the secret: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(side))
	mac.Write(material)
	return mac.Sum(nil), nil
}

// The sides of a proof.
const (
	sideDial   = "dial"
	sideAccept = "accept"
)

// proves reports whether a proof of the other side is right. Without a secret,
// and where that itself has made the session, nothing is to be proven.
func (l *Link) provesSecret(id *identity, session *tls.Conn, side string, given []byte) error {
	if !id.demandsProof(l.config.Secret) {
		return nil
	}
	want, err := proof(l.config.Secret, session, side)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, given) {
		return ErrSecretProof
	}
	return nil
}

// ownProof is what this side proves, nil if nothing is to be proven.
func (l *Link) ownProof(id *identity, session *tls.Conn, side string) ([]byte, error) {
	if !id.demandsProof(l.config.Secret) {
		return nil, nil
	}
	return proof(l.config.Secret, session, side)
}

func (id *identity) demandsProof(secret []byte) bool { return id != nil && id.own && secret != nil }

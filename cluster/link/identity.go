package link

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"
)

// TLS is a user's own certificates: as files, or as values. The certificate
// must be good for servers and for clients, and name the node as its common
// name, as a DNS name, or as the first label of one.
type TLS struct {
	// CertFile, KeyFile and CAFile are PEM files.
	CertFile, KeyFile, CAFile string
	// Certificate and CAs stand instead of the files.
	Certificate *tls.Certificate
	CAs         *x509.CertPool
	// AnyName accepts certificates whatever they name: every holder of one of
	// this authority is trusted to be the node that it says it is.
	AnyName bool
	// Name returns by which name a certificate may stand for a node beside its id,
	// "" of a node that nobody knows yet: its certificate may name anybody, and who
	// lets it in asks Call.Named. Nil: by its id alone.
	Name func(nodeID string) string
	// Both also takes, and dials, nodes that have no certificate yet, the way of
	// the secret or plainly: while the nodes of a cluster are switched one by one.
	Both bool
}

// Validate lists every fault.
func (t TLS) Validate() error {
	var faults []error
	files := 0
	for _, name := range []string{t.CertFile, t.KeyFile, t.CAFile} {
		if name != "" {
			files++
		}
	}
	if t.Certificate != nil || t.CAs != nil {
		if t.Certificate == nil || t.CAs == nil {
			faults = append(faults, errors.New("TLS.Certificate and TLS.CAs belong together"))
		}
		if files != 0 {
			faults = append(faults, errors.New("TLS has files and values, want one of both"))
		}
	} else if files != 3 {
		faults = append(faults, errors.New("TLS.CertFile, TLS.KeyFile and TLS.CAFile must all be given"))
	}
	return errors.Join(faults...)
}

// sessionsMax is with how many nodes sessions can be taken up again.
const sessionsMax = 1024

// identity is who this node can prove to be, and what proves others. Nil
// means that nothing is proven.
type identity struct {
	certificate tls.Certificate
	authorities *x509.CertPool
	anyName     bool
	name        func(nodeID string) string
	own         bool      // of the user's own certificates
	ends        time.Time // the certificate does
	now         func() time.Time
	config      *tls.Config // of all connections
}

func newIdentity(c Config) (id *identity, err error) {
	switch {
	case c.TLS != nil:
		id, err = identityOfFiles(*c.TLS, c.NodeID, c.Now)
	case c.Secret != nil:
		id, err = identityOfSecret(c.Secret, c.NodeID, c.Now)
	}
	if id == nil || err != nil {
		return nil, err
	}
	return id, id.configure()
}

func identityOfFiles(t TLS, nodeID string, now func() time.Time) (*identity, error) {
	id := &identity{authorities: t.CAs, anyName: t.AnyName, name: t.Name, own: true, now: now}
	if t.Certificate != nil {
		id.certificate = *t.Certificate
	} else {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load certificate %s and key %s: %w", t.CertFile, t.KeyFile, err)
		}
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("load authority: %w", err)
		}
		id.certificate, id.authorities = pair, x509.NewCertPool()
		if !id.authorities.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("load authority: %s has no certificate in PEM", t.CAFile)
		}
	}
	if len(id.certificate.Certificate) == 0 {
		return nil, errors.New("the certificate is empty")
	}
	leaf, err := x509.ParseCertificate(id.certificate.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	id.ends = leaf.NotAfter
	// What would be refused by every other node is said at the start.
	if !id.anyName && !id.standsFor(leaf, nodeID) {
		return nil, fmt.Errorf("the certificate names %s but not this node, %s; make one that does, or allow any name", allNames(leaf), id.called(nodeID))
	}
	if err := id.verify(id.certificate.Certificate); err != nil {
		return nil, fmt.Errorf("the certificate is not good for this node's own authority: %w", err)
	}
	return id, nil
}

// identityOfSecret derives the authority that all nodes with this secret share,
// and has it sign a certificate for this start of this node.
//
// The certificates are valid for ever: whoever can sign one can sign another,
// so an end would only stop nodes whose clock is wrong. A new secret ends them.
func identityOfSecret(secret []byte, nodeID string, now func() time.Time) (*identity, error) {
	seed, err := hkdf.Key(sha256.New, secret, nil, "stere cluster authority, ed25519, 1", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive authority: %w", err)
	}
	key := ed25519.NewKeyFromSeed(seed)
	// The library's own choice may change with its version; all nodes must make
	// the same certificate.
	keyID := sha256.Sum256(key.Public().(ed25519.PublicKey))
	begin, end := time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stere cluster"},
		NotBefore: begin, NotAfter: end, KeyUsage: x509.KeyUsageCertSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		SubjectKeyId: keyID[:20],
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(2)), Subject: pkix.Name{CommonName: nodeID},
		NotBefore: begin, NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if der, err = x509.CreateCertificate(rand.Reader, leaf, authority, public, key); err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	id := &identity{certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, authorities: x509.NewCertPool(), now: now}
	id.authorities.AddCert(authority)
	return id, nil
}

// errAuthority means that a certificate is not of the cluster's authority.
var errAuthority = errors.New("certificate is not of this cluster's authority")

// verify checks a peer's certificates, the peer's own first.
func (id *identity) verify(chain [][]byte) error {
	if len(chain) == 0 {
		return errAuthority
	}
	between := x509.NewCertPool()
	for _, der := range chain[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%w: %w", errAuthority, err)
		}
		between.AddCert(c)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return fmt.Errorf("%w: %w", errAuthority, err)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: id.authorities, Intermediates: between, CurrentTime: id.now(), KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
			return fmt.Errorf("%w: %w", errAuthority, err)
		}
		if err != nil {
			return fmt.Errorf("%w: that of %s: %w", ErrCertificate, allNames(leaf), err)
		}
	}
	return nil
}

// configure makes the TLS configuration of all connections; both sides verify in
// the same way. A peer's name is compared when the preamble has told which one
// it claims (server) or by the caller (client).
//
// With a secret, sessions are taken up again: the second connection to a node
// proves with a key of the first that it is the same node, and spares both sides
// signatures and certificates, which is most of what a connection costs. The keys of
// connections are made anew all the same. That is as good as the first time, because
// such certificates never end and are never taken back while this identity lasts.
// Users' own certificates end, so each of their connections is verified.
func (id *identity) configure() error {
	config := &tls.Config{
		Certificates: []tls.Certificate{id.certificate},
		MinVersion:   tls.VersionTLS13,
		ClientAuth:   tls.RequireAnyClientCert,
		// The library's check is of host names, which nodes do not have. The
		// authority is checked below, for servers and clients alike.
		InsecureSkipVerify:     true, // #nosec G402 -- see VerifyPeerCertificate
		SessionTicketsDisabled: id.own,
		Time:                   id.now,
		VerifyPeerCertificate:  func(chain [][]byte, _ [][]*x509.Certificate) error { return id.verify(chain) },
	}
	if id.own {
		config.NextProtos = []string{certificateProtocol}
	} else {
		var key [32]byte
		if _, err := rand.Read(key[:]); err != nil {
			return fmt.Errorf("make the key of sessions: %w", err)
		}
		config.SetSessionTicketKeys([][32]byte{key})
		config.ClientSessionCache = tls.NewLRUClientSessionCache(sessionsMax)
	}
	id.config = config
	return nil
}

// dials returns the TLS configuration of connections to a node.
func (id *identity) dials(nodeID string) *tls.Config {
	config := id.config.Clone()
	config.ServerName = nodeID // sessions are kept by it
	return config
}

// proves reports whether the peer's certificate names the node.
func (id *identity) proves(state tls.ConnectionState, nodeID string) bool {
	return id.anyName || len(state.PeerCertificates) > 0 && id.standsFor(state.PeerCertificates[0], nodeID)
}

// standsFor reports whether a certificate may be that of a node.
func (id *identity) standsFor(leaf *x509.Certificate, nodeID string) bool {
	if names(leaf, nodeID) {
		return true
	}
	if id.name == nil {
		return false
	}
	name := id.name(nodeID)
	return name == "" || names(leaf, name)
}

// called is what a certificate of the node has to name.
func (id *identity) called(nodeID string) string {
	if id.name != nil {
		if name := id.name(nodeID); name != "" {
			return name
		}
	}
	return nodeID
}

// names reports whether a certificate has a node's id or name. Host names have no case.
func names(leaf *x509.Certificate, node string) bool {
	if leaf.Subject.CommonName == node {
		return true
	}
	for _, name := range leaf.DNSNames {
		if first, _, _ := strings.Cut(name, "."); strings.EqualFold(name, node) || strings.EqualFold(first, node) {
			return true
		}
	}
	return false
}

func allNames(leaf *x509.Certificate) string {
	return fmt.Sprintf("%q", append([]string{leaf.Subject.CommonName}, leaf.DNSNames...))
}

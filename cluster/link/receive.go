package link

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"
)

// refusal is why a connection was not let in.
type refusal struct {
	kind   string // short and of few: refusals of one kind are counted together
	text   string
	passes bool // as it does while replicas come and go, and nodes start: no fault
}

// Error returns the reason.
func (r refusal) Error() string { return r.text }

func reasonOf(err error) string {
	if r := (refusal{}); errors.As(err, &r) {
		return r.kind
	}
	return "other"
}

// receive finds out who is there and what for, answers, and hands the
// connection over. After an error the caller closes it.
func (l *Link) receive(raw net.Conn, host string) error {
	// The clock of deadlines is the machine's.
	if err := raw.SetDeadline(time.Now().Add(l.config.HandshakeTimeout)); err != nil {
		return refusal{kind: "deadline", text: err.Error()}
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(raw, first); errors.Is(err, io.EOF) {
		raw.Close() // somebody looked whether the port is open
		return nil
	} else if err != nil {
		return refusal{kind: "silent", text: "it said nothing: " + err.Error()}
	}
	conn, believed := net.Conn(&begun{Conn: raw, first: first}), l.current()
	var id *identity
	switch plain := first[0] != tlsHandshakeRecord; {
	case plain && !believed.plain():
		return l.refusePlain(conn)
	case !plain && believed.now == nil:
		return l.refuseSecured(conn)
	case !plain:
		session := tls.Server(conn, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			id = believed.server(hello)
			return id.config, nil
		}})
		if err := session.Handshake(); err != nil {
			// A close now would take the alert away from under the peer.
			linger(raw)
			return handshakeRefusal(err)
		}
		conn = session
	}
	f, err := readFrame(conn, preambleMagic)
	if id != nil && hungUp(err) {
		return refusal{kind: "hung up", text: "it hung up when it saw this node's certificate: it wanted another node than " + l.config.NodeID}
	}
	if err != nil {
		return refusal{kind: "preamble", text: "it is not a node: " + err.Error()}
	}
	if id == nil {
		conn = raw // the first byte has been read
	}
	return l.place(f, id, &Conn{Conn: conn, raw: raw})
}

// hungUp reports whether the peer has closed the connection: it may have done so before
// it read all that was sent to it, as the keys of a session.
func hungUp(err error) bool {
	return slices.ContainsFunc([]error{io.EOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE}, func(end error) bool { return errors.Is(err, end) })
}

// handshakeRefusal says what a failed handshake means.
func handshakeRefusal(err error) error {
	if isCertificateAlert(err) {
		return refusal{kind: "secret", text: fmt.Sprintf("it does not accept this node's certificate, so it has another cluster secret or authority (%v)", err)}
	}
	if errors.Is(err, errAuthority) {
		return refusal{kind: "secret", text: fmt.Sprintf("it has another cluster secret or authority (%v)", err)}
	}
	return refusal{kind: "handshake", text: fmt.Sprintf("TLS handshake: %v", err)}
}

// place checks a preamble, answers it and hands the connection over.
func (l *Link) place(f frame, id *identity, c *Conn) error {
	p, q, answer, reason := l.judge(f, id, c)
	if answer == codeOK {
		c.nodeID = p.sender
		answer, reason = q.offer(c)
	}
	said := []byte(reason)
	if answer == codeOK && id != nil {
		var err error
		if said, err = l.ownProof(id, c.Conn.(*tls.Conn), sideAccept); err != nil {
			answer, reason, said = codeProof, err.Error(), nil
			q.withdraw()
			c.forget()
		}
	}
	_, err := c.Conn.Write(appendAnswer(nil, answer, string(said)))
	if answer != codeOK {
		return refusal{
			kind: fmt.Sprint("code ", answer), text: fmt.Sprintf("node %q: %v (%s)", p.sender, answer.err(), reason),
			passes: answer == codeUnknownGroup || answer == codeNotServing,
		}
	}
	if err == nil {
		err = c.Conn.SetDeadline(time.Time{})
	}
	if err != nil {
		q.withdraw()
		c.abort()
		return refusal{kind: "answer", text: "answering: " + err.Error()}
	}
	q.push(c)
	return nil
}

// judge says where a connection belongs, or why nowhere.
func (l *Link) judge(f frame, id *identity, c *Conn) (p preamble, q *queue, answer code, reason string) {
	if f.first != version {
		return p, nil, codeVersion, fmt.Sprintf("this node speaks version %d", version)
	}
	p, err := parsePreamble(f)
	if err != nil {
		return p, nil, codeVersion, err.Error()
	}
	if session, ok := c.Conn.(*tls.Conn); ok && !id.proves(session.ConnectionState(), p.sender) {
		return p, nil, codeIdentity, fmt.Sprintf("the certificate names %s, not node %s", allNames(session.ConnectionState().PeerCertificates[0]), id.called(p.sender))
	} else if ok && id.name != nil && !id.anyName {
		c.leaf = session.ConnectionState().PeerCertificates[0]
	}
	if session, ok := c.Conn.(*tls.Conn); ok {
		if err := l.provesSecret(id, session, sideDial, []byte(p.proof)); err != nil {
			return p, nil, codeProof, "the certificate is good, the cluster secret is another or missing"
		}
	}
	if p.receiver != l.config.NodeID {
		return p, nil, codeWrongNode, "this is node " + l.config.NodeID
	}
	if own := *l.cluster.Load(); own != "" && p.cluster != "" && own != p.cluster {
		return p, nil, codeWrongCluster, "this node is of cluster " + own
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch p.kind {
	case kindGroup:
		if q = l.mu.groups[p.group]; q == nil {
			return p, nil, codeUnknownGroup, fmt.Sprintf("group %d", p.group)
		}
	case kindHTTP:
		if q = l.http; !l.mu.serving {
			return p, nil, codeNotServing, ""
		}
	default:
		return p, nil, codeVersion, fmt.Sprintf("this node does not know connections of kind %d", p.kind)
	}
	return p, q, codeOK, ""
}

// refusePlain answers a peer without a secret in its own way.
func (l *Link) refusePlain(conn net.Conn) error {
	f, err := readFrame(conn, preambleMagic)
	if err != nil {
		return refusal{kind: "not a node", text: "it is not a node: it speaks neither TLS nor the cluster protocol"}
	}
	who := ""
	if p, err := parsePreamble(f); err == nil {
		who = "node " + p.sender + " "
	}
	conn.Write(appendAnswer(nil, codeNeedsSecret, ""))
	return refusal{kind: "speaks plain", text: who + "speaks plain, but this node has a cluster secret; give it the same"}
}

// refuseSecured answers a peer with a secret. What is no TLS record tells it
// that this node has none.
func (l *Link) refuseSecured(conn net.Conn) error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(conn, head); err == nil {
		// What is not read would make the system throw the answer away.
		io.CopyN(io.Discard, conn, int64(min(binary.BigEndian.Uint16(head[3:]), 1<<14)))
	}
	conn.Write(appendAnswer(nil, codeSpeaksPlain, ""))
	linger(conn)
	return refusal{kind: "speaks TLS", text: "it has a cluster secret, but this node has none; give this node the same"}
}

// linger reads what the peer still sends, so that it can read what it was sent.
func linger(conn net.Conn) {
	if conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		io.CopyN(io.Discard, conn, lingerBytes)
	}
}

// begun is a connection of which the first bytes have been read already.
type begun struct {
	net.Conn
	first []byte
}

// Read returns the first bytes, then those that follow.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
}

package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// DialHTTP connects to the server of calls of a node.
func (l *Link) DialHTTP(ctx context.Context, nodeID string) (net.Conn, error) {
	return l.dial(ctx, kindHTTP, nodeID, 0)
}

// dial connects to a node: the connection is to that node and accepted there
// for what it is for, or there is an error.
func (l *Link) dial(ctx context.Context, k kind, nodeID string, group uint32) (net.Conn, error) {
	select {
	case <-l.closing:
		return nil, fmt.Errorf("dial node %s: %w", nodeID, ErrClosed)
	default:
	}
	address, ok := l.config.Resolve(nodeID)
	if !ok || !validID(nodeID) {
		return nil, fmt.Errorf("dial node %s: %w", nodeID, ErrUnknownNode)
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.HandshakeTimeout)
	defer cancel()
	p := preamble{kind: k, cluster: *l.cluster.Load(), sender: l.config.NodeID, receiver: nodeID, group: group}
	believed := l.current()
	first, second := believed.now, believed.old
	if believed.both && l.dialsOldWay(nodeID) {
		first, second = second, first
	}
	conn, err := l.reach(ctx, address, first, p)
	if believed.both && distrust(err) {
		// It is switched already or not yet, or is wrong either way.
		if conn, err = l.reach(ctx, address, second, p); err == nil {
			l.noteOldWay(nodeID, second != believed.now)
		}
	}
	if err != nil {
		if distrust(err) {
			l.notes.warn("dial", nodeID, "a node does not trust this one, or this one does not trust it", "node", nodeID, "address", address, "reason", err)
		}
		return nil, fmt.Errorf("dial node %s at %s: %w", nodeID, address, err)
	}
	return conn, nil
}

// reach connects to an address and says who is there and what for.
func (l *Link) reach(ctx context.Context, address string, id *identity, p preamble) (*Conn, error) {
	raw, err := l.config.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	conn, err := l.introduce(ctx, raw, id, p)
	if err != nil {
		raw.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ErrUnreachable, context.Cause(ctx))
		}
		return nil, err
	}
	return &Conn{Conn: conn, raw: raw, nodeID: p.receiver}, nil
}

// introduce proves who is who and sends the preamble.
func (l *Link) introduce(ctx context.Context, raw net.Conn, id *identity, p preamble) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := raw
	var session *tls.Conn
	if id != nil {
		session = tls.Client(raw, id.dials(p.receiver))
		if err := session.HandshakeContext(ctx); err != nil {
			return nil, id.blame(dialError(err))
		}
		if state := session.ConnectionState(); !id.proves(state, p.receiver) {
			return nil, fmt.Errorf("%w: its certificate %w %s: it names %s", ErrWrongNode, errNotNamed, id.called(p.receiver), allNames(state.PeerCertificates[0]))
		}
		conn = session
		own, err := l.ownProof(id, session, sideDial)
		if err != nil {
			return nil, err
		}
		p.proof = string(own)
	}
	if _, err := conn.Write(p.append(nil)); err != nil {
		return nil, dialError(err)
	}
	f, err := readFrame(conn, answerMagic)
	if err != nil {
		return nil, id.blame(dialError(err))
	}
	if err := answerError(f); err != nil {
		return nil, err
	}
	if err := l.provesSecret(id, session, sideAccept, f.body); err != nil {
		return nil, err
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	return conn, nil
}

// blame says that it is this node's own certificate that is not accepted, if that
// is plain: it has ended.
func (id *identity) blame(err error) error {
	if id != nil && id.own && errors.Is(err, ErrOtherSecret) && id.now().After(id.ends) {
		return fmt.Errorf("%w: it was good until %s; renew it: %w", ErrIdentity, id.ends.Format(time.RFC3339), err)
	}
	return err
}

// dialError says what a failed introduction means.
func dialError(err error) error {
	record := tls.RecordHeaderError{}
	switch {
	case errors.As(err, &record) && string(record.RecordHeader[:4]) == answerMagic:
		return ErrSpeaksPlain
	case errors.As(err, &record), errors.Is(err, ErrPreamble):
		return fmt.Errorf("%w: %w", ErrNotANode, err)
	case errors.Is(err, ErrCertificate):
		return err
	case errors.Is(err, errAuthority), isCertificateAlert(err):
		return fmt.Errorf("%w: %w", ErrOtherSecret, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it closed the connection without an answer: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// isCertificateAlert reports whether the peer ended a handshake because it does
// not accept this node's certificate.
func isCertificateAlert(err error) bool {
	remote := (*net.OpError)(nil)
	return errors.As(err, &remote) && remote.Op == "remote error" && strings.Contains(remote.Err.Error(), "certificate")
}

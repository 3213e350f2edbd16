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
	raw, err := l.config.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("dial node %s at %s: %w: %w", nodeID, address, ErrUnreachable, err)
	}
	conn, err := l.introduce(ctx, raw, preamble{
		kind: k, cluster: *l.cluster.Load(), sender: l.config.NodeID, receiver: nodeID, group: group,
	})
	if err != nil {
		raw.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ErrUnreachable, context.Cause(ctx))
		}
		return nil, fmt.Errorf("dial node %s at %s: %w", nodeID, address, err)
	}
	return &Conn{Conn: conn, raw: raw, nodeID: nodeID}, nil
}

// introduce proves who is who and sends the preamble.
func (l *Link) introduce(ctx context.Context, raw net.Conn, p preamble) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := raw
	if id := l.identity.Load(); id != nil {
		session := tls.Client(raw, id.config())
		if err := session.HandshakeContext(ctx); err != nil {
			return nil, dialError(err)
		}
		if state := session.ConnectionState(); !id.proves(state, p.receiver) {
			return nil, fmt.Errorf("%w: its certificate names %s", ErrWrongNode, allNames(state.PeerCertificates[0]))
		}
		conn = session
	}
	if _, err := conn.Write(p.append(nil)); err != nil {
		return nil, dialError(err)
	}
	f, err := readFrame(conn, answerMagic)
	if err != nil {
		return nil, dialError(err)
	}
	if err := answerError(f); err != nil {
		return nil, err
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	return conn, nil
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

package link

import (
	"encoding/binary"
	"fmt"
	"io"
)

// kind is what a connection is for.
type kind byte

const (
	kindGroup kind = 1 // messages of a Raft group
	kindHTTP  kind = 2 // node calls
)

// The wire, see docs/format/link.md. A frame is: magic (4 bytes), version or
// code (1), kind (1), length of the body (2, big endian), body.
const (
	preambleMagic = "Strp"
	answerMagic   = "Stra"
	version       = 1
	frameHead     = 8
	frameBodyMax  = 1024

	// A TLS record begins so, and no frame does.
	tlsHandshakeRecord = 0x16
)

// code is the answer to a preamble.
type code byte

const (
	codeOK           code = 0
	codeWrongNode    code = 1
	codeWrongCluster code = 2
	codeUnknownGroup code = 3
	codeNotServing   code = 4
	codeBusy         code = 5
	codeVersion      code = 6
	codeIdentity     code = 7
	codeNeedsSecret  code = 8
	codeSpeaksPlain  code = 9
	codeProof        code = 10
)

// err returns what a code means to who dialled.
func (c code) err() error {
	switch c {
	case codeOK:
		return nil
	case codeWrongNode:
		return ErrWrongNode
	case codeWrongCluster:
		return ErrWrongCluster
	case codeUnknownGroup:
		return ErrUnknownGroup
	case codeNotServing:
		return ErrNotServing
	case codeBusy:
		return ErrBusy
	case codeVersion:
		return ErrVersion
	case codeIdentity:
		return ErrIdentity
	case codeNeedsSecret:
		return ErrNeedsSecret
	case codeSpeaksPlain:
		return ErrSpeaksPlain
	case codeProof:
		return ErrSecretProof
	}
	return fmt.Errorf("the other node refuses with the unknown code %d", c)
}

// preamble is what the side that dialled says first.
type preamble struct {
	kind     kind
	cluster  string // empty: not known yet
	sender   string
	receiver string
	group    uint32
	proof    string // of the secret, where certificates are the user's own
}

// append appends the frame of p, whose ids are valid.
func (p preamble) append(dst []byte) []byte {
	body := make([]byte, 0, 3*(1+NodeIDMax)+4+len(p.proof))
	for _, id := range []string{p.cluster, p.sender, p.receiver} {
		body = append(append(body, byte(len(id))), id...)
	}
	body = append(binary.BigEndian.AppendUint32(body, p.group), p.proof...)
	return appendFrame(dst, preambleMagic, version, byte(p.kind), body)
}

func appendFrame(dst []byte, magic string, first, second byte, body []byte) []byte {
	dst = append(append(dst, magic...), first, second)
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(body))), body...)
}

// frame is what was read of the wire.
type frame struct {
	first, second byte
	body          []byte
}

// readFrame reads one frame and not a byte more.
func readFrame(r io.Reader, magic string) (frame, error) {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(r, head); err != nil {
		return frame{}, err
	}
	length := binary.BigEndian.Uint16(head[6:])
	if string(head[:4]) != magic || length > frameBodyMax {
		return frame{}, ErrPreamble
	}
	f := frame{first: head[4], second: head[5], body: make([]byte, length)}
	if _, err := io.ReadFull(r, f.body); err != nil {
		return frame{}, fmt.Errorf("%w: %w", ErrPreamble, err)
	}
	return f, nil
}

// parsePreamble reads the body of a preamble's frame. What a later version of
// the program added at the end is left aside.
func parsePreamble(f frame) (preamble, error) {
	p := preamble{kind: kind(f.second)}
	body := f.body
	for i, id := range []*string{&p.cluster, &p.sender, &p.receiver} {
		if len(body) == 0 || int(body[0]) >= len(body) {
			return preamble{}, ErrPreamble
		}
		*id, body = string(body[1:1+body[0]]), body[1+body[0]:]
		if empty := *id == "" && i == 0; !empty && !validID(*id) {
			return preamble{}, ErrPreamble
		}
	}
	if len(body) < 4 {
		return preamble{}, ErrPreamble
	}
	p.group = binary.BigEndian.Uint32(body)
	if body = body[4:]; len(body) >= proofBytes {
		p.proof = string(body[:proofBytes])
	}
	return p, nil
}

// appendAnswer appends the frame of an answer.
func appendAnswer(dst []byte, c code, reason string) []byte {
	if len(reason) > reasonMax {
		reason = reason[:reasonMax]
	}
	return appendFrame(dst, answerMagic, byte(c), 0, []byte(reason))
}

// answerError returns what an answer's frame means, nil if it is ok.
func answerError(f frame) error {
	err := code(f.first).err()
	if err == nil || len(f.body) == 0 {
		return err
	}
	// %q: the text comes from another machine and goes to a log.
	return fmt.Errorf("%w (it says %q)", err, f.body[:min(len(f.body), reasonMax)])
}

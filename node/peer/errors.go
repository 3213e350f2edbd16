package peer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stere-log/stere/cluster/link"
)

// What a node may answer instead of what it was asked for.
var (
	// ErrNotHere says that the node has no replica of the shard, or none that
	// may answer.
	ErrNotHere = errors.New("the node does not have the shard")
	// ErrNoSpace says that the node's disk is full; nothing was done.
	ErrNoSpace = errors.New("no space is left on the node's disk")
	// ErrBusy says that sealing does not keep up; nothing was done.
	ErrBusy = errors.New("the shard takes nothing now")
	// ErrUnavailable says that the node cannot do it now; nothing was done.
	ErrUnavailable = errors.New("the node cannot do this now")
	// ErrUncertain says that it may have been done, or be done later.
	ErrUncertain = errors.New("it may have been done")
	// ErrGone says that the cluster does not count on the asking node any more.
	ErrGone = errors.New("the node was removed from the cluster")
	// ErrRefused says that the node will not do it, and why.
	ErrRefused = errors.New("refused")
)

// NotLeaderError says that another node leads, or none; nothing was done.
type NotLeaderError struct {
	Leader string // the node to ask instead, "" if it is not known
}

// Error says who leads.
func (e NotLeaderError) Error() string {
	if e.Leader == "" {
		return "no leader is known"
	}
	return "node " + e.Leader + " leads"
}

// The codes of errors on the wire.
const (
	codeNotLeader byte = iota + 1
	codeNotHere
	codeNoSpace
	codeBusy
	codeUnavailable
	codeUncertain
	codeRefused
	codeGone
)

const (
	errorVersion = 1
	errorTextMax = 4096
	statusError  = 409 // every answer that is an error
)

func kinds() []struct {
	code byte
	kind error
} {
	return []struct {
		code byte
		kind error
	}{
		{codeNotHere, ErrNotHere}, {codeNoSpace, ErrNoSpace}, {codeBusy, ErrBusy},
		{codeUnavailable, ErrUnavailable}, {codeRefused, ErrRefused}, {codeGone, ErrGone}, {codeUncertain, ErrUncertain},
	}
}

// encodeError returns version, code and text. An error of no known kind may
// mean anything.
func encodeError(err error) []byte {
	code, text := codeUncertain, err.Error()
	var elsewhere NotLeaderError
	if errors.As(err, &elsewhere) {
		code, text = codeNotLeader, elsewhere.Leader
	} else {
		for _, k := range kinds() {
			if errors.Is(err, k.kind) {
				code = k.code
				break
			}
		}
	}
	text = strings.ToValidUTF8(text[:min(len(text), errorTextMax)], "")
	return append([]byte{errorVersion, code}, text...)
}

// remoteError is an error that has travelled: its text, and what it is.
type remoteError struct {
	text string
	kind error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.kind }

// decodeError is the inverse of encodeError; what cannot be read is uncertain.
func decodeError(b []byte) error {
	if len(b) < 2 || b[0] != errorVersion || len(b) > 2+errorTextMax {
		return fmt.Errorf("%w: the answer cannot be read", ErrUncertain)
	}
	text := string(b[2:])
	if b[1] == codeNotLeader {
		return NotLeaderError{Leader: text}
	}
	for _, k := range kinds() {
		if k.code == b[1] {
			return &remoteError{text, k.kind}
		}
	}
	return fmt.Errorf("%w: an error of unknown kind %d", ErrUncertain, b[1])
}

// callError gives an error of a call one of our meanings.
func callError(err error) error {
	if errors.Is(err, link.ErrNotReached) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", ErrUncertain, err)
}

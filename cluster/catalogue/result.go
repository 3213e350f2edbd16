package catalogue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/raft"
)

const (
	resultVersion = 1
	resultTextMax = 4096
)

// The codes of results on the wire.
const (
	resultDone byte = iota
	resultConflict
	resultUnknownNode
	resultUnknownShard
	resultRefused
	resultInvalid
	resultCommand
	resultUncertain
	resultNoSpace
	resultShutdown
	resultNotLeader
	resultOther
)

// resultKind returns the error that a code stands for, nil if it is not one of
// those that errors.Is tells apart.
func resultKind(code byte) error {
	switch code {
	case resultConflict:
		return ErrConflict
	case resultUnknownNode:
		return ErrUnknownNode
	case resultUnknownShard:
		return ErrUnknownShard
	case resultRefused:
		return ErrRefused
	case resultInvalid:
		return ErrInvalid
	case resultCommand:
		return ErrCommand
	case resultUncertain:
		return raft.ErrUncertain
	case resultNoSpace:
		return raft.ErrNoSpace
	case resultShutdown:
		return raft.ErrShutdown
	}
	return nil
}

// remoteError is an error that has travelled: its text, and what it is.
type remoteError struct {
	text string
	kind error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.kind }

// encodeResult returns version, code, and the index of the command or the text
// of the error.
func encodeResult(index uint64, err error) []byte {
	if err == nil {
		return binary.AppendUvarint([]byte{resultVersion, resultDone}, index)
	}
	code, text := resultOther, err.Error()
	var elsewhere NotLeaderError
	if errors.As(err, &elsewhere) {
		code, text = resultNotLeader, elsewhere.Leader
	} else {
		for c := resultConflict; c < resultNotLeader; c++ {
			if errors.Is(err, resultKind(c)) {
				code = c
				break
			}
		}
	}
	text = strings.ToValidUTF8(text[:min(len(text), resultTextMax)], "")
	return append([]byte{resultVersion, code}, text...)
}

// DecodeResult returns the error that ProposeEncoded had, nil if it had none:
// errors.Is and NotLeaderError work as on the node that proposed. What cannot
// be read is ErrResult, and whether anything was done is unknown.
func DecodeResult(result []byte) error {
	_, err := ResultIndex(result)
	return err
}

// ResultIndex is DecodeResult that also returns the index of the command, for
// Wait.
func ResultIndex(result []byte) (index uint64, err error) {
	r := wire.NewReader(result)
	version, code := r.Byte(), r.Byte()
	if r.Failed() || version != resultVersion || code > resultOther || r.Len() > resultTextMax {
		return 0, fmt.Errorf("%w: %w", raft.ErrUncertain, ErrResult)
	}
	switch code {
	case resultDone:
		index = r.Uvarint()
		if !r.Done() {
			return 0, fmt.Errorf("%w: %w", raft.ErrUncertain, ErrResult)
		}
		return index, nil
	case resultNotLeader:
		return 0, NotLeaderError{Leader: string(r.Rest())}
	}
	return 0, &remoteError{string(r.Rest()), resultKind(code)}
}

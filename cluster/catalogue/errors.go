package catalogue

import (
	"errors"
	"fmt"

	"github.com/stere-log/stere/raft"
)

// What a command may be refused for. Their texts say more in front of or
// behind them; a refused command has changed nothing.
var (
	// ErrConflict means that what the command was planned on has changed, or
	// that what it makes is there already.
	ErrConflict = errors.New("the catalogue has changed")
	// ErrUnknownNode means that no node has this id.
	ErrUnknownNode = errors.New("the cluster has no such node")
	// ErrUnknownShard means that no shard has this number.
	ErrUnknownShard = errors.New("the cluster has no such shard")
	// ErrRefused means that a rule of the catalogue speaks against it.
	ErrRefused = errors.New("the catalogue refuses this")
	// ErrInvalid means that a value can never be right.
	ErrInvalid = errors.New("not a valid value")
	// ErrCommand means that bytes are no command that this version knows.
	ErrCommand = errors.New("not a command of the catalogue")
)

// ErrCorrupt means that a saved state is damaged.
var ErrCorrupt = errors.New("saved catalogue is damaged")

// ErrNewer means that a saved state is of a newer version of the program: going
// back is over once something was written that this one does not know.
var ErrNewer = errors.New("saved catalogue is of a newer version of stere; start that version again")

// ErrResult means that bytes are no result of a proposal.
var ErrResult = errors.New("not a result of the catalogue")

// NotLeaderError says that another node leads the catalogue, or none that is
// known; nothing was done. It is a raft.ErrNotLeader.
type NotLeaderError struct {
	// Leader is the id of the node to ask instead, "" if it is not known.
	Leader string
}

// Error says who leads.
func (e NotLeaderError) Error() string {
	if e.Leader == "" {
		return "no leader of the catalogue is known"
	}
	return "the catalogue is led by node " + e.Leader
}

// Unwrap makes it a raft.ErrNotLeader.
func (e NotLeaderError) Unwrap() error { return raft.ErrNotLeader }

func refuse(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...))
}

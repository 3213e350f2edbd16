package replica

import "errors"

var (
	// ErrCommand says that the bytes are not a command of this or an older
	// version.
	ErrCommand = errors.New("unknown or damaged command")
	// ErrBusy says that sealing does not keep up with what comes in.
	ErrBusy = errors.New("the shard's head is full")
	// ErrStopped says that the replica is not running.
	ErrStopped = errors.New("the replica is stopped")
	// ErrUnsettled says that a flush came to its limit of rounds.
	ErrUnsettled = errors.New("merging did not come to an end")
)

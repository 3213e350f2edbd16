package node

import "errors"

var (
	// ErrFatal says that what is on disk has become doubtful. The process must
	// end; the next start recovers.
	ErrFatal = errors.New("the node cannot go on")
	// ErrFolder says that the data folder is of another version or damaged.
	ErrFolder = errors.New("data folder cannot be used")
)

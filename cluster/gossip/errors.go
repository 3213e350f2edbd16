package gossip

import "errors"

var (
	// ErrMeta means that bytes are not what a node says of itself, or that they
	// would be too many.
	ErrMeta = errors.New("not a node's description")
	// ErrOtherSecret means that a seed has another cluster secret.
	ErrOtherSecret = errors.New("the other node has another cluster secret; give all nodes the same")
	// ErrSpeaksPlain means that a seed has no secret, but this node has one.
	ErrSpeaksPlain = errors.New("the other node has no cluster secret; give it the one that this node has")
	// ErrNeedsSecret means that a seed has a secret, but this node has none.
	ErrNeedsSecret = errors.New("the other node has a cluster secret; give this node the same")
	// ErrNoAnswer means that no seed has answered.
	ErrNoAnswer = errors.New("no seed answers")
	// ErrClosed means that gossip has been closed.
	ErrClosed = errors.New("gossip is closed")
)

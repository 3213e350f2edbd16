package heal

import "errors"

// What a request may be refused for.
var (
	// ErrNoCluster means that this node belongs to no cluster yet.
	ErrNoCluster = errors.New("this node belongs to no cluster yet")
	// ErrNothing means that no plan has what was asked for.
	ErrNothing = errors.New("there is nothing to do")
	// ErrUnsafe means that what was asked for could cost data or availability.
	ErrUnsafe = errors.New("that is not safe now")
	// ErrUnknown means that no action, node or shard has this name.
	ErrUnknown = errors.New("not known")
)

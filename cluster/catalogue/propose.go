package catalogue

import (
	"context"
	"errors"
	"fmt"

	"github.com/stere-log/stere/raft"
)

// Propose makes a change and returns the state right after it. Only the leader
// can; others get a NotLeaderError. With raft.ErrUncertain it may have been
// made, or be made later; any other error says that nothing changed.
func (c *Catalogue) Propose(ctx context.Context, command Command) (*State, error) {
	command = command.stamped(c.cfg.Now())
	if err := command.check(); err != nil {
		return nil, err
	}
	return c.propose(ctx, Encode(command))
}

// ProposeEncoded is Propose for the other nodes: it takes what Encode returned
// there and returns what DecodeResult takes there. The result is there also
// with an error, and says the same.
func (c *Catalogue) ProposeEncoded(ctx context.Context, encoded []byte) (result []byte, err error) {
	command, err := Decode(encoded)
	if err != nil {
		return encodeResult(0, err), err
	}
	state, err := c.Propose(ctx, command)
	if err != nil {
		return encodeResult(0, err), err
	}
	return encodeResult(state.Index, nil), nil
}

func (c *Catalogue) propose(ctx context.Context, encoded []byte) (*State, error) {
	if len(encoded) > CommandMax {
		return nil, refuse(ErrInvalid, "command of %d bytes, at most %d are allowed", len(encoded), CommandMax)
	}
	log := c.attached()
	if log == nil {
		return nil, NotLeaderError{}
	}
	if leader, self := log.Leader(); !self {
		return nil, NotLeaderError{Leader: leader}
	}
	_, result, err := log.ProposeReserved(ctx, encoded)
	if errors.Is(err, raft.ErrNotLeader) {
		leader, self := log.Leader()
		if self {
			leader = "" // it was, or is about to hand over
		}
		return nil, NotLeaderError{Leader: leader}
	}
	if err != nil {
		return nil, fmt.Errorf("change the catalogue: %w", err)
	}
	o, ok := result.(outcome)
	if !ok {
		return nil, fmt.Errorf("change the catalogue: %w: the log returned %T", raft.ErrUncertain, result)
	}
	return o.state, o.err
}

// Wait returns the state when it has everything up to an index, which
// ResultIndex told.
func (c *Catalogue) Wait(ctx context.Context, index uint64) (*State, error) {
	changed, stop := c.Watch()
	defer stop()
	for {
		if s := c.State(); s.Index >= index {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the catalogue at index %d: %w", index, ctx.Err())
		}
	}
}

package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
)

// snapshotMax bounds the manifest that a leader may send.
const snapshotMax = raft.SnapshotMax

var _ raft.StateMachine = (*Replica)(nil)

// Apply implements raft.StateMachine. It is a pure function of the shard's
// state and the command; a command that cannot be read changes nothing, on any
// replica.
func (r *Replica) Apply(index, term uint64, command []byte) any {
	decoded, err := decodeCommand(command)
	if err != nil {
		r.logger.Error("a command is left out", "index", index, "error", err)
		return err
	}
	switch c := decoded.(type) {
	case storage.Append:
		results := r.shard.Append(index, c)
		r.traffic.note(&c)
		r.noteHead()
		return results
	case storage.Deletion:
		at := r.shard.Delete(index, c)
		kick(r.seal)
		kick(r.clean)
		return at
	case storage.SealCommand:
		r.shard.Seal(index, term, c)
		r.mu.Lock()
		r.mu.firstAt = time.Time{}
		r.mu.Unlock()
		kick(r.work)
		return nil
	}
	return fmt.Errorf("apply %T: %w", decoded, ErrCommand)
}

// noteHead remembers since when the head has waited, and wakes the sealer if
// it is full. It is not part of the state.
func (r *Replica) noteHead() {
	r.mu.Lock()
	if r.mu.firstAt.IsZero() {
		r.mu.firstAt = time.Now()
	}
	r.mu.Unlock()
	if r.headFull() {
		kick(r.seal)
	}
}

// Configured implements raft.StateMachine.
func (r *Replica) Configured(index uint64, configuration []byte) {
	r.shard.Configured(index, configuration)
}

// Snapshot implements raft.StateMachine: the durable manifest is the snapshot.
func (r *Replica) Snapshot() (raft.Position, bool) {
	state, ok := r.shard.Durable()
	return raft.Position{
		Index: state.Index, Term: state.Term,
		Configuration: state.Configuration, ConfigurationIndex: state.ConfigurationIndex,
	}, ok
}

// OpenSnapshot implements raft.StateMachine.
func (r *Replica) OpenSnapshot() (io.ReadCloser, error) {
	snapshot, ok, err := r.shard.Snapshot()
	if err == nil && !ok {
		err = errors.New("nothing is sealed")
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot of shard %d: %w", r.cfg.Storage.Shard, err)
	}
	return io.NopCloser(bytes.NewReader(snapshot)), nil
}

// Restore implements raft.StateMachine.
func (r *Replica) Restore(_ raft.Position, from io.Reader) error {
	snapshot, err := io.ReadAll(io.LimitReader(from, snapshotMax))
	if err != nil {
		return fmt.Errorf("read snapshot of shard %d: %w", r.cfg.Storage.Shard, err)
	}
	if !r.cfg.Room(int64(len(snapshot))) {
		return fmt.Errorf("restore shard %d: %w", r.cfg.Storage.Shard, errNoRoom) // the leader sends it again
	}
	if err := r.shard.Restore(context.Background(), snapshot); err != nil {
		return err
	}
	r.mu.Lock()
	r.mu.firstAt = time.Time{}
	r.mu.Unlock()
	r.advance()
	kick(r.fetch)
	return nil
}

package raft

import (
	"errors"
	"fmt"
	"io"

	hraft "github.com/hashicorp/raft"
)

// StateMachine is what a group drives.
type StateMachine interface {
	// Apply is called from one goroutine in index order; command is retained
	// by the log and must not be changed, but may be kept. Indexes have gaps.
	Apply(index, term uint64, command []byte) any
	// Configured tells a membership change that took effect at index. The
	// manifest must remember the newest one at or below its index.
	Configured(index uint64, configuration []byte)
	// Snapshot returns the position of the durable manifest (a virtual
	// snapshot); ok is false while nothing is sealed. It may be called from
	// any goroutine.
	Snapshot() (pos Position, ok bool)
	// OpenSnapshot returns the manifest's content, to be given to another
	// member's Restore. It may be called from any goroutine.
	OpenSnapshot() (io.ReadCloser, error)
	// Restore replaces the state by a snapshot from the leader, durably:
	// lazy, idempotent, may be called repeatedly. Where the content names
	// what must be fetched, that is done later.
	Restore(pos Position, r io.Reader) error
}

// Position says what a snapshot covers.
type Position struct {
	Index, Term        uint64 // of the last entry it covers, a seal
	Configuration      []byte // the members as of Index, see Configured
	ConfigurationIndex uint64
}

// decodeConfiguration does what the library does without its panic.
func decodeConfiguration(b []byte) (c hraft.Configuration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decode configuration: %v", r)
		}
	}()
	c = hraft.DecodeConfiguration(b)
	if len(c.Servers) == 0 {
		return c, errors.New("configuration names no member")
	}
	return c, nil
}

// machine gives a StateMachine the form of the library. It must not implement
// BatchingFSM: then the library would not tell configurations.
type machine struct {
	sm        StateMachine
	snapshots *snapshots
	progress  *progress
	// named is called when members that are committed have this node.
	named func(index uint64, c hraft.Configuration)
}

var _ hraft.ConfigurationStore = (*machine)(nil)

// Apply is called by the library for committed commands.
func (m *machine) Apply(l *hraft.Log) any {
	result := m.sm.Apply(l.Index, l.Term, l.Data)
	m.progress.advance(l.Index)
	return result
}

// StoreConfiguration is called by the library for committed configurations.
func (m *machine) StoreConfiguration(index uint64, c hraft.Configuration) {
	m.sm.Configured(index, hraft.EncodeConfiguration(c))
	m.named(index, c)
	m.progress.advance(index)
}

// Snapshot is never wanted.
func (m *machine) Snapshot() (hraft.FSMSnapshot, error) {
	return nil, errors.New("snapshots are virtual")
}

// Restore is called by the library after a snapshot of the leader was
// received, on the goroutine that also calls Apply.
func (m *machine) Restore(r io.ReadCloser) error {
	defer r.Close()
	index, err := m.snapshots.restore(r)
	if err != nil {
		return err
	}
	m.progress.advance(index)
	return nil
}

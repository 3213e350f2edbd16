package raft

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

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

const (
	currentSnapshot = "current"
	openTries       = 5 // a manifest that changes while it is read is read again
)

// snapshots is the library's snapshot store over the state machine's manifest.
// It keeps nothing itself but a snapshot on its way from the leader to
// Restore, which is what makes it durable.
type snapshots struct {
	sm StateMachine
	// base is the newest known position, for readers of the log.
	base atomic.Pointer[Position]

	mu       sync.Mutex
	incoming *incoming
}

type incoming struct {
	id   string
	pos  Position
	data []byte
}

// position asks for the manifest's position.
func (s *snapshots) position() (Position, hraft.Configuration, bool, error) {
	pos, ok := s.sm.Snapshot()
	if !ok {
		return pos, hraft.Configuration{}, false, nil
	}
	if pos.Index == 0 || pos.Term == 0 {
		return pos, hraft.Configuration{}, false, errors.New("manifest has no position in the log")
	}
	c, err := decodeConfiguration(pos.Configuration)
	if err != nil {
		return pos, c, false, fmt.Errorf("manifest at index %d: %w", pos.Index, err)
	}
	s.advance(pos)
	return pos, c, true, nil
}

// advance remembers the newest position.
func (s *snapshots) advance(pos Position) {
	for {
		old := s.base.Load()
		if old != nil && old.Index >= pos.Index || s.base.CompareAndSwap(old, &pos) {
			return
		}
	}
}

func meta(id string, pos Position, c hraft.Configuration, size int) *hraft.SnapshotMeta {
	return &hraft.SnapshotMeta{
		Version: hraft.SnapshotVersionMax, ID: id, Index: pos.Index, Term: pos.Term,
		Configuration: c, ConfigurationIndex: pos.ConfigurationIndex, Size: int64(size),
	}
}

// List returns the one virtual snapshot, if there is one. Its size is only
// known when it is opened.
func (s *snapshots) List() ([]*hraft.SnapshotMeta, error) {
	pos, c, ok, err := s.position()
	if err != nil || !ok {
		return nil, err
	}
	return []*hraft.SnapshotMeta{meta(currentSnapshot, pos, c, 0)}, nil
}

// Open returns the virtual snapshot, or the one that came from the leader.
func (s *snapshots) Open(id string) (*hraft.SnapshotMeta, io.ReadCloser, error) {
	if id != currentSnapshot {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.incoming == nil || s.incoming.id != id {
			return nil, nil, fmt.Errorf("open snapshot %s: there is none", id)
		}
		c, err := decodeConfiguration(s.incoming.pos.Configuration)
		return meta(id, s.incoming.pos, c, len(s.incoming.data)), io.NopCloser(bytes.NewReader(s.incoming.data)), err
	}
	for range openTries {
		pos, c, ok, err := s.position()
		if err != nil || !ok {
			return nil, nil, fmt.Errorf("open snapshot: nothing is sealed: %w", err)
		}
		data, err := s.readCurrent()
		if err != nil {
			return nil, nil, fmt.Errorf("read snapshot at index %d: %w", pos.Index, err)
		}
		if after, ok := s.sm.Snapshot(); ok && after.Index == pos.Index {
			return meta(id, pos, c, len(data)), io.NopCloser(bytes.NewReader(data)), nil
		}
	}
	return nil, nil, errors.New("open snapshot: the manifest changes too often")
}

func (s *snapshots) readCurrent() ([]byte, error) {
	r, err := s.sm.OpenSnapshot()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, SnapshotMax+1))
	if err == nil && len(data) > SnapshotMax {
		err = fmt.Errorf("snapshot is larger than %d bytes", SnapshotMax)
	}
	return data, err
}

// Create is called by the library when the leader sends a snapshot.
func (s *snapshots) Create(_ hraft.SnapshotVersion, index, term uint64, c hraft.Configuration, configurationIndex uint64, _ hraft.Transport) (hraft.SnapshotSink, error) {
	return &sink{snapshots: s, in: incoming{
		id:  fmt.Sprintf("in-%d-%d", term, index),
		pos: Position{Index: index, Term: term, Configuration: hraft.EncodeConfiguration(c), ConfigurationIndex: configurationIndex},
	}}, nil
}

// restore hands the received snapshot to the state machine, on the goroutine
// that applies, and returns its index.
func (s *snapshots) restore(r io.Reader) (index uint64, err error) {
	s.mu.Lock()
	in := s.incoming
	s.mu.Unlock()
	if in == nil {
		return 0, errors.New("restore: no snapshot was received")
	}
	if err := s.sm.Restore(in.pos, r); err != nil {
		return 0, fmt.Errorf("restore snapshot at index %d: %w", in.pos.Index, err)
	}
	s.mu.Lock()
	s.incoming = nil
	s.mu.Unlock()
	// After this the library deletes the log that the snapshot replaces.
	if pos, ok := s.sm.Snapshot(); !ok || pos.Index < in.pos.Index {
		return 0, fmt.Errorf("restore snapshot at index %d: the state machine is at %d after it", in.pos.Index, pos.Index)
	}
	s.advance(in.pos)
	return in.pos.Index, nil
}

// sink collects a snapshot from the leader.
type sink struct {
	snapshots *snapshots
	in        incoming
}

// ID names the snapshot for Open.
func (s *sink) ID() string { return s.in.id }

// Write takes the next bytes.
func (s *sink) Write(b []byte) (int, error) {
	if len(s.in.data)+len(b) > SnapshotMax {
		return 0, fmt.Errorf("receive snapshot: larger than %d bytes", SnapshotMax)
	}
	s.in.data = append(s.in.data, b...)
	return len(b), nil
}

// Close makes the snapshot the one that restore takes. A crash before that
// loses nothing: the leader sends it again.
func (s *sink) Close() error {
	s.snapshots.mu.Lock()
	defer s.snapshots.mu.Unlock()
	s.snapshots.incoming = &s.in
	return nil
}

// Cancel forgets it.
func (s *sink) Cancel() error {
	s.in.data = nil
	return nil
}

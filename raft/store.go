package raft

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/stere-log/stere/raft/wal"
)

// store is the log and stable store that the library sees. The library panics
// when a term cannot be stored or an entry cannot be read; here it waits while
// the disk is full, and when there is nothing to wait for its goroutine ends:
// a member that cannot remember its vote must not go on, and a panic would
// take the other groups' acknowledgements under way with it.
type store struct {
	log       *wal.GroupLog
	shared    *wal.Log
	snapshots *snapshots
	closing   <-chan struct{}
	// shortened is set while a conflicting suffix was deleted and what
	// replaces it is not stored: the library does not know about it, and would
	// look for entries that are gone if storing failed.
	shortened atomic.Bool
}

var (
	_ hraft.LogStore    = (*store)(nil)
	_ hraft.StableStore = (*store)(nil)
)

// waitForSpace returns when it is worth to try again; else it ends the
// calling goroutine, which is one of the library's.
func (s *store) waitForSpace(err error) {
	if !errors.Is(err, wal.ErrNoSpace) {
		runtime.Goexit()
	}
	t := time.NewTimer(spaceRetry)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closing:
		runtime.Goexit()
	case <-s.shared.Failed():
		runtime.Goexit()
	}
}

// FirstIndex returns the index of the oldest entry.
func (s *store) FirstIndex() (uint64, error) { return s.log.FirstIndex() }

// LastIndex returns the index of the newest entry.
func (s *store) LastIndex() (uint64, error) { return s.log.LastIndex() }

// GetLog returns an entry. The entry that a snapshot ends with is known even
// where the log does not have it, or has one of a history that lost: else a
// member whose log went past the snapshot could never agree with its leader.
func (s *store) GetLog(index uint64, out *hraft.Log) error {
	err := s.log.GetLog(index, out)
	if base := s.snapshots.base.Load(); base != nil && index == base.Index && index > 1 {
		if errors.Is(err, hraft.ErrLogNotFound) || err == nil && out.Term != base.Term {
			*out = hraft.Log{Index: base.Index, Term: base.Term, Type: hraft.LogNoop}
			return nil
		}
	}
	switch {
	case err == nil, errors.Is(err, hraft.ErrLogNotFound):
		return err
	case errors.Is(err, wal.ErrClosed):
		return hraft.ErrLogNotFound
	}
	s.shared.Fail(err)
	runtime.Goexit()
	return err
}

// StoreLog stores one entry.
func (s *store) StoreLog(l *hraft.Log) error { return s.StoreLogs([]*hraft.Log{l}) }

// StoreLogs stores entries durably.
func (s *store) StoreLogs(logs []*hraft.Log) error {
	for {
		err := s.log.StoreLogs(logs)
		if err == nil {
			s.shortened.Store(false)
			return nil
		}
		if !s.shortened.Load() {
			return err
		}
		s.waitForSpace(err)
	}
}

// DeleteRange deletes a prefix that a snapshot replaces, or a suffix that
// conflicts with the leader.
func (s *store) DeleteRange(lo, hi uint64) error {
	last, _ := s.log.LastIndex()
	err := s.log.DeleteRange(lo, hi)
	if err == nil && hi >= last && last > 0 {
		s.shortened.Store(true)
	}
	return err
}

// Set stores a value durably.
func (s *store) Set(key, value []byte) error {
	for {
		err := s.log.Set(key, value)
		if err == nil {
			return nil
		}
		s.waitForSpace(err)
	}
}

// SetUint64 stores a number durably.
func (s *store) SetUint64(key []byte, value uint64) error {
	for {
		err := s.log.SetUint64(key, value)
		if err == nil {
			return nil
		}
		s.waitForSpace(err)
	}
}

// Get returns a value.
func (s *store) Get(key []byte) ([]byte, error) { return s.log.Get(key) }

// GetUint64 returns a number.
func (s *store) GetUint64(key []byte) (uint64, error) { return s.log.GetUint64(key) }

package wal

import (
	"errors"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A full disk. The lane keeps a reserve file of allocated space. When a write
// finds no space, the reserve is deleted and the lane is low: small requests
// (votes, configurations, seals) go on in a new file, in the space of the
// reserve; large ones are refused until the reserve could be made again. The
// new file says where the old one ends, so what was partly written is gone.

const reserveName = "reserve"

// isNoSpace tells a full disk or quota from a broken disk.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, ErrNoSpace)
}

// admit refuses what a full disk cannot take and answers probes.
func (l *lane) admit(batch []*request) []*request {
	if !l.low.Load() {
		return batch
	}
	regained, tried := false, false
	kept := batch[:0:0]
	for _, r := range batch {
		if r.op == opProbe || r.bytes > smallMax {
			if !tried {
				regained, tried = l.makeReserve() == nil, true
			}
			if !regained {
				r.done <- ErrNoSpace
				l.refused++
				continue
			}
		}
		kept = append(kept, r)
	}
	return kept
}

// outOfSpace is called when a batch met a full disk. It refuses the large
// requests, tries the others again, and returns them with the outcome.
func (l *lane) outOfSpace(batch []*request) ([]*request, error) {
	l.low.Store(true)
	if l.refused++; l.refused == 1 { // who writes tries again every few milliseconds
		l.log.cfg.Logger.Warn("disk is full, large writes are refused; this is said once, and when it has ended", "lane", l.number)
	}
	if l.reserved {
		l.reserved = false
		if err := l.log.cfg.FS.Remove(l.path(reserveName)); err != nil {
			l.log.cfg.Logger.Warn("cannot remove the reserve", "lane", l.number, "error", err)
		}
	}
	var small []*request
	var large []*request
	for _, r := range batch {
		if r.bytes > smallMax {
			large = append(large, r)
		} else {
			small = append(small, r)
		}
	}
	// Also with nothing to write: the new file makes the refusal final.
	err := l.commit(small)
	answer(large, ErrNoSpace)
	return small, err
}

// makeReserve allocates the reserve; success ends the low state.
func (l *lane) makeReserve() error {
	if l.reserved || l.log.cfg.Reserve < 0 {
		l.low.Store(false)
		return nil
	}
	fs, name := l.log.cfg.FS, l.path(reserveName)
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = f.Preallocate(0, l.log.cfg.Reserve)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = fs.Remove(name)
		if isNoSpace(err) {
			return err
		}
		// The file system cannot reserve space: go on without.
		l.low.Store(false)
		return nil
	}
	l.reserved = true
	l.low.Store(false)
	return nil
}

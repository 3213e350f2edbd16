package wal

import (
	"fmt"
	"slices"
	"strings"
)

// A group of which damage took something, or may have, is lost: nothing of it
// can be read or written until it is removed. It stays lost over restarts. As
// long as there is one, the files of its lane as they were found are kept aside
// under other names: they are the only place of what the group had, and would
// be deleted when the other groups do not need them any more.

//
// Damage at the end may also have taken groups with all that named them. So long
// as nobody has said which groups are to be there (Expect), every group of the lane
// of which nothing is known is lost. That is kept as a lost group of its own.

const (
	damagedSuffix = ".damaged"
	// nameless stands for the groups of a lane that damage took without a trace.
	nameless = 0xFFFFFFFF
)

// Lost returns the groups of which damage took something, or may have, and
// where that is.
func (w *Log) Lost() map[uint32]error {
	lost := map[uint32]error{}
	for _, l := range w.lanes {
		l.mu.RLock()
		for id, g := range l.groups {
			if g.lost != nil && id != nameless {
				lost[id] = fmt.Errorf("%w: %w", ErrLost, g.lost)
			}
		}
		l.mu.RUnlock()
	}
	return lost
}

// Expect says which groups are to be here. Those of which damage may have taken
// everything count as lost from now on, and no others: it is to be called before
// groups begin here that are new.
func (w *Log) Expect(groups []uint32) error {
	for _, l := range w.lanes {
		l.mu.RLock()
		doubted := l.groups[nameless] != nil
		l.mu.RUnlock()
		if !doubted {
			continue
		}
		r := &request{op: opExpect, group: nameless}
		for _, id := range groups {
			if w.laneOf(id) == l {
				r.groups = append(r.groups, id)
			}
		}
		if err := l.submit(r); err != nil {
			return fmt.Errorf("look for groups that are lost: %w", err)
		}
	}
	return nil
}

// expect makes lost groups of those that are to be here and are not. What says so
// is the head of a new file; without it the next start is in the same doubt.
func (l *lane) expect(r *request) {
	l.mu.Lock()
	if doubt := l.groups[nameless]; doubt != nil {
		for _, id := range r.groups {
			if l.groups[id] == nil {
				l.lose(l.group(id), doubt.lost)
			}
		}
		delete(l.groups, nameless)
	}
	l.mu.Unlock()
	if l.tainted {
		return // the next write begins a new file
	}
	if err := l.rotate(); err != nil {
		l.log.cfg.Logger.Warn("cannot note which groups are lost", "lane", l.number, "error", err)
	}
}

// Lost returns an ErrLost with the damage if the group is lost, else nil. Then
// every other method but Remove returns it.
func (g *GroupLog) Lost() error {
	g.lane.mu.RLock()
	defer g.lane.mu.RUnlock()
	return g.lane.lost(g.group)
}

// lost is called with mu held.
func (l *lane) lost(id uint32) error {
	g := l.groups[id]
	if g == nil {
		g = l.groups[nameless]
	}
	if g != nil && g.lost != nil {
		return fmt.Errorf("group %d: %w: %w", id, ErrLost, g.lost)
	}
	return nil
}

func (l *lane) anyLost() bool {
	for _, g := range l.groups {
		if g.lost != nil {
			return true
		}
	}
	return false
}

// keepDamaged gives the files that were read second names, if groups were lost
// by what is in them.
func (l *lane) keepDamaged() {
	if !l.anyLost() {
		l.forgetDamaged()
		return
	}
	if l.damaged.Load() {
		return // since they were found
	}
	fs := l.log.cfg.FS
	for _, f := range l.files {
		kept := strings.TrimSuffix(f.path, fileSuffix) + damagedSuffix
		if err := fs.Link(f.path, kept); err != nil {
			l.log.cfg.Logger.Warn("a damaged log file is not kept aside", "file", f.path, "error", err)
			continue
		}
		l.damaged.Store(true)
	}
}

// KeepsDamaged reports whether files in which there may be entries of the group are
// kept aside, since they were damaged and other groups lost by that.
func (g *GroupLog) KeepsDamaged() bool { return g.lane.damaged.Load() }

// forgetDamaged deletes what was kept aside, once no group is lost.
func (l *lane) forgetDamaged() {
	if !l.damaged.Load() || l.anyLost() {
		return
	}
	fs := l.log.cfg.FS
	names, err := fs.List(l.dir)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, damagedSuffix) })
	for _, name := range names {
		if failed := fs.Remove(l.path(name)); failed != nil {
			err = failed
		}
	}
	l.damaged.Store(err != nil)
	if err != nil {
		l.log.cfg.Logger.Warn("damaged log files that are not needed stay", "lane", l.number, "error", err)
	}
}

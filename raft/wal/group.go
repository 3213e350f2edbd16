package wal

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	hraft "github.com/hashicorp/raft"
)

// entry is where one log entry is, and its bytes while they are in memory.
type entry struct {
	term     uint64
	total    uint64 // bytes of the group's entries up to and with this one
	appended time.Time
	file     *file
	offset   uint32
	size     uint32 // of the record
	kind     hraft.LogType
	cached   bool // data and extensions are in memory
	data     []byte
	ext      []byte
}

// group is what is known of one group; its lane's mu guards it.
//
// The log is first..last; entries[0] has the index base. base > first only
// while files are replayed: then first..base-1 were in files that are gone,
// and must be deleted by later records or the log is incomplete.
type group struct {
	id      uint32
	first   uint64 // 0: empty
	base    uint64
	entries []*entry
	total   uint64
	stable  map[string][]byte
	lost    *CorruptError // not nil: damage may have taken something of it
}

func (g *group) last() uint64 {
	if g.first == 0 {
		return 0
	}
	return g.base + uint64(len(g.entries)) - 1
}

func (g *group) at(index uint64) *entry {
	if g.first == 0 || index < g.base || index > g.last() {
		return nil
	}
	return g.entries[index-g.base]
}

func (g *group) empty() { g.first, g.base, g.entries = 0, 0, nil }

func (g *group) append(index uint64, e *entry) {
	if g.first == 0 {
		g.first, g.base = index, index
	}
	g.total += uint64(e.size)
	e.total = g.total
	g.entries = append(g.entries, e)
}

// trimPrefix forgets the entries below first and hands them to drop.
func (g *group) trimPrefix(first uint64, drop func(*entry)) {
	if g.first == 0 || first <= g.first {
		return
	}
	n := 0
	if first > g.base {
		n = int(min(first-g.base, uint64(len(g.entries))))
	}
	for i := range n {
		drop(g.entries[i])
		g.entries[i] = nil
	}
	if first > g.last() {
		g.empty()
		return
	}
	g.entries = g.entries[n:]
	g.base += uint64(n)
	g.first = first
}

// trimSuffix forgets the entries from an index on and hands them to drop.
func (g *group) trimSuffix(from uint64, drop func(*entry)) {
	if g.first == 0 || from > g.last() {
		return
	}
	keep := 0
	if from > g.base {
		keep = int(from - g.base)
	}
	for i := keep; i < len(g.entries); i++ {
		drop(g.entries[i])
		g.total -= uint64(g.entries[i].size)
		g.entries[i] = nil
	}
	switch {
	case from <= g.first:
		g.empty()
	case from < g.base:
		g.entries, g.base = nil, from
	default:
		g.entries = g.entries[:keep]
	}
}

// GroupLog is the log and the stable store of one Raft group. It implements
// raft.LogStore and raft.StableStore. All methods are safe for concurrent use.
type GroupLog struct {
	lane  *lane
	group uint32
}

var (
	_ hraft.LogStore    = (*GroupLog)(nil)
	_ hraft.StableStore = (*GroupLog)(nil)
)

// FirstIndex returns the index of the oldest entry, 0 when there is none.
func (g *GroupLog) FirstIndex() (uint64, error) {
	g.lane.mu.RLock()
	defer g.lane.mu.RUnlock()
	if err := g.lane.lost(g.group); err != nil {
		return 0, err
	}
	if s := g.lane.groups[g.group]; s != nil {
		return s.first, nil
	}
	return 0, nil
}

// LastIndex returns the index of the newest entry, 0 when there is none.
func (g *GroupLog) LastIndex() (uint64, error) {
	g.lane.mu.RLock()
	defer g.lane.mu.RUnlock()
	if err := g.lane.lost(g.group); err != nil {
		return 0, err
	}
	if s := g.lane.groups[g.group]; s != nil {
		return s.last(), nil
	}
	return 0, nil
}

// GetLog fills out with the entry of an index, or returns raft.ErrLogNotFound.
// Its bytes are shared and must not be changed.
func (g *GroupLog) GetLog(index uint64, out *hraft.Log) error {
	return g.lane.read(g.group, index, out)
}

// StoreLog stores one entry; see StoreLogs.
func (g *GroupLog) StoreLog(l *hraft.Log) error { return g.StoreLogs([]*hraft.Log{l}) }

// StoreLogs appends entries of ascending, adjoining indexes and returns when
// they are durable. Entries at or above the first index are replaced; if the
// first index is beyond the next one, a snapshot has taken the place of what
// is here and it is deleted. The bytes of the entries are kept and shared.
func (g *GroupLog) StoreLogs(logs []*hraft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	bytes := 0
	for i, l := range logs {
		if l.Index == 0 || l.Index != logs[0].Index+uint64(i) {
			return fmt.Errorf("store entries of group %d: index %d at position %d does not adjoin", g.group, l.Index, i)
		}
		n := logFixed + len(l.Extensions) + len(l.Data)
		if n > bodyMax {
			return fmt.Errorf("store entry %d of group %d with %d bytes: %w", l.Index, g.group, n, ErrTooLarge)
		}
		bytes += headerSize + n
	}
	if bytes > requestMax {
		return fmt.Errorf("store %d entries of group %d with %d bytes: %w", len(logs), g.group, bytes, ErrTooLarge)
	}
	if err := g.lane.submit(&request{op: opAppend, group: g.group, logs: logs, bytes: bytes, sync: true}); err != nil {
		return fmt.Errorf("store entries %d to %d of group %d: %w", logs[0].Index, logs[len(logs)-1].Index, g.group, err)
	}
	return nil
}

// DeleteRange deletes the entries lo..hi, which must be a prefix or a suffix
// of the log, or all of it.
func (g *GroupLog) DeleteRange(lo, hi uint64) error {
	first, _ := g.FirstIndex()
	last, _ := g.LastIndex()
	if first == 0 || lo > hi || hi < first || lo > last {
		return nil
	}
	var err error
	switch {
	case lo <= first:
		err = g.lane.submit(&request{op: opPrefix, group: g.group, index: hi + 1})
	case hi >= last:
		err = g.lane.submit(&request{op: opSuffix, group: g.group, index: lo, sync: true})
	default:
		err = fmt.Errorf("the range is in the middle of %d to %d", first, last)
	}
	if err != nil {
		return fmt.Errorf("delete entries %d to %d of group %d: %w", lo, hi, g.group, err)
	}
	return nil
}

// TruncatePrefix deletes the entries below first. It is not synced at once:
// after a crash the entries may be there again.
func (g *GroupLog) TruncatePrefix(first uint64) error {
	if have, _ := g.FirstIndex(); have == 0 || first <= have {
		return nil
	}
	if err := g.lane.submit(&request{op: opPrefix, group: g.group, index: first}); err != nil {
		return fmt.Errorf("truncate group %d below %d: %w", g.group, first, err)
	}
	return nil
}

// Leave begins a new file in the lane, so that the one written so far goes when no
// entry in it is needed by any group.
func (g *GroupLog) Leave() error {
	if err := g.lane.submit(&request{op: opLeave, group: g.group}); err != nil {
		return fmt.Errorf("leave the file of group %d: %w", g.group, err)
	}
	return nil
}

// Holds reports whether a file has the bytes of an entry up to an index, also of one
// that was truncated.
func (g *GroupLog) Holds(upto uint64) bool {
	g.lane.mu.RLock()
	defer g.lane.mu.RUnlock()
	for _, f := range g.lane.files {
		if low, ok := f.lowest[g.group]; ok && low <= upto {
			return true
		}
	}
	return false
}

// Bytes returns the size of the records of all entries above an index.
func (g *GroupLog) Bytes(above uint64) int64 {
	g.lane.mu.RLock()
	defer g.lane.mu.RUnlock()
	s := g.lane.groups[g.group]
	if s == nil || s.first == 0 || above >= s.last() {
		return 0
	}
	from := s.entries[0].total - uint64(s.entries[0].size)
	if e := s.at(above); e != nil {
		from = e.total
	}
	return int64(s.entries[len(s.entries)-1].total - from)
}

// Set stores a value durably under a key.
func (g *GroupLog) Set(key, value []byte) error {
	if len(key)+len(value)+4 > stableMax {
		return fmt.Errorf("set %q of group %d with %d bytes: %w", key, g.group, len(value), ErrTooLarge)
	}
	r := &request{op: opStable, group: g.group, key: string(key), value: slices.Clone(value), bytes: headerSize + 4 + len(key) + len(value), sync: true}
	if err := g.lane.submit(r); err != nil {
		return fmt.Errorf("set %q of group %d: %w", key, g.group, err)
	}
	return nil
}

// Get returns the value of a key, nil when there is none.
func (g *GroupLog) Get(key []byte) ([]byte, error) {
	g.lane.mu.RLock()
	defer g.lane.mu.RUnlock()
	if err := g.lane.lost(g.group); err != nil {
		return nil, err
	}
	if s := g.lane.groups[g.group]; s != nil {
		return slices.Clone(s.stable[string(key)]), nil
	}
	return nil, nil
}

// SetUint64 stores a number durably under a key.
func (g *GroupLog) SetUint64(key []byte, value uint64) error {
	return g.Set(key, binary.LittleEndian.AppendUint64(nil, value))
}

// GetUint64 returns the number of a key, 0 when there is none.
func (g *GroupLog) GetUint64(key []byte) (uint64, error) {
	value, err := g.Get(key)
	if err != nil || len(value) == 0 {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("get %q of group %d: value has %d bytes, want 8", key, g.group, len(value))
	}
	return binary.LittleEndian.Uint64(value), nil
}

// Remove deletes everything of the group.
func (g *GroupLog) Remove() error {
	if err := g.lane.submit(&request{op: opDrop, group: g.group, sync: true}); err != nil {
		return fmt.Errorf("remove group %d: %w", g.group, err)
	}
	return nil
}

// Space returns nil when large entries are accepted, and ErrNoSpace while the
// disk is too full for them; asking looks whether that is still so.
func (g *GroupLog) Space() error {
	if !g.lane.low.Load() {
		return nil
	}
	return g.lane.submit(&request{op: opProbe, group: g.group})
}

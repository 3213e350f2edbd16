package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
)

// manifestVersion is the first byte of every manifest value.
const manifestVersion = 1

// State is the manifest's position in the log and what else a shard has to
// remember between seals. It is as of its seal entry.
type State struct {
	Index, Term        uint64 // of the seal entry
	ConfigurationIndex uint64 // of the membership that held at Index
	Configuration      []byte
	Clock              int64  // latest command time, Unix ns
	Merges             uint64 // highest number given to a merge
	DedupFirst         uint64 // number of the oldest idempotency key
	DedupNext          uint64 // number of the next one
}

// Entry is one segment of the manifest.
type Entry struct {
	ID                  SegmentID
	Tenant              model.TenantID
	Rows                uint32
	FirstTime, LastTime int64
	MinIndex, MaxIndex  uint64
	Bytes               int64
}

func (s *State) append(dst []byte) []byte {
	dst = append(dst, manifestVersion)
	for _, v := range [...]uint64{s.Index, s.Term, s.ConfigurationIndex, s.Merges, s.DedupFirst, s.DedupNext} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = binary.AppendVarint(dst, s.Clock)
	dst = binary.AppendUvarint(dst, uint64(len(s.Configuration)))
	return append(dst, s.Configuration...)
}

func parseState(src []byte) (State, error) {
	r := manifestReader{src: src}
	r.version()
	var s State
	for _, v := range [...]*uint64{&s.Index, &s.Term, &s.ConfigurationIndex, &s.Merges, &s.DedupFirst, &s.DedupNext} {
		*v = r.uvarint()
	}
	s.Clock = r.varint()
	s.Configuration = []byte(r.text())
	return s, r.done("state")
}

func (e *Entry) append(dst []byte) []byte {
	dst = append(dst, manifestVersion)
	dst = binary.AppendUvarint(dst, uint64(len(e.Tenant)))
	dst = append(dst, e.Tenant...)
	dst = binary.AppendUvarint(dst, uint64(e.Rows))
	dst = binary.AppendVarint(dst, e.FirstTime)
	dst = binary.AppendVarint(dst, e.LastTime)
	dst = binary.AppendUvarint(dst, e.MinIndex)
	dst = binary.AppendUvarint(dst, e.MaxIndex)
	return binary.AppendUvarint(dst, uint64(e.Bytes))
}

func parseEntry(key, src []byte) (Entry, error) {
	id, err := parseSegmentID(key)
	if err != nil {
		return Entry{}, err
	}
	r := manifestReader{src: src}
	r.version()
	e := Entry{ID: id, Tenant: model.TenantID(r.text())}
	rows := r.uvarint()
	e.FirstTime, e.LastTime = r.varint(), r.varint()
	e.MinIndex, e.MaxIndex, e.Bytes = r.uvarint(), r.uvarint(), int64(r.uvarint())
	if rows > math.MaxUint32 {
		r.failed = true
	}
	e.Rows = uint32(rows)
	return e, r.done("entry")
}

func (e *dedupEntry) append(dst []byte) []byte {
	dst = append(dst, manifestVersion)
	dst = append(dst, e.key[:]...)
	dst = append(dst, e.body[:]...)
	dst = binary.AppendUvarint(dst, e.index)
	dst = binary.AppendUvarint(dst, uint64(e.first))
	return binary.AppendVarint(dst, e.time)
}

func parseDedup(src []byte) (dedupEntry, error) {
	r := manifestReader{src: src}
	r.version()
	var e dedupEntry
	copy(e.key[:], r.take(16))
	copy(e.body[:], r.take(16))
	e.index, e.first, e.time = r.uvarint(), uint32(r.uvarint()), r.varint()
	return e, r.done("idempotency key")
}

// manifestReader takes values from the front of src; after a failure every
// further value is zero.
type manifestReader struct {
	src    []byte
	failed bool
}

func (r *manifestReader) take(n uint64) []byte {
	if r.failed || n > uint64(len(r.src)) {
		r.failed, r.src = true, nil
		return nil
	}
	taken := r.src[:n]
	r.src = r.src[n:]
	return taken
}

// skip takes n bytes; n of zero or less says that there was no value.
func (r *manifestReader) skip(n int) {
	if n <= 0 {
		r.failed, r.src = true, nil
		return
	}
	r.take(uint64(n))
}

func (r *manifestReader) version() {
	if v := r.take(1); len(v) != 1 || v[0] != manifestVersion {
		r.failed = true
	}
}

func (r *manifestReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	r.skip(n)
	return v
}

func (r *manifestReader) varint() int64 {
	v, n := binary.Varint(r.src)
	r.skip(n)
	return v
}

func (r *manifestReader) text() string { return string(r.take(r.uvarint())) }

func (r *manifestReader) done(what string) error {
	if r.failed || len(r.src) != 0 {
		return fmt.Errorf("read %s: %w", what, ErrManifest)
	}
	return nil
}

// manifest is what Open finds.
type manifest struct {
	state   State
	exists  bool
	entries []Entry
	dedup   []dedupEntry
}

// loadQuarantine counts the blocks of each tenant that were put aside.
func loadQuarantine(store *engine.Engine, shard model.ShardID) (map[model.TenantID]int, error) {
	blocks := map[model.TenantID]int{}
	lower, upper := shardSpan(prefixQuarantine, shard)
	err := store.Scan(lower, upper, func(_, value []byte) error {
		r := manifestReader{src: value}
		r.version()
		tenant := model.TenantID(r.text())
		if r.failed {
			return fmt.Errorf("read block put aside: %w", ErrManifest)
		}
		blocks[tenant]++
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load blocks put aside of shard %d: %w", shard, err)
	}
	return blocks, nil
}

// loadManifest reads a shard's manifest. A damaged manifest is an error: it
// must not be mistaken for an empty one.
func loadManifest(store *engine.Engine, shard model.ShardID) (manifest, error) {
	var m manifest
	err := store.Get(shardKey(prefixState, shard), func(value []byte) (err error) {
		m.state, err = parseState(value)
		m.exists = true
		return err
	})
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return m, fmt.Errorf("load manifest of shard %d: %w", shard, err)
	}
	lower, upper := shardSpan(prefixEntry, shard)
	err = store.Scan(lower, upper, func(key, value []byte) error {
		entry, err := parseEntry(key, value)
		m.entries = append(m.entries, entry)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("load manifest of shard %d: %w", shard, err)
	}
	lower = numberKey(prefixDedup, shard, m.state.DedupFirst)
	_, upper = shardSpan(prefixDedup, shard)
	err = store.Scan(lower, upper, func(_, value []byte) error {
		entry, err := parseDedup(value)
		m.dedup = append(m.dedup, entry)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("load idempotency keys of shard %d: %w", shard, err)
	}
	if uint64(len(m.dedup)) != m.state.DedupNext-m.state.DedupFirst {
		return m, fmt.Errorf("load idempotency keys of shard %d: %w: %d keys, want %d",
			shard, ErrManifest, len(m.dedup), m.state.DedupNext-m.state.DedupFirst)
	}
	return m, nil
}

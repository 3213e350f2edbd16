package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
)

// manifestVersion is the first byte of every manifest value but a state with
// keys that nodes gave, which has stateVersion.
const (
	manifestVersion = 2
	stateVersion    = 3
)

// State is the manifest's position in the log and what else a shard has to
// remember between seals. It is as of its seal entry.
type State struct {
	Index, Term        uint64 // of the seal entry
	ConfigurationIndex uint64 // of the membership that held at Index
	Configuration      []byte
	Clock              int64   // latest command time, Unix ns
	Merges             uint64  // highest number given to a merge
	DedupFirst         uint64  // number of the oldest idempotency key
	DedupNext          uint64  // number of the next one
	Carried            KeySpan // of the keys that nodes gave
}

// Entry is one segment of the manifest.
type Entry struct {
	ID                  SegmentID
	Tenant              model.TenantID
	Rows                uint32
	FirstTime, LastTime int64
	MinIndex, MaxIndex  uint64
	Bytes               int64
	TextBytes           int64 // of the values of all records, as they were sent
}

func (s *State) append(dst []byte) []byte {
	if s.Carried == (KeySpan{}) {
		dst = append(dst, manifestVersion)
	} else {
		dst = append(dst, stateVersion)
	}
	for _, v := range [...]uint64{s.Index, s.Term, s.ConfigurationIndex, s.Merges, s.DedupFirst, s.DedupNext} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = binary.AppendVarint(dst, s.Clock)
	dst = binary.AppendUvarint(dst, uint64(len(s.Configuration)))
	dst = append(dst, s.Configuration...)
	if s.Carried == (KeySpan{}) {
		return dst
	}
	return binary.AppendUvarint(binary.AppendUvarint(dst, s.Carried.First), s.Carried.Next)
}

func parseState(src []byte) (State, error) {
	r := newManifestReader(src)
	version := r.Byte()
	if version != manifestVersion && version != stateVersion {
		r.Fail()
	}
	var s State
	for _, v := range [...]*uint64{&s.Index, &s.Term, &s.ConfigurationIndex, &s.Merges, &s.DedupFirst, &s.DedupNext} {
		*v = r.Uvarint()
	}
	s.Clock = r.Varint()
	s.Configuration = []byte(r.String())
	if version == stateVersion {
		s.Carried = KeySpan{r.Uvarint(), r.Uvarint()}
	}
	if s.DedupNext < s.DedupFirst || s.Carried.Next < s.Carried.First {
		r.Fail()
	}
	return s, r.done("state")
}

// equal reports whether two entries are of the same records: how many bytes
// these take is for each replica, and each version, to say.
func (e *Entry) equal(other *Entry) bool {
	a, b := *e, *other
	a.Bytes, b.Bytes = 0, 0
	return a == b
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
	dst = binary.AppendUvarint(dst, uint64(e.Bytes))
	return binary.AppendUvarint(dst, uint64(e.TextBytes))
}

func parseEntry(key, src []byte) (Entry, error) {
	id, err := parseSegmentID(key)
	if err != nil {
		return Entry{}, err
	}
	r := newManifestReader(src)
	r.version()
	e := Entry{ID: id, Tenant: model.TenantID(r.String())}
	e.Rows = r.Uint32()
	e.FirstTime, e.LastTime = r.Varint(), r.Varint()
	e.MinIndex, e.MaxIndex = r.Uvarint(), r.Uvarint()
	e.Bytes, e.TextBytes = int64(r.Uvarint()), int64(r.Uvarint())
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
	r := newManifestReader(src)
	r.version()
	var e dedupEntry
	copy(e.key[:], r.Take(16))
	copy(e.body[:], r.Take(16))
	e.index, e.first, e.time = r.Uvarint(), uint32(r.Uvarint()), r.Varint()
	return e, r.done("idempotency key")
}

// manifestReader reads a value of the manifest.
type manifestReader struct{ wire.Reader }

func newManifestReader(src []byte) manifestReader { return manifestReader{wire.NewReader(src)} }

func (r *manifestReader) version() {
	if r.Byte() != manifestVersion {
		r.Fail()
	}
}

func (r *manifestReader) done(what string) error {
	if !r.Done() {
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
	carried []dedupEntry
	damaged map[SegmentID]damageMark
	hashes  map[SegmentID][]DayHash
}

// loadQuarantine counts the blocks of each tenant that were put aside.
func loadQuarantine(store *engine.Engine, shard model.ShardID) (map[model.TenantID]int, error) {
	blocks := map[model.TenantID]int{}
	lower, upper := shardSpan(prefixQuarantine, shard)
	err := store.Scan(lower, upper, func(_, value []byte) error {
		r := newManifestReader(value)
		r.version()
		tenant := model.TenantID(r.String())
		if r.Failed() {
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
	if m.damaged, err = loadDamage(store, shard); err != nil {
		return m, err
	}
	if m.hashes, err = loadHashes(store, shard); err != nil {
		return m, err
	}
	if m.dedup, err = loadKeys(store, shard, prefixDedup, KeySpan{m.state.DedupFirst, m.state.DedupNext}); err != nil {
		return m, err
	}
	m.carried, err = loadKeys(store, shard, prefixCarried, m.state.Carried)
	return m, err
}

// loadKeys reads a memory of keys.
func loadKeys(store *engine.Engine, shard model.ShardID, prefix byte, span KeySpan) (keys []dedupEntry, err error) {
	_, upper := shardSpan(prefix, shard)
	err = store.Scan(numberKey(prefix, shard, span.First), upper, func(_, value []byte) error {
		entry, err := parseDedup(value)
		keys = append(keys, entry)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load idempotency keys of shard %d: %w", shard, err)
	}
	if uint64(len(keys)) != span.Next-span.First {
		return nil, fmt.Errorf("load idempotency keys of shard %d: %w: %d keys, want %d", shard, ErrManifest, len(keys), span.Next-span.First)
	}
	return keys, nil
}

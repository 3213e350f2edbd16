package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
)

// manifestVersion is the first byte of every manifest value but a state with
// keys that nodes gave, which has stateVersion, and what has to do with deletions,
// which has deletionVersion: a state that remembers them, an entry that has been
// cleaned, a deletion.
const (
	manifestVersion = 2
	stateVersion    = 3
	deletionVersion = 4
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
	// Deletions are the newest that were applied, oldest first, so that none is
	// applied twice.
	Deletions []DeletionMark
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
	// Cleaned is up to which log index deletions have been carried out in the
	// segment; 0 if none before MinIndex has been.
	Cleaned uint64
}

func (s *State) append(dst []byte) []byte {
	switch {
	case len(s.Deletions) > 0:
		dst = append(dst, deletionVersion)
	case s.Carried != (KeySpan{}):
		dst = append(dst, stateVersion)
	default:
		dst = append(dst, manifestVersion)
	}
	for _, v := range [...]uint64{s.Index, s.Term, s.ConfigurationIndex, s.Merges, s.DedupFirst, s.DedupNext} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = binary.AppendVarint(dst, s.Clock)
	dst = binary.AppendUvarint(dst, uint64(len(s.Configuration)))
	dst = append(dst, s.Configuration...)
	if s.Carried == (KeySpan{}) && len(s.Deletions) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, s.Carried.First), s.Carried.Next)
	if len(s.Deletions) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.Deletions)))
	for _, mark := range s.Deletions {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, mark.Number), mark.Index)
	}
	return dst
}

func parseState(src []byte) (State, error) {
	r := newManifestReader(src)
	version := r.Byte()
	if version < manifestVersion || version > deletionVersion {
		r.Fail()
	}
	var s State
	for _, v := range [...]*uint64{&s.Index, &s.Term, &s.ConfigurationIndex, &s.Merges, &s.DedupFirst, &s.DedupNext} {
		*v = r.Uvarint()
	}
	s.Clock = r.Varint()
	s.Configuration = []byte(r.String())
	if version >= stateVersion {
		s.Carried = KeySpan{r.Uvarint(), r.Uvarint()}
	}
	if version >= deletionVersion {
		for n := r.Bounded(deletionMarksMax); n > 0 && !r.Failed(); n-- {
			s.Deletions = append(s.Deletions, DeletionMark{Number: r.Uvarint(), Index: r.Uvarint()})
		}
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
	if e.Cleaned == 0 {
		dst = append(dst, manifestVersion)
	} else {
		dst = append(dst, deletionVersion)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Tenant)))
	dst = append(dst, e.Tenant...)
	dst = binary.AppendUvarint(dst, uint64(e.Rows))
	dst = binary.AppendVarint(dst, e.FirstTime)
	dst = binary.AppendVarint(dst, e.LastTime)
	dst = binary.AppendUvarint(dst, e.MinIndex)
	dst = binary.AppendUvarint(dst, e.MaxIndex)
	dst = binary.AppendUvarint(dst, uint64(e.Bytes))
	dst = binary.AppendUvarint(dst, uint64(e.TextBytes))
	if e.Cleaned == 0 {
		return dst
	}
	return binary.AppendUvarint(dst, e.Cleaned)
}

func parseEntry(key, src []byte) (Entry, error) {
	id, err := parseSegmentID(key)
	if err != nil {
		return Entry{}, err
	}
	r := newManifestReader(src)
	version := r.Byte()
	if version != manifestVersion && version != deletionVersion {
		r.Fail()
	}
	e := Entry{ID: id, Tenant: model.TenantID(r.String())}
	e.Rows = r.Uint32()
	e.FirstTime, e.LastTime = r.Varint(), r.Varint()
	e.MinIndex, e.MaxIndex = r.Uvarint(), r.Uvarint()
	e.Bytes, e.TextBytes = int64(r.Uvarint()), int64(r.Uvarint())
	if version == deletionVersion {
		e.Cleaned = r.Uvarint()
	}
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
	// deletions are those that are not done, and the newest that are, in the order
	// of the log.
	deletions []*deletion
}

// loadQuarantine returns the log indexes of the blocks of each tenant that were put
// aside.
func loadQuarantine(store *engine.Engine, shard model.ShardID) (map[model.TenantID][]uint64, error) {
	blocks := map[model.TenantID][]uint64{}
	lower, upper := shardSpan(prefixQuarantine, shard)
	err := store.Scan(lower, upper, func(key, value []byte) error {
		r := newManifestReader(value)
		r.version()
		tenant := model.TenantID(r.String())
		if r.Failed() || len(key) != shardKeyLength+8 {
			return fmt.Errorf("read block put aside: %w", ErrManifest)
		}
		blocks[tenant] = append(blocks[tenant], binary.BigEndian.Uint64(key[shardKeyLength:]))
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
	if m.deletions, err = loadDeletions(store, shard); err != nil {
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

// append returns the value under which a deletion is kept. One that is done keeps
// no query: it may have what was to go.
func (d *deletion) append(dst []byte) []byte {
	done := byte(0)
	if d.done {
		done = 1
	}
	dst = append(dst, deletionVersion, done)
	for _, v := range [...]uint64{d.index, d.Rows, d.Rewritten, d.Dropped} {
		dst = binary.AppendUvarint(dst, v)
	}
	return AppendDeletion(binary.AppendVarint(dst, d.Bytes), d.Deletion)
}

// AppendDeletion appends a deletion as the log and the manifest have it.
func AppendDeletion(dst []byte, d Deletion) []byte {
	dst = binary.AppendUvarint(dst, d.Number)
	dst = appendItem(dst, []byte(d.Tenant))
	dst = appendItem(dst, []byte(d.Query))
	for _, v := range [...]int64{d.From, d.To, d.Time} {
		dst = binary.AppendVarint(dst, v)
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.Except)))
	for _, e := range d.Except {
		dst = appendItem(dst, []byte(e.Query))
		dst = binary.AppendVarint(binary.AppendVarint(dst, e.From), e.To)
	}
	return dst
}

// ParseDeletion reads what AppendDeletion has written, to the end.
func ParseDeletion(src []byte) (Deletion, error) {
	r := newManifestReader(src)
	d := r.deletion()
	if err := r.done("deletion"); err != nil {
		return d, err
	}
	return d, d.Validate()
}

func (r *manifestReader) deletion() Deletion {
	text := func(limit uint32) string { return string(r.Take(uint64(r.Bounded(limit)))) }
	d := Deletion{Number: r.Uvarint(), Tenant: model.TenantID(text(model.TenantIDMax)), Query: text(DeletionQueryMax)}
	d.From, d.To, d.Time = r.Varint(), r.Varint(), r.Varint()
	for n := r.Bounded(ExceptionsMax); n > 0 && !r.Failed(); n-- {
		d.Except = append(d.Except, Exception{Query: text(DeletionQueryMax), From: r.Varint(), To: r.Varint()})
	}
	return d
}

func parseDeletion(src []byte) (*deletion, error) {
	r := newManifestReader(src)
	if r.Byte() != deletionVersion {
		r.Fail()
	}
	done := r.Byte()
	if done > 1 {
		r.Fail()
	}
	d := &deletion{done: done == 1}
	for _, v := range [...]*uint64{&d.index, &d.Rows, &d.Rewritten, &d.Dropped} {
		*v = r.Uvarint()
	}
	d.Bytes = r.Varint()
	d.Deletion = r.deletion()
	if err := r.done("deletion"); err != nil {
		return nil, err
	}
	if err := d.Validate(); err != nil {
		return nil, errors.Join(ErrManifest, err)
	}
	return d, nil
}

func loadDeletions(store *engine.Engine, shard model.ShardID) (all []*deletion, err error) {
	lower, upper := shardSpan(prefixDeletion, shard)
	err = store.Scan(lower, upper, func(_, value []byte) error {
		d, err := parseDeletion(value)
		all = append(all, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load deletions of shard %d: %w", shard, err)
	}
	return all, nil
}

// A snapshot is the manifest as bytes: a version, the state, the entries with
// their ids, the idempotency keys and the keys that nodes gave, each with its length in front, since
// version 2 the deletions in the same way, and a checksum. Version 1 is written as long as there
// are no deletions. Segments are not in it; who restores one has to fetch them.
const (
	snapshotVersion  = 1
	snapshotDeletion = 2
)

// Snapshot returns the durable manifest as bytes; ok is false before the first
// seal. It waits while the manifest changes, so as to be of one moment.
func (s *Shard) Snapshot() (snapshot []byte, ok bool, err error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	m, err := loadManifest(s.env.Engine, s.cfg.Shard)
	if err != nil || !m.exists {
		return nil, false, err
	}
	version := byte(snapshotVersion)
	if len(m.deletions) > 0 {
		version = snapshotDeletion
	}
	dst := appendItem([]byte{version}, m.state.append(nil))
	dst = binary.AppendUvarint(dst, uint64(len(m.entries)))
	for i := range m.entries {
		e := &m.entries[i]
		dst = binary.AppendUvarint(dst, e.ID.Sequence)
		dst = binary.AppendUvarint(dst, uint64(e.ID.Ordinal))
		dst = appendItem(dst, e.append(nil))
	}
	for _, keys := range [][]dedupEntry{m.dedup, m.carried} {
		for i := range keys {
			dst = appendItem(dst, keys[i].append(nil))
		}
	}
	if version == snapshotDeletion {
		dst = binary.AppendUvarint(dst, uint64(len(m.deletions)))
		for _, d := range m.deletions {
			dst = appendItem(dst, d.append(nil))
		}
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, crc32.MakeTable(crc32.Castagnoli))), true, nil
}

func appendItem(dst, item []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(item))), item...)
}

// parseSnapshot reads what Snapshot wrote.
func (s *Shard) parseSnapshot(src []byte) (manifest, error) {
	m := manifest{exists: true}
	if len(src) < 5 || src[0] != snapshotVersion && src[0] != snapshotDeletion ||
		crc32.Checksum(src[:len(src)-4], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(src[len(src)-4:]) {
		return m, fmt.Errorf("read snapshot: %w", ErrManifest)
	}
	r := newManifestReader(src[1 : len(src)-4])
	var err error
	if m.state, err = parseState(r.Bytes()); err != nil {
		return m, err
	}
	for n := r.Uvarint(); n > 0 && !r.Failed(); n-- {
		id := SegmentID{Sequence: r.Uvarint(), Ordinal: uint32(r.Uvarint())}
		entry, err := parseEntry(segmentKey(prefixEntry, s.cfg.Shard, id), r.Bytes())
		if err != nil {
			return m, err
		}
		m.entries = append(m.entries, entry)
	}
	if m.dedup, err = r.keys(KeySpan{m.state.DedupFirst, m.state.DedupNext}); err != nil {
		return m, err
	}
	if m.carried, err = r.keys(m.state.Carried); err != nil {
		return m, err
	}
	if src[0] == snapshotDeletion {
		for n := r.Bounded(deletionsStored); n > 0 && !r.Failed(); n-- {
			d, err := parseDeletion(r.Bytes())
			if err != nil {
				return m, err
			}
			m.deletions = append(m.deletions, d)
		}
	}
	return m, r.done("snapshot")
}

// keys reads a memory of keys.
func (r *manifestReader) keys(span KeySpan) (keys []dedupEntry, err error) {
	for n := span.Next - span.First; n > 0 && !r.Failed(); n-- {
		entry, err := parseDedup(r.Bytes())
		if err != nil {
			return nil, err
		}
		keys = append(keys, entry)
	}
	return keys, nil
}

// Restore replaces the shard's state by a snapshot of another replica and
// makes that durable. Segments that are not here are missing (see Missing) until
// they are received. It may be repeated. One that is older than the manifest
// is refused: the log that it would need may be cut.
func (s *Shard) Restore(ctx context.Context, snapshot []byte) error {
	m, err := s.parseSnapshot(snapshot)
	if err != nil {
		return fmt.Errorf("restore shard %d: %w", s.cfg.Shard, err)
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if durable, ok := s.Durable(); ok && durable.Index > m.state.Index {
		return fmt.Errorf("restore shard %d to %d: %w: the manifest is at %d", s.cfg.Shard, m.state.Index, ErrOvertaken, durable.Index)
	}
	var batch engine.Batch
	for _, prefix := range []byte{prefixEntry, prefixDedup, prefixCarried, prefixDeletion} {
		lower, upper := shardSpan(prefix, s.cfg.Shard)
		batch.DeleteRange(lower, upper)
	}
	for i := range m.entries {
		batch.Set(segmentKey(prefixEntry, s.cfg.Shard, m.entries[i].ID), m.entries[i].append(nil))
	}
	for i := range m.dedup {
		batch.Set(numberKey(prefixDedup, s.cfg.Shard, m.state.DedupFirst+uint64(i)), m.dedup[i].append(nil))
	}
	for i := range m.carried {
		batch.Set(numberKey(prefixCarried, s.cfg.Shard, m.state.Carried.First+uint64(i)), m.carried[i].append(nil))
	}
	for _, d := range m.deletions {
		batch.Set(numberKey(prefixDeletion, s.cfg.Shard, d.index), d.append(nil))
	}
	wanted := make(map[SegmentID]*Entry, len(m.entries))
	for i := range m.entries {
		wanted[m.entries[i].ID] = &m.entries[i]
	}
	for _, entry := range s.Entries() {
		if same := wanted[entry.ID]; same == nil || !same.equal(&entry) {
			batch.Delete(segmentKey(prefixDamaged, s.cfg.Shard, entry.ID))
			batch.Delete(segmentKey(prefixHash, s.cfg.Shard, entry.ID))
			batch.DeleteRange(besideSpan(s.cfg.Shard, entry.ID))
		}
	}
	batch.Set(shardKey(prefixState, s.cfg.Shard), m.state.append(nil))
	if err := s.env.Engine.Commit(&batch); err != nil {
		return fmt.Errorf("restore shard %d: %w", s.cfg.Shard, err)
	}
	s.install(m)
	return s.Sweep(ctx)
}

package storage

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/stere-log/stere/storage/engine"
)

// A snapshot is the manifest as bytes: a version, the state, the entries with
// their ids, the idempotency keys and the keys that nodes gave, each with its length in front, and a
// checksum. Segments are not in it; who restores one has to fetch them.
const snapshotVersion = 1

// Snapshot returns the durable manifest as bytes; ok is false before the first
// seal. It waits while the manifest changes, so as to be of one moment.
func (s *Shard) Snapshot() (snapshot []byte, ok bool, err error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	m, err := loadManifest(s.env.Engine, s.cfg.Shard)
	if err != nil || !m.exists {
		return nil, false, err
	}
	dst := appendItem([]byte{snapshotVersion}, m.state.append(nil))
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
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, crc32.MakeTable(crc32.Castagnoli))), true, nil
}

func appendItem(dst, item []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(item))), item...)
}

// parseSnapshot reads what Snapshot wrote.
func (s *Shard) parseSnapshot(src []byte) (manifest, error) {
	m := manifest{exists: true}
	if len(src) < 5 || src[0] != snapshotVersion ||
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
	for _, prefix := range []byte{prefixEntry, prefixDedup, prefixCarried} {
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
	wanted := make(map[SegmentID]*Entry, len(m.entries))
	for i := range m.entries {
		wanted[m.entries[i].ID] = &m.entries[i]
	}
	for _, entry := range s.Entries() {
		if same := wanted[entry.ID]; same == nil || !same.equal(&entry) {
			batch.Delete(segmentKey(prefixDamaged, s.cfg.Shard, entry.ID))
			batch.Delete(segmentKey(prefixHash, s.cfg.Shard, entry.ID))
		}
	}
	batch.Set(shardKey(prefixState, s.cfg.Shard), m.state.append(nil))
	if err := s.env.Engine.Commit(&batch); err != nil {
		return fmt.Errorf("restore shard %d: %w", s.cfg.Shard, err)
	}
	s.install(m)
	return s.Sweep(ctx)
}

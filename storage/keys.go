package storage

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/stere-log/stere/model"
)

// KeySpace describes one kind of key of the node's store.
type KeySpace struct {
	Prefix byte
	Name   string
	Key    string // fields after the prefix; integers are big endian
	Value  string
}

// The prefixes; KeySpaces describes them.
const (
	prefixState      byte = 0x10
	prefixEntry      byte = 0x11
	prefixDedup      byte = 0x12
	prefixQuarantine byte = 0x13
	prefixDamaged    byte = 0x14
	prefixHash       byte = 0x15
	prefixCarried    byte = 0x16
	prefixDeletion   byte = 0x17
	prefixBeside     byte = 0x18
	prefixSegment    byte = 0x20
	prefixReceived   byte = 0x21
)

// KeySpaces declares every key that shards write (docs/format/keys.md).
func KeySpaces() []KeySpace {
	return []KeySpace{
		{prefixState, "state", "shard u32", "State: position and counters of the manifest"},
		{prefixEntry, "entry", "shard u32, segment sequence u64, ordinal u32", "Entry: one segment of the manifest"},
		{prefixDedup, "dedup", "shard u32, number u64", "an idempotency key and where its batch is"},
		{prefixQuarantine, "quarantine", "shard u32, log index u64", "tenant and bytes of a block that could not be read when it was sealed"},
		{prefixDamaged, "damaged", "shard u32, segment sequence u64, ordinal u32", "which copy of a segment was found damaged, and how"},
		{prefixHash, "hash", "shard u32, segment sequence u64, ordinal u32", "DayHashes of the records of a segment"},
		{prefixCarried, "carried", "shard u32, number u64", "a key that a node gave a batch, and where the batch is"},
		{prefixDeletion, "deletion", "shard u32, log index u64", "a deletion: what it removes, and how far it has come"},
		{prefixBeside, "beside", "shard u32, segment sequence u64, ordinal u32, name", "what was made of all records of a segment, kept for later starts"},
		{prefixSegment, "segment", "shard u32, segment sequence u64, ordinal u32, key of the segment", "value of a segment that was built here"},
		{prefixReceived, "received", "shard u32, segment sequence u64, ordinal u32, key of the segment", "value of a segment that came from another replica"},
	}
}

// SegmentID names a segment of a shard for ever. Segments of a seal have the
// sequence 2*index of the seal entry, those of a merge 2*number+1 with the
// number that the seal command gave the merge; the ordinal counts the segments
// that came out of one seal or merge.
type SegmentID struct {
	Sequence uint64
	Ordinal  uint32
}

// String returns the id for logs.
func (id SegmentID) String() string { return fmt.Sprintf("%d.%d", id.Sequence, id.Ordinal) }

// compare orders ids as their keys are.
func (id SegmentID) compare(other SegmentID) int {
	return cmp.Or(cmp.Compare(id.Sequence, other.Sequence), cmp.Compare(id.Ordinal, other.Ordinal))
}

func sealSequence(index uint64) uint64   { return index << 1 }
func mergeSequence(number uint64) uint64 { return number<<1 | 1 }

func shardKey(prefix byte, shard model.ShardID) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefix}, uint32(shard))
}

// shardSpan returns the bounds of all keys of a shard under a prefix.
func shardSpan(prefix byte, shard model.ShardID) (lower, upper []byte) {
	lower = shardKey(prefix, shard)
	return lower, after(lower)
}

func numberKey(prefix byte, shard model.ShardID, number uint64) []byte {
	return binary.BigEndian.AppendUint64(shardKey(prefix, shard), number)
}

func segmentKey(prefix byte, shard model.ShardID, id SegmentID) []byte {
	return binary.BigEndian.AppendUint32(numberKey(prefix, shard, id.Sequence), id.Ordinal)
}

const (
	shardKeyLength   = 1 + 4
	segmentKeyLength = shardKeyLength + 8 + 4
)

var errKey = errors.New("key is too short")

// parseSegmentID reads the id out of an entry key or a segment's key.
func parseSegmentID(key []byte) (SegmentID, error) {
	if len(key) < segmentKeyLength {
		return SegmentID{}, fmt.Errorf("segment key %x: %w", key, errKey)
	}
	return SegmentID{
		Sequence: binary.BigEndian.Uint64(key[shardKeyLength:]),
		Ordinal:  binary.BigEndian.Uint32(key[shardKeyLength+8:]),
	}, nil
}

// after returns the first key that does not start with prefix.
func after(prefix []byte) []byte {
	upper := append([]byte(nil), prefix...)
	for i := len(upper) - 1; i >= 0; i-- {
		upper[i]++
		if upper[i] != 0 {
			return upper[:i+1]
		}
	}
	return append(upper[:0], 0xff, 0xff, 0xff, 0xff, 0xff) // no such prefix is declared
}

package model

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// TenantID names the owner of records.
type TenantID string

// DefaultTenant owns the records of requests without any tenancy set up.
const DefaultTenant TenantID = "default"

// TenantIDMax is the longest tenant id in bytes.
const TenantIDMax = 64

// Validate reports whether the id can be used in keys and paths.
func (t TenantID) Validate() error {
	if len(t) == 0 || len(t) > TenantIDMax {
		return fmt.Errorf("tenant id has %d bytes, want 1 to %d", len(t), TenantIDMax)
	}
	for i := 0; i < len(t); i++ {
		c := t[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return fmt.Errorf("tenant id has the byte %q at %d, want letters, digits, '-', '_' or '.'", c, i)
		}
	}
	return nil
}

// ShardID numbers a shard: one Raft group.
type ShardID uint32

// RecordID names a record for ever: the shard, the index of the log entry that
// brought it and its ordinal in that entry.
type RecordID struct {
	Shard   ShardID
	Index   uint64
	Ordinal uint32
}

// Mark says how far a shard has been read: up to and with the record of this
// log index and ordinal. The zero mark is before the first record.
type Mark struct {
	Index   uint64
	Ordinal uint32
}

// MarkEnd returns the mark after everything that a log entry brought.
func MarkEnd(index uint64) Mark { return Mark{Index: index, Ordinal: math.MaxUint32} }

// Compare orders marks of one shard.
func (m Mark) Compare(other Mark) int {
	return cmp.Or(cmp.Compare(m.Index, other.Index), cmp.Compare(m.Ordinal, other.Ordinal))
}

// NextIndex returns the first log index that can have something after the mark.
func (m Mark) NextIndex() uint64 {
	if m.Ordinal == math.MaxUint32 && m.Index < math.MaxUint64 {
		return m.Index + 1
	}
	return m.Index
}

// Mark returns the mark at a record.
func (id RecordID) Mark() Mark { return Mark{Index: id.Index, Ordinal: id.Ordinal} }

// ErrRecordID says that a text is not a record id.
var ErrRecordID = errors.New("not a record id, want SHARD-INDEX-ORDINAL in hexadecimal")

// String returns the id's text form, SHARD-INDEX-ORDINAL in lower-case hex.
func (id RecordID) String() string { return string(id.Append(nil)) }

// Append appends the text form to dst.
func (id RecordID) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(id.Shard), 16)
	dst = append(dst, '-')
	dst = strconv.AppendUint(dst, id.Index, 16)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, uint64(id.Ordinal), 16)
}

// ParseRecordID is the inverse of String.
func ParseRecordID(s string) (RecordID, error) {
	a, rest, ok1 := strings.Cut(s, "-")
	b, c, ok2 := strings.Cut(rest, "-")
	if !ok1 || !ok2 {
		return RecordID{}, ErrRecordID
	}
	shard, err1 := strconv.ParseUint(a, 16, 32)
	index, err2 := strconv.ParseUint(b, 16, 64)
	ordinal, err3 := strconv.ParseUint(c, 16, 32)
	if err1 != nil || err2 != nil || err3 != nil {
		return RecordID{}, ErrRecordID
	}
	return RecordID{Shard: ShardID(shard), Index: index, Ordinal: uint32(ordinal)}, nil
}

// Compare orders ids by shard, index and ordinal.
func (id RecordID) Compare(other RecordID) int {
	return cmp.Or(cmp.Compare(id.Shard, other.Shard), cmp.Compare(id.Index, other.Index), cmp.Compare(id.Ordinal, other.Ordinal))
}

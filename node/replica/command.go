package replica

import (
	"encoding/binary"
	"fmt"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// commandVersion is the first byte of every command. A new version reads the
// old ones: commands of before an upgrade are applied after it.
const commandVersion = 1

// Kinds of commands, the second byte.
const (
	commandAppend byte = 1
	commandSeal   byte = 2
)

// Limits of what a command may claim.
const (
	BatchesMax = 1 << 16 // batches of one append
	mergesMax  = 1 << 10 // merges of one seal
	inputsMax  = 1 << 16 // segments named by one merge or dropped by one seal
)

// A batch is written as a flag byte, the key and body if the flag is set, and
// its rows.
const (
	batchPlain byte = 0
	batchKeyed byte = 1
)

// encodeAppend returns a new slice: the log keeps it.
func encodeAppend(a storage.Append) []byte {
	dst := make([]byte, 0, 64+len(a.Tenant)+len(a.Batches)*40+len(a.Block))
	dst = append(dst, commandVersion, commandAppend)
	dst = binary.AppendUvarint(dst, uint64(len(a.Tenant)))
	dst = append(dst, a.Tenant...)
	dst = binary.AppendVarint(dst, a.Time)
	dst = binary.AppendUvarint(dst, uint64(len(a.Batches)))
	for _, batch := range a.Batches {
		if batch.Key == ([16]byte{}) {
			dst = append(dst, batchPlain)
		} else {
			dst = append(dst, batchKeyed)
			dst = append(dst, batch.Key[:]...)
			dst = append(dst, batch.Body[:]...)
		}
		dst = binary.AppendUvarint(dst, uint64(batch.Rows))
	}
	return append(dst, a.Block...)
}

func encodeSeal(c storage.SealCommand) []byte {
	dst := []byte{commandVersion, commandSeal}
	dst = binary.AppendVarint(dst, c.Time)
	dst = binary.AppendUvarint(dst, uint64(len(c.Merges)))
	for _, merge := range c.Merges {
		dst = binary.AppendUvarint(dst, merge.Number)
		dst = appendIDs(dst, merge.Inputs)
	}
	return appendIDs(dst, c.Drops)
}

func appendIDs(dst []byte, ids []storage.SegmentID) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ids)))
	for _, id := range ids {
		dst = binary.AppendUvarint(dst, id.Sequence)
		dst = binary.AppendUvarint(dst, uint64(id.Ordinal))
	}
	return dst
}

// decodeCommand returns a storage.Append, whose block shares src, or a
// storage.SealCommand.
func decodeCommand(src []byte) (any, error) {
	if len(src) < 2 || src[0] != commandVersion {
		return nil, fmt.Errorf("decode command of %d bytes: %w", len(src), ErrCommand)
	}
	r := commandReader{src: src[2:]}
	switch src[1] {
	case commandAppend:
		a := r.append()
		if r.failed {
			return nil, fmt.Errorf("decode append of %d bytes: %w", len(src), ErrCommand)
		}
		return a, nil
	case commandSeal:
		c := r.seal()
		if r.failed || len(r.src) != 0 {
			return nil, fmt.Errorf("decode seal of %d bytes: %w", len(src), ErrCommand)
		}
		return c, nil
	}
	return nil, fmt.Errorf("decode command of kind %d: %w", src[1], ErrCommand)
}

// commandReader takes values from the front of src; after a failure every
// further value is zero.
type commandReader struct {
	src    []byte
	failed bool
}

func (r *commandReader) take(n uint64) []byte {
	if r.failed || n > uint64(len(r.src)) {
		r.failed, r.src = true, nil
		return nil
	}
	taken := r.src[:n]
	r.src = r.src[n:]
	return taken
}

func (r *commandReader) number(limit uint64) uint64 {
	v, n := binary.Uvarint(r.src)
	if n <= 0 || v > limit {
		r.failed, r.src = true, nil
		return 0
	}
	r.src = r.src[n:]
	return v
}

func (r *commandReader) time() int64 {
	v, n := binary.Varint(r.src)
	if n <= 0 {
		r.failed, r.src = true, nil
		return 0
	}
	r.src = r.src[n:]
	return v
}

const maxUint32, maxUint64 = 1<<32 - 1, 1<<64 - 1

func (r *commandReader) append() storage.Append {
	a := storage.Append{Tenant: model.TenantID(r.take(r.number(model.TenantIDMax))), Time: r.time()}
	for n := r.number(BatchesMax); n > 0 && !r.failed; n-- {
		var batch storage.Batch
		switch flag := r.take(1); {
		case len(flag) == 0 || flag[0] > batchKeyed:
			r.failed = true
		case flag[0] == batchKeyed:
			copy(batch.Key[:], r.take(16))
			copy(batch.Body[:], r.take(16))
		}
		batch.Rows = uint32(r.number(maxUint32))
		a.Batches = append(a.Batches, batch)
	}
	a.Block = r.src
	return a
}

func (r *commandReader) seal() storage.SealCommand {
	c := storage.SealCommand{Time: r.time()}
	for n := r.number(mergesMax); n > 0 && !r.failed; n-- {
		c.Merges = append(c.Merges, storage.Merge{Number: r.number(maxUint64), Inputs: r.ids()})
	}
	c.Drops = r.ids()
	return c
}

func (r *commandReader) ids() []storage.SegmentID {
	var ids []storage.SegmentID
	for n := r.number(inputsMax); n > 0 && !r.failed; n-- {
		ids = append(ids, storage.SegmentID{Sequence: r.number(maxUint64), Ordinal: uint32(r.number(maxUint32))})
	}
	return ids
}

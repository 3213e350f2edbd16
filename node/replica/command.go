package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// The first byte of every command is its version. A new version reads the old
// ones: commands of before an upgrade are applied after it. Version 2 of a seal
// has the outputs of merges and the rows of a day cut; version 2 of an append
// may have keys that nodes gave, and is written only where there are any; version 3 of
// a seal is written only where a deletion is.
const (
	commandVersion = 1
	appendVersion  = 2
	sealVersion    = 2
	// deletionVersion is that of a deletion, and of a seal that has to do with one: it
	// says up to which deletion merges are clean, and which segments are.
	deletionVersion = 3
)

// Kinds of commands, the second byte.
const (
	commandAppend byte = 1
	commandSeal   byte = 2
	commandDelete byte = 3
)

// Limits of what a command may claim.
const (
	BatchesMax = 1 << 16 // batches of one append
	mergesMax  = 1 << 10 // merges of one seal
	inputsMax  = 1 << 16 // segments named by one merge or dropped by one seal
	outputsMax = 1 << 12 // segments that one merge makes
)

// A batch is written as a flag byte, the key if there is one, the body if a
// client gave the key, and its rows.
const (
	batchPlain   byte = 0
	batchKeyed   byte = 1
	batchCarried byte = 2 // since version 2
)

// encodeAppend returns a new slice: the log keeps it.
func encodeAppend(a storage.Append) []byte {
	dst := make([]byte, 0, 64+len(a.Tenant)+len(a.Batches)*40+len(a.Block))
	version := byte(commandVersion)
	if slices.ContainsFunc(a.Batches, func(b storage.Batch) bool { return b.Carried }) {
		version = appendVersion
	}
	dst = append(dst, version, commandAppend)
	dst = binary.AppendUvarint(dst, uint64(len(a.Tenant)))
	dst = append(dst, a.Tenant...)
	dst = binary.AppendVarint(dst, a.Time)
	dst = binary.AppendUvarint(dst, uint64(len(a.Batches)))
	for _, batch := range a.Batches {
		switch {
		case batch.Key == ([16]byte{}):
			dst = append(dst, batchPlain)
		case batch.Carried:
			dst = append(dst, batchCarried)
			dst = append(dst, batch.Key[:]...)
		default:
			dst = append(dst, batchKeyed)
			dst = append(dst, batch.Key[:]...)
			dst = append(dst, batch.Body[:]...)
		}
		dst = binary.AppendUvarint(dst, uint64(batch.Rows))
	}
	return append(dst, a.Block...)
}

func encodeSeal(c storage.SealCommand) []byte {
	version := byte(sealVersion)
	if len(c.Cleans) > 0 || slices.ContainsFunc(c.Merges, func(m storage.Merge) bool { return m.Cleaned > 0 }) {
		version = deletionVersion
	}
	dst := []byte{version, commandSeal}
	dst = binary.AppendVarint(dst, c.Time)
	dst = binary.AppendUvarint(dst, uint64(len(c.Merges)))
	for _, merge := range c.Merges {
		dst = binary.AppendUvarint(dst, merge.Number)
		dst = appendIDs(dst, merge.Inputs)
		if version == deletionVersion {
			dst = binary.AppendUvarint(dst, merge.Cleaned)
		}
		dst = binary.AppendUvarint(dst, uint64(len(merge.Outputs)))
		for _, e := range merge.Outputs {
			dst = binary.AppendUvarint(dst, uint64(e.Rows))
			dst = binary.AppendVarint(dst, e.FirstTime)
			dst = binary.AppendVarint(dst, e.LastTime)
			for _, v := range [...]uint64{e.MinIndex, e.MaxIndex, uint64(e.Bytes), uint64(e.TextBytes)} {
				dst = binary.AppendUvarint(dst, v)
			}
		}
	}
	dst = appendIDs(dst, c.Drops)
	dst = binary.AppendUvarint(dst, uint64(c.DayCutRows))
	if version < deletionVersion {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Cleans)))
	for _, clean := range c.Cleans {
		for _, v := range [...]uint64{clean.ID.Sequence, uint64(clean.ID.Ordinal), clean.Cleaned} {
			dst = binary.AppendUvarint(dst, v)
		}
	}
	return dst
}

func encodeDelete(d storage.Deletion) []byte {
	return storage.AppendDeletion([]byte{deletionVersion, commandDelete}, d)
}

func appendIDs(dst []byte, ids []storage.SegmentID) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ids)))
	for _, id := range ids {
		dst = binary.AppendUvarint(dst, id.Sequence)
		dst = binary.AppendUvarint(dst, uint64(id.Ordinal))
	}
	return dst
}

// decodeCommand returns a storage.Append, whose block shares src, a
// storage.SealCommand or a storage.Deletion.
func decodeCommand(src []byte) (any, error) {
	if len(src) < 2 || src[0] < commandVersion || src[0] > deletionVersion {
		return nil, fmt.Errorf("decode command of %d bytes: %w", len(src), ErrCommand)
	}
	r := commandReader{wire.NewReader(src[2:])}
	switch src[1] {
	case commandAppend:
		if src[0] > appendVersion {
			r.Fail()
		}
		a := r.append(src[0])
		if r.Failed() {
			return nil, fmt.Errorf("decode append of %d bytes: %w", len(src), ErrCommand)
		}
		return a, nil
	case commandDelete:
		d, err := storage.ParseDeletion(src[2:])
		if err != nil || src[0] != deletionVersion {
			return nil, fmt.Errorf("decode deletion of %d bytes: %w", len(src), errors.Join(ErrCommand, err))
		}
		return d, nil
	case commandSeal:
		c := r.seal(src[0])
		if !r.Done() {
			return nil, fmt.Errorf("decode seal of %d bytes: %w", len(src), ErrCommand)
		}
		return c, nil
	}
	return nil, fmt.Errorf("decode command of kind %d: %w", src[1], ErrCommand)
}

// commandReader reads the parts of a command.
type commandReader struct{ wire.Reader }

func (r *commandReader) append(version byte) storage.Append {
	a := storage.Append{Tenant: model.TenantID(r.Take(uint64(r.Bounded(model.TenantIDMax)))), Time: r.Varint()}
	for n := r.Bounded(BatchesMax); n > 0 && !r.Failed(); n-- {
		var batch storage.Batch
		switch flag := r.Byte(); {
		case flag > batchCarried || flag == batchCarried && version < appendVersion:
			r.Fail()
		case flag != batchPlain:
			copy(batch.Key[:], r.Take(16))
			if batch.Carried = flag == batchCarried; !batch.Carried {
				copy(batch.Body[:], r.Take(16))
			}
			if batch.Key == ([16]byte{}) {
				r.Fail() // a zero key says that there is none
			}
		}
		batch.Rows = r.Uint32()
		a.Batches = append(a.Batches, batch)
	}
	a.Block = r.Rest()
	return a
}

func (r *commandReader) seal(version byte) storage.SealCommand {
	c := storage.SealCommand{Time: r.Varint()}
	for n := r.Bounded(mergesMax); n > 0 && !r.Failed(); n-- {
		merge := storage.Merge{Number: r.Uvarint(), Inputs: r.ids()}
		if version >= deletionVersion {
			merge.Cleaned = r.Uvarint()
		}
		if version >= sealVersion {
			merge.Outputs = r.outputs(merge.Number)
		}
		c.Merges = append(c.Merges, merge)
	}
	c.Drops = r.ids()
	if version >= sealVersion {
		c.DayCutRows = int(r.Bounded(math.MaxInt32))
	}
	if version >= deletionVersion {
		for n := r.Bounded(inputsMax); n > 0 && !r.Failed(); n-- {
			c.Cleans = append(c.Cleans, storage.Clean{ID: storage.SegmentID{Sequence: r.Uvarint(), Ordinal: r.Uint32()}, Cleaned: r.Uvarint()})
		}
	}
	return c
}

// outputs reads what a merge made; the owner is that of its inputs.
func (r *commandReader) outputs(number uint64) []storage.Entry {
	var outputs []storage.Entry
	for n := r.Bounded(outputsMax); n > 0 && !r.Failed(); n-- {
		e := storage.Entry{ID: storage.MergeOutput(number, len(outputs)), Rows: r.Uint32()}
		e.FirstTime, e.LastTime = r.Varint(), r.Varint()
		e.MinIndex, e.MaxIndex = r.Uvarint(), r.Uvarint()
		e.Bytes, e.TextBytes = int64(r.Uvarint()), int64(r.Uvarint())
		outputs = append(outputs, e)
	}
	return outputs
}

func (r *commandReader) ids() []storage.SegmentID {
	var ids []storage.SegmentID
	for n := r.Bounded(inputsMax); n > 0 && !r.Failed(); n-- {
		ids = append(ids, storage.SegmentID{Sequence: r.Uvarint(), Ordinal: r.Uint32()})
	}
	return ids
}

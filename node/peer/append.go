package peer

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// Versions of the forms below, their first bytes.
const (
	appendVersion  = 1
	carriedVersion = 2 // of an append with keys that nodes gave
	resultsVersion = 1
	indexesVersion = 1
)

// Limits of what a call may claim.
const (
	// BatchesMax is the most batches of one append.
	BatchesMax = 1 << 16
	// ShardsMax is the most shards that one call names.
	ShardsMax = 1 << 16
)

// appendMessage appends version, tenant, time, batches and the block. Without
// keys that nodes gave it is of version 1, in which batches have no flag.
func appendMessage(dst []byte, a storage.Append) []byte {
	version := byte(appendVersion)
	if slices.ContainsFunc(a.Batches, func(b storage.Batch) bool { return b.Carried }) {
		version = carriedVersion
	}
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(len(a.Tenant)))
	dst = append(dst, a.Tenant...)
	dst = binary.AppendVarint(dst, a.Time)
	dst = binary.AppendUvarint(dst, uint64(len(a.Batches)))
	for _, b := range a.Batches {
		dst = append(append(dst, b.Key[:]...), b.Body[:]...)
		dst = binary.AppendUvarint(dst, uint64(b.Rows))
		if version == carriedVersion {
			dst = append(dst, flag(b.Carried))
		}
	}
	return append(dst, a.Block...)
}

// parseAppend returns an append whose block shares src.
func parseAppend(src []byte) (storage.Append, error) {
	r := wire.NewReader(src)
	version := r.Byte()
	a := storage.Append{Tenant: model.TenantID(r.Take(uint64(r.Bounded(model.TenantIDMax)))), Time: r.Varint()}
	for n := r.Bounded(BatchesMax); n > 0 && !r.Failed(); n-- {
		var b storage.Batch
		copy(b.Key[:], r.Take(16))
		copy(b.Body[:], r.Take(16))
		b.Rows = r.Uint32()
		if version == carriedVersion {
			carried := r.Byte()
			if b.Carried = carried == 1; carried > 1 {
				r.Fail()
			}
		}
		a.Batches = append(a.Batches, b)
	}
	a.Block = r.Rest()
	if r.Failed() || version != appendVersion && version != carriedVersion {
		return storage.Append{}, fmt.Errorf("%w: not an append", ErrRefused)
	}
	return a, nil
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func appendResults(dst []byte, results []storage.BatchResult) []byte {
	dst = binary.AppendUvarint(append(dst, resultsVersion), uint64(len(results)))
	for _, b := range results {
		dst = binary.AppendUvarint(dst, b.Index)
		dst = binary.AppendUvarint(dst, uint64(b.First))
		dst = append(dst, byte(b.Outcome))
	}
	return dst
}

func parseResults(src []byte) ([]storage.BatchResult, error) {
	r := wire.NewReader(src)
	version := r.Byte()
	var results []storage.BatchResult
	for n := r.Bounded(BatchesMax); n > 0 && !r.Failed(); n-- {
		results = append(results, storage.BatchResult{Index: r.Uvarint(), First: r.Uint32(), Outcome: storage.Outcome(r.Byte())})
	}
	if version != resultsVersion || !r.Done() {
		return nil, fmt.Errorf("%w: results of an append cannot be read", ErrUncertain)
	}
	return results, nil
}

// appendNumbers appends a version and a list of numbers.
func appendNumbers[N ~uint32 | ~uint64](dst []byte, numbers []N) []byte {
	dst = binary.AppendUvarint(append(dst, indexesVersion), uint64(len(numbers)))
	for _, n := range numbers {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

// parseNumbers is the inverse of appendNumbers; ok is false for anything else.
func parseNumbers(src []byte) (numbers []uint64, ok bool) {
	r := wire.NewReader(src)
	version := r.Byte()
	for n := r.Bounded(ShardsMax); n > 0 && !r.Failed(); n-- {
		numbers = append(numbers, r.Uvarint())
	}
	return numbers, version == indexesVersion && r.Done()
}

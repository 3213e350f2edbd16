// Package engine is the node's one keyed store: sealed segments arrive as
// whole tables built outside and ingested, everything small (manifests,
// idempotency keys) as synced batches. It knows bytes and keys only.
//
// The main type is Engine. It is the only place of Stere that names Pebble;
// FS is exported from here so that files can be injected everywhere.
//
// Invariants:
//   - Commit, Ingest and DeleteSpan have reached the disk when they return nil.
//   - After the store has reported an error that it cannot repair, every
//     write is refused with ErrFailed and Config.OnFatal has been called once.
//   - A damaged table makes reads of its keys fail with ErrCorrupt and is
//     reported to Config.OnCorruption; the process lives.
//
// An Engine may be used from any goroutine; a Table and a Batch belong to one.
package engine

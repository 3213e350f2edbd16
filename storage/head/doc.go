// Package head reads records that are not sealed yet: a Part is one decoded
// block, searched by looking at every distinct value once. It implements
// part.Part.
//
// Invariants:
//   - Rows are the block's records in order of (time, ordinal); records in
//     dropped ranges are absent, as if they had never been in the block.
//   - A record's id is (shard, index of the block's log entry, ordinal in the
//     block), whatever was dropped.
//   - Making a Part is cheap, because it happens on the way of every append:
//     sorting and mapping of columns waits for the first read.
//
// A Part is immutable and safe for concurrent use. The head of a shard makes
// one per applied block; query leaves read it. It does no I/O and holds the
// block's memory as long as it lives.
package head

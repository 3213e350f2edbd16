// Package storage is one shard on disk: a head of the newest blocks, sealed
// segments, and the manifest that says which segments count.
//
// The main type is Shard. Its state changes only by the two calls that a
// replica makes while it applies its log, in index order and from one
// goroutine: Append hands a block to the head, Seal freezes the head. Neither
// writes anything. RunSeal, called by the replica's worker, turns what a seal
// froze into segments, makes the manifest durable and then lets the log be
// cut; PlanMerges and BuildMerge prepare bigger segments beside it, which a
// later Seal adopts. View, from any goroutine, gives the parts to read.
//
// Invariants:
//   - State after a log index is a pure function of the commands up to it.
//   - The manifest changes only at seal entries and names only segments that
//     are durable; a segment is deleted only when the manifest without it is
//     durable and no View holds it.
//   - A record keeps its id (shard, log index, ordinal in the block) for ever.
//   - A sealed segment never changes.
//
// storage does not know the log (raft) and the log does not know it; they meet
// in node/replica. Every key is declared in keys.go.
package storage

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
// A segment of the manifest may be missing here, because the manifest came as a
// snapshot, a merge could not be built, or its bytes are damaged. Missing names
// these, a View leaves them out and says so. OpenSegment gives a segment to
// another replica, from any goroutine; Receive takes one, on a goroutine of the
// replica. Verify and Hashes look for damage and for replicas that differ.
//
// Invariants:
//   - State after a log index is a pure function of the commands up to it, and
//     so is the manifest, whatever of it can be read here: the entries of a merge
//     stand in the command, those of a seal follow from the blocks before it and
//     the rows of a day cut in the command. Only Entry.Bytes is a replica's own.
//     A block that cannot be decoded is put aside: its bytes are those of the
//     log, with checksums up to the hands of Append, so every replica of a
//     version puts it aside. Should one replica alone do so (another version,
//     bad memory), or build a seal differently, Compare finds the segments.
//   - The manifest changes only at seal entries and names only segments that
//     are durable; a segment is deleted only when the manifest without it is
//     durable and no View holds it.
//   - A record keeps its id (shard, log index, ordinal in the block) for ever.
//   - A sealed segment never changes. Another copy may take the place of a
//     damaged one; who has the damaged one gets errors from then on.
//   - A segment that comes from another replica is used only after all its
//     checksums fit, and after a crash it is there as a whole or not at all.
//
// storage does not know the log (raft) and the log does not know it; they meet
// in node/replica. Every key is declared in keys.go.
package storage

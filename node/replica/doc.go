// Package replica is one shard's copy on this node: a replicated log (raft)
// whose commands are applied to a shard (storage). It is the one place where
// the two meet.
//
// The main type is Replica. The log calls Apply, Configured and the snapshot
// methods from its own goroutine; Append, View, Flush and Status may be called
// from any goroutine; Run owns six goroutines: the sealer proposes seals, the
// worker makes applied seals durable and cuts the log behind them, the merger
// prepares merges, the fetcher brings what is missing from Config.Peers, the
// scrubber looks for damage, the cleaner removes what deletions hide.
//
// A replica that got its manifest as a snapshot, or has met damage, is not
// complete (Completeness) until the fetcher has brought what it lacks. Segment
// gives another replica what it lacks; Hashes tells whether two replicas have
// the same records. A replica that is not wanted any more is closed, then its
// log is destroyed, then its storage (storage.Destroy); a new one may be opened
// in the same process.
//
// Appends are slowed down by Pace, which the replicas of a node share, as a head
// fills up, and wait once it is full.
//
// Invariants:
//   - The state after a log index is a pure function of the commands up to it:
//     nothing that reads a clock or a file happens in Apply.
//   - A seal is proposed only when the one before is durable here.
//   - The log is cut only up to the durable manifest.
//   - Append returns without an error only for what is committed and applied.
package replica

// Package raft runs the Raft groups of a node: it hides hashicorp/raft, keeps
// all logs and votes in one shared log (raft/wal) and knows nothing of what is
// in a command. A Host owns the log; a Group is one member of one group and
// drives one StateMachine.
//
// The log is the head of a shard and its snapshots are virtual: the library
// never takes one, since it would stamp it with the index applied last and not
// with that of the seal. Instead the state machine tells the Position of its
// durable manifest, members that are far behind are given that, and whoever
// seals truncates the log (Group.Truncate) after the manifest is durable.
//
// With Config.Streams a group has members on other nodes, and the library's
// network transport runs over the streams. Around it (facade, layer) messages
// get a bound in bytes, every connection and goroutine an end, and a leader
// learns how far the others are: for Members, for Truncate, which keeps what
// one that is catching up needs, and for ReadIndex, which counts only answers
// to what was sent after it was asked. A node becomes a learner first
// (AddLearner on the leader; the node starts the group with no voters), then a
// voter, and is removed, hears of it (Removed) and destroys the group. Whether
// a learner is complete is for its owner to know: the log only tells how many
// entries it has.
//
// Invariants:
//   - A member without configuration does not vote: it may have been destroyed
//     and have forgotten for whom it did.
//   - What comes from another node and would make the library panic is refused.
//   - A message commits nothing beyond the last entry that it speaks for.
//   - Propose without an error means: durable on a quorum and applied here.
//   - ErrNotLeader, ErrNoSpace, ErrTooLarge and ErrShutdown mean that the
//     command was not and will not be applied (see wal.ErrNoSpace for the one
//     exception); ErrUncertain means that it may be, now or later, so a retry
//     needs an identity that Apply recognises.
//   - The command's bytes are shared by log, state machine and transport, and
//     must not change after Propose was called.
//   - A vote or term that could not be stored is never acted on: the goroutine
//     of the group waits for space, or ends when the log has failed.
//
// StateMachine methods but Snapshot and OpenSnapshot are called from one
// goroutine per group. All exported methods of Host and Group may be called
// from any goroutine.
package raft

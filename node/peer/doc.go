// Package peer is what the nodes of a cluster ask each other over the cluster
// port (package link): to append a block to a shard that another node leads,
// how far a shard's log has come, to answer a share of a query, to change the
// catalogue, to join, how a node is, and for the bytes of segments.
//
// Client asks, Serve answers what a Node implements. Both know the forms of
// questions, answers and errors (docs/format/peer.md) and nothing else: whom
// to ask, and what to do when the answer is no, is for the caller.
//
// Invariants:
//   - An error keeps its meaning on the way: Error.Is works as where it was
//     made. What cannot be read is ErrUncertain for a question that may have
//     been done, ErrUnavailable for one that only reads.
//   - A node that was not reached has done nothing (ErrUnavailable).
package peer

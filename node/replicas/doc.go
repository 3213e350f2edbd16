// Package replicas is the set of shard replicas that a node has: it opens those
// that the catalogue gives the node, runs them, and takes away those that it
// does not give it any more.
//
// The main type is Set. Open opens what is stored, before the catalogue is
// known; Run follows the catalogue until its context ends; all else may be
// called from any goroutine.
//
// Invariants:
//   - A replica is taken away only on the word of a catalogue that is fresh, and
//     in an order that a kill at any point survives: first the log, then the
//     records.
//   - A group begins with one voter, the first replica of its shard, and only
//     there; every other replica waits to be made a member. So no two nodes
//     can begin one group differently.
package replicas

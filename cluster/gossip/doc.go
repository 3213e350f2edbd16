// Package gossip knows who is there: every node tells a few others of itself,
// and within a second or so all nodes know of each other, who has died and who
// has left. It is the home of hashicorp/memberlist, on a port of its own (UDP
// and TCP).
//
// What a Gossip says is a hint: good for finding addresses, for not asking a
// node that is dead, and for deciding whom to look at. Who belongs to the
// cluster and which replicas are where is in the catalogue.
//
// Invariants:
//   - A node is known by its id. Its name, addresses and figures are what it last
//     said, in at most MetaMax bytes; what a later version adds is left aside.
//   - Seeds are asked until one answers, names resolved anew each time, and again
//     when no other member is left; members that are dead are tried now and then,
//     so that the halves of a cluster that was cut in two find each other.
//   - With a secret every message is encrypted, and messages of others dropped.
//
// All methods may be called from any goroutine. Callbacks of the library run
// under its lock: they only change the table here, which has its own.
package gossip

// Package limit counts what is done within stretches of time, right across the
// nodes of a cluster, and says when it is too much.
//
// Limiter is the main type. Every key has a home, the node that counts for all: of
// the nodes that are alive the one that a hash of node and key puts first. A node asks
// the home for permits, for the request at hand and a few more, so that a busy key is
// not a call for each request; what is not used is given back with the next question.
// The home tells what it has counted with each answer, and who becomes the home of a
// key asks the others for what they were told: a count survives the death of its home.
// A node that reaches no home counts for itself.
//
// Invariants:
//   - At one home no more than the limit is granted within any stretch of a window's
//     length; up to a slot less than the limit may be.
//   - Over all nodes permits that are held are at most a fiftieth of the limit.
//   - Memory is bounded whatever keys come: the least used are forgotten first, and
//     those of strangers push out no others.
//
// A Limiter is safe for concurrent use and starts no goroutines.
package limit

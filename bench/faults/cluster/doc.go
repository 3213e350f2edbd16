// Package cluster runs several real Stere processes as one cluster, each in a
// network namespace and on a disk of its own, writes and asks through all of
// them, injects one fault after the other and checks that no acknowledged record
// is lost, stored twice or altered, and that no answer calls itself complete
// and is not.
//
// A run is lives of a cluster. A life begins with empty data folders and does
// rounds: load, a fault, its end, wait until everything is healthy, compare all
// nodes with the ledger. It ends when the plan is done, when something was
// violated, or after a fault that leaves another cluster than it found. A seed
// decides the plan, the victims and the moments.
//
// Invariants:
//   - What is judged is written down before the fault: an outlook says which
//     nodes must answer completely, which must say that they cannot, and of which
//     nothing is promised. A complete answer must be right at any time.
//   - Everything is bounded: rounds, lives, waits, requests.
//   - Data and logs of a life with a violation stay.
//
// Run is called from one goroutine; writers and askers are goroutines of a
// life, which waits for them.
package cluster

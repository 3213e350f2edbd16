// Package heal is the one place where the cluster changes itself: it observes
// what is (gossip, reports of the nodes), compares it with what is to be (the
// catalogue), plans (package placement), acts and writes down what it did.
//
// Everything that the cluster does by itself is an action with a name, a
// reason and an outcome in the catalogue's history, can be switched off, is
// limited by a cooldown and can be asked for as a dry run.
//
// There are two halves, with the catalogue between them. The Controller on the
// node that leads the catalogue decides: it lets replicas join and leave in the
// catalogue. The Driver of each shard, on the node that leads the shard, makes
// the members of the Raft group follow, one step at a time (Follow).
//
// Neither half remembers what must not be lost. Moves in progress are the
// joining and leaving replicas of the catalogue, the next step of a shard
// follows from the catalogue and the members, and what has become of an action
// is seen from the catalogue. Whoever is killed between two steps, the next
// leader goes on. What a controller does remember (rates, what it has seen
// twice, what has failed lately) only makes it slower for a while.
//
// What holds of everything here:
//
//   - What is not in the history has not happened: an action is written down
//     before it is done.
//   - No step costs a shard a healthy voter beyond what is wanted, or its
//     majority.
//   - Nothing is done because of one observation: a move must be planned
//     twice in a row, a node is dead when gossip has said so for
//     Limits.ReplaceAfter, and as long as somebody has not been heard at all
//     nothing is done.
//
// Every method of a Controller but Run may be called on every node and from any
// goroutine; Run and a Driver have one goroutine each.
package heal

// Package placement decides where replicas belong: which node should hold which
// replica of which shard, who should lead, over how many shards a tenant
// spreads and which nodes vote in the catalogue. It only decides; who observes
// the cluster and who carries a move out is elsewhere.
//
// The main function is Plan: a State goes in, an ordered list of moves with
// their reasons comes out. Everything here is a pure function: no clock, no
// randomness, no I/O, and the same state gives the same plan whatever the order
// of its nodes and shards.
//
// How a plan is made. The moves in progress are taken as done. Every node then
// gets a goal, the bytes it should hold, from the capacity of the disks and
// from what the zones allow (goal.go). Passes follow, each one working on what
// the passes before will leave behind: repair, surplus, zones, drains, disks,
// raise, balance, leaders. At last the limits say which moves may start now and
// what the others wait for (slots.go).
//
// What holds of every move, whatever the state:
//
//   - Carrying it out never leaves a shard with fewer healthy replicas than it
//     had, unless it had more than are wanted.
//   - No node gets a second replica of a shard.
//   - The replicas of a shard lie in no fewer zones than before, unless what
//     was in a zone is lost or drained and the zone has no other node for it.
//   - A shard has one move at a time.
//   - No node gets what would fill its disk beyond DiskRefuse.
//
// Why plans come to rest: each pass begins at one mark and ends at another, so
// that what it left behind does not set it off again, and a balancing move
// leaves its source at least as full as its target, so that nothing argues for
// the way back.
//
// All functions may be called from any goroutine; the input is not changed and
// not kept.
package placement

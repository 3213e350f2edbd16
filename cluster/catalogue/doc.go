// Package catalogue is what all nodes of a cluster agree on: its settings, its
// nodes, its shards with their replicas, tenants that differ from the rest,
// keys, accounts of tenants and domains, and the history of what was done by the cluster itself or by hand. It says what
// is to be; who is alive is for gossip, where bytes lie is for the shards.
//
// The main types are State, which never changes, and Catalogue, the state
// machine of one Raft group whose members are all nodes. A Command makes a new
// State of an old one (State.Apply); whoever holds the old one keeps it. Every
// node reads its own State; changes are proposed on the leader, and elsewhere
// carried to it as bytes (Encode, ProposeEncoded, DecodeResult).
//
// The log is the truth and the saved state its shortcut: when enough log has
// come, Run saves state and position through a Store and cuts the log.
//
// Invariants:
//   - Apply is a pure function of state and command; clocks are read by whoever
//     proposes. A command that is refused changes nothing, on any replica.
//   - What Snapshot tells is durable, and OpenSnapshot gives just that.
//   - A position is that of a command which the state has, together with the
//     members as of it.
//   - Everything in a State is bounded: its saved form fits into SavedMax.
//
// Apply, Configured and Restore are called from one goroutine, by the group.
// Everything else may be called from any goroutine.
package catalogue

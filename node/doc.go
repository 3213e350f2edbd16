// Package node is one running process: it opens the data folder, is a member of
// its cluster (membership), has the replicas that the catalogue gives it
// (replicas), and connects the way in (ingest), the way out (query) and the HTTP
// interface (api) to the shards of the whole cluster.
//
// The main type is Node. New opens everything, Run runs until its context ends
// or something fails, and closes everything. Every long-lived goroutine below
// is an actor of the one run group in run.go. A Node implements ingest.Shards
// (router.go), query.Shards (views.go), what other nodes ask (calls.go) and what
// healing needs (healing.go), and may be used from any goroutine.
//
// A write goes to whoever leads its shard. A query reads here what has a
// complete replica here, as of what the leader has acknowledged, and lets other
// nodes read the rest (docs/decisions/0006-nodes-among-others.md).
//
// Invariants:
//   - Nothing is taken or found before the node is in its cluster.
//   - What is carried to another node has a key, so that it can be sent again.
//   - An answer lacks nothing that was acknowledged before it was asked for, or
//     says so.
//   - When the disk is nearly full, ingest is refused with ingest.ErrNoSpace
//     and taken up again by itself; queries go on.
//   - After an error that makes what is on disk doubtful, nothing is
//     acknowledged and Run returns ErrFatal; the process must end.
//   - Two nodes in one process share no variable.
package node

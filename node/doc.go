// Package node is one running process: it opens the data folder, hosts one
// replica per shard, and connects the way in (ingest), the way out (query) and
// the HTTP interface (api) to them.
//
// The main type is Node. New opens everything, Run runs until its context ends
// or something fails, and closes everything. Every long-lived goroutine below
// is an actor of the one run group in run.go. A Node implements ingest.Shards
// and query.Shards (router.go) and may be used from any goroutine.
//
// Invariants:
//   - The number of shards is fixed at the first start.
//   - Nothing is taken or found before the log has been replayed.
//   - When the disk is nearly full, ingest is refused with ingest.ErrNoSpace
//     and taken up again by itself; queries go on.
//   - After an error that makes what is on disk doubtful, nothing is
//     acknowledged and Run returns ErrFatal; the process must end.
//   - Two nodes in one process share no variable.
package node

// Package tail shows records as they come. The main types are Hub, one for each
// node, and Tail, one for each client that looks on.
//
// A tail is a position in each of its tenant's shards (model.Mark): what a client
// has seen is everything up to there that satisfies its filter. It begins where
// the shards are when it is opened, after a backlog if one is asked for, or where
// its cursor says. One follower for each tenant and shard waits for what comes
// after its own mark and asks for the records of all filters at once, so that a
// block is decoded once and a record rendered once, however many look on. What it
// learns it offers to the tails: the records between two marks. A tail that is
// behind the first mark reads the rest itself; one that is beyond leaves out what
// it has. So each record is shown once and in the order of its shard, wherever
// followers come and go.
//
// What a slow client cannot take in time is left out and counted: Event.Dropped.
//
// A Hub is safe for concurrent use and owns the goroutines of its followers; a
// Tail is used by one goroutine, Close may be called from any.
package tail

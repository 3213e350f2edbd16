// Package follow reads what comes to shards, here or on another node: the tail.Shards
// of a node. The main type is Shards.
//
// The leader of a shard knows first what was committed, so it is asked before
// others; what a follower has applied is committed too, so any answer is right. A
// mark means the same on every node, and who has not come to it yet answers
// nothing: when a node dies or another leads, the next question goes elsewhere.
//
// Shards is safe for concurrent use and owns no goroutine.
package follow

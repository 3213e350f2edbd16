// Package pulse carries the heartbeats of all groups between two nodes in one
// message: a group that has nothing to do then costs a few bytes and no message
// of its own. It knows nothing of Raft but that a node leads groups in terms.
//
// The main type is Pulse. Every Interval it asks what this node leads (Led),
// sends each other node the groups that it is to follow, and takes in the
// answers (Led.Answered). On the other side it asks Follow about each group. The
// connections are those of a group number that no group has (Group), so that
// nothing else has to know of them; a node that does not know it refuses, and its
// heartbeats go one by one, as before. docs/format/pulse.md has the bytes.
//
// What an answer is worth:
//   - It is to beats that were put together at Batch.Made or later, never before.
//   - One message to a node is under way at a time. What has not been answered
//     within Timeout never is: the connection is closed.
//   - A beat without an answer says nothing. Whoever led goes on by itself.
//
// Every goroutine of a Pulse ends before Close returns. Led and Follow are called
// from its goroutines, several at a time.
package pulse

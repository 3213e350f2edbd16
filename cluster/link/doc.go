// Package link is the cluster port: one port of a node takes everything that
// other nodes have to say, and one way to dial them. A Link listens, proves who
// is who, and hands each connection to the Raft group that it is for or to the
// server of node calls.
//
// A connection begins with TLS 1.3, both sides verified, when the cluster has a
// secret or the node its own certificates, and plainly otherwise. From the
// secret every node derives the same certificate authority (HKDF, ed25519), and
// signs with it a certificate of its own that names its node id; so who knows
// the secret can be any node, and who does not can be none. Then the side that
// dialled says in a preamble who it is, whom it wants to reach and what for, and
// is answered ok or a reason (docs/format/link.md). Mistakes in a configuration
// are thus errors that say what to do: another secret, another cluster, another
// node behind an address.
//
// Invariants:
//   - With a secret or certificates nothing is given to a group or to the server
//     of calls before the peer's certificate was found to be signed by the
//     cluster's authority and to name the node that the preamble claims.
//   - A connection that was dialled is to the node that was meant, or an error.
//   - With certificates of the user's own and a secret both are proven, by both
//     sides; while nodes are switched to certificates (TLS.Both) either will do.
//   - What has not proven anything yet is bounded in number, for each address
//     too, in bytes and in time, and never waits in front of anybody else.
//
// Node calls are HTTP on such connections. Caller makes them: it keeps
// connections, and its errors say whether anything was sent. Serve answers them.
//
// All methods may be called from any goroutine. Every goroutine of a Link ends
// before Close returns, but those of handlers that are still at work.
package link

// Package client is the Go client of Stere's HTTP interface: it writes records
// as NDJSON, searches, reads records, and operates a node. Its main type is
// Client.
//
// Invariants:
//   - A write is repeated only under an Idempotency-Key, so that a retry after
//     an unknown outcome stores nothing twice.
//   - Retries wait at least as long as the node asks (Retry-After).
//   - What the node answers is an *Error, what keeps the node from answering
//     wraps ErrUnreachable.
//
// A Client is safe for concurrent use. A call whose context ends returns at
// once; its request may still run to its own timeout in the background.
package client

// Package audit keeps a record of who did what: entries that are chained by hashes, so
// that whoever edits, cuts or reorders them is found out by who has only them.
//
// Trail is the main type, one for a node. Each start of a node begins a chain; an entry
// has the hash of the one before it, and now and then one that names the heads of all
// other chains. Entries are records of a tenant of their own, on the usual way in.
// Verify reads an export of them and says what is wrong (docs/format/audit.md).
//
// Invariants: entries of a chain are written in the order of their numbers, each once;
// a flood of refusals makes a bounded number of entries and loses none of their count.
//
// A Trail is safe for concurrent use; Run is its one goroutine.
package audit

// Package ledger remembers what was sent to a store and what of it was
// acknowledged, and compares that with what the store has.
//
// Main types: Ledger, the truth; API, a store as a client sees it; Violations,
// what must not be. Records follow from a batch's name, time and run alone, so
// every byte that comes back can be checked.
//
// Invariants:
//   - A batch is either acknowledged or of unknown outcome; records of unknown
//     outcome may be there or not, but once and unaltered.
//   - What is acknowledged while a disk is being cut is no promise.
//
// A Ledger and an API are safe for concurrent use; nothing may be written while
// Check runs.
package ledger

// Package faults runs a real Stere process under load, kills it, cuts its
// power, fills or breaks its disk, and checks that no acknowledged record is
// lost, none stored twice, none altered and none made up.
//
// Writers send batches with idempotency keys and send a batch again, under the
// same key, until it is acknowledged. A ledger.Ledger remembers what was sent and
// what was acknowledged; after each round the records are read back over HTTP
// and compared with it.
//
// Invariants:
//   - A batch in the ledger is either acknowledged or of unknown outcome;
//     records of unknown outcome may be there or not, but once and unaltered.
//   - A run with fewer than 80 % of the planned faults, or too few
//     acknowledged records, is void: it shows nothing.
//
// Run is called from one goroutine and ends everything it started: processes,
// mounts and loop devices. docs/benchmark.md says how to run it.
package faults

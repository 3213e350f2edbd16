// Package rows holds what pipes do to rows: a Row is a record or a row of a
// table, a Set some of them in order, an Op what is done to each by itself.
//
// Ops run where the records are; Back says which fields an Op needs for those
// that are wanted after it, so that only these are read. What needs all rows at
// once (Dedup, FillBuckets, Timeline) works on a Set, in memory that the caller
// has bounded (Set.Bytes).
//
// Invariants: an Op depends on nothing but its row, so that it gives the same
// wherever it runs; no text makes one panic or grow a row beyond RowBytesMax
// and FieldsMax. The package does no I/O. An Op and a JoinSet may be shared; a
// Set is for one goroutine.
package rows

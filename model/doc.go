// Package model holds the words of Stere: record, field, value kind, tenant,
// shard, record id, severity level and field path. It imports nothing of ours
// and does no I/O; everything here is a value that may be copied and shared
// between goroutines.
//
// Invariants:
//   - A value is kept as the text that came in (Field.Text) plus its kind, so
//     that what comes out equals what went in.
//   - A field name is a path: nested objects are joined with '.', and a '.' or
//     '\' that is part of a key itself is escaped with '\'.
package model

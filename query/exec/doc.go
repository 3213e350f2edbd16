// Package exec runs plans over parts: Records finds a page of records, Table
// groups and aggregates. It reads parts only; it knows no shard and no text.
//
// What each part contributes is a value that merges with the others', in any
// order. Parts are read by a bounded number of goroutines that end with the
// call. Over a budget (Limits) an answer is partial and says why (Outcome);
// only a cancelled context, unreadable parts and panics (PanicError) are errors.
//
// The functions are safe for concurrent use.
package exec

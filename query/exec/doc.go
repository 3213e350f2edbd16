// Package exec runs plans over parts: Records finds a page of records, Table
// groups and aggregates. It reads parts only; it knows no shard and no text.
//
// What each part contributes is a value that merges with the others', in any
// order, and to the same bytes whatever the order. Parts are read by a bounded
// number of goroutines that end with the call. Over a budget (Limits) an answer
// is partial and says why (Outcome); only a cancelled context, unreadable parts
// and panics (PanicError) are errors.
//
// A Source has remotes besides parts: shares of the data that another process
// reads with RecordsAnswer, TableAnswer and FetchAnswer, whose bytes
// (docs/format/leaf.md) merge as parts do. All remotes are asked at once, while
// the parts are read. One that fails is named in the outcome; it is never an
// error and never goes unsaid.
//
// The functions are safe for concurrent use.
package exec

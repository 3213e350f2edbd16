// Package segment is the sealed form of records: immutable, columnar, indexed.
//
// A segment is a set of key/value pairs that Build emits in key order and that
// Open reads through a Getter; where they are kept is not its concern. Rows
// are in order of (time, record id). Every column is coded: a code per row
// that has the field, in pages of PageRows, and a sorted dictionary. In a
// value column the dictionary holds the values; in a text column it holds
// shapes (model/shape), code 0 stands for a text without a known shape, and
// text pages hold the variables. A term index leads from words to dictionary
// entries; words that are only in variables are found through one filter per
// text page. What can be derived is not stored: which rows have a field
// follows from a schema code per row, sets of rows are made from code pages
// when they are asked for and kept in a Cache.
//
// Invariants: a segment never changes; Eval is exact; a damaged value gives an
// error wrapping ErrCorrupt and never a wrong answer or a panic.
//
// The bytes are described in docs/format/segment.md.
package segment

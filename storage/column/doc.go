// Package column turns arrays of integers, codes and strings into few bytes
// and back. Every encoding is self-describing: it starts with a byte that
// names it, and the number of values is the caller's to keep.
//
// The main entry points are AppendInts/Ints, AppendCodes/Codes, AppendTimes/Times,
// AppendStrings/Strings and Compress/Decompress. Appending picks the cheapest
// encoding by computed cost; the formats are drawn in docs/format/column.md.
//
// Invariants:
//   - Decoding returns exactly what was encoded, byte for byte.
//   - Decoding trusts nothing: corrupt bytes give an error, never a panic, and
//     never an allocation beyond what n values (and DecodedMax bytes of text)
//     can need.
//   - An encoding byte keeps its meaning for ever; a change gets a new byte.
//
// The package imports nothing of ours, does no I/O, and is safe for concurrent
// use. Segment and block writers and readers call it.
package column

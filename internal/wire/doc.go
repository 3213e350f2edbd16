// Package wire takes values from the front of a byte slice: single bytes,
// varints, counts within a limit, bytes and strings with their length in front.
//
// The main type is Reader. It is used by whoever reads a directory, a manifest
// or a command: take everything, then ask once whether it was all there. What a
// failure means and how it is worded is the caller's to say.
//
// Invariants:
//   - After a failure every further value is zero and nothing is left.
//   - Bytes that are not there are never invented and never allocated: what is
//     taken shares the memory of the source, strings apart.
//
// The package imports nothing of ours. A Reader is for one goroutine.
package wire

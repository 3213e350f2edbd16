// Package body reads request bodies: it undoes Content-Encoding within a limit,
// so that a small body that unpacks to a huge one costs no more than the limit.
//
// Its main type is Decoder, which keeps decompressors between requests; the
// zero value is ready and it is safe for concurrent use. Read is for callers
// without one.
//
// Invariants:
//   - The result belongs to the caller and shares no memory with the input. A
//     caller that gives it back with Recycle lets the next body have its memory.
//   - No stage of unpacking yields more than the limit: beyond it the answer is
//     ErrTooLarge, and no more is read or allocated.
//   - A body that is cut off, damaged or followed by other bytes is an error,
//     never a shorter body.
package body

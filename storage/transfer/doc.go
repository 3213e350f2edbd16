// Package transfer is the form in which a segment goes from one replica to
// another: a header, the segment's keys and values as one run of bytes in
// chunks, and a trailer. It knows bytes and checksums only; what the keys mean
// and where they are kept is for package storage to say.
//
// The main types are Stream, an io.Reader that makes the bytes while they are
// read, and Receiver, which takes them apart again and survives that the
// reading breaks off: it is continued with a stream that was opened at its
// Offset, from the same replica or another.
//
// Invariants:
//   - Equal segments give equal bytes, whoever sends them and wherever the
//     stream begins.
//   - A Receiver gives a pair to its caller only after the checksum of the
//     chunks that it came in, and says that it is done only when the checksum
//     of the whole fits.
//   - Neither side keeps more than a chunk and one key with its value.
//
// The bytes are described in docs/format/transfer.md. A Stream and a Receiver
// are for one goroutine at a time.
package transfer

// Package ndjson decodes the bodies of POST /logs: one JSON object, an array
// of objects, objects after one another with or without lines between them
// (NDJSON), each on one line or pretty-printed, and plain lines of text.
//
// Its main type is Decoder, which holds the limits and keeps parsers between
// requests; it is safe for concurrent use. A request handler calls Decode (or
// DecodeLines for text/plain) and hands Decoded.Records to the writer.
//
// Invariants:
//   - Every object of the body is a record or is counted in Decoded.Refused:
//     nothing is dropped in silence, and no line spoils another.
//   - The body must stay unchanged as long as the records live: their texts
//     point into it.
//   - Time is linear in the body and memory is bounded by Config, whatever the
//     body holds.
package ndjson

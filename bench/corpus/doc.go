// Package corpus makes realistic mixed logs of any size from a seed.
//
// A Generator writes NDJSON lines of six kinds of software (web access and
// error log, Java application with stack traces, sshd, PostgreSQL, a JSON
// application, Kubernetes components in logfmt), drawn in bursts as shippers
// send them. Values follow Zipf laws, incidents raise the share of errors for
// a while, and a share of the records has a unique metadata.trace_id.
//
// Invariants:
//   - The same Config gives the same bytes on every machine of one architecture
//     (floating-point laws may round differently on another).
//   - Every line is one JSON object with timestamp, message, component and
//     metadata; level is there unless the software writes none (sshd).
//   - Nothing is kept per line: memory does not grow with the size.
//
// A Generator belongs to one goroutine. All templates are made up for this
// package; none is taken from anyone's logs.
package corpus

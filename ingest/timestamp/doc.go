// Package timestamp reads the time of a record from the forms in which
// programs write it, and writes the one form in which Stere answers.
//
// Its main type is Time: Unix nanoseconds plus how many fraction digits the
// text had. Parse understands RFC 3339 and its loose relatives, the common log
// format, RFC 1123, the asctime and syslog forms and epochs as text;
// ParseNumber understands epochs as numbers. Everything here is a pure
// function: the clock is an argument, and only the syslog form (which has no
// year) looks at it.
//
// Invariants:
//   - Nothing panics and nothing allocates, whatever the text.
//   - A time outside the range of int64 nanoseconds (1677 to 2262) is not
//     understood rather than wrong.
//   - If Canonical, then Append(nil, t.Nanos, t.Digits) is the text as sent.
//
// The pipeline calls it, from any goroutine.
package timestamp

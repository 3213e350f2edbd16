// Package pipeline turns one JSON object, or one line of text, into a
// model.Record: it scans and flattens in a single pass, then finds the
// record's time and level.
//
// Its main type is Parser. A Parser belongs to one goroutine at a time; the
// decoders of the wire protocols own one per request.
//
// What it does to a record:
//   - Nested objects become field paths (model.JoinPath). Arrays and empty
//     objects are kept as compact JSON, with the numbers and the order as sent.
//   - Numbers keep their text. Strings are unescaped; bytes that are not UTF-8
//     and lone surrogates become U+FFFD. Raw control characters inside a string
//     are accepted, except the line feed, which ends a record.
//   - Of a repeated key the last value counts, at the place of the first.
//   - The first of Config.TimeFields that holds a time is the record's time. A
//     field "timestamp" is not kept as a field: if model.Record's Time and
//     TimeDigits do not give back its text, it is under "_original.timestamp".
//     The other time fields stay as they are. Except in "timestamp" and
//     "@timestamp", a number that would be a time before March 1973 is taken
//     for a duration. Without a time, the time of receipt counts.
//   - The level comes from "level" or "severity", then from "severity_number",
//     "log.level", "lvl", "loglevel" and "severity_text" where they are known.
//     It is stored as "level"; "severity" is not stored. A value of either that
//     differs from the normalised word is under "_original.". An unknown level
//     is stored as sent.
//   - "_id" and "_original" are names of Stere's own: a client's are stored
//     under "_original._id" and "_original._original".
//   - With Config.Redact, secrets are taken out of values, and of names: a
//     marker stands instead. Names that become the same by it are numbered
//     ("~2"). A value as sent that is kept under "_original." is redacted too.
//   - A record over a limit is refused as a whole, by name of the field.
//
// Invariants: texts of records may point into the input, which must stay
// unchanged as long as the records live; field names never do. No input makes
// it panic; the work is linear in the input.
package pipeline

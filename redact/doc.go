// Package redact finds secrets and personal data in texts and takes them out:
// payment cards, account numbers, keys, tokens and passwords.
//
// Its main types are Redactor, the rules in force, and Scanner, which applies
// them. A Redactor is made once, by New, and is safe for concurrent use; each
// goroutine has a Scanner of its own. The parsers of package ingest/pipeline
// call Scanners before anything of a record is kept.
//
// How a text is read: one pass over it, eight bytes at a time, looks for places
// at which something could be: a long run of letters and digits, a long run of
// digits and separators, and the marks '=', ':', '@' and '<'. Only such a place
// is looked at by the detectors that it concerns. Each of them validates: a
// card has a check digit and an issuer, an IBAN its remainder, a token its
// prefix, length and alphabet, a password a key before it.
//
// Invariants:
//   - The work is linear in the text, whatever it holds.
//   - A marker is not redacted again.
//   - Nothing here refuses a text or logs a part of it.
//   - What a tenant adds of its own leaves nothing to see that would not be seen
//     without it, unless it is allowed to be weaker.
//   - JSON stays JSON: a finding never reaches over the end of a string.
package redact

// Package meaning says what texts of logs mean: which area a record is about
// (categories), how severe it is when it does not say (DetectLevel), whether it shows an
// attack (Attacks) and which known things it tells of (Signals), each with the reason.
//
// Everything is decided by whole words and by the form of texts, from tables that never
// change: there is nothing to set and nothing to learn. What is said of a message can be
// said of its outline (model/shape), except where a function says that it needs the text.
// So it is decided once for a shape or a distinct value, and remembered (query/derived).
//
// Everything here is a pure function and safe for concurrent use.
package meaning

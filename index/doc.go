// Package index finds records: it splits text into words, says what can be
// asked of a value (Predicate) and of a record (Expr), and holds sets of rows
// (DocSet). It knows neither query text nor storage.
//
// A word is a maximal run of letters, digits and '_' (Unicode); words compare
// in lower case.
//
// Everything here is a value or a pure function and safe for concurrent use.
package index

// Package syntax is the query language: text to tree (Parse) and back
// (Query.String). It knows neither fields nor storage; what a tree means is
// package plan's business. docs/query.md describes the language for users.
//
// Parse never panics, and for every text it accepts, parsing the printed tree
// gives the same tree again. Everything here is a value or a pure function and
// safe for concurrent use; a tree must not be changed while it is shared.
package syntax

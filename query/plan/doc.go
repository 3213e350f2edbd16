// Package plan says what a query means: it lowers the tree of package syntax
// to an index.Expr, bounds on time, and what to make of the records found: a
// page of records or a table. It does no I/O and reads no clock.
//
// Plan is the main type. Everything here is a value or a pure function and
// safe for concurrent use; a Plan must not be changed while it is shared.
package plan

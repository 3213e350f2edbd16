// Package expr computes: it compiles the expressions of the query language
// (syntax.Expr) and evaluates them on rows, which give the value of a name.
//
// Compile makes an Expr, Eval gives its Value. There are no types to declare: a
// value is what it is, and a text that reads as a number counts as that number
// where one is wanted. What has no sensible result is null, never an error:
// arithmetic on null or on a text, a division by zero, a number that JSON
// cannot hold, a text of more than TextMax bytes. Only true is true, so that
// and, or and not have two values: null counts as false. Null equals null and
// nothing else; null is neither less nor greater than anything.
//
// Evaluation does no I/O, reads no clock ("now" is given to Compile), never
// panics and is bounded by the limits of the text. Everything here is a value
// or a pure function and safe for concurrent use.
package expr

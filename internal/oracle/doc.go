// Package oracle says which records a condition holds for, and what statistics
// of them are, in the plainest way: it looks at every record and shares no
// code with the index, the planner or the engine. Tests compare what those
// answer with what the oracle says.
//
// Main functions: Holds evaluates a condition, Generator draws random records
// and conditions on them. Everything is a function of its arguments and its
// seed. A Generator is for one goroutine; the rest is safe for concurrent use.
package oracle

// Package odd sends log stores what few people send on purpose: a field name
// that no other line has, a line of a megabyte, messages that share nothing,
// one value for ever, times in no order, a great many tenants. It reports what
// was taken, what a question finds afterwards, and what it cost.
//
// Cases are the data, made from a seed; Run sends each of them to each target,
// started with an empty folder. Nothing here is a measure of speed: a store
// passes if it lives and has exactly what it said it took.
//
// Run is called from one goroutine; it starts its own workers and ends them.
package odd

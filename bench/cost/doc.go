// Package cost measures what a cluster costs beside one copy of everything: how
// much of the throughput is left with three replicas, how many bytes go over the
// wire between nodes for each byte that has to, and what a cluster takes that
// has nothing to do.
//
// Run is the main function. It starts clusters of three processes on this
// machine, one after the other: with one replica of each shard and with three,
// which get the same records from the same writers, and one with many shards
// that is left alone. Where it can be each node has a network namespace
// (bench/faults/lab) whose link carries nothing but what nodes send each other;
// else the wire is not measured. docs/benchmark.md defines every figure.
//
// Run is called from one goroutine. All else it starts ends before it returns.
package cost

// Package scale measures plans for clusters that no machine here could run: a
// thousand nodes, a hundred thousand replicas, a million tenants. The clusters
// are lists of what a catalogue would say; package cluster/placement plans for
// them, and the moves are carried out on the lists.
//
// Run is the main function: for each size it lets a node die, nodes join and a
// zone be lost, plans and moves until there is nothing left to do, and reports
// how long plans take, how many bytes were moved against how many have to be,
// and whether a shard ever lay worse over the zones than before. Arithmetic adds
// what follows from the numbers alone. docs/scale.md has the results.
//
// Everything but the times is the same in each run. Run is called from one
// goroutine and starts none.
package scale

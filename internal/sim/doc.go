// Package sim is the world of a simulated cluster: a network and disks in
// memory on which whole nodes run in one process, in the virtual time of a
// synctest bubble.
//
// The main types are Network, Host and Disk. A Host is one run of one machine:
// a machine that comes back is a new Host of the same name, so that what the old
// run still does reaches nobody. All methods may be called from any goroutine.
//
// Whoever cuts the power of a machine crashes its Host first and clones its Disk
// then: what a machine has said must be on its disk if it was synced, and what a
// disk loses must not have been seen by anybody.
package sim

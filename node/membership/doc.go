// Package membership is a node's place in its cluster: it owns the cluster port
// (cluster/link), gossip (cluster/gossip) and this node's copy of the catalogue
// (cluster/catalogue), begins a cluster or joins one, and carries changes of
// the catalogue to whoever leads it.
//
// The main type is Membership. Open takes the ports, Start begins the
// catalogue's group on the node's raft host, Run finds the cluster and keeps
// what others know of this node up to date until its context ends. Everything
// else may be called from any goroutine.
//
// A node without a cluster port is a cluster of one that nobody can join; all
// else is the same, so that it can be given a port later.
//
// Invariants:
//   - A cluster is begun once: by the node that is told to, or by the one that
//     everybody who was expected has promised to follow. Who is told to and has
//     seeds looks first whether a cluster answers there.
//   - A node that is to join serves nothing as a cluster of its own.
//   - A node whose copy of the catalogue is damaged votes no more until the others
//     have taken it out of the catalogue's group; then it follows anew.
//   - Until Fresh is closed the catalogue's state may be older than what this
//     node has seen before its start; nothing may be deleted because of it.
package membership

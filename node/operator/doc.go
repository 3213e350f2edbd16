// Package operator shows the cluster to people and does what they ask: it is
// the api.Cluster of a node, made of what the controller (cluster/heal) sees
// and can do.
//
// The main type is Operator. It holds nothing and may be used from any
// goroutine.
package operator

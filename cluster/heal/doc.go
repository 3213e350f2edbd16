// Package heal is the one place where the cluster changes itself: it observes
// what is (gossip, reports of the nodes), compares it with what is to be (the
// catalogue), plans (package placement), acts and writes down what it did.
//
// Everything that the cluster does by itself is an action with a name, a
// reason and an outcome in the catalogue's history, can be switched off, is
// limited by a cooldown and can be asked for as a dry run.
package heal

// Package alert looks at the rules of tenants on the node that leads the catalogue, keeps
// what follows in documents of the catalogue, and sends what is to be told. It also looks
// whether registered services answer.
//
// The main types are Watcher, which works while the node leads the catalogue, and Desk,
// through which people see and change rules, webhooks, incidents, silences and services on
// any node.
//
// Invariants:
//   - What follows from a window - alerts, incidents, deliveries - is written by one
//     command that needs the rule's state to be what it was: of two nodes that both think
//     they lead, one writes it, and what was not written is found again by the next.
//   - A delivery that is written is sent until it is taken, is given up, or its webhook
//     goes; after a change of leaders it may be sent twice, with the same id.
//
// Watcher.Run is called from one goroutine; Desk may be used from any.
package alert

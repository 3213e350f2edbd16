// Package consumption is what tenants use: records and bytes that they send, what they
// ask, what they have stored, by day of UTC.
//
// Book is the main type, one for a node. What it counts it writes as records of a
// tenant of its own, on the usual way in, so that it is replicated and survives like
// all others; days are sums over the records of all nodes. So a limit of a day goes on
// after a restart, and reports need nothing else. A node that dies takes at most
// flushInterval of its own counts with it.
//
// A Book is safe for concurrent use; Run is its one goroutine.
package consumption

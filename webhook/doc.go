// Package webhook tells others over HTTP, or by e-mail, what happened: where to (Endpoint),
// what is to be told (Event), in whose words (templates), signed, and when it is tried
// again (Queue).
//
// Queue and Delivery are what is kept of deliveries; they change by pure functions, so that
// they can be kept wherever all nodes agree. Sender makes one attempt.
//
// Invariants:
//   - Deliveries of an endpoint go in their order: the next one waits for the one before.
//   - A delivery is tried until it is taken, or is older than Endpoint.GiveUp.
//   - Nothing is sent to an address that package outward refuses, and no redirect is
//     followed.
//   - The receiver of a delivery that is sent twice can tell by its id.
//
// A Sender may be used from any goroutine.
package webhook

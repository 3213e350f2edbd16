// Package api is Stere's HTTP interface: the routes, the one place that
// authenticates and authorises, the limits on what comes in, the form of
// answers and errors. docs/api.md describes it for its users.
//
// The main type is Server. What it serves is in the route table (routes.go);
// every route declares the permission it needs and the server does not start
// otherwise. Handlers run on one goroutine per connection; a Server is safe for
// concurrent use and owns no goroutine but those of its connections.
//
// Invariants:
//   - A request is refused whole, before anything of it is accepted, or it is
//     answered with what became of each of its records.
//   - Credentials are checked before more than the first byte of a body is read.
//   - A failure inside is 503, never 500: clients drop data on 500.
//   - Decompressed bodies in memory are bounded by Config.BodyMemory.
package api

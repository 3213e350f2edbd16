// Package auth says who asks and what they may do. The Authenticator turns the
// credentials of a request (an API key, a JSON Web Token) into a Principal;
// Authorize is the one decision about a request, called by the api middleware for
// every route and by nobody else. It also finds the tenant that a request is for.
//
// Invariants:
//   - No credential is kept: of keys only the SHA-256 is known, and keys compare
//     in constant time.
//   - What a credential gives is at most what its role has; an API key, a token and
//     an issuer can only take away from that.
//   - A principal belongs to exactly one tenant, and asks for another one only with
//     the permission Choose.
//
// An Authenticator is safe for concurrent use. What it knows of keys, tenants and
// domains it reads from the Directory for every request, so that a change counts as
// soon as the node has heard of it. An API key that it does not know is looked up in the
// Directory's newest state before it is refused: it may have been made just now.
package auth

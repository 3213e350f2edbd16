// Package auth says who asks and what they may do. The Authenticator turns the
// credentials of a request (an API key, a JSON Web Token) into a Principal;
// Authorize is the one check of a permission, called by the api middleware for
// every route and by nobody else.
//
// Invariants:
//   - No credential is kept: of the admin key only its SHA-256 is in memory, and
//     keys compare in constant time.
//   - A token is accepted only with HMAC-SHA256, an expiry and a valid tenant id.
//   - A principal belongs to exactly one tenant.
//
// An Authenticator never changes after New and is safe for concurrent use.
package auth

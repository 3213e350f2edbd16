// Package token says what a JSON Web Token claims, if it was signed by somebody
// who may be believed. Verifier is the main type; an Issuer is who signs tokens,
// with keys, algorithms and names of claims of its own.
//
// Invariants:
//   - A token is checked with keys of its own issuer alone, and with a key only by
//     algorithms that are made for keys of its kind: a public key is never taken
//     for the secret of an HMAC, and "none" is no algorithm.
//   - What the header of a token says chooses among the keys that are known, and
//     nothing else: no file is opened and no address is asked because of it. A key
//     or an address in a header is not looked at.
//   - Keys that come from elsewhere are asked for in the background, and because
//     of tokens not more often than every half minute. A key that is not among
//     them any more is not believed any more, and none is where they could not be
//     had for a day.
//
// A Verifier may be used from any goroutine. Run is the only goroutine of it, of
// whoever calls it.
package token

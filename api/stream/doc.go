// Package stream sends what has no end, or none that is known before, to clients
// over connections of their own: tails as Server-Sent Events and over WebSocket,
// and bodies whose end tells that they are whole. docs/api.md describes the forms.
//
// The functions run on the goroutine of the connection and return when it is over.
// One more goroutine for each connection notices that the client has gone; it ends
// before they return.
package stream

// Package v1 holds the JSON bodies of Stere's HTTP interface that the server
// and the Go client share: envelopes, errors, the answers to writes, searches
// and health checks, and the search request. docs/api.md describes them.
//
// Everything here is a plain value. Records are raw JSON: their fields are the
// sender's.
package v1

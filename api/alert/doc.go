// Package alert is what people do with rules, alerts, silences, incidents, webhooks and
// services over HTTP: it reads bodies, checks them, and makes answers. Service is the main
// type; package api routes, authenticates and authorises, and carries bytes; Desk has the
// things.
//
// Invariants:
//   - A secret is in no answer.
//   - What is of a tenant is shown only to who sees all of its records: alerts tell of
//     records.
//
// A Service is safe for concurrent use and keeps nothing.
package alert

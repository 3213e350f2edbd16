// Package triage decides what of a tenant's records asks for somebody: rules with a
// condition, the alerts that follow from what was found, silences, incidents, and the
// rules that are there from the start. It finds nothing itself and sends nothing.
//
// The main types are Rule, State (what is known of a rule's alerts) and Incident. A
// State goes on by State.Step, a pure function of rule and sample: whoever takes the same
// steps comes to the same alerts, which is how a rule is tried on the past, and why it
// does not matter which node takes them.
//
// Invariants:
//   - Windows follow each other without a gap: a sample before State.Through is refused.
//   - An alert is told of once when it fires and once when it ends, and repeated only
//     after the rule's time to do so.
//   - Everything is bounded: alerts of a rule, evidence and notes of an incident.
//
// Values are used from one goroutine at a time.
package triage

// Package detect finds what attackers do in what single addresses and users do over
// time: guessing of passwords (brute force, spraying, stuffing), accounts that were taken
// over, scans of ports and paths, changes of privileges, travel that is too fast.
//
// Find is a pure function of counted events: who did what how often within a bucket of
// time. It knows neither records nor queries; whoever asks makes events of what records
// say, of fields or of the variables of messages.
//
// One address or user has at most one finding of a kind, over all of the time, and what
// one finding explains is in no other: the logins that an attack with many users fails
// with are not brute force too.
package detect

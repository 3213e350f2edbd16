// Package insight says what a tenant's logs amount to: a summary, patterns,
// trends, and what deserves attention (insights). All of it is figures over all
// records of a window of time, made of statistics that the query engine answers
// from its index; records are read only as examples.
//
// Service is the main type. It holds nothing but its engine and its limits and
// is safe for concurrent use. The structs that it returns are the bodies of
// GET /analytics/...: field names, units and orders are part of that interface.
// Times are RFC 3339 in UTC, durations and sizes are what the records say,
// shares are numbers in percent.
package insight

// Package anomaly says what in series of counts is not as it was: new, rare, spike,
// drop, silence, deviation from the usual hour or weekday, change of level, slow
// drift, shift of a share (of errors), shift of a latency.
//
// Detect is a pure function of its Input: it reads no clock and no record, and equal
// inputs have equal findings on every machine. A series is judged against its own
// history: what is expected in a bucket (the mean, or that of the same hour, or of the
// same hour of the week, whichever told the history best), and how much the history
// strayed from that, over one bucket and over up to 32 together. From both follows
// how probable a count is (negative binomial; of a share beta-binomial), and a finding is
// what is less probable than the budget of false alarms, spread over everything that was
// looked at, allows.
//
// Invariants:
//   - Nothing is judged before LearnBuckets of history; Report.Learning says so.
//   - One cause is one finding: what a finer or a worse one explains is in its Related.
//   - A finding carries what was expected, what was seen and how probable that is.
package anomaly

// Package bench measures log stores: the same corpus, the same thirteen
// questions, every answer compared with a scan of the corpus.
//
// Survey reads the corpus and chooses the concrete words of the questions,
// Truth answers them by a scan, a Target takes the corpus in and answers them
// in its own language, and Run puts it all together into a Report.
// docs/benchmark.md defines every figure.
//
// Invariants:
//   - Questions are conditions with one meaning (Condition); a target only
//     renders them. Words are chosen so that languages with and without case
//     sensitivity agree on them.
//   - Wrong answers are reported, never dropped: a figure next to a wrong
//     answer says so.
//   - Every wait and every loop has a limit named in Config.
//
// Run is called from one goroutine; it starts its own workers and ends them.
package bench

// Package result is what a measurement found: its form as JSON, as a table for
// a terminal, as Markdown for a page and as the series of a chart.
//
// Report is the main type. docs/benchmark.md defines every figure. A page that
// states figures has them between two markers that name the report and the view
// (see Blocks); a test fails if they are not what the report says.
//
// Invariants:
//   - A figure that could not be taken is 0 and shown as "-", never left out.
//   - A wrong answer is named beside the figures it belongs to, in every view.
//
// Everything here is plain data and functions of it, for one goroutine.
package result

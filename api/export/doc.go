// Package export writes any number of records, or a table, as NDJSON, CSV or
// Parquet, in memory that does not grow with their number.
//
// The main type is Writer. It is used from one goroutine at a time. Which columns
// CSV and Parquet have is decided by the first batch of records; what does not fit
// later is kept in the column _rest, so that nothing is lost.
package export

// Package machine describes the machine that a measurement ran on and what it
// can do at most: copy memory, read JSON, compress a file.
//
// Main functions: Describe, MemcpyRate, JSONRate and Zstd. There is no state;
// the measurement calls them from its one goroutine.
package machine

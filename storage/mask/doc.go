// Package mask hides rows of a part that have been deleted and are still stored.
//
// New makes of a part another one that has only the rows that stay, numbered anew
// from 0: whoever reads it cannot tell that there ever were others, neither by a
// count, nor by a bound on time, nor by the name of a field that only they had.
// What is hidden is found on the first read, once; when that fails, every read
// fails.
//
// A masked part is safe for concurrent use, as every part.Part is.
package mask

// Package many has too many files.
package many

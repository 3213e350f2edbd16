// Package stray is in no row.
package stray

// Package labelled makes log lines of which it is known what in them is secret,
// to measure how well package redact finds it: lines with secrets of every kind
// in the forms in which programs write them, and lines with what only looks
// like one.
//
// Its main function is Make. All values are made by chance from a seed; none is
// anybody's. Tests and bench/redact use it.
package labelled

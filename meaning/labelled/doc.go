// Package labelled has texts of which it is known what they mean: attacks in many
// encodings, put into the lines in which they are met, and lines that only look like
// some. All are made up here. Measure says how well package meaning does on them.
package labelled

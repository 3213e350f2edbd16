// Package pattern learns what many messages have in common: patterns, in which what
// varies is a star. It starts from shapes (model/shape), where words with digits are
// cut out already, and learns which other words are variables from the shapes alone:
// there is nothing to set.
//
// Set is the main type: the patterns of a tenant. Set.Learn gives the set that
// follows, Set.Mapper the patterns of texts. It happens in two steps. A text becomes
// an outline, tokens in which what varies by its form is a gap: numbers, addresses,
// paths, dates, values of keys, items of lists; of JSON the keys, of several lines
// the first that says something. Then outlines of one length are cut at the word that
// best tells them apart, again and again, until what is left differs only where the
// words look like names: many values, after "user" or "=", in quotes; never "not",
// "opened" and "closed". docs/patterns.md says how well that works.
//
// Invariants:
//   - What is learned depends on the set before and on the texts, not on their order
//     or number.
//   - A pattern's id is a hash of it: the same on every node and after every start.
//     A text that no pattern of the set covers has one of its own.
//   - What a pattern covers, a later set covers too; an id that is no more leads to
//     the one that came of it (Set.Now).
//
// A Set never changes and is safe for concurrent use; a Mapper is for one goroutine.
package pattern

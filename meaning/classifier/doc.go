// Package classifier learns from labelled texts which label others have: a multinomial
// naive Bayes model on the words of outlines (model/shape), in which what varies from
// one message to the next has no part.
//
// Train is the main function. It keeps a part of the examples back and reports how well
// the others tell their labels, with counts, so that who decides whether a model is used
// knows how good it is. A Model never changes and is safe for concurrent use; all here is
// a pure function of its arguments, the same on every node.
package classifier

package pattern

import "context"

// How much work learning is, in steps: tokens, places or patterns that are looked at. All of
// it has limits that follow from how many outlines there are, so that what is in them does
// not decide how long it takes; what a limit leaves out has its outline for a pattern. Of
// real logs nothing takes more than a third of these.
const (
	splitSteps  = 1 << 10 // for each token of outlines of one length, to cut them
	splitFree   = 1 << 20 // and besides: a few outlines are cheap whatever is in them
	findSteps   = 1 << 10 // to find the pattern of tokens among those of which words vary
	coverSteps  = 1 << 8  // to find a form with names or reasons that covers tokens
	sharedSteps = 1 << 6  // for each name of a place, to find another place that has it
	checkSteps  = 1 << 16 // until the context is looked at again
)

// learning is one call of Set.LearnOf. One goroutine uses it.
type learning struct {
	ctx    context.Context
	traits tokenTraits
	steps  int // so far
	check  int // at how many the context is looked at
	over   bool
}

// took counts steps. It reports whether nobody waits for what is learned any more: what is
// found then is thrown away, so that loops may end anywhere.
func (l *learning) took(n int) (ended bool) {
	l.steps += n
	if l.steps >= l.check {
		l.check = l.steps + checkSteps
		l.over = l.ctx.Err() != nil
	}
	return l.over
}

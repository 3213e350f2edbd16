package query

import (
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// RunsMax is how many queries a request may run, itself among them: those in
// parentheses count, and compare runs all before it a second time.
const RunsMax = 64

// runsOf returns how many queries a query runs, or a number beyond RunsMax.
func runsOf(query *syntax.Query) int {
	runs := 1
	add := func(sub *syntax.Subquery) {
		runs = min(RunsMax+1, runs+runsOf(sub.Query))
	}
	for _, sub := range plan.Subqueries(query) {
		add(sub)
	}
	for _, pipe := range query.Pipes {
		if join, ok := pipe.(*syntax.Join); ok { // they run with each plan
			add(join.Sub)
		}
	}
	for _, pipe := range query.Pipes {
		switch pipe := pipe.(type) {
		case *syntax.Union:
			add(pipe.Sub)
		case *syntax.Compare:
			runs = min(RunsMax+1, 2*runs)
		}
	}
	return runs
}

// checkRuns refuses a text that runs too many queries.
func checkRuns(text string) error {
	query, err := syntax.Parse(text)
	if err != nil {
		return err
	}
	if runsOf(query) <= RunsMax {
		return nil
	}
	for _, pipe := range query.Pipes {
		if _, ok := pipe.(*syntax.Compare); ok {
			return syntax.NewError(text, pipe.At(), "the query would run more than %d queries, as each compare runs all before it again", RunsMax)
		}
	}
	return syntax.NewError(text, 0, "the query would run more than %d queries", RunsMax)
}

// room is what all queries of a request hold at once; each may take what is left.
type room struct {
	held int // bytes
}

// left returns how many bytes rows may take now.
func (c *chain) left() int { return max(1, c.memory-c.room.held) }

// hold counts bytes that stay while other queries of the request run, until the
// returned function is called.
func (c *chain) hold(bytes int) (letGo func()) {
	c.room.held += bytes
	return func() { c.room.held -= bytes }
}

// setBytes returns about what the rows of a set take.
func setBytes(set *rows.Set) int {
	bytes := 0
	for i := range set.Rows {
		bytes += set.Rows[i].Bytes()
	}
	return bytes
}

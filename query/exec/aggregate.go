package exec

import (
	"fmt"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/query/plan"
)

// aggregate is the state of one aggregate function for numbered groups, which
// exist as soon as they are named. States of different parts merge, in any
// order, to the state of the whole.
type aggregate interface {
	// add folds n equal values into a group; c is nil for records as such.
	add(group int, c *cell, n uint64)
	// seal prepares the state of n groups for reading: after it, merge into
	// other states changes nothing here, and many may do so at once.
	seal(n int)
	// merge folds a group of another, sealed state of the same function into a
	// group.
	merge(group int, other aggregate, from int)
	// value returns the result of a group.
	value(group int) any
	// approximate reports whether results are estimates.
	approximate() bool
	// bytes returns about how much memory the state takes.
	bytes() int64
	// over reports whether values had to be left out.
	over() bool
	// encode appends the sealed state of n groups, for another node.
	encode(dst []byte, n int) []byte
	// decode takes what encode appended for n groups into an empty state, which
	// is a sealed one then. Bytes that make no sense make the reader fail.
	decode(r *wire.Reader, n int)
}

// newAggregate returns the empty state of a function.
func newAggregate(agg plan.Agg, limits Limits) aggregate {
	switch {
	case agg.Field != plan.FieldTime:
	case agg.Func == plan.Min:
		return &moments{sign: 1}
	case agg.Func == plan.Max:
		return &moments{sign: -1}
	}
	switch agg.Func {
	case plan.Sum:
		return &sums{}
	case plan.Avg:
		return &sums{mean: true}
	case plan.Min:
		return &extremes{sign: 1}
	case plan.Max:
		return &extremes{sign: -1}
	case plan.Distinct, plan.DistinctExact, plan.DistinctApprox:
		return &distincts{max: limits.Distinct, mode: agg.Func}
	case plan.Quantile, plan.Spread:
		return &quantiles{percentile: agg.Percentile, max: limits.Values}
	case plan.StdDev:
		return &deviations{}
	case plan.First, plan.Last, plan.Example:
		return &edges{last: agg.Func == plan.Last}
	case plan.Values, plan.Mix:
		return &listings{field: plan.BaseName(agg.Field), counts: agg.Func == plan.Mix}
	case plan.Rate:
		if agg.Field != "" {
			return &sums{}
		}
	}
	return &counts{}
}

// overReason says why values of an aggregate were left out.
func overReason(agg plan.Agg) string {
	if agg.Func == plan.Values || agg.Func == plan.Mix {
		return fmt.Sprintf("%s has more than %d values in a group", agg.Name, ValuesMax)
	}
	if agg.Func == plan.DistinctExact {
		return agg.Name + " has too many distinct values to count them exactly"
	}
	return agg.Name + " has too many distinct values in too many groups"
}

// grow makes a list at least n long.
func grow[T any](list *[]T, n int) {
	if n > 0 {
		at(list, n-1)
	}
}

// at returns the element of a list that is as long as it needs to be.
func at[T any](list *[]T, i int) *T {
	if more := i + 1 - len(*list); more > 0 {
		*list = append(*list, make([]T, more)...)
	}
	return &(*list)[i]
}

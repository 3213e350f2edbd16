package anomaly

import (
	"cmp"
	"slices"
)

// Thresholds of causes.
const (
	explains = 0.5 // of the excess
	together = 1   // buckets between the beginnings of what belongs together
)

// rank orders dimensions from the coarsest.
func rank(d Dimension) int {
	return slices.Index([]Dimension{All, Component, Endpoint, Pattern}, d)
}

// causes returns one finding for each cause. The spike of a component that is that of
// one of its patterns is the pattern's; the spikes of many patterns that together are
// that of their component are the component's; and what begins together is one.
func (d *detector) causes() []Finding {
	found := slices.Clone(d.found)
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Dimension), rank(b.Dimension)), cmp.Compare(a.LogP, b.LogP))
	})
	// A new pattern is too many of something too.
	found = slices.DeleteFunc(found, func(f Finding) bool {
		return f.Dimension == Pattern && f.Kind != New && f.Kind != Rare && slices.ContainsFunc(found, func(g Finding) bool {
			return (g.Kind == New || g.Kind == Rare) && g.ID == f.ID
		})
	})
	gone := make([]bool, len(found))
	for i := range found {
		d.split(found, gone, i)
	}
	var kept []Finding
	for i := range found {
		if !gone[i] {
			kept = append(kept, found[i])
		}
	}
	return d.beginTogether(kept)
}

// split settles whether the finding at a place is that of finer ones or theirs is its.
func (d *detector) split(found []Finding, gone []bool, at int) {
	coarse := &found[at]
	if gone[at] {
		return
	}
	if coarse.Kind == Mix {
		// A pattern of failures that is new or more frequent, or a component of which more
		// fails, is why there are more.
		for i := range found {
			f := &found[i]
			finer := isError(f.Level) || f.Kind == Mix && rank(f.Dimension) > rank(coarse.Dimension)
			if !gone[i] && i != at && finer && f.Up && f.excess(d, coarse) >= explains*coarse.excess(d, coarse) {
				f.relate(coarse)
				gone[at] = true
				return
			}
		}
		return
	}
	if coarse.profile == nil {
		return
	}
	whole := coarse.excess(d, coarse)
	var parts float64
	var finer []int
	for i := at + 1; i < len(found); i++ {
		f := &found[i]
		if gone[i] || f.profile == nil || f.Kind == Mix || rank(f.Dimension) <= rank(coarse.Dimension) || f.Up != coarse.Up || f.From >= coarse.To || coarse.From >= f.To {
			continue
		}
		share := f.excess(d, coarse) / whole
		if share >= explains {
			f.relate(coarse)
			gone[at] = true
			return
		}
		parts += share
		finer = append(finer, i)
	}
	if parts < explains {
		return
	}
	for _, i := range finer {
		coarse.relate(&found[i])
		gone[i] = true
	}
}

// excess is by how much a finding is over what is expected, in the time of another.
func (f *Finding) excess(d *detector, over *Finding) float64 {
	from, to := max(over.From-d.judge, 0), min(over.To-d.judge, len(f.profile))
	return sum(f.profile[min(from, to):to])
}

// relate notes that another finding has the same cause.
func (f *Finding) relate(other *Finding) {
	for _, s := range append([]Subject{other.Subject}, other.Related...) {
		if s != f.Subject && len(f.Related) < relatedMax && !slices.Contains(f.Related, s) {
			f.Related = append(f.Related, s)
		}
	}
}

// beginTogether makes one of the findings that go the same way and begin together.
func (d *detector) beginTogether(found []Finding) []Finding {
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(a.LogP, b.LogP) })
	var kept []Finding
	for i := range found {
		f := &found[i]
		j := slices.IndexFunc(kept, func(g Finding) bool {
			return alike(g.Kind, f.Kind) && g.Up == f.Up && g.From-f.From <= together && f.From-g.From <= together
		})
		if j >= 0 {
			kept[j].relate(f)
			continue
		}
		kept = append(kept, *f)
	}
	return kept
}

// sparseTogether makes one of the findings about what has hardly a history, unless it is
// of errors: that much of the rest comes for the first time is one thing to know.
func sparseTogether(found []Finding) []Finding {
	first := -1
	kept := found[:0:0]
	for i := range found {
		f := &found[i]
		switch {
		case !f.sparse || isError(f.Level):
			kept = append(kept, *f)
		case first < 0:
			first = len(kept)
			kept = append(kept, *f)
		default:
			kept[first].relate(f)
		}
	}
	return kept
}

// alike reports whether kinds of findings can have one cause.
func alike(a, b Kind) bool {
	count := func(k Kind) bool { return k != New && k != Rare && k != Slow && k != Mix && k != Drift }
	return a == b || count(a) && count(b)
}

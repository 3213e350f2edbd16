package exec

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// FacetValue says how many of the records found have a value.
type FacetValue struct {
	Value any // string, int64, float64, json.Number or bool
	Count uint64
}

// facets counts the values of fields among all records found.
type facets struct {
	fields []string // as asked for
	max    int      // distinct values of a field

	mu struct {
		sync.Mutex
		counts []map[facetKey]uint64
		over   bool
	}
}

// facetKey is a value of a facet.
type facetKey struct {
	kind model.Kind
	text string
}

func newFacets(fields []string, most int) *facets {
	f := &facets{fields: fields, max: most}
	for range fields {
		f.mu.counts = append(f.mu.counts, map[facetKey]uint64{})
	}
	return f
}

// add counts the values of rows of a part.
func (f *facets) add(ctx context.Context, p part.Part, rows *index.DocSet) error {
	if rows.IsEmpty() {
		return nil
	}
	for i, field := range f.fields {
		for _, source := range columnsOf(p, plan.QueryName(field)) {
			if source.Kind() == model.Null {
				continue
			}
			counts, err := source.Counts(ctx, rows)
			if err != nil {
				return err
			}
			f.merge(i, source.Kind(), counts)
		}
	}
	return nil
}

// merge adds counts of one field.
func (f *facets) merge(i int, kind model.Kind, counts []part.ValueCount) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range counts {
		f.count(i, facetKey{kind, c.Value}, c.Count)
	}
}

// count adds to the count of a value. The lock is held.
func (f *facets) count(i int, key facetKey, n uint64) {
	if _, known := f.mu.counts[i][key]; !known && len(f.mu.counts[i]) >= f.max {
		f.mu.over = true
		return
	}
	f.mu.counts[i][key] += n
}

// result returns the most frequent values of each field.
func (f *facets) result(r *run) map[string][]FacetValue {
	if len(f.fields) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.over {
		r.partial(fmt.Sprintf("a facet has more than %d distinct values", f.max))
	}
	result := map[string][]FacetValue{}
	for i, field := range f.fields {
		keys := make([]facetKey, 0, len(f.mu.counts[i]))
		for key := range f.mu.counts[i] {
			keys = append(keys, key)
		}
		slices.SortFunc(keys, func(a, b facetKey) int {
			return cmp.Or(cmp.Compare(f.mu.counts[i][b], f.mu.counts[i][a]), cmp.Compare(a.text, b.text), cmp.Compare(a.kind, b.kind))
		})
		values := []FacetValue{}
		for _, key := range keys[:min(len(keys), r.limits.FacetValues)] {
			values = append(values, FacetValue{Value: render(key.kind, key.text), Count: f.mu.counts[i][key]})
		}
		result[field] = values
	}
	return result
}

// encode appends all counts, for another node.
func (f *facets) encode(dst []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	over := byte(0)
	if f.mu.over {
		over = 1
	}
	dst = append(dst, over)
	for i := range f.fields {
		dst = binary.AppendUvarint(dst, uint64(len(f.mu.counts[i])))
		for key, n := range f.mu.counts[i] {
			dst = binary.AppendUvarint(appendText(append(dst, byte(key.kind)), key.text), n)
		}
	}
	return dst
}

// facetMin is the least that a value of a facet takes: kind, length, count.
const facetMin = 3

// facetsFound are the counts of all fields that another node has.
type facetsFound struct {
	over   bool
	counts [][]facetCount // by field
}

// facetCount says how often a value occurs.
type facetCount struct {
	facetKey
	n uint64
}

// take takes what encode appended for the same fields.
func (f *facets) take(r *wire.Reader) *facetsFound {
	found := &facetsFound{over: r.Byte() != 0, counts: make([][]facetCount, len(f.fields))}
	for i := range found.counts {
		n := r.Uvarint()
		if n > uint64(f.max) || n > uint64(r.Len()/facetMin) {
			r.Fail()
			return found
		}
		found.counts[i] = make([]facetCount, n)
		for j := range found.counts[i] {
			c := facetCount{facetKey{model.Kind(r.Byte()), r.String()}, r.Uvarint()}
			if !c.kind.Valid() {
				r.Fail()
			}
			found.counts[i][j] = c
		}
	}
	return found
}

// addFound adds the counts of another node.
func (f *facets) addFound(found *facetsFound) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.over = f.mu.over || found.over
	for i, counts := range found.counts {
		for _, c := range counts {
			f.count(i, c.facetKey, c.n)
		}
	}
}

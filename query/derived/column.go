package derived

import (
	"cmp"
	"context"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// values are those of a field that are made in a part, for all rows but given.
type values struct {
	*kept
	name  string
	kind  model.Kind
	given *index.DocSet // rows that have a value of their own
}

// each calls yield with the values of rows, nil for all, numbered from 0.
func (v *values) each(rows *index.DocSet, yield func(n int, text string)) {
	v.eachCode(rows, func(n int, _, code uint32) { yield(n, v.dict[code-1]) })
}

func (v *values) eachCode(rows *index.DocSet, yield func(n int, row, code uint32)) {
	given := v.given.Iterator()
	one := func(n int, row uint32) {
		code := v.of.at(row)
		if code == 0 {
			return
		}
		given.AdvanceIfNeeded(row)
		if given.HasNext() && given.PeekNext() == row {
			return
		}
		yield(n, row, code)
	}
	if rows == nil {
		for row := range v.of.n {
			one(row, uint32(row))
		}
		return
	}
	it := rows.Iterator()
	for n := 0; it.HasNext(); n++ {
		one(n, it.Next())
	}
}

// matching returns the rows whose value satisfies a predicate.
func (v *values) matching(pred index.Predicate) *index.DocSet {
	matches := make([]bool, len(v.dict)+1)
	some := false
	for i, text := range v.dict {
		matches[i+1] = pred.Match(v.kind, text)
		some = some || matches[i+1]
	}
	found := index.NewDocSet()
	if !some {
		return found
	}
	var rows []uint32
	v.eachCode(nil, func(_ int, row, code uint32) {
		if matches[code] {
			rows = append(rows, row)
		}
	})
	found.AddMany(rows)
	return found
}

// madeColumn is the column of values that are made.
type madeColumn struct{ *values }

var _ part.Column = madeColumn{}

// Path implements part.Column.
func (c madeColumn) Path() string { return c.name }

// Kind implements part.Column.
func (c madeColumn) Kind() model.Kind { return c.kind }

// Count implements part.Column.
func (c madeColumn) Count() (n uint32) {
	c.eachCode(nil, func(int, uint32, uint32) { n++ })
	return n
}

// Distinct implements part.Column.
func (c madeColumn) Distinct() uint32 { return uint32(len(c.dict)) }

// Gather implements part.Column.
func (c madeColumn) Gather(_ context.Context, rows *index.DocSet) (part.Values, error) {
	out := part.Values{Dict: c.dict}
	c.eachCode(rows, func(_ int, row, code uint32) {
		out.Rows, out.Codes = append(out.Rows, row), append(out.Codes, code-1)
	})
	return out, nil
}

// Counts implements part.Column.
func (c madeColumn) Counts(_ context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	counts := make([]uint64, len(c.dict))
	c.eachCode(rows, func(_ int, _, code uint32) { counts[code-1]++ })
	var found []part.ValueCount
	for i, n := range counts {
		if n > 0 {
			found = append(found, part.ValueCount{Value: c.dict[i], Count: n})
		}
	}
	return found, nil
}

// bothColumn is a stored column with the values that are made for other rows.
type bothColumn struct {
	part.Column
	made *values
}

// Texts implements part.Texts.
func (c bothColumn) Texts() bool { return part.MadeOfTexts(c.Column) }

// Count implements part.Column.
func (c bothColumn) Count() uint32 { return c.Column.Count() + madeColumn{c.made}.Count() }

// Distinct implements part.Column.
func (c bothColumn) Distinct() uint32 { return c.Column.Distinct() + uint32(len(c.made.dict)) }

// Gather implements part.Column.
func (c bothColumn) Gather(ctx context.Context, rows *index.DocSet) (part.Values, error) {
	stored, err := c.Column.Gather(ctx, rows)
	if err != nil {
		return part.Values{}, err
	}
	made, err := madeColumn{c.made}.Gather(ctx, rows)
	if err != nil {
		return part.Values{}, err
	}
	numbers := make(map[string]uint32, len(stored.Dict))
	out := part.Values{Dict: stored.Dict[:len(stored.Dict):len(stored.Dict)]}
	for i, text := range stored.Dict {
		numbers[text] = uint32(i)
	}
	codes := make([]uint32, len(made.Dict))
	for i, text := range made.Dict {
		number, known := numbers[text]
		if !known {
			number = uint32(len(out.Dict))
			out.Dict = append(out.Dict, text)
		}
		codes[i] = number
	}
	n := len(stored.Rows) + len(made.Rows)
	out.Rows, out.Codes = make([]uint32, 0, n), make([]uint32, 0, n)
	for i, j := 0, 0; i < len(stored.Rows) || j < len(made.Rows); {
		if j == len(made.Rows) || i < len(stored.Rows) && stored.Rows[i] < made.Rows[j] {
			out.Rows, out.Codes = append(out.Rows, stored.Rows[i]), append(out.Codes, stored.Codes[i])
			i++
		} else {
			out.Rows, out.Codes = append(out.Rows, made.Rows[j]), append(out.Codes, codes[made.Codes[j]])
			j++
		}
	}
	return out, nil
}

// Counts implements part.Column.
func (c bothColumn) Counts(ctx context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	stored, err := c.Column.Counts(ctx, rows)
	if err != nil {
		return nil, err
	}
	made, err := madeColumn{c.made}.Counts(ctx, rows)
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, len(stored))
	all := append([]part.ValueCount(nil), stored...)
	for i, v := range all {
		at[v.Value] = i
	}
	for _, v := range made {
		if i, known := at[v.Value]; known {
			all[i].Count += v.Count
		} else {
			all = append(all, v)
		}
	}
	return all, nil
}

// failedColumn is that of values that could not be made: whoever reads it hears why.
type failedColumn struct {
	name string
	err  error
}

var _ part.Column = failedColumn{}

// Path implements part.Column.
func (c failedColumn) Path() string { return c.name }

// Kind implements part.Column.
func (c failedColumn) Kind() model.Kind { return model.String }

// Count implements part.Column.
func (c failedColumn) Count() uint32 { return 0 }

// Distinct implements part.Column.
func (c failedColumn) Distinct() uint32 { return 0 }

// Gather implements part.Column.
func (c failedColumn) Gather(context.Context, *index.DocSet) (part.Values, error) {
	return part.Values{}, c.err
}

// Counts implements part.Column.
func (c failedColumn) Counts(context.Context, *index.DocSet) ([]part.ValueCount, error) {
	return nil, c.err
}

// compare orders columns by path and kind.
func compare(a, b part.Column) int {
	return cmp.Or(cmp.Compare(a.Path(), b.Path()), cmp.Compare(a.Kind(), b.Kind()))
}

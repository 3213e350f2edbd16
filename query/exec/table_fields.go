package exec

import (
	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// single reports whether all fields of the table are stored ones with one path
// in the part, so that a row has at most one value of each.
func (g *groups) single(p part.Part) bool {
	stored := func(field string) bool {
		return field == "" || field != plan.FieldTime && field != model.FieldID && !isVirtual(field) && paths(p, field) <= 1
	}
	for _, key := range g.table.Keys {
		if !stored(key.Field) {
			return false
		}
	}
	for _, agg := range g.table.Aggs {
		if !stored(agg.Field) || agg.Func == plan.First || agg.Func == plan.Last || agg.Func == plan.Example {
			return false
		}
	}
	return true
}

// visitFields adds rows that are grouped by one field: which groups there are
// and how big they are comes from the counts of values, and only the rows that
// have a field are read for its aggregates.
func (g *groups) visitFields(p part.Part, rows *index.DocSet) (*partial, error) {
	keys, err := g.countedKeys(p, rows)
	if err != nil {
		return nil, err
	}
	if len(keys.sizes) > g.max {
		return g.visitRows(p, rows) // which leaves out what is too much
	}
	aggs := g.newAggs()
	gathered := map[string]bool{}
	for i, agg := range g.table.Aggs {
		switch {
		case agg.Where != nil:
			if err := g.countWhere(p, rows, agg, keys, aggs[i]); err != nil {
				return nil, err
			}
		case agg.Field == "":
			for group, n := range keys.sizes {
				aggs[i].add(group, nil, n)
			}
		case !gathered[agg.Field]:
			gathered[agg.Field] = true
			if err := g.addField(p, rows, agg.Field, keys, aggs); err != nil {
				return nil, err
			}
		}
	}
	found := newPartial(rows.GetCardinality(), len(keys.sizes), 1, aggs)
	found.labels = keys.cells
	if len(keys.sizes) > len(keys.cells) {
		found.labels = append(found.labels, cell{}) // no value
	}
	return found, nil
}

// countedKeys are the groups of one part by one field, numbered. The last is
// that of rows without the field, if there are any.
type countedKeys struct {
	field   string
	cells   []cell
	sizes   []uint64
	numbers map[string]uint32 // of the values; made when it is asked for
}

// numbered returns the numbers of the values.
func (k *countedKeys) numbered() map[string]uint32 {
	if k.numbers == nil {
		k.numbers = make(map[string]uint32, len(k.cells))
		for number := range k.cells {
			k.numbers[k.cells[number].text] = uint32(number)
		}
	}
	return k.numbers
}

// countedKeys counts the rows of each group.
func (g *groups) countedKeys(p part.Part, rows *index.DocSet) (*countedKeys, error) {
	k := &countedKeys{field: g.table.Keys[0].Field}
	left := rows.GetCardinality()
	for _, source := range columnsOf(p, k.field) {
		if source.Kind() == model.Null {
			continue
		}
		counts, err := source.Counts(g.ctx, rows)
		if err != nil {
			return nil, err
		}
		left -= k.add(source.Kind(), counts)
	}
	if left > 0 {
		k.sizes = append(k.sizes, left)
	}
	return k, nil
}

// add adds the values of a column and returns how many rows have one. Only those of a
// further column may be there already: most often there is one.
func (k *countedKeys) add(kind model.Kind, counts []part.ValueCount) (rows uint64) {
	if k.cells == nil {
		k.cells, k.sizes = make([]cell, len(counts)), make([]uint64, len(counts), len(counts)+1)
		for number, v := range counts {
			k.cells[number] = cell{kind: kind, text: v.Value}
			k.sizes[number] = v.Count
			rows += v.Count
		}
		return rows
	}
	numbers := k.numbered()
	for _, v := range counts {
		number, known := numbers[v.Value]
		if !known {
			number = uint32(len(k.cells))
			numbers[v.Value] = number
			k.cells, k.sizes = append(k.cells, cell{kind: kind, text: v.Value}), append(k.sizes, 0)
		}
		if k.cells[number].kind != kind {
			k.cells[number].kind = model.String // as in number
		}
		k.sizes[number] += v.Count
		rows += v.Count
	}
	return rows
}

// where returns those of the rows that satisfy the condition of an aggregate.
func (r *run) where(p part.Part, rows *index.DocSet, agg plan.Agg) (*index.DocSet, error) {
	return p.Eval(r.ctx, r.suited(p, agg.Where), rows)
}

// countWhere counts the rows of each group that satisfy a condition.
func (g *groups) countWhere(p part.Part, rows *index.DocSet, agg plan.Agg, keys *countedKeys, state aggregate) error {
	holding, err := g.where(p, rows, agg)
	if err != nil || holding.IsEmpty() {
		return err
	}
	left := holding.GetCardinality()
	for _, source := range columnsOf(p, keys.field) {
		if source.Kind() == model.Null {
			continue
		}
		counts, err := source.Counts(g.ctx, holding)
		if err != nil {
			return err
		}
		for _, v := range counts {
			state.add(int(keys.numbered()[v.Value]), nil, v.Count)
			left -= v.Count
		}
	}
	if left > 0 {
		state.add(len(keys.cells), nil, left)
	}
	return nil
}

// addField folds the values of one field into all aggregates of it.
func (g *groups) addField(p part.Part, rows *index.DocSet, field string, keys *countedKeys, aggs []aggregate) error {
	for _, source := range columnsOf(p, field) {
		if source.Kind() == model.Null {
			continue
		}
		add := func(some *index.DocSet) error { return g.addColumn(p, some, field, source, keys, aggs) }
		var err error
		if part.MadeOfTexts(source) && rows.GetCardinality() > pieceRows {
			err = g.eachPiece(rows, add)
		} else {
			err = add(rows)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addColumn folds the values of a column of a field, which are read at once, into all
// aggregates of it.
func (g *groups) addColumn(p part.Part, rows *index.DocSet, field string, source part.Column, keys *countedKeys, aggs []aggregate) error {
	values, err := source.Gather(g.ctx, rows)
	if err != nil || len(values.Rows) == 0 {
		return err
	}
	having := rows
	if uint64(len(values.Rows)) < rows.GetCardinality() {
		having = index.DocSetOf(values.Rows...)
	}
	by, err := g.gather(p, keys.field, having, values.Rows)
	if err != nil {
		return err
	}
	grouped := keys.grouping(by)
	read := column{codes: make([]uint32, len(values.Codes)), dict: make([]cell, len(values.Dict))}
	for n, text := range values.Dict {
		read.dict[n] = newCell(source.Kind(), text)
	}
	for n, code := range values.Codes {
		read.codes[n] = code + 1
	}
	for i, agg := range g.table.Aggs {
		if agg.Field == field {
			addRows(aggs[i], grouped, read, agg)
		}
	}
	return nil
}

// grouping numbers the rows of a key column by the groups.
func (k *countedKeys) grouping(by column) *grouping {
	numbers := make([]uint32, len(by.dict)+1)
	numbers[0] = uint32(len(k.cells))
	for n := range by.dict {
		numbers[n+1] = k.numbered()[by.dict[n].text]
	}
	g := &grouping{ids: make([]uint32, len(by.codes)), n: len(k.sizes)}
	for n, code := range by.codes {
		g.ids[n] = numbers[code]
	}
	return g
}

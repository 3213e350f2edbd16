package exec

import (
	"slices"
	"strconv"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// cell is a distinct value, parsed once.
type cell struct {
	kind    model.Kind
	numeric bool
	isWhole bool
	isTime  bool // whole is a time
	text    string
	number  float64
	whole   int64
}

// newCell parses a value.
func newCell(kind model.Kind, text string) cell {
	c := cell{kind: kind, text: text}
	if c.number, c.numeric = index.ParseNumber(text); c.numeric {
		whole, err := strconv.ParseInt(text, 10, 64)
		c.whole, c.isWhole = whole, err == nil
	}
	return c
}

// timeCell is the cell of a time.
func timeCell(t int64) cell {
	return cell{kind: model.String, number: float64(t), numeric: true, whole: t, isWhole: true, isTime: true}
}

// column holds a field of some rows of a part: the n-th row has the value
// dict[codes[n]-1], or none if its code is 0. A row can have several values,
// of paths with one query name (a.b nested, and a key with a dot): rest holds
// those after the first.
type column struct {
	codes []uint32
	dict  []cell
	rest  *column
}

// slot returns the code of the n-th row, of the first value that is missing.
func (c *column) slot(n int) (*column, *uint32) {
	for c.codes[n] > 0 {
		if c.rest == nil {
			c.rest = &column{codes: make([]uint32, len(c.codes))}
		}
		c = c.rest
	}
	return c, &c.codes[n]
}

// gather reads a field of the rows, whose numbers are also given as a list.
// Null is no value. The first value of a row is that of the first path.
func (r *run) gather(p part.Part, field string, rows *index.DocSet, list []uint32) (column, error) {
	switch field {
	case plan.FieldTime:
		return gatherTimes(p, rows)
	case model.FieldID:
		return gatherIDs(p, rows)
	}
	if isVirtual(field) {
		return r.compute(p, field, rows, list)
	}
	c := column{codes: make([]uint32, len(list))}
	for _, source := range columnsOf(p, field) {
		if source.Kind() == model.Null {
			continue
		}
		values, err := source.Gather(r.ctx, rows)
		if err != nil {
			return column{}, err
		}
		c.add(source.Kind(), values, list)
	}
	return c, nil
}

// add puts the values of one stored column behind those that are there.
func (c *column) add(kind model.Kind, values part.Values, list []uint32) {
	cells := make([]cell, len(values.Dict))
	for n, text := range values.Dict {
		cells[n] = newCell(kind, text)
	}
	bases := map[*column]uint32{} // where the cells are in each dict, from 1
	base := uint32(len(c.dict)) + 1
	c.dict = append(c.dict, cells...)
	at := 0
	for n, row := range values.Rows {
		for list[at] < row {
			at++
		}
		if c.codes[at] == 0 {
			c.codes[at] = base + values.Codes[n]
			continue
		}
		to, slot := c.slot(at)
		if bases[to] == 0 {
			bases[to] = uint32(len(to.dict)) + 1
			to.dict = append(to.dict, cells...)
		}
		*slot = bases[to] + values.Codes[n]
	}
}

// pieceRows is how many rows are read at once of a field whose texts are put together
// row by row: those of a whole part take a hundred megabytes and more.
const pieceRows = 32 << 10

// wide reports whether fields of so many rows are better read piece by piece.
func (r *run) wide(p part.Part, rows *index.DocSet, fields ...string) bool {
	return rows.GetCardinality() > pieceRows && slices.ContainsFunc(fields, func(field string) bool { return r.texts(p, field) })
}

// texts reports whether a field, or what it is computed of, is texts that are put
// together as they are read.
func (r *run) texts(p part.Part, field string) bool {
	if isVirtual(field) {
		program := r.plan.Virtual[field]
		return program != nil && slices.ContainsFunc(program.Inputs, func(name string) bool { return r.texts(p, name) })
	}
	return slices.ContainsFunc(columnsOf(p, field), part.MadeOfTexts)
}

// eachPiece calls visit with pieces of the rows, in order, as long as there is time.
func (r *run) eachPiece(rows *index.DocSet, visit func(piece *index.DocSet) error) error {
	if rows.IsEmpty() {
		return nil
	}
	last := rows.Maximum()
	// From where pages of rows begin: none is decoded for two pieces.
	for from := rows.Minimum() / pieceRows * pieceRows; from <= last; from += pieceRows {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		piece := index.And(rows, index.DocSetRange(from, from+pieceRows))
		if piece.IsEmpty() {
			continue
		}
		if err := visit(piece); err != nil {
			return err
		}
	}
	return nil
}

// paths returns how many stored paths a query name stands for in a part.
func paths(p part.Part, field string) (n int) {
	seen := ""
	for i, source := range columnsOf(p, field) { // ordered by path
		if path := source.Path(); i == 0 || path != seen {
			n, seen = n+1, path
		}
	}
	return n
}

func gatherTimes(p part.Part, rows *index.DocSet) (column, error) {
	times, err := p.Times(rows)
	if err != nil {
		return column{}, err
	}
	c := column{codes: make([]uint32, len(times))}
	for n, t := range times {
		if n == 0 || t != times[n-1] {
			c.dict = append(c.dict, timeCell(t))
		}
		c.codes[n] = uint32(len(c.dict))
	}
	return c, nil
}

func gatherIDs(p part.Part, rows *index.DocSet) (column, error) {
	ids, err := p.IDs(rows)
	if err != nil {
		return column{}, err
	}
	c := column{codes: make([]uint32, len(ids)), dict: make([]cell, len(ids))}
	for n, id := range ids {
		c.codes[n], c.dict[n] = uint32(n)+1, cell{kind: model.String, text: id.String()}
	}
	return c, nil
}

// gatherBuckets reads the times of the rows, cut to buckets.
func gatherBuckets(p part.Part, rows *index.DocSet, calendar *plan.Calendar) (column, error) {
	times, err := p.Times(rows)
	if err != nil {
		return column{}, err
	}
	c := column{codes: make([]uint32, len(times))}
	next := int64(0)
	for n, t := range times { // which ascend
		if n == 0 || t >= next {
			c.dict = append(c.dict, timeCell(calendar.Start(t)))
			next = calendar.Next(t)
		}
		c.codes[n] = uint32(len(c.dict))
	}
	return c, nil
}

// cut replaces the values by the buckets of a width; what is no number, a time
// among them, becomes no value.
func (c *column) cut(width *plan.Width) column {
	buckets := map[string]uint32{}
	codes := make([]uint32, len(c.dict)+1) // old code -> new
	var dict []cell
	for n := range c.dict {
		if !c.dict[n].numeric || c.dict[n].isTime {
			continue
		}
		bucket := width.Bucket(c.dict[n].number)
		code, known := buckets[bucket]
		if !known {
			dict = append(dict, newCell(model.Number, bucket))
			code = uint32(len(dict))
			buckets[bucket] = code
		}
		codes[n+1] = code
	}
	out := column{codes: make([]uint32, len(c.codes)), dict: dict}
	for n, code := range c.codes {
		out.codes[n] = codes[code]
	}
	return out
}

// columnsOf returns the columns asked for by a query name, also of what is
// derived.
func columnsOf(p part.Part, field string) []part.Column {
	if field != model.FieldPattern {
		return p.Columns(field)
	}
	if patterns := p.Patterns(nil); patterns != nil {
		return []part.Column{patterns}
	}
	return nil
}

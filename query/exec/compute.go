package exec

import (
	"fmt"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/storage/part"
)

// isVirtual reports whether a field is computed, not stored.
func isVirtual(field string) bool { return strings.HasPrefix(field, plan.Virtual) }

// filtered returns those of the rows of a part that the plan's ops keep.
func (r *run) filtered(p part.Part, found *index.DocSet) (*index.DocSet, error) {
	if r.plan.Filter == nil || found.IsEmpty() {
		return found, nil
	}
	list := found.ToArray()
	var kept []int
	err := r.do(p, r.plan.Filter, found, list, func(n int, _ expr.Value, keep bool) {
		if keep {
			kept = append(kept, n)
		}
	})
	if err != nil || len(kept) == len(list) {
		return found, err
	}
	rows := make([]uint32, len(kept))
	for i, n := range kept {
		rows[i] = list[n]
	}
	left := index.DocSetOf(rows...)
	r.reads.narrow(p, found, left, kept)
	return left, nil
}

// compute reads a virtual field of the rows.
func (r *run) compute(p part.Part, field string, found *index.DocSet, list []uint32) (column, error) {
	if field == plan.FieldPosition {
		return r.gatherPositions(p, found, list)
	}
	c := newInterned(len(list))
	program := r.plan.Virtual[field]
	err := r.do(p, program, found, list, func(n int, v expr.Value, _ bool) {
		if c.bytes > r.limits.MemoryBytes {
			v = expr.Value{}
		}
		c.set(n, v)
	})
	if c.bytes > r.limits.MemoryBytes {
		r.partial(fmt.Sprintf("the computed values take more than %d bytes", r.limits.MemoryBytes))
	}
	return c.column, err
}

// interned is a column that is made value by value.
type interned struct {
	column
	codes map[expr.Value]uint32
	bytes int // of the values
}

func newInterned(n int) *interned {
	return &interned{column: column{codes: make([]uint32, n)}, codes: map[expr.Value]uint32{}}
}

// set sets the value of the n-th row.
func (c *interned) set(n int, v expr.Value) {
	if v.Kind == expr.Null {
		return
	}
	code, known := c.codes[v]
	if !known {
		c.dict = append(c.dict, cellOf(v))
		c.bytes += cellBytes + len(v.Text)
		code = uint32(len(c.dict))
		c.codes[v] = code
	}
	c.column.codes[n] = code
}

// cellOf returns the cell of a value that is not null.
func cellOf(v expr.Value) cell {
	if v.Kind == expr.Time {
		return timeCell(v.Int)
	}
	return newCell(v.Field())
}

// valueOf returns the value of a cell.
func valueOf(c *cell) expr.Value {
	if c.isTime {
		return expr.OfTime(c.whole)
	}
	return expr.OfField(c.kind, c.text)
}

// input is a stored field of some rows, as the ops read it.
type input struct {
	name   string
	codes  []uint32
	values []expr.Value
}

// do runs a program over rows of a part and hands over what it gives for each:
// the output and whether the row stays. Rows with one value of the only input
// give the same, so that each value is looked at once.
func (r *run) do(p part.Part, program *plan.Program, found *index.DocSet, list []uint32, take func(n int, v expr.Value, keep bool)) error {
	if !r.wide(p, found, program.Inputs...) {
		return r.doSome(p, program, found, list, take)
	}
	from := 0
	return r.eachPiece(found, func(piece *index.DocSet) error {
		first, to := from, from+int(piece.GetCardinality())
		from = to
		return r.doSome(p, program, piece, list[first:to], func(n int, v expr.Value, keep bool) { take(first+n, v, keep) })
	})
}

// doSome is do for rows that are read at once.
func (r *run) doSome(p part.Part, program *plan.Program, found *index.DocSet, list []uint32, take func(n int, v expr.Value, keep bool)) error {
	inputs, times, ids, err := r.inputs(p, program, found, list)
	if err != nil {
		return err
	}
	single := len(inputs) == 1 && times == nil && ids == nil
	var tried []result
	if single {
		tried = make([]result, len(inputs[0].values))
	}
	row := rows.Row{Record: true}
	scratch := make([]rows.Field, 0, len(inputs)+madeRoom)
	for n := range list {
		if n%stopOften == 0 {
			if err := r.ctx.Err(); err != nil {
				return err
			}
		}
		var known *result
		if single {
			if known = &tried[inputs[0].codes[n]]; known.done {
				take(n, known.v, known.keep)
				continue
			}
		}
		scratch = scratch[:0]
		for i := range inputs {
			if code := inputs[i].codes[n]; code > 0 {
				scratch = append(scratch, rows.NewField(inputs[i].name, inputs[i].values[code]))
			}
		}
		row.Fields = scratch
		if times != nil {
			row.Time = times[n]
		}
		if ids != nil {
			row.ID = ids[n]
		}
		out := run1(program, &row)
		if known != nil {
			*known = out
		}
		take(n, out.v, out.keep)
	}
	return nil
}

// madeRoom is for so many fields that ops make of a row there is room beforehand.
const madeRoom = 16

// stopOften is after how many rows it is looked whether the time is over.
const stopOften = 1 << 7

// result is what a program gives for a row.
type result struct {
	done bool
	keep bool
	v    expr.Value
}

// run1 runs a program on one row.
func run1(program *plan.Program, row *rows.Row) result {
	for _, op := range program.Ops {
		if !op.Apply(row) {
			return result{done: true}
		}
	}
	out := result{done: true, keep: true}
	if program.Output != "" {
		out.v = row.Get(program.Output)
	}
	return out
}

// inputs reads the fields that a program needs, and times and ids if it does.
func (r *run) inputs(p part.Part, program *plan.Program, found *index.DocSet, list []uint32) (inputs []input, times []int64, ids []model.RecordID, err error) {
	for _, name := range program.Inputs {
		switch name {
		case plan.FieldTime:
			times, err = p.Times(found)
		case model.FieldID:
			ids, err = p.IDs(found)
		default:
			in, known := r.reads.known(p, found, name)
			if !known {
				var c column
				if c, err = r.gather(p, name, found, list); err != nil {
					break
				}
				in = input{name: name, codes: c.codes, values: make([]expr.Value, len(c.dict)+1)}
				for i := range c.dict {
					in.values[i+1] = valueOf(&c.dict[i])
				}
				r.reads.note(p, found, in)
			}
			inputs = append(inputs, in)
		}
		if err != nil {
			return nil, nil, nil, err
		}
	}
	return inputs, times, ids, nil
}

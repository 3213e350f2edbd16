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

// filtered returns those of the rows of a part that the plan's ops keep. What is computed
// of these is computed with it.
func (r *run) filtered(p part.Part, found *index.DocSet) (*index.DocSet, error) {
	if r.plan.Filter == nil || found.IsEmpty() {
		return found, nil
	}
	program := r.plan.Filter
	if whole := r.plan.Whole; whole != nil && r.reads.has(p) && !r.wide(p, found, whole.Inputs...) {
		program = whole // of more rows all values might take too much at once
	}
	list := found.ToArray()
	made := make([]*interned, len(program.Outputs))
	for i := range made {
		made[i] = newInterned(len(list))
	}
	var kept []int
	err := r.do(p, program, found, list, func(n int, out *result) {
		if !out.keep {
			return
		}
		for i, v := range out.made {
			made[i].setUpTo(len(kept), v, r.limits.MemoryBytes)
		}
		kept = append(kept, n)
	})
	if err != nil {
		return found, err
	}
	left := found
	if len(kept) < len(list) {
		rows := make([]uint32, len(kept))
		for i, n := range kept {
			rows[i] = list[n]
		}
		left = index.DocSetOf(rows...)
		r.reads.narrow(p, found, left, kept)
	}
	for i, c := range made {
		c.column.codes = c.column.codes[:len(kept)]
		r.checkBytes(p, c)
		r.reads.noteMade(p, left, program.Outputs[i].Virtual, c.column)
	}
	return left, nil
}

// compute reads a virtual field of the rows.
func (r *run) compute(p part.Part, field string, found *index.DocSet, list []uint32) (column, error) {
	if field == plan.FieldPosition {
		return r.gatherPositions(p, found, list)
	}
	if c, ok := r.reads.made(p, found, field); ok {
		return c, nil
	}
	c := newInterned(len(list))
	program := r.plan.Virtual[field]
	err := r.do(p, program, found, list, func(n int, out *result) { c.setUpTo(n, out.v, r.limits.MemoryBytes) })
	r.checkBytes(p, c)
	return c.column, err
}

// checkBytes notes that values of a column of a part are missing, as they took too much.
func (r *run) checkBytes(p part.Part, c *interned) {
	if c.bytes > r.limits.MemoryBytes {
		reason := fmt.Sprintf("the computed values take more than %d bytes", r.limits.MemoryBytes)
		r.partial(reason)
		r.reads.leaveOut(p, reason)
	}
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

// setUpTo sets the value of the n-th row, unless all values take more than so many bytes.
func (c *interned) setUpTo(n int, v expr.Value, most int) {
	if c.bytes <= most {
		c.set(n, v)
	}
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
func (r *run) do(p part.Part, program *plan.Program, found *index.DocSet, list []uint32, take func(n int, out *result)) error {
	if !r.wide(p, found, program.Inputs...) {
		return r.doSome(p, program, found, list, take)
	}
	from := 0
	return r.eachPiece(found, func(piece *index.DocSet) error {
		first, to := from, from+int(piece.GetCardinality())
		from = to
		return r.doSome(p, program, piece, list[first:to], func(n int, out *result) { take(first+n, out) })
	})
}

// doSome is do for rows that are read at once.
func (r *run) doSome(p part.Part, program *plan.Program, found *index.DocSet, list []uint32, take func(n int, out *result)) error {
	inputs, times, ids, err := r.inputs(p, program, found, list)
	if err != nil {
		return err
	}
	single := len(inputs) == 1 && times == nil && ids == nil
	var tried []result
	if single {
		tried = make([]result, len(inputs[0].values))
	}
	var out result
	row := rows.Row{Record: true}
	scratch := make([]rows.Field, 0, len(inputs)+madeRoom)
	for n := range list {
		if n%stopOften == 0 {
			if err := r.ctx.Err(); err != nil {
				return err
			}
		}
		known := &out
		if single {
			if known = &tried[inputs[0].codes[n]]; known.done {
				take(n, known)
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
		known.run(program, &row)
		take(n, known)
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
	made []expr.Value // the outputs of a program that has several
}

// run runs a program on one row.
func (r *result) run(program *plan.Program, row *rows.Row) {
	*r = result{done: true, made: r.made[:0]}
	for _, op := range program.Ops {
		if !op.Apply(row) {
			return
		}
	}
	r.keep = true
	if program.Output != "" {
		r.v = row.Get(program.Output)
	}
	for _, output := range program.Outputs {
		r.made = append(r.made, row.Get(output.Field))
	}
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

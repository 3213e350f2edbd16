package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// Program computes fields of rows from stored fields.
type Program struct {
	Ops    []rows.Op
	Inputs []string // query names of the stored fields that the ops need
	Output string   // the field that is wanted; "" for the filter
	// Outputs are fields that are wanted of the rows that stay, by the virtual fields that
	// have them; nil: Output alone is.
	Outputs []Made
}

// Made is a field of a program and the virtual field that it is.
type Made struct{ Virtual, Field string }

// newWhole returns what has to be done to know whether a row stays and to get all fields:
// all at once for less than one after the other, where they need the same.
func newWhole(ops []rows.Op, outputs []Made) *Program {
	want := rows.Names{}
	for _, made := range outputs {
		want.Add(made.Field)
	}
	return (&Program{Outputs: outputs}).of(ops, want)
}

// of completes a program of those of the ops that matter for what is wanted.
func (p *Program) of(ops []rows.Op, want rows.Names) *Program {
	for _, op := range slices.Backward(ops) {
		if op.Back(&want) {
			p.Ops = append(p.Ops, op)
		}
	}
	slices.Reverse(p.Ops)
	for name := range want {
		p.Inputs = append(p.Inputs, name)
	}
	slices.Sort(p.Inputs)
	return p
}

// Virtual begins the names of fields that are not stored: no text can name
// them.
const Virtual = "\x00"

// FieldPosition is the place of a record in the order of the plan, as a text
// that sorts so.
const FieldPosition = Virtual + "position"

// Stage is a step on rows at the root, after what leaves do: *RowsStage,
// *SortStage, *CutStage, *StatsStage, *DedupStage, *FillStage, *TimelineStage,
// *UnionStage, *ContextStage or *CompareStage.
type Stage interface{ stage() }

// RowsStage does ops to each row.
type RowsStage struct {
	Ops     []rows.Op
	Columns []string // of a table afterwards
	Open    bool     // the rows say which columns there are
}

// SortStage orders rows by fields or columns.
type SortStage struct{ Keys []SortKey }

// CutStage skips rows and stops.
type CutStage struct {
	Offset int
	Limit  int // or Unlimited
}

// StatsStage makes a table of rows.
type StatsStage struct{ Table *Table }

// DedupStage keeps the first row of those that are equal in some fields.
type DedupStage struct{ By []string }

// FillStage adds the rows of empty time buckets.
type FillStage struct{ Buckets *rows.Buckets }

// TimelineStage makes a timeline of a table of what components did.
type TimelineStage struct{ By string }

// UnionStage adds what another query finds.
type UnionStage struct {
	Query   *syntax.Query
	Columns []string // of a table afterwards
}

// ContextStage adds the records around each.
type ContextStage struct{ N int }

// CompareStage adds the values of some time before.
type CompareStage struct {
	Ago    time.Duration
	Keys   []string // the columns that rows are grouped by
	Time   string   // the one of them with times, "" if none
	Values []string // the columns that are compared
	Zero   []string // those of them that are 0 where there is no row
}

func (*RowsStage) stage()     {}
func (*SortStage) stage()     {}
func (*CutStage) stage()      {}
func (*StatsStage) stage()    {}
func (*DedupStage) stage()    {}
func (*FillStage) stage()     {}
func (*TimelineStage) stage() {}
func (*UnionStage) stage()    {}
func (*ContextStage) stage()  {}
func (*CompareStage) stage()  {}

// Records reports whether the answer is records, not a table.
func (p *Plan) Records() bool { return p.records }

// newProgram returns what of the ops has to be done to get a field, or with ""
// to know whether a row stays.
func newProgram(ops []rows.Op, output string) *Program {
	want := rows.Names{}
	if output != "" {
		want.Add(output)
	}
	var left []rows.Op
	for _, op := range ops {
		if output != "" {
			switch join, inner := op.(*rows.Join); {
			case inner && join.Inner: // rows without a partner are gone already
				op = &rows.Join{By: join.By, Set: join.Set}
			case rows.Filters(op):
				continue
			}
		}
		left = append(left, op)
	}
	return (&Program{Output: output}).of(left, want)
}

// stored returns the field that the program only gives another name; ok is
// false if it does more.
func (p *Program) stored() (field string, ok bool) {
	for _, op := range p.Ops {
		if !rows.Structural(op) {
			return "", false
		}
	}
	if len(p.Inputs) != 1 {
		return "", false
	}
	return p.Inputs[0], true
}

// field returns the name under which parts are asked for what a name means
// after the ops so far: a stored field, or a virtual one.
func (c *chain) field(name string) string {
	if name == FieldTime || name == rows.NameID || name == model.FieldPattern {
		return name
	}
	program := newProgram(c.ops, name)
	if field, ok := program.stored(); ok {
		return field
	}
	virtual := c.virtual(program, name)
	c.made = append(c.made, Made{virtual, name})
	return virtual
}

// sortField is field for a field to sort by: one named level is ordered by
// severity, and no other.
func (c *chain) sortField(name string) string {
	field := c.field(name)
	if (field == model.FieldLevel) != (name == model.FieldLevel) && !strings.HasPrefix(field, Virtual) {
		return c.virtual(newProgram(c.ops, name), name)
	}
	return field
}

// BaseName returns the name that a virtual field has in the text, and any other
// field's own.
func BaseName(field string) string {
	if name, ok := strings.CutPrefix(field, Virtual); ok {
		name, _, _ = strings.Cut(name, Virtual)
		return name
	}
	return field
}

// virtual returns a new field that a program computes.
func (c *chain) virtual(program *Program, name string) string {
	virtual := Virtual + name + Virtual + string(rune('0'+len(c.plan.Virtual)))
	if c.plan.Virtual == nil {
		c.plan.Virtual = map[string]*Program{}
	}
	c.plan.Virtual[virtual] = program
	return virtual
}

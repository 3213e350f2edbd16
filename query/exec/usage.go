package exec

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// Usage counts what a request is thought to cost and what it costs, with all the
// queries inside it and on all nodes. It is safe for concurrent use.
type Usage struct {
	part.Meter
	Segments   atomic.Uint64 // with records in the time that is asked for
	Blocks     atomic.Uint64 // so of the head
	Left       atomic.Uint64 // segments and blocks without
	Rows       atomic.Uint64 // of those with, in that time
	Remembered atomic.Uint64 // segments and blocks whose share of a table was known
	Nodes      atomic.Uint64 // answers of other nodes
	// Estimated before anything is read:
	EstimatedRows  atomic.Uint64
	EstimatedBytes atomic.Uint64
}

// counts returns all counts, in the order of their form.
func (u *Usage) counts() [12]*atomic.Uint64 {
	return [...]*atomic.Uint64{
		&u.Reads, &u.Bytes, &u.Hits, &u.Misses, &u.Segments, &u.Blocks, &u.Left, &u.Rows, &u.Remembered, &u.Nodes, &u.EstimatedRows, &u.EstimatedBytes,
	}
}

// Append appends the counts in the form that Take takes.
func (u *Usage) Append(dst []byte) []byte {
	for _, count := range u.counts() {
		dst = binary.AppendUvarint(dst, count.Load())
	}
	return dst
}

// Take takes counts and adds them to those of u, which may be nil.
func (u *Usage) Take(r *wire.Reader) {
	var taken Usage
	for _, count := range taken.counts() {
		count.Store(r.Uvarint())
	}
	if u == nil || r.Failed() {
		return
	}
	mine := u.counts()
	for i, count := range taken.counts() {
		mine[i].Add(count.Load())
	}
	u.Nodes.Add(1)
}

// Metered returns parts that count what reading them costs.
func (u *Usage) Metered(parts []part.Part) []part.Part {
	metered := make([]part.Part, len(parts))
	for i, p := range parts {
		if metered[i] = p; u != nil {
			if m, ok := p.(part.Metered); ok {
				metered[i] = m.Metered(&u.Meter)
			}
		}
	}
	return metered
}

// looked counts a part that has so many rows in the time that is asked for.
func (u *Usage) looked(p part.Part, rows uint32) {
	switch {
	case u == nil:
	case rows == 0:
		u.Left.Add(1)
	case part.Sealed(p):
		u.Segments.Add(1)
		u.Rows.Add(uint64(rows))
	default:
		u.Blocks.Add(1)
		u.Rows.Add(uint64(rows))
	}
}

// Estimate adds what a plan is thought to read of parts: of the records of a page,
// nil if there is none, all fields, and of all others those that the conditions and
// the table ask for. Nothing is read for that.
func (u *Usage) Estimate(parts []part.Part, p *plan.Plan, page *Page) {
	if u == nil {
		return
	}
	fields := fieldsOf(p)
	whole := false
	for _, field := range fields {
		whole = whole || field == "" // a word anywhere
	}
	if whole {
		fields = nil
	}
	var rows, bytes, wide float64 // wide: of whole records
	for _, one := range parts {
		share := overlap(one, p)
		rows += share * float64(one.Rows())
		if m, ok := one.(part.Metered); ok {
			bytes += share * float64(m.Size(fields))
			wide += share * float64(m.Size(nil))
		}
	}
	if page != nil && rows > 0 {
		size := min(rows, float64(page.Size+page.Skip+1))
		bytes = min(wide, bytes+wide*size/rows)
	}
	u.EstimatedRows.Add(uint64(rows))
	u.EstimatedBytes.Add(uint64(bytes))
}

// overlap returns about which share of a part lies in the time of a plan.
func overlap(p part.Part, asked *plan.Plan) float64 {
	first, last := p.TimeRange()
	if last < asked.From || asked.To != plan.NoTo && first >= asked.To {
		return 0
	}
	length := float64(last) - float64(first)
	if length <= 0 {
		return 1
	}
	from, to := float64(max(first, asked.From)), float64(last)
	if asked.To != plan.NoTo {
		to = float64(min(last, asked.To))
	}
	return min(1, max(0, (to-from)/length))
}

// fieldsOf returns the fields that conditions and the table of a plan ask for; ""
// is any.
func fieldsOf(p *plan.Plan) []string {
	fields := []string{}
	add := func(field string) {
		if field == model.FieldPattern {
			field = model.FieldMessage
		}
		fields = append(fields, field)
	}
	Leaves(p.Expr, func(leaf index.Expr) {
		switch leaf := leaf.(type) {
		case index.Leaf:
			add(leaf.Field)
		case index.Versus:
			add(leaf.Field)
			add(leaf.Other)
		}
	})
	for _, key := range p.Sort {
		add(key.Field)
	}
	if p.Table == nil {
		return fields
	}
	for _, key := range p.Table.Keys {
		add(key.Field)
	}
	for _, agg := range p.Table.Aggs {
		if agg.Field != "" {
			add(agg.Field)
		}
	}
	if p.Table.Facets != nil {
		for _, field := range p.Table.Facets.Fields {
			add(field)
		}
	}
	return fields
}

// Leaves calls visit for each condition of an expression that has none inside.
func Leaves(e index.Expr, visit func(index.Expr)) {
	switch e := e.(type) {
	case index.AllOf:
		for _, operand := range e.Of {
			Leaves(operand, visit)
		}
	case index.AnyOf:
		for _, operand := range e.Of {
			Leaves(operand, visit)
		}
	case index.Not:
		Leaves(e.Of, visit)
	default:
		visit(e)
	}
}

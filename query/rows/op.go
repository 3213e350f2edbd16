package rows

import (
	"math/bits"
	"slices"

	"github.com/stere-log/stere/query/expr"
)

// Op is what is done to each row by itself.
type Op interface {
	// Apply changes the row; false leaves it out.
	Apply(row *Row) bool
	// Back replaces the names that are wanted after the op by those that are
	// needed before it, and reports whether it matters for them.
	Back(want *Names) bool
}

// Names is a set of names.
type Names map[string]bool

// Add adds names.
func (n Names) Add(names ...string) {
	for _, name := range names {
		n[name] = true
	}
}

// Where keeps the rows for which an expression is true.
type Where struct{ Cond *expr.Expr }

// Apply implements Op.
func (o *Where) Apply(row *Row) bool { return o.Cond.Eval(row).True() }

// Back implements Op.
func (o *Where) Back(want *Names) bool {
	want.Add(o.Cond.Fields...)
	return true
}

// Eval sets a field to what an expression gives.
type Eval struct {
	Name string
	To   *expr.Expr
}

// Apply implements Op.
func (o *Eval) Apply(row *Row) bool {
	row.Set(o.Name, o.To.Eval(row))
	return true
}

// Back implements Op.
func (o *Eval) Back(want *Names) bool {
	if !(*want)[o.Name] {
		return false
	}
	delete(*want, o.Name)
	want.Add(o.To.Fields...)
	return true
}

// Rename gives a field another name, and what is nested in it. A field that has
// the name already is gone, whether or not the other is there.
type Rename struct {
	From, To string
	Exact    bool // columns of a table have nothing nested in them
}

// Apply implements Op.
func (o *Rename) Apply(row *Row) bool {
	if o.From == o.To {
		return true
	}
	kept := row.Fields[:0]
	for _, f := range row.Fields {
		switch {
		case within(f.Name, o.From, o.Exact):
			f = NewField(o.To+f.Name[len(o.From):], f.Value)
		case within(f.Name, o.To, o.Exact):
			continue
		}
		kept = append(kept, f)
	}
	row.Fields = kept
	return true
}

// Back implements Op.
func (o *Rename) Back(want *Names) (matters bool) {
	if o.From == o.To {
		return false
	}
	before := Names{}
	for name := range *want {
		switch {
		case within(name, o.To, o.Exact):
			matters = true
			before.Add(o.From + name[len(o.To):])
		case within(name, o.From, o.Exact):
			matters = true
		default:
			before.Add(name)
		}
	}
	*want = before
	return matters
}

// Drop takes fields away, and what is nested in them.
type Drop struct {
	Names []string
	Exact bool // as in Rename
}

// Apply implements Op.
func (o *Drop) Apply(row *Row) bool {
	row.Fields = slices.DeleteFunc(row.Fields, func(f Field) bool { return o.has(f.Name) })
	return true
}

func (o *Drop) has(name string) bool {
	return slices.ContainsFunc(o.Names, func(dropped string) bool { return within(name, dropped, o.Exact) })
}

// Back implements Op.
func (o *Drop) Back(want *Names) (matters bool) {
	for name := range *want {
		if o.has(name) {
			delete(*want, name)
			matters = true
		}
	}
	return matters
}

// Keep keeps only some fields, and what is nested in them, in this order. Time
// and id of a record stay.
type Keep struct {
	Names []string
	Exact bool // as in Rename
}

// Apply implements Op.
func (o *Keep) Apply(row *Row) bool {
	kept := make([]Field, 0, len(row.Fields))
	taken := make([]bool, len(row.Fields))
	for _, name := range o.Names {
		for i, f := range row.Fields {
			if !taken[i] && within(f.Name, name, o.Exact) {
				taken[i] = true
				kept = append(kept, f)
			}
		}
	}
	row.Fields = kept
	return true
}

// Back implements Op.
func (o *Keep) Back(want *Names) (matters bool) {
	for name := range *want {
		if name == NameTime || name == NameID || slices.ContainsFunc(o.Names, func(kept string) bool { return within(name, kept, o.Exact) }) {
			continue
		}
		delete(*want, name)
		matters = true
	}
	return matters
}

// within reports whether a name is another or, unless exact, nested in it.
func within(name, parent string, exact bool) bool {
	return name == parent || !exact && under(name, parent)
}

// Structural reports whether an op only renames and leaves out fields.
func Structural(op Op) bool {
	switch op.(type) {
	case *Rename, *Drop, *Keep:
		return true
	}
	return false
}

// Filters reports whether an op can leave out rows.
func Filters(op Op) bool {
	switch op := op.(type) {
	case *Where, *Sample:
		return true
	case *Join:
		return op.Inner
	}
	return false
}

// Sample keeps one record of so many, or so many millionths, by a hash of the
// record's id: the same ones every time.
type Sample struct {
	OneIn      uint64 // 0 if Millionths say it
	Millionths uint64
}

// millionth is what Sample.Millionths counts.
const millionth = 1_000_000

// Apply implements Op.
func (o *Sample) Apply(row *Row) bool {
	hash := mix(mix(mix(uint64(row.ID.Shard))^row.ID.Index) ^ uint64(row.ID.Ordinal))
	if o.OneIn > 0 {
		return hash%o.OneIn == 0
	}
	high, _ := bits.Mul64(hash, millionth)
	return high < o.Millionths
}

// mix spreads the bits of a number (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Back implements Op.
func (o *Sample) Back(want *Names) bool {
	want.Add(NameID)
	return true
}

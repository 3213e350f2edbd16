// Package part says what can be read of one immutable run of records, a head
// block or a sealed segment, and evaluates conditions over it. It does no I/O
// itself.
//
// Rows of a part are numbered from 0 in order of (time, record id). All
// methods are safe for concurrent use; what they return may be shared and must
// not be changed.
package part

import (
	"context"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// Part is one immutable run of records of one tenant and shard.
type Part interface {
	// Rows returns the number of records.
	Rows() uint32
	// TimeRange returns the times of the first and the last record.
	TimeRange() (first, last int64)
	// RowsBetween returns the bounds lo <= row < hi of the records with
	// from <= time < to.
	RowsBetween(from, to int64) (lo, hi uint32, err error)
	// Eval returns exactly the rows of within that satisfy e. A nil within
	// means all rows.
	Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error)
	// Times returns the times of the rows, in row order.
	Times(rows *index.DocSet) ([]int64, error)
	// TimeDigits returns the fraction digits of the rows' times
	// (model.Record.TimeDigits), in row order.
	TimeDigits(rows *index.DocSet) ([]uint8, error)
	// IDs returns the ids of the rows, in row order.
	IDs(rows *index.DocSet) ([]model.RecordID, error)
	// Records returns the rows as records, in row order.
	Records(ctx context.Context, rows *index.DocSet) ([]model.Record, error)
	// Columns returns the columns asked for by a query name: one per stored
	// path and kind, with disjoint rows. The message is a column too.
	Columns(queryName string) []Column
	// Patterns returns the patterns of the messages (shape.Pattern) as a column,
	// nil if there is no message. It is derived, and in no other list of columns.
	Patterns() Column
	// AllColumns returns every column, ordered by path and kind.
	AllColumns() []Column
}

// Memo is implemented by parts that never change and keep what is computed of
// them while there is room.
type Memo interface {
	// Memo returns the value under a key, or makes, keeps and returns it. The
	// key must say everything that decides the value besides the part. The
	// value is shared: nobody may change it. With bytes below 0 it is returned
	// and not kept; else bytes is about what it takes.
	Memo(key string, make func() (value any, bytes int64, err error)) (any, error)
}

// Column is one field of one kind in one part.
type Column interface {
	// Path returns the stored field path.
	Path() string
	// Kind returns the kind of all its values.
	Kind() model.Kind
	// Count returns how many rows have the field.
	Count() uint32
	// Distinct returns how many distinct values there are, or more.
	Distinct() uint32
	// Gather returns the values of those of the rows that have the field. A
	// nil rows means all.
	Gather(ctx context.Context, rows *index.DocSet) (Values, error)
	// Counts returns how often each distinct value occurs among the rows, in
	// no order. A nil rows means all; where the column is a dictionary this
	// reads no row.
	Counts(ctx context.Context, rows *index.DocSet) ([]ValueCount, error)
}

// Values are the values of some rows of a column: row Rows[i] has the value
// Dict[Codes[i]]. Rows ascend. Dict may hold values that no row here has, and
// is free of repeats.
type Values struct {
	Rows  []uint32
	Codes []uint32
	Dict  []string
}

// ValueCount says how often a value occurs.
type ValueCount struct {
	Value string
	Count uint64
}

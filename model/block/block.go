// Package block is the columnar form in which a batch of records crosses the
// log: every field is a column of distinct values and codes. The node that
// receives records encodes a block once; it is logged, replicated and read in
// this form until its records are sealed into a segment.
package block

import "github.com/stere-log/stere/model"

// Block is a decoded block. Rows are in the order in which the records came.
type Block struct {
	Times      []int64 // Unix nanoseconds, one per row
	TimeDigits []uint8 // see model.Record, one per row
	Columns    []Column
}

// Column holds the values of one field of one kind: row Rows[i] has the value
// Values[Codes[i]]. A nil Rows means that every row has the field; else Rows
// ascend. Values are distinct.
type Column struct {
	Name   string
	Kind   model.Kind
	Rows   []uint32
	Codes  []uint32
	Values []string
}

package rows

import (
	"slices"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
)

// Names of a record's time and id in expressions.
const (
	NameTime = "_time"
	NameID   = model.FieldID
)

// Limits of one row. What would go beyond is left out.
const (
	FieldsMax   = 4_096
	RowBytesMax = 4 << 20
)

// Row is a record, or a row of a table.
type Row struct {
	Record     bool // it has an id and a time
	ID         model.RecordID
	Time       int64
	TimeDigits uint8
	Fields     []Field
}

// Field is a value and its name.
type Field struct {
	Name  string // as it is asked for
	path  string // where a record keeps it, "" if that follows from the name
	Value expr.Value
}

// NewField returns a field.
func NewField(name string, v expr.Value) Field { return Field{Name: name, Value: v} }

// OfRecord returns the row of a record.
func OfRecord(id model.RecordID, record *model.Record) Row {
	row := Row{Record: true, ID: id, Time: record.Time, TimeDigits: record.TimeDigits, Fields: make([]Field, len(record.Fields))}
	for i, f := range record.Fields {
		row.Fields[i] = Field{Name: f.Name, Value: expr.OfField(f.Kind, f.Text)}
		if strings.Contains(f.Name, `\`) {
			row.Fields[i].Name, row.Fields[i].path = model.QueryName(f.Name), f.Name
		}
	}
	return row
}

// ToRecord returns the record of a row.
func (r *Row) ToRecord() model.Record {
	record := model.Record{Time: r.Time, TimeDigits: r.TimeDigits, Fields: make([]model.Field, len(r.Fields))}
	for i, f := range r.Fields {
		path := f.path
		if path == "" {
			path = strings.ReplaceAll(f.Name, `\`, `\\`)
		}
		kind, text := f.Value.Field()
		record.Fields[i] = model.Field{Name: path, Kind: kind, Text: text}
	}
	return record
}

// Get returns the value of a field or column, null if there is none.
func (r *Row) Get(name string) expr.Value {
	if r.Record {
		switch name {
		case NameTime:
			return expr.OfTime(r.Time)
		case NameID:
			return expr.OfText(r.ID.String())
		}
	}
	found := -1
	for i := range r.Fields {
		if r.Fields[i].Name == name && (found < 0 || r.before(i, found)) {
			found = i
		}
	}
	if found < 0 {
		return expr.Value{}
	}
	return r.Fields[found].Value
}

// before decides which of two fields with one name is meant: one that is not
// null, then the one whose path comes first, as where values are grouped.
func (r *Row) before(i, j int) bool {
	a, b := &r.Fields[i], &r.Fields[j]
	if (a.Value.Kind == expr.Null) != (b.Value.Kind == expr.Null) {
		return b.Value.Kind == expr.Null
	}
	return a.storedPath() < b.storedPath()
}

// storedPath returns the path of a field.
func (f *Field) storedPath() string {
	if f.path != "" {
		return f.path
	}
	return f.Name
}

// bytesLarge is the size from which on a text is looked at twice.
const bytesLarge = 64 << 10

// Set gives a field a value: in its place if it is there, else as the last.
func (r *Row) Set(name string, v expr.Value) {
	if len(v.Text) > bytesLarge {
		bytes := len(v.Text)
		for i := range r.Fields {
			bytes += len(r.Fields[i].Value.Text)
		}
		if bytes > RowBytesMax {
			v = expr.Value{}
		}
	}
	place := slices.IndexFunc(r.Fields, func(f Field) bool { return f.Name == name })
	if place < 0 {
		if len(r.Fields) < FieldsMax {
			r.Fields = append(r.Fields, NewField(name, v))
		}
		return
	}
	r.Fields[place].Value = v
	kept := r.Fields[:place+1]
	for _, f := range r.Fields[place+1:] {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	r.Fields = kept
}

// under reports whether a name is another or nested in it.
func under(name, parent string) bool {
	return strings.HasPrefix(name, parent) && (len(name) == len(parent) || name[len(parent)] == '.')
}

// fieldBytes is about what a field takes besides its text.
const fieldBytes = 96

// Bytes returns about what a row takes.
func (r *Row) Bytes() int {
	bytes := fieldBytes
	for i := range r.Fields {
		bytes += fieldBytes + len(r.Fields[i].Name) + len(r.Fields[i].Value.Text)
	}
	return bytes
}

// Column describes a column of a table.
type Column struct {
	Name string
	Type string // what it is called when it has no value: string, int, float, time or bool
}

// Set is rows in order: records, or a table with columns.
type Set struct {
	Records bool
	Columns []Column // of a table
	Rows    []Row
}

// Bytes returns about what the rows take.
func (s *Set) Bytes() (bytes int) {
	for i := range s.Rows {
		bytes += s.Rows[i].Bytes()
	}
	return bytes
}

// Cut takes the first rows away and keeps at most so many; below zero keeps all.
func (s *Set) Cut(offset, limit int) {
	s.Rows = s.Rows[min(len(s.Rows), offset):]
	if limit >= 0 {
		s.Rows = s.Rows[:min(len(s.Rows), limit)]
	}
}

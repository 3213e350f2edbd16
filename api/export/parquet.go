package export

import (
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
)

// groupBytes is about how many bytes of values a row group has: what waits in
// memory until it is written.
const groupBytes = 32 << 20

// nodeOf returns the Parquet type of a column: numbers, truth values and times
// have their own, everything else is text.
func nodeOf(kind string) parquet.Node {
	switch kind {
	case exec.TypeInt:
		return parquet.Optional(parquet.Int(64))
	case exec.TypeFloat:
		return parquet.Optional(parquet.Leaf(parquet.DoubleType))
	case exec.TypeBool:
		return parquet.Optional(parquet.Leaf(parquet.BooleanType))
	case exec.TypeTime:
		return parquet.Optional(parquet.Timestamp(parquet.Nanosecond))
	}
	return parquet.Optional(parquet.String())
}

// typeOf returns the type of a column of records.
func typeOf(c *column) string {
	if c.name == model.FieldTimestamp || c.name == "_time" {
		return exec.TypeTime
	}
	if len(c.kinds) == 1 {
		switch {
		case c.kinds[model.Number] && c.whole:
			return exec.TypeInt
		case c.kinds[model.Number]:
			return exec.TypeFloat
		case c.kinds[model.Bool]:
			return exec.TypeBool
		}
	}
	return exec.TypeString
}

// fits reports whether a field of a kind may be in a column of a type.
func fits(kind string, of model.Kind) bool {
	switch kind {
	case exec.TypeInt, exec.TypeFloat:
		return of == model.Number
	case exec.TypeBool:
		return of == model.Bool
	}
	return true
}

// valueOf returns a text as a value of a type, for the row at hand; ok is false if it
// is none.
func (f *file) valueOf(kind, text string) (value parquet.Value, ok bool) {
	switch kind {
	case exec.TypeInt:
		n, err := strconv.ParseInt(text, 10, 64)
		return parquet.Int64Value(n), err == nil
	case exec.TypeFloat:
		x, err := strconv.ParseFloat(text, 64)
		return parquet.DoubleValue(x), err == nil
	case exec.TypeBool:
		return parquet.BooleanValue(text == "true"), text == "true" || text == "false"
	}
	start := len(f.texts)
	f.texts = append(f.texts, text...)
	return parquet.ByteArrayValue(f.texts[start:]), true
}

// file is a Parquet file being written.
type file struct {
	w       *parquet.GenericWriter[any]
	kinds   []string
	order   []int         // of columns in the file
	rows    []parquet.Row // written together: one at a time costs a call for each column
	full    int           // of them
	given   [][]int       // places of each row that have a value; all others are missing
	texts   []byte        // of their values
	waiting int
}

// rowsTogether is how many rows are written at once.
const rowsTogether = 256

// newFile begins a file. Parquet orders columns by name.
func newFile(w io.Writer, names, kinds []string) *file {
	group := parquet.Group{}
	for i, name := range names {
		group[name] = nodeOf(kinds[i])
	}
	schema := parquet.NewSchema("records", group)
	f := &file{w: parquet.NewGenericWriter[any](w, schema, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest})), kinds: kinds, order: make([]int, len(names))}
	for i, name := range names {
		leaf, _ := schema.Lookup(name)
		f.order[i] = leaf.ColumnIndex
	}
	f.rows = make([]parquet.Row, rowsTogether)
	f.given = make([][]int, rowsTogether)
	values := make(parquet.Row, rowsTogether*len(names))
	for at := range values {
		values[at] = missing(at % len(names))
	}
	for i := range f.rows {
		f.rows[i], values = values[:len(names):len(names)], values[len(names):]
	}
	return f
}

// missing is no value of the column at a place.
func missing(at int) parquet.Value { return parquet.NullValue().Level(0, 0, at) }

// clear makes all values of the row missing. Of hundreds of columns a row has few.
func (f *file) clear() {
	row := f.rows[f.full]
	for _, at := range f.given[f.full] {
		row[at] = missing(at)
	}
	f.given[f.full] = f.given[f.full][:0]
}

// set sets a value of the row.
func (f *file) set(column int, value parquet.Value) {
	at := f.order[column]
	f.rows[f.full][at] = value.Level(0, 1, at)
	f.given[f.full] = append(f.given[f.full], at)
}

// next ends the row, whose values have so many bytes.
func (f *file) next(bytes int) error {
	f.full++
	if f.waiting += bytes; f.waiting >= groupBytes {
		if err := f.write(); err != nil {
			return err
		}
		f.waiting = 0
		return f.w.Flush()
	}
	if f.full == len(f.rows) {
		return f.write()
	}
	return nil
}

// write writes the rows that ended.
func (f *file) write() error {
	_, err := f.w.WriteRows(f.rows[:f.full])
	f.full, f.texts = 0, f.texts[:0]
	return err
}

// close writes what is left and ends the file.
func (f *file) close() error {
	if err := f.write(); err != nil {
		return err
	}
	return f.w.Close()
}

// parquetWriter writes records.
type parquetWriter struct {
	w       io.Writer
	options Options
	columns *columns
	file    *file
}

func (p *parquetWriter) begin(first []query.Hit) {
	p.columns = p.options.choose(first)
	var names, kinds []string
	for i := range p.columns.all {
		names, kinds = append(names, p.columns.all[i].name), append(kinds, typeOf(&p.columns.all[i]))
	}
	if p.columns.rest {
		names, kinds = append(names, restColumn), append(kinds, exec.TypeString)
	}
	p.file = newFile(p.w, names, kinds)
}

// Write implements Writer.
func (p *parquetWriter) Write(hits []query.Hit) error {
	if p.file == nil {
		p.begin(hits)
	}
	for i := range hits {
		p.file.clear()
		hit, bytes := &hits[i], 0
		for at := range p.columns.all {
			switch p.columns.all[at].name {
			case model.FieldID:
				p.file.set(at, parquet.ByteArrayValue([]byte(hit.ID.String())))
			case model.FieldTimestamp, "_time":
				p.file.set(at, parquet.Int64Value(hit.Record.Time))
			}
		}
		var rest []model.Field
		for _, field := range hit.Record.Fields {
			at, ok := p.columns.at[field.Name]
			if ok && field.Kind == model.Null {
				continue
			}
			if _, taken := special(field.Name, hit); ok && !taken && fits(p.file.kinds[at], field.Kind) {
				var value parquet.Value
				if value, ok = p.file.valueOf(p.file.kinds[at], field.Text); ok {
					p.file.set(at, value)
					bytes += len(field.Text)
					continue
				}
			}
			rest = append(rest, field)
		}
		if p.columns.rest && len(rest) > 0 {
			text := appendRest(nil, rest)
			p.file.set(len(p.columns.all), parquet.ByteArrayValue(text))
			bytes += len(text)
		}
		if err := p.file.next(bytes + 8*len(p.file.order)); err != nil {
			return err
		}
	}
	return nil
}

// Close implements Writer.
func (p *parquetWriter) Close() error {
	if p.file == nil {
		p.begin(nil)
	}
	return p.file.close()
}

// parquetTable writes a whole table.
func parquetTable(w io.Writer, head []query.Column, rows [][]any) error {
	var names, kinds []string
	for _, column := range head {
		kind := column.Type
		if kind == exec.TypeTime {
			kind = exec.TypeString
		}
		names, kinds = append(names, column.Name), append(kinds, kind)
	}
	f := newFile(w, names, kinds)
	for _, row := range rows {
		f.clear()
		bytes := 0
		for i := range names {
			if text, _, ok := cellText(row[i]); ok {
				if value, ok := f.valueOf(kinds[i], text); ok {
					f.set(i, value)
				}
				bytes += len(text) + 8
			}
		}
		if err := f.next(bytes); err != nil {
			return err
		}
	}
	return f.close()
}

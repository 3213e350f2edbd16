package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/stere-log/stere/api/render"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// The formats.
const (
	NDJSON  = "ndjson"
	CSV     = "csv"
	Parquet = "parquet"
)

// ContentType returns the media type of a format; ok is false if there is none.
func ContentType(format string) (contentType string, ok bool) {
	contentType, ok = map[string]string{
		NDJSON: "application/x-ndjson", CSV: "text/csv; charset=utf-8; header=present", Parquet: "application/vnd.apache.parquet",
	}[format]
	return contentType, ok
}

// Options say what a file of records is like.
type Options struct {
	Format  string
	Columns []string // exactly these; nil derives them
	Kept    []string // the fields that the query keeps; nil for all
}

// Writer writes records.
type Writer interface {
	// Write writes a batch. The first one decides about the columns.
	Write(hits []query.Hit) error
	// Close ends what was written; w of NewWriter stays open.
	Close() error
}

// NewWriter returns a writer to w of a format that ContentType knows.
func NewWriter(w io.Writer, options Options) Writer {
	switch options.Format {
	case CSV:
		return &csvWriter{w: csv.NewWriter(w), options: options}
	case Parquet:
		return &parquetWriter{w: w, options: options}
	}
	return &lineWriter{w: w, encoder: render.Lasting()}
}

// choose returns the columns of records that begin with some.
func (o *Options) choose(first []query.Hit) *columns {
	if o.Columns != nil {
		return exactly(o.Columns)
	}
	return derive(first, o.Kept)
}

// lineWriter writes NDJSON.
type lineWriter struct {
	w       io.Writer
	encoder *render.Encoder
	buffer  []byte
}

// flushBytes is how much is collected before it is written.
const flushBytes = 64 << 10

// Write implements Writer.
func (l *lineWriter) Write(hits []query.Hit) error {
	for i := range hits {
		l.buffer = append(l.encoder.Append(l.buffer, hits[i].ID, &hits[i].Record), '\n')
		if len(l.buffer) >= flushBytes || i == len(hits)-1 {
			if _, err := l.w.Write(l.buffer); err != nil {
				return err
			}
			l.buffer = l.buffer[:0]
		}
	}
	return nil
}

// Close implements Writer.
func (l *lineWriter) Close() error { return nil }

// csvWriter writes CSV.
type csvWriter struct {
	w       *csv.Writer
	options Options
	columns *columns
	cells   []string
}

// begin writes the head.
func (c *csvWriter) begin(first []query.Hit) error {
	c.columns = c.options.choose(first)
	var head []string
	for _, column := range c.columns.all {
		head = append(head, harmless(column.name))
	}
	if c.columns.rest {
		head = append(head, restColumn)
	}
	return c.w.Write(head)
}

// Write implements Writer.
func (c *csvWriter) Write(hits []query.Hit) error {
	if c.columns == nil {
		if err := c.begin(hits); err != nil {
			return err
		}
	}
	for i := range hits {
		c.cells = c.cells[:0]
		for _, column := range c.columns.all {
			text, _ := special(column.name, &hits[i])
			c.cells = append(c.cells, text)
		}
		var rest []model.Field
		for _, field := range hits[i].Record.Fields {
			if at, ok := c.columns.at[field.Name]; ok && c.cells[at] == "" {
				c.cells[at] = harmless(field.Text)
			} else {
				rest = append(rest, field)
			}
		}
		if c.columns.rest {
			text := ""
			if len(rest) > 0 {
				text = string(appendRest(nil, rest))
			}
			c.cells = append(c.cells, text)
		}
		if err := c.w.Write(c.cells); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

// Close implements Writer.
func (c *csvWriter) Close() error {
	if c.columns == nil {
		if err := c.begin(nil); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

// harmless returns a text that spreadsheets take for no formula: one that could be
// gets an apostrophe in front, unless it is a number.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) && !render.IsNumber(text) {
		return "'" + text
	}
	return text
}

// Table writes a whole table.
func Table(w io.Writer, format string, head []query.Column, rows [][]any) error {
	switch format {
	case CSV:
		return csvTable(csv.NewWriter(w), head, rows)
	case Parquet:
		return parquetTable(w, head, rows)
	}
	var dst []byte
	for _, row := range rows {
		for i, cell := range row {
			dst = append(dst, ",{"[min(1, max(0, 1-i))])
			dst = append(render.AppendString(dst, head[i].Name), ':')
			text, err := json.Marshal(cell)
			if err != nil { // a float that JSON does not have
				text = []byte("null")
			}
			dst = append(dst, text...)
		}
		if dst = append(dst, "}\n"...); len(dst) >= flushBytes {
			if _, err := w.Write(dst); err != nil {
				return err
			}
			dst = dst[:0]
		}
	}
	_, err := w.Write(dst)
	return err
}

func csvTable(w *csv.Writer, head []query.Column, rows [][]any) error {
	cells := make([]string, len(head))
	for i, column := range head {
		cells[i] = harmless(column.Name)
	}
	if err := w.Write(cells); err != nil {
		return fmt.Errorf("write head: %w", err)
	}
	for _, row := range rows {
		for i := range cells {
			text, number, _ := cellText(row[i])
			if !number {
				text = harmless(text)
			}
			cells[i] = text
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

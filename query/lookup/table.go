package lookup

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/rows"
)

// Limits of a table.
const (
	RowsMax    = rows.JoinRowsMax
	ColumnsMax = 32
	ColumnMax  = 128       // bytes of the name of a column
	CellMax    = 4 << 10   // bytes
	BytesMax   = 512 << 10 // of the saved form
	NameMax    = 64        // bytes of the name of a table
)

// ValidName reports whether a text can be the name of a table: 1 to NameMax letters,
// digits, '.', '-' and '_'.
func ValidName(name string) bool {
	return name != "" && len(name) <= NameMax && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

// Table is a lookup table. The first column is its key; of several rows with a key the
// first one counts. An empty cell says nothing.
type Table struct {
	Columns []string
	Rows    [][]string // each as long as the columns
}

// ParseCSV reads a table whose first line names the columns. key is the name of the key
// column, "" for the first one.
func ParseCSV(data []byte, key string) (*Table, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if cells := wide(data); cells > 0 {
		return nil, wrongColumns(cells)
	}
	reader := csv.NewReader(bytes.NewReader(data))
	t := &Table{}
	for {
		line, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF):
			return t.finish(key)
		case err != nil:
			return nil, err // it names line and column
		case t.Columns == nil:
			t.Columns = line
		case len(t.Rows) == RowsMax:
			return nil, tooMany()
		default:
			t.Rows = append(t.Rows, line)
		}
	}
}

// wide returns how many cells the first line of CSV has that has more than a table, 0 if
// there is none: the reader takes a hundred times the bytes of such a line.
func wide(data []byte) int {
	quoted, cells := false, 1
	for _, b := range data {
		switch {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == ',':
			cells++
		case b == '\n' && cells > ColumnsMax:
			return cells
		case b == '\n':
			cells = 1
		}
	}
	if cells > ColumnsMax {
		return cells
	}
	return 0
}

func wrongColumns(n int) error {
	return fmt.Errorf("there are %d columns, want a key and 1 to %d others", n, ColumnsMax-1)
}

func tooMany() error { return fmt.Errorf("there are more than %d rows", RowsMax) }

// ParseJSON reads a table from a list of objects of texts, numbers and truth values. key
// is the name of the key column, "" for the first member of the first object.
func ParseJSON(data []byte, key string) (*Table, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return nil, fmt.Errorf("want a list of objects, such as [{\"host\":\"a\",\"owner\":\"b\"}]: %w", orWrong(err))
	}
	t := &Table{}
	at := map[string]int{}
	for decoder.More() {
		if len(t.Rows) == RowsMax {
			return nil, tooMany()
		}
		if err := t.object(decoder, at); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(t.Rows)+1, cut(err))
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("behind row %d: %w", len(t.Rows), cut(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more behind the list")
	}
	for i, row := range t.Rows {
		t.Rows[i] = append(row, make([]string, len(t.Columns)-len(row))...)
	}
	return t.finish(key)
}

// cut says of JSON that ends too soon that it does.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends in the middle")
	}
	return err
}

var errNoObject = errors.New("it is something else")

func orWrong(err error) error {
	if err == nil {
		return errNoObject
	}
	return err
}

// object reads a row.
func (t *Table) object(decoder *json.Decoder, at map[string]int) error {
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return fmt.Errorf("want an object: %w", orWrong(err))
	}
	row := make([]string, len(t.Columns))
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // members begin with their names
		i, known := at[name]
		if !known {
			if len(t.Columns) == ColumnsMax {
				return fmt.Errorf("there are more than %d columns", ColumnsMax)
			}
			i = len(t.Columns)
			at[name] = i
			t.Columns = append(t.Columns, name)
		}
		if i >= len(row) {
			row = append(row, make([]string, i+1-len(row))...)
		}
		if token, err = decoder.Token(); err != nil {
			return err
		}
		switch v := token.(type) {
		case nil:
		case string:
			row[i] = v
		case json.Number, bool:
			row[i] = fmt.Sprint(v)
		default:
			return fmt.Errorf("%.50q is an object or a list, want a text, a number or true or false", name)
		}
	}
	t.Rows = append(t.Rows, row)
	_, err := decoder.Token()
	return err
}

// finish checks a table and puts its key in front.
func (t *Table) finish(key string) (*Table, error) {
	if key != "" {
		at := slices.Index(t.Columns, key)
		if at < 0 {
			return nil, fmt.Errorf("there is no column %.50q to be the key, there are %.300s", key, strings.Join(t.Columns, ", "))
		}
		front := func(texts []string) []string {
			return slices.Concat(texts[at:at+1], texts[:at], texts[at+1:])
		}
		t.Columns = front(t.Columns)
		for i, row := range t.Rows {
			t.Rows[i] = front(row)
		}
	}
	return t, t.check()
}

// check reports what is wrong with a table.
func (t *Table) check() error {
	if len(t.Columns) < 2 || len(t.Columns) > ColumnsMax {
		return wrongColumns(len(t.Columns))
	}
	if len(t.Rows) > RowsMax {
		return tooMany()
	}
	for i, name := range t.Columns {
		switch {
		case name == "" || len(name) > ColumnMax || !utf8.ValidString(name) || slices.ContainsFunc([]rune(name), unicode.IsControl):
			return fmt.Errorf("column %d has the name %.150q, want 1 to %d bytes without control characters", i+1, name, ColumnMax)
		case slices.Contains(t.Columns[:i], name):
			return fmt.Errorf("two columns have the name %.50q", name)
		}
	}
	for i, row := range t.Rows {
		if len(row) != len(t.Columns) {
			return fmt.Errorf("row %d has %d cells, want %d", i+1, len(row), len(t.Columns))
		}
		for j, cell := range row {
			if len(cell) > CellMax || !utf8.ValidString(cell) {
				return fmt.Errorf("row %d has %d bytes in column %q, want UTF-8 of at most %d", i+1, len(cell), t.Columns[j], CellMax)
			}
		}
	}
	if data := t.Encode(); len(data) > BytesMax {
		return fmt.Errorf("the table has %d bytes, the most is %d", len(data), BytesMax)
	}
	return nil
}

// version is the form of what Encode returns.
const version = 1

// saved is the saved form: JSON.
type saved struct {
	Version int        `json:"version"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// Encode returns the saved form of a table, of at most BytesMax bytes.
func (t *Table) Encode() []byte {
	data, err := json.Marshal(saved{version, t.Columns, t.Rows})
	if err != nil {
		return nil // texts can always be encoded
	}
	return data
}

// Decode reads the saved form of a table.
func Decode(data []byte) (*Table, error) {
	var s saved
	if len(data) > BytesMax {
		return nil, fmt.Errorf("a saved table of %d bytes, the most is %d", len(data), BytesMax)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("read a saved table: %w", err)
	}
	if s.Version != version {
		return nil, fmt.Errorf("a saved table of version %d, know %d", s.Version, version)
	}
	t := &Table{Columns: s.Columns, Rows: s.Rows}
	return t, t.check()
}

// Set returns the table as the set of a join on its key, in which columns have a prefix
// and a dot before their names unless the prefix is "". Time and id of a record cannot be
// changed: columns of these names are left out, as in a join, and so is the second of two
// names of one field.
func (t *Table) Set(prefix string) *rows.JoinSet {
	var names []string
	var from []int
	for i, name := range t.Columns[1:] {
		if prefix != "" {
			name = prefix + "." + name
		}
		if name = plan.QueryName(name); name != plan.FieldTime && name != model.FieldID && !slices.Contains(names, name) {
			names, from = append(names, name), append(from, i+1)
		}
	}
	set := rows.NewJoinSet(names)
	for _, row := range t.Rows {
		cells := row[1:]
		if len(from) < len(cells) {
			cells = make([]string, len(from))
			for i, at := range from {
				cells[i] = row[at]
			}
		}
		if row[0] != "" && !set.AddTexts(row[0], cells) {
			break // there is room for all tables: the limits are those of a set
		}
	}
	return set
}

package export

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stere-log/stere/api/render"
	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// columnsMax is how many columns are derived; fields beyond them are in _rest.
const columnsMax = 1000

// restColumn holds what has no column of its own, as a JSON object.
const restColumn = "_rest"

// column is one column of records.
type column struct {
	name  string // of the field
	kinds map[model.Kind]bool
	whole bool // numbers that fit into 64 bits, as far as the first batch says
}

// columns are the columns of records. With rest, the last is restColumn.
type columns struct {
	all  []column
	at   map[string]int
	rest bool
}

// exactly returns the columns that a client has named.
func exactly(names []string) *columns {
	c := &columns{at: map[string]int{}}
	for _, name := range names {
		c.add(name)
	}
	return c
}

func (c *columns) add(name string) *column {
	if at, ok := c.at[name]; ok {
		return &c.all[at]
	}
	c.at[name] = len(c.all)
	c.all = append(c.all, column{name: name, kinds: map[model.Kind]bool{}, whole: true})
	return &c.all[len(c.all)-1]
}

// derive returns the columns for records that begin with some: the fields that the
// query keeps in their order, or the well-known ones and then all others by name;
// _rest is last.
func derive(first []query.Hit, kept []string) *columns {
	names := map[string]bool{}
	for i := range first {
		for _, field := range first[i].Record.Fields {
			names[field.Name] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(names))
	c := &columns{at: map[string]int{}, rest: true}
	if kept == nil {
		for _, name := range []string{model.FieldID, model.FieldTimestamp, model.FieldLevel, model.FieldComponent, model.FieldMessage} {
			c.add(name)
		}
		kept = sorted
	}
	for _, name := range kept {
		if name == "_time" {
			name = model.FieldTimestamp
		}
		before := len(c.all)
		for _, field := range sorted {
			known := model.QueryName(field)
			if (known == name || field == name || strings.HasPrefix(known, name+".")) && len(c.all) < columnsMax {
				c.add(field)
			}
		}
		if len(c.all) == before && c.at[name] == 0 && len(c.all) < columnsMax {
			c.add(name)
		}
	}
	for i := range first {
		for _, field := range first[i].Record.Fields {
			if at, ok := c.at[field.Name]; ok && field.Kind != model.Null {
				c.all[at].kinds[field.Kind] = true
				if _, err := strconv.ParseInt(field.Text, 10, 64); err != nil {
					c.all[at].whole = false
				}
			}
		}
	}
	return c
}

// special returns the text of what is no field of a record but has a column.
func special(name string, hit *query.Hit) (string, bool) {
	switch name {
	case model.FieldID:
		return hit.ID.String(), true
	case model.FieldTimestamp, "_time":
		return string(timestamp.Append(nil, hit.Record.Time, hit.Record.TimeDigits)), true
	}
	return "", false
}

// appendRest appends fields as a JSON object.
func appendRest(dst []byte, fields []model.Field) []byte {
	for i, field := range fields {
		dst = append(dst, ",{"[min(1, max(0, 1-i))])
		dst = append(render.AppendString(dst, field.Name), ':')
		dst = render.AppendValue(dst, field)
	}
	return append(dst, '}')
}

// cellText returns the text of a cell of a table; ok is false if it has none.
func cellText(cell any) (text string, number, ok bool) {
	switch v := cell.(type) {
	case nil:
		return "", false, false
	case string:
		return v, false, true
	case int64:
		return strconv.FormatInt(v, 10), true, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true, true
	case json.Number:
		return v.String(), true, true
	case bool:
		return strconv.FormatBool(v), false, true
	}
	return "", false, false
}

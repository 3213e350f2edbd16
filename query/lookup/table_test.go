package lookup_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/lookup"
	"github.com/stere-log/stere/query/rows"
)

// TestParse reads the same table in all forms, and again from what it is saved as.
func TestParse(t *testing.T) {
	want := &lookup.Table{Columns: []string{"host", "owner", "racks", "prod"}, Rows: [][]string{{"a", "ann, bob", "2", "true"}, {"b", "", "", "false"}}}
	for _, c := range []struct {
		name, key string
		parse     func([]byte, string) (*lookup.Table, error)
		text      string
	}{
		{"csv", "", lookup.ParseCSV, "host,owner,racks,prod\na,\"ann, bob\",2,true\nb,,,false\n"},
		{"csv of Windows", "", lookup.ParseCSV, "\xef\xbb\xbfhost,owner,racks,prod\r\na,\"ann, bob\",2,true\r\nb,,,false"},
		{"another key", "host", lookup.ParseCSV, "owner,host,racks,prod\n\"ann, bob\",a,2,true\n,b,,false\n"},
		{"json", "", lookup.ParseJSON, `[{"host":"a","owner":"ann, bob","racks":2},{"prod":false,"host":"b","owner":null}]`},
	} {
		have, err := c.parse([]byte(c.text), c.key)
		if c.name == "json" && err == nil { // the first object does not say whether a is in production
			have.Rows[0][3] = "true"
		}
		if err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%s: %+v, %v", c.name, have, err)
		}
	}
	have, err := lookup.Decode(want.Encode())
	if err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("%+v, %v", have, err)
	}
}

// TestRefuses says of everything that is no table why not.
func TestRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "0 columns"}, {"host\na\n", "1 columns"}, {"host,host\na,b\n", "two columns"}, {"host,\na,b\n", "column 2"}, {"host,owner\na\n", "wrong number of fields"},
		{"host,owner\n\"a,b\n", "quote"}, {"a,b\nx,\xff\n", "UTF-8"}, {strings.Repeat("c,", 40) + "d\n", "41 columns"}, {"a,b\n\"x,\n,\"," + strings.Repeat(",", 98), "100 columns"}, {"a,b\n\"" + strings.Repeat(",", 98) + "\",c,d\n", "wrong number of fields"}, {"a,b\n" + strings.Repeat("x,y\n", lookup.RowsMax+1), "more than 10000 rows"},
		{"a,b\nx," + strings.Repeat("y", lookup.CellMax+1) + "\n", "4097 bytes"}, {"a,b\n" + strings.Repeat("x,"+strings.Repeat("y", 4000)+"\n", 200), "the most is 524288"},
		{`{"host":"a"}`, "want a list"}, {`[7]`, "row 1: want an object"}, {`[{"a":"b","c":{"d":1}}]`, `"c" is an object`}, {`[{"a":"b","c":[1]}]`, `"c" is an object`}, {`[{"a":"b","c":"d"}] x`, "more behind"},
		{`[{"a":"b","c":"d"}`, "behind row 1: the JSON ends in the middle"}, {`[{"a":"b"},{"a":`, "row 2: the JSON ends in the middle"}, {`[]`, "0 columns"},
	} {
		parse := lookup.ParseCSV
		if strings.ContainsAny(c.text[:min(1, len(c.text))], "[{") {
			parse = lookup.ParseJSON
		}
		if _, err := parse([]byte(c.text), ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: have %v, want %q", c.text, err, c.want)
		}
	}
	if _, err := lookup.ParseCSV([]byte("a,b\nc,d\n"), "x"); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("no such key: %v", err)
	}
	for _, text := range []string{"", "{}", `{"version":2,"columns":["a","b"],"rows":[]}`, `{"version":1,"columns":["a","b"],"rows":[["x"]]}`} {
		if _, err := lookup.Decode([]byte(text)); err == nil {
			t.Errorf("%q is a saved table", text)
		}
	}
	for name, want := range map[string]bool{"teams": true, "a.B-9_": true, "": false, "a:0": false, "a b": false, "ä": false, strings.Repeat("x", lookup.NameMax+1): false} {
		if lookup.ValidName(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}

// TestSet looks records up.
func TestSet(t *testing.T) {
	table := &lookup.Table{Columns: []string{"code", "means", "level"}, Rows: [][]string{{"5", "few", "9"}, {"", "nothing", ""}, {"5.0", "second", ""}, {"x", "", "1"}}}
	record := func(kind model.Kind, text string) rows.Row {
		return rows.OfRecord(model.RecordID{}, &model.Record{Fields: []model.Field{{Name: "code", Kind: kind, Text: text}}})
	}
	for _, c := range []struct {
		kind        model.Kind
		text        string
		means, more string
	}{{model.Number, "5.00", "few", "9"}, {model.String, "5", "few", "9"}, {model.String, "x", "", "1"}, {model.String, "", "", ""}, {model.String, "X", "", ""}, {model.Null, "", "", ""}} {
		row := record(c.kind, c.text)
		(&rows.Join{By: []string{"code"}, Set: table.Set("c")}).Apply(&row)
		if means, more := row.Get("c.means").String(), row.Get("c.level").String(); means != c.means || more != c.more {
			t.Errorf("%q: %q, %q", c.text, means, more)
		}
	}
}

// TestWideLines reads a line of a megabyte of commas in about as many bytes.
func TestWideLines(t *testing.T) {
	for _, text := range []string{strings.Repeat(",", 1<<20), "a,b\n" + strings.Repeat(",", 1<<20)} {
		var before, after runtime.MemStats
		data := []byte(text)
		runtime.ReadMemStats(&before)
		_, err := lookup.ParseCSV(data, "")
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 1<<20 {
			t.Errorf("%v, %d bytes", err, took)
		}
	}
}

// TestSetLeavesTimeAndID looks a record up in a table that names what cannot be changed,
// and one field twice.
func TestSetLeavesTimeAndID(t *testing.T) {
	table := &lookup.Table{Columns: []string{"code", "timestamp", "_id", "level", "severity", "_time"}, Rows: [][]string{{"5", "never", "7-7-7", "error", "warn", "now"}}}
	for prefix, want := range map[string][]string{"": {"level"}, "t": {"t.timestamp", "t._id", "t.level", "t.severity", "t._time"}} {
		set := table.Set(prefix)
		row := rows.OfRecord(model.RecordID{}, &model.Record{Fields: []model.Field{{Name: "code", Kind: model.Number, Text: "5"}}})
		(&rows.Join{By: []string{"code"}, Set: set}).Apply(&row)
		if !reflect.DeepEqual(set.Columns, want) || len(row.Fields) != len(want)+1 {
			t.Errorf("as %q: columns %q, want %q; %+v", prefix, set.Columns, want, row.Fields)
		}
	}
}

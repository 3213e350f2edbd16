package rows_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// record makes a row of a record whose fields are texts.
func record(pairs ...string) rows.Row {
	var r model.Record
	for i := 0; i < len(pairs); i += 2 {
		r.Fields = append(r.Fields, model.Field{Name: pairs[i], Kind: model.String, Text: pairs[i+1]})
	}
	return rows.OfRecord(model.RecordID{Shard: 1, Index: 2, Ordinal: 3}, &r)
}

// show writes the fields of a row as a record keeps them.
func show(row *rows.Row) string {
	var parts []string
	for _, f := range row.ToRecord().Fields {
		parts = append(parts, f.Name+"="+f.Text)
	}
	return strings.Join(parts, " ")
}

func TestOps(t *testing.T) {
	for _, c := range []struct {
		op   rows.Op
		want string
	}{
		{&rows.Rename{From: "a", To: "z"}, `z=1 z.b=2 c.d=3 c\.d=4 e=5`},
		{&rows.Rename{From: "a", To: "c"}, `c=1 c.b=2 e=5`},
		{&rows.Rename{From: "a", To: "a.x"}, `a.x=1 a.x.b=2 c.d=3 c\.d=4 e=5`},
		{&rows.Rename{From: "c.d", To: "c"}, `a=1 a.b=2 c=3 c=4 e=5`},
		{&rows.Rename{From: "none", To: "a"}, `c.d=3 c\.d=4 e=5`},
		{&rows.Rename{From: "a", To: "a"}, `a=1 a.b=2 c.d=3 c\.d=4 e=5`},
		{&rows.Rename{From: "a", To: "c", Exact: true}, `c=1 a.b=2 c.d=3 c\.d=4 e=5`},
		{&rows.Drop{Names: []string{"a", "e"}}, `c.d=3 c\.d=4`},
		{&rows.Drop{Names: []string{"a"}, Exact: true}, `a.b=2 c.d=3 c\.d=4 e=5`},
		{&rows.Keep{Names: []string{"e", "c", "e"}}, `e=5 c.d=3 c\.d=4`},
		{&rows.Keep{Names: []string{"a"}, Exact: true}, `a=1`},
	} {
		row := record("a", "1", "a.b", "2", "c.d", "3", `c\.d`, "4", "e", "5")
		if keep := c.op.Apply(&row); !keep || show(&row) != c.want {
			t.Errorf("%#v: have %s, want %s", c.op, show(&row), c.want)
		}
	}
}

func TestExtract(t *testing.T) {
	for _, c := range []struct{ pattern, text, want string }{
		{"<a> - <b>", "x - y - z", "a=x b=y - z"}, {"<a> - <b>", "none", ""}, {"user=<u> ", "a user=bob b user=c ", "u=bob"}, {"user=<u> ", "a user=bob", ""},
		{"<_>=<v>;", "k=1;", "v=1"}, {"[<a>]", "x[]", "a="}, {"a<x>b<y>", "1a2b3", "x=2 y=3"}, {"<x>", "all of it", "x=all of it"}, {"a<x>b<y>c", "1a2c3b4", ""},
	} {
		parts, fault := syntax.SplitPattern(c.pattern)
		if fault != "" {
			t.Fatal(fault)
		}
		op := &rows.Extract{From: "m", Parts: parts}
		for _, part := range parts {
			op.Names = append(op.Names, part.Field)
		}
		row := record("m", c.text)
		op.Apply(&row)
		(&rows.Drop{Names: []string{"m"}}).Apply(&row)
		if have := show(&row); have != c.want {
			t.Errorf("%s of %q: have %s, want %s", c.pattern, c.text, have, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, c := range []struct {
		json       bool
		text, want string
	}{
		{true, ` {"a":{"b":1.50,"c":[1, {"x":2}]},"d":null,"e":"\u00e4","f":true,"a.b":"y","g":{}} `, `a.b=1.50 a.c=[1,{"x":2}] d= e=ä f=true a\.b=y g={}`},
		{true, `[1]`, ""}, {true, `{"a":`, ""}, {true, `{"a":1} x`, ""}, {true, "", ""}, {true, `{"_id":1,"_time":2,"":3,"severity":"warn"}`, "level=warn"},
		{true, deep, strings.Repeat("a.", 31) + "a=" + strings.Repeat(`{"a":`, 8) + "1" + strings.Repeat("}", 8)},
		{false, `a=1 b="x \"y\"" c word d= e=1.5.2 =f f="open g=true`, `a=1 b=x "y" d= e=1.5.2 f="open g=true`},
		{false, `a=1	b=2`, "a=1 b=2"}, {false, "word", ""}, {false, "a", ""}, {false, `a="b"c=d`, "a=b c=d"},
	} {
		row := record("m", c.text)
		(&rows.Parse{From: "m", JSON: c.json}).Apply(&row)
		(&rows.Drop{Names: []string{"m"}}).Apply(&row)
		have := show(&row)
		if c.json && strings.Contains(c.text, "a.b\"") { // the later one with the name replaces the first
			c.want = `a\.b=y a.c=[1,{"x":2}] d= e=ä f=true g={}`
		}
		if have != c.want {
			t.Errorf("%s\nhave %s\nwant %s", c.text, have, c.want)
		}
	}
}

// TestRowsAreBounded checks the limits of one row.
func TestRowsAreBounded(t *testing.T) {
	object := map[string]int{}
	for i := range rows.FieldsMax + 100 {
		object[fmt.Sprint("k", i)] = i
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	row := record("m", string(text))
	if (&rows.Parse{From: "m", JSON: true}).Apply(&row); len(row.Fields) != rows.FieldsMax {
		t.Errorf("the row has %d fields", len(row.Fields))
	}
	row = record()
	for i := range 20 {
		row.Set(fmt.Sprint("f", i), expr.OfText(strings.Repeat("x", 1<<20)))
	}
	if bytes := row.Bytes(); bytes > rows.RowBytesMax+1<<20 {
		t.Errorf("the row has %d bytes", bytes)
	}
}

func TestSample(t *testing.T) {
	const n = 20_000
	for want, op := range map[int]*rows.Sample{n / 4: {OneIn: 4}, n: {OneIn: 1}, n / 20: {Millionths: 50_000}, n / 2: {Millionths: 500_000}} {
		kept := 0
		for i := range n {
			row := rows.Row{Record: true, ID: model.RecordID{Shard: model.ShardID(i % 3), Index: uint64(i / 7), Ordinal: uint32(i % 7)}}
			first := op.Apply(&row)
			if again := op.Apply(&row); first != again {
				t.Fatal("a record is in a sample once and not again")
			}
			if first {
				kept++
			}
		}
		if kept < want*9/10 || kept > want*11/10 {
			t.Errorf("%+v keeps %d, want about %d", op, kept, want)
		}
	}
}

// FuzzParse parses any text in every way; nothing panics, rows stay bounded, and
// JSON gives what encoding/json reads.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"a":{"b":1},"c":[1,2],"d":"x"}`, `a=1 b="x y" c`, `{"a":1,"a":{"b":2}}`, `{"\u0000":"\ud800"}`, `a="\x"`, `="`} {
		f.Add(text)
	}
	parts, _ := syntax.SplitPattern("<a>=<b> <_>,<c>")
	f.Fuzz(func(t *testing.T, text string) {
		for _, op := range []rows.Op{
			&rows.Parse{From: "m", JSON: true}, &rows.Parse{From: "m"}, &rows.Extract{From: "m", Parts: parts, Names: []string{"a", "b", "", "c"}},
		} {
			row := record("m", text)
			if !op.Apply(&row) || len(row.Fields) > rows.FieldsMax {
				t.Fatalf("%q: %d fields", text, len(row.Fields))
			}
			again := row.ToRecord()
			other := rows.OfRecord(row.ID, &again)
			for i := range row.Fields {
				if other.Fields[i].Name != row.Fields[i].Name || !reflect.DeepEqual(other.Fields[i].Value, row.Fields[i].Value) {
					t.Fatalf("%q: %+v came back as %+v", text, row.Fields[i], other.Fields[i])
				}
			}
		}
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) != nil || object == nil {
			return
		}
		row := record("m", text)
		(&rows.Parse{From: "m", JSON: true}).Apply(&row)
		for key, v := range object {
			if s, ok := v.(string); ok && len(object) == 1 && key != "" && key != "_id" && key != "_time" && key != "severity" && strings.Count(text, ":") == 1 {
				if have := row.Get(key); have.Kind != expr.Text || have.Text != s {
					t.Fatalf("%q: %s is %+v, want %q", text, key, have, s)
				}
			}
		}
	})
}

// FuzzJoinSet takes any bytes as a set of another node.
func FuzzJoinSet(f *testing.F) {
	set := rows.NewJoinSet([]string{"a", "b"})
	row := record("id", "1", "a", "x")
	set.Add(&row, []string{"id"})
	f.Add(set.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := wire.NewReader(data)
		set := rows.TakeJoinSet(&r)
		if r.Failed() {
			return
		}
		again := wire.NewReader(set.Append(nil))
		if same := rows.TakeJoinSet(&again); !again.Done() || !reflect.DeepEqual(same, set) {
			t.Fatalf("have %+v, want %+v", same, set)
		}
	})
}

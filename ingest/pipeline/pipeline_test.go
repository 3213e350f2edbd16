package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
)

func receipt() time.Time { return time.Date(2025, 3, 4, 5, 6, 7, 891, time.UTC) }

// show writes a record in a form for tables: time and digits, then the fields.
func show(rec model.Record) string {
	var b strings.Builder
	if rec.Time == receipt().UnixNano() && rec.TimeDigits == receiptDigits {
		b.WriteString("receipt")
	} else {
		b.Write(timestamp.Append(nil, rec.Time, rec.TimeDigits))
	}
	kinds := map[model.Kind]string{model.String: "s", model.Number: "n", model.Bool: "b", model.Null: "0", model.JSON: "j"}
	for _, f := range rec.Fields {
		fmt.Fprintf(&b, " | %s %s %q", f.Name, kinds[f.Kind], f.Text)
	}
	return b.String()
}

func TestParse(t *testing.T) {
	const in, at = `"message":"m"`, " | message s \"m\""
	for _, c := range []struct{ text, want string }{
		{`{"message":"m"}`, `receipt | message s "m"`},
		{`{ "message" : "m" , "n" : -1.50e+3 , "b":true,"c":false, "z":null }`, `receipt | message s "m" | n n "-1.50e+3" | b b "true" | c b "false" | z 0 ""`},
		{`{"metadata":{"ip":"1.2.3.4","deep":{"x":1}},"after":2}`, `receipt | metadata.ip s "1.2.3.4" | metadata.deep.x n "1" | after n "2"`},
		{`{"a.b":1,"a":{"b":2},"c\\d":3}`, `receipt | a\.b n "1" | a.b n "2" | c\\d n "3"`},
		{`{"e":{},"l":[ 1 , "a b" , { "k" : [ ] } ],"n":{"e":{ }}}`, `receipt | e j "{}" | l j "[1,\"a b\",{\"k\":[]}]" | n.e j "{}"`},
		{`{"l":[1.000,12345678901234567890,"\u00e9\ud800"]}`, `receipt | l j "[1.000,12345678901234567890,\"\\u00e9\\ud800\"]"`},
		{`{"s":"a\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"}`, `receipt | s s "a\"\\/\b\f\n\r\tAé😀"`},
		{`{"s":"\ud800x","t":"\udc00","u":"\ud800\u0041","v":"\ud800\ud83d\ude00"}`, `receipt | s s "�x" | t s "�" | u s "�A" | v s "�😀"`},
		{"{\"s\":\"a\xff\xc3b\",\"k\xff\":1}", `receipt | s s "a��b" | k� n "1"`},
		{"{\"s\":\"a\x00\x1b[31m\tb\",\"l\":[\"\x01\"]}", `receipt | s s "a\x00\x1b[31m\tb" | l j "[\"\\u0001\"]"`},
		{`{"a":1,"b":2,"a":3}`, `receipt | a n "3" | b n "2"`},
		{`{"a":{"x":1,"y":2},"a":{"z":3}}`, `receipt | a.z n "3"`},
		{`{"a":{"x":1},"a":5}`, `receipt | a n "5"`},
		{`{"a":5,"a":{"x":1},"b":1}`, `receipt | a.x n "1" | b n "1"`},
		{`{"a":5,"a":{"x":1},"a":6,"a":7}`, `receipt | a n "7"`},
		{`{"":1,"b":{"":2}}`, `receipt |  n "1" | b. n "2"`},
		{`{"":{"b":1},"b":2}`, `receipt |  j "{\"b\":1}" | b n "2"`},
		{`{"_id":"x","id":"y","_original":{"level":1},"_originals":2}`, `receipt | _original._id s "x" | id s "y" | _original._original.level n "1" | _originals n "2"`},
		{`{"\u006dessage":"m"}`, `receipt` + at},

		// time
		{`{"timestamp":"2023-11-18T08:46:14.600Z",` + in + `}`, `2023-11-18T08:46:14.600Z` + at},
		{`{` + in + `,"timestamp":"2023-11-18T08:46:14Z"}`, `2023-11-18T08:46:14Z` + at},
		{`{"timestamp":"2023-11-18T09:46:14.6+01:00",` + in + `}`, `2023-11-18T08:46:14.6Z | _original.timestamp s "2023-11-18T09:46:14.6+01:00"` + at},
		{`{"timestamp":1700000000123,` + in + `}`, `2023-11-14T22:13:20.123Z | _original.timestamp n "1700000000123"` + at},
		{`{"timestamp":"1700000000",` + in + `}`, `2023-11-14T22:13:20Z | _original.timestamp s "1700000000"` + at},
		{`{"timestamp":"soon",` + in + `}`, `receipt | _original.timestamp s "soon"` + at},
		{`{"timestamp":null,` + in + `}`, `receipt | _original.timestamp 0 ""` + at},
		{`{"timestamp":{"at":1},` + in + `}`, `receipt | _original.timestamp.at n "1"` + at},
		{`{"timestamp":"soon","@timestamp":"2023-11-18T08:46:14Z"}`, `2023-11-18T08:46:14Z | _original.timestamp s "soon" | @timestamp s "2023-11-18T08:46:14Z"`},
		{`{"@timestamp":"2023-11-18T08:46:14Z","timestamp":"2024-11-18T08:46:14Z"}`, `2024-11-18T08:46:14Z | @timestamp s "2023-11-18T08:46:14Z"`},
		{`{"ts":1700000000.5}`, `2023-11-14T22:13:20.5Z | ts n "1700000000.5"`},
		{`{"time":12.5,"ts":"17"}`, `receipt | time n "12.5" | ts s "17"`},
		{`{"time":"26/Jan/2019:19:45:47 +0330"}`, `2019-01-26T16:15:47Z | time s "26/Jan/2019:19:45:47 +0330"`},
		{`{"timestamp":"2023-11-18T08:46:14Z","timestamp":"2024-11-18T08:46:14Z"}`, `2024-11-18T08:46:14Z`},
		{`{"timestamp":"2023-11-18T08:46:14Z","timestamp":{"x":1}}`, `receipt | _original.timestamp.x n "1"`},

		// level
		{`{"level":"info"}`, `receipt | level s "info"`},
		{`{"level":"INFO","x":1}`, `receipt | level s "info" | x n "1" | _original.level s "INFO"`},
		{`{"severity":"warn"}`, `receipt | level s "warn"`},
		{`{"severity":"Warning","x":1}`, `receipt | level s "warn" | x n "1" | _original.severity s "Warning"`},
		{`{"severity":"fatal","level":"critical"}`, `receipt | level s "critical" | _original.severity s "fatal"`},
		{`{"level":"error","severity":"error"}`, `receipt | level s "error"`},
		{`{"level":"weird"}`, `receipt | level s "weird"`},
		{`{"severity":"weird"}`, `receipt | level s "weird"`},
		{`{"level":"weird","severity":"odd"}`, `receipt | level s "weird" | _original.severity s "odd"`},
		{`{"level":"weird","severity":"odd","lvl":"e"}`, `receipt | level s "error" | lvl s "e" | _original.level s "weird" | _original.severity s "odd"`},
		{`{"level":3}`, `receipt | level s "error" | _original.level n "3"`},
		{`{"level":"7"}`, `receipt | level s "debug" | _original.level s "7"`},
		{`{"level":30}`, `receipt | level s "info" | _original.level n "30"`},
		{`{"level":17}`, `receipt | level s "error" | _original.level n "17"`},
		{`{"level":99}`, `receipt | level n "99"`},
		{`{"level":null}`, `receipt | level 0 ""`},
		{`{"severity_number":9}`, `receipt | severity_number n "9" | level s "info"`},
		{`{"log.level":"warn"}`, `receipt | log\.level s "warn" | level s "warn"`},
		{`{"log":{"level":"ERROR"}}`, `receipt | log.level s "ERROR" | level s "error"`},
		{`{"lvl":"whatever"}`, `receipt | lvl s "whatever"`},
		{`{"level":{"name":"x"},"lvl":"dbg"}`, `receipt | _original.level.name s "x" | lvl s "dbg" | level s "debug"`},
		{`{"level":{"name":"x"}}`, `receipt | level.name s "x"`},
	} {
		p := New(Config{})
		for range 2 { // the second time the names are known
			p.Begin(receipt(), len(c.text))
			rec, end, fault := p.Parse(c.text, 0)
			if fault != nil {
				t.Errorf("%s: %v", c.text, fault)
				break
			}
			if got := show(rec); got != c.want || end != len(c.text) {
				t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
			}
		}
	}
}

func TestFaults(t *testing.T) {
	many := "{"
	for i := range 1001 {
		many += fmt.Sprintf(`"f%d":1,`, i)
	}
	many = many[:len(many)-1] + "}"
	for _, c := range []struct {
		name, text, field, message string
		syntax                     bool
	}{
		{"empty", `{ }`, "", "empty record", false},
		{"scalar", `3`, "", "not JSON: want an object, found '3'", true},
		{"no end", `{"a":1`, "", "not JSON: want ',' or '}', found end of input", true},
		{"line feed", "{\"a\":\"x\n\"}", "", "not JSON: want the end of a string, found end of line", true},
		{"bad escape", `{"a":"\x"}`, "", `not JSON: want an escape, found '\'`, true},
		{"short escape", `{"a":"\u12"}`, "", `not JSON: want an escape, found '\'`, true},
		{"comma", `{"a":1,}`, "", "not JSON: want a key, found '}'", true},
		{"leading zero", `{"a":01}`, "", "not JSON: want ',' or '}', found '1'", true},
		{"plus", `{"a":+1}`, "", "not JSON: want a value, found '+'", true},
		{"point", `{"a":1.}`, "", "not JSON: want a digit, found '}'", true},
		{"exponent", `{"a":1e}`, "", "not JSON: want a digit, found '}'", true},
		{"NaN", `{"a":NaN}`, "", "not JSON: want a value, found 'N'", true},
		{"array", `{"a":[1,]}`, "", "not JSON: want a value, found ']'", true},
		{"array end", `{"a":[1}`, "", "not JSON: want ',' or ']', found '}'", true},
		{"inner", `{"a":[{"b" 1}]}`, "", "not JSON: want ':' after a key, found '1'", true},
		{"literal", `{"a":[tru]}`, "", "not JSON: want a value, found 't'", true},
		{"deep objects", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), strings.Repeat("a.", 31) + "a", "nested deeper than 32 levels", false},
		{"deep arrays", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "a", "nested deeper than 32 levels", false},
		{"many fields", many, "f1000", "more than 1000 fields", false},
		{"long name", `{"` + strings.Repeat("n", 257) + `":1}`, strings.Repeat("n", 80) + "...", "field name has 257 bytes, limit 256", false},
		{"long path", `{"` + strings.Repeat("n", 200) + `":{"` + strings.Repeat("m", 56) + `":1}}`, strings.Repeat("n", 80) + "...", "field path has 257 bytes, limit 256", false},
		{"long line", `{"a":"` + strings.Repeat("n", 1<<20) + `"}`, "", "record has 1048584 bytes, limit 1048576", false},
	} {
		p := New(Config{})
		p.Begin(receipt(), len(c.text))
		_, end, fault := p.Parse(c.text, 0)
		if fault == nil {
			t.Errorf("%s: no fault", c.name)
			continue
		}
		if fault.Field != c.field || fault.Message != c.message || fault.Syntax != c.syntax {
			t.Errorf("%s: fault %q %q syntax %v; want %q %q %v", c.name, fault.Field, fault.Message, fault.Syntax, c.field, c.message, c.syntax)
		}
		if !fault.Syntax && end != len(c.text) {
			t.Errorf("%s: record ends at %d, want %d", c.name, end, len(c.text))
		}
	}
}

// TestLimitsHold checks that what is just within the limits is stored.
func TestLimitsHold(t *testing.T) {
	fields := "{"
	for i := range 1000 {
		fields += fmt.Sprintf(`"f%d":1,`, i)
	}
	for name, text := range map[string]string{
		"fields": fields[:len(fields)-1] + "}",
		"depth":  strings.Repeat(`{"a":`, 32) + "1" + strings.Repeat("}", 32),
		"arrays": `{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
		"name":   `{"` + strings.Repeat("n", 256) + `":1}`,
		"line":   `{"a":"` + strings.Repeat("n", 1<<20-8) + `"}`,
	} {
		p := New(Config{})
		p.Begin(receipt(), len(text))
		if _, end, fault := p.Parse(text, 0); fault != nil || end != len(text) {
			t.Errorf("%s: end %d of %d, fault %v", name, end, len(text), fault)
		}
	}
}

func TestHostileDepth(t *testing.T) {
	const depth = 5_000_000
	for name, text := range map[string]string{
		"closed objects": strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth),
		"open arrays":    `{"a":` + strings.Repeat("[", depth),
		"one megabyte":   `{"` + strings.Repeat("k", 1<<20) + `":1}`,
		"NUL":            "{\"a\":1\x00}",
	} {
		p := New(Config{})
		p.Begin(receipt(), len(text))
		if _, _, fault := p.Parse(text, 0); fault == nil {
			t.Errorf("%s: stored", name)
		} else if len(fault.Error()) > 300 || !utf8.ValidString(fault.Error()) {
			t.Errorf("%s: message of %d bytes", name, len(fault.Error()))
		}
	}
}

func TestNamesAreForgotten(t *testing.T) {
	p := New(Config{})
	p.Begin(receipt(), 0)
	for i := range 3 * namesMax {
		if _, _, fault := p.Parse(fmt.Sprintf(`{"k%d":1}`, i), 0); fault != nil {
			t.Fatal(fault)
		}
		if p.names > namesMax+1 {
			t.Fatalf("%d names are remembered", p.names)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	err := Config{MaxDepth: 5000, MaxFields: -1, TimeFields: []string{""}}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("Validate() = %v, want three faults", err)
	}
}

// tree puts the fields of a record back together. It undoes what the pipeline
// does to time and level, so that the result is what was sent.
func tree(t *testing.T, rec model.Record) map[string]any {
	root := map[string]any{}
	set := func(keys []string, v any) {
		at := root
		for _, key := range keys[:len(keys)-1] {
			next, ok := at[key].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[key] = next
			}
			at = next
		}
		at[keys[len(keys)-1]] = v
	}
	for _, f := range rec.Fields {
		var v any
		switch f.Kind {
		case model.String:
			v = f.Text
		case model.Number:
			v = json.Number(f.Text)
		case model.Bool:
			v = f.Text == "true"
		case model.JSON:
			d := json.NewDecoder(strings.NewReader(f.Text))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatalf("field %q holds %q: %v", f.Name, f.Text, err)
			}
		}
		set(model.SplitPath(f.Name), v)
	}
	return root
}

// FuzzParse compares with encoding/json: what it reads as a flat enough object
// must come back the same, and nothing may panic.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"message":"a\u0041\ud83d\ude00","n":-1.5e+7,"t":true,"z":null,"l":[1,{"a":[ ]}],"o":{"p":{"q":"r"}},"e":{}}`,
		`{"a":{"b":1},"a":{"c":2},"a.b":3,"":{"":1}}`, "{\"a\":\"\xff\"}", `{"a":"\`, `{"a":[[[[`, `{"timestamp":17,"level":"W","_id":1}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := New(Config{MaxDepth: 50})
		p.Begin(receipt(), len(text))
		rec, end, fault := p.Parse(text, 0)
		again, _, _ := p.Parse(text, 0)
		if show(rec) != show(again) {
			t.Fatalf("%q read twice: %s and %s", text, show(rec), show(again))
		}
		if fault != nil {
			if fault.Syntax && json.Valid([]byte(text)) && strings.HasPrefix(text, "{") {
				t.Fatalf("%q is JSON, but %v", text, fault)
			}
			return
		}
		seen := map[string]bool{}
		for _, f := range rec.Fields {
			if seen[f.Name] || !f.Kind.Valid() || !utf8.ValidString(f.Text) || !utf8.ValidString(f.Name) {
				t.Fatalf("%q gives a bad field %+v in %s", text, f, show(rec))
			}
			seen[f.Name] = true
		}
		if !strings.Contains(text, "level") && !strings.Contains(text, "everity") && !strings.Contains(text, "_") && !strings.Contains(text, "lvl") && !strings.Contains(text, `\`) && !strings.Contains(text, "time") && !strings.Contains(text, `""`) {
			compare(t, text[:end], rec)
		}
	})
}

// compare checks that the record says what encoding/json reads.
func compare(t *testing.T, text string, rec model.Record) {
	var want map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&want) != nil {
		return // raw control characters, which only we accept
	}
	if strings.Contains(text, "[") || hasDuplicates(text) {
		return // encoding/json replaces and merges differently
	}
	if got := tree(t, rec); !reflect.DeepEqual(got, want) {
		t.Fatalf("%q\n got %v\nwant %v", text, got, want)
	}
}

// hasDuplicates reports whether some key occurs twice anywhere: a rough but
// safe test.
func hasDuplicates(text string) bool {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	seen := map[string]bool{}
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if s, ok := token.(string); ok {
			if seen[s] {
				return true
			}
			seen[s] = true
		}
	}
}

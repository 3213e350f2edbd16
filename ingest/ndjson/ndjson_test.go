package ndjson

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
)

func receipt() time.Time { return time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC) }

// show writes what a body held, for tables: line and first field of every
// record, then line and start of the message of every rejection.
func show(d Decoded) string {
	var b strings.Builder
	for i, rec := range d.Records {
		fmt.Fprintf(&b, "%d:%s=%s ", d.Lines[i], rec.Fields[0].Name, rec.Fields[0].Text)
	}
	for _, r := range d.Rejected {
		message, _, _ := strings.Cut(r.Message, ":")
		fmt.Fprintf(&b, "!%d:%s ", r.Line, message)
	}
	if d.Single {
		b.WriteString("single")
	}
	return strings.TrimSpace(b.String())
}

func TestDecode(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"nothing", "", ""},
		{"blank", " \r\n\n\t", ""},
		{"one", `{"a":1}`, "1:a=1 single"},
		{"one with line feed", "\n{\"a\":1}\r\n", "2:a=1 single"},
		{"byte order mark", "\xef\xbb\xbf{\"a\":1}\n", "1:a=1 single"},
		{"pretty", "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": 2\n  }\n}\n", "1:a=1 single"},
		{"two lines", "{\"a\":1}\n{\"a\":2}\n", "1:a=1 2:a=2"},
		{"CRLF and blanks", "{\"a\":1}\r\n\r\n\r\n{\"a\":2}\r\n", "1:a=1 4:a=2"},
		{"concatenated", `{"a":1}{"a":2} {"a":3}`, "1:a=1 1:a=2 1:a=3"},
		{"commas between lines", "{\"a\":1},\n{\"a\":2},\n", "1:a=1 2:a=2"},
		{"pretty after one another", "{\n\"a\":1\n}\n{\n\"a\":2\n}", "1:a=1 4:a=2"},
		{"array", `[{"a":1},{"a":2}]`, "1:a=1 1:a=2"},
		{"array of one", `[{"a":1}]`, "1:a=1"},
		{"empty array", `[]`, ""},
		{"pretty array", "[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 2\n  }\n]\n", "2:a=1 5:a=2"},
		{"array a line", "[{\"a\":1}]\n[{\"a\":2}]\n", "1:a=1 2:a=2"},
		{"array cut off", `[{"a":1},{"a":2}`, "1:a=1 1:a=2 !1:array does not end"},
		{"array with others", `[{"a":1},7,"x,]",[1,[2]],null,{"a":2}]`, "1:a=1 1:a=2 !1:not a JSON object !1:not a JSON object !1:not a JSON object !1:not a JSON object"},
		{"array with broken", `[{"a":1},{"a":},{"a":2}]`, "1:a=1 1:a=2 !1:not JSON"},
		{"array with broken lines", "[\n{\"a\":1},\n{\"a\":\"x},\n{\"a\":2}\n]", "2:a=1 4:a=2 !3:not JSON"},
		{"array and rest", "[{\"a\":1}] rest\n{\"a\":2}", "1:a=1 2:a=2 !1:not a JSON object"},
		{"garbage lines", "{\"a\":1}\nrubbish\n{\"a\":2}\n42\n\"s\"\nnull\n{\"a\":3}", "1:a=1 3:a=2 7:a=3 !2:not a JSON object !4:not a JSON object !5:not a JSON object !6:not a JSON object"},
		{"broken line", "{\"a\":1}\n{\"a\":\n{\"a\":2}\n", "1:a=1 3:a=2 !2:not JSON"},
		{"cut string", "{\"a\":\"x\n{\"a\":2}\n", "2:a=2 !1:not JSON"},
		{"cut after comma", "{\"a\":1,\n{\"a\":2}\n", "2:a=2 !1:not JSON"},
		{"cut at end", "{\"a\":1}\n{\"a\":2", "1:a=1 !2:not JSON"},
		{"rest of line", "{\"a\":1} x\n{\"a\":2}", "1:a=1 2:a=2 !1:not a JSON object"},
		{"broken pretty", "{\n\"a\": 1\n\"b\": 2\n}\n{\"a\":2}", "5:a=2 !1:not JSON"},
		{"empty record", "{}\n{\"a\":1}", "2:a=1 !1:empty record"},
		{"one broken", `{"a":}`, "!1:not JSON single"},
		{"closing bracket", "]\n{\"a\":1}", "2:a=1 !1:not a JSON object"},
		{"deep cut line", `{"a":` + strings.Repeat("[", 50) + "\n{\"a\":2}\n}\n", "2:a=2 !1:nested deeper than 32 levels !3:not a JSON object"},
		{"deep line", `{"a":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + "}\n{\"a\":2}", "2:a=2 !1:nested deeper than 32 levels"},
		{"NUL", "\x00\n{\"a\":1}", "2:a=1 !1:not a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Decode(nil, []byte(c.body), receipt(), pipeline.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if show(got) != c.want || got.Refused != len(got.Rejected) {
				t.Errorf("%q\n got %s\nwant %s", c.body, show(got), c.want)
			}
		})
	}
}

func TestDecodeLines(t *testing.T) {
	got, err := DecodeLines(nil, []byte("one\r\n\n  \n two \n{\"a\":1}\n"+strings.Repeat("x", 1<<20+1)+"\nbad \xff byte"), receipt(), pipeline.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "1:message=one 4:message= two  5:message={\"a\":1} 7:message=bad \uFFFD byte !6:line has 1048577 bytes, limit 1048576"
	if show(got) != want {
		t.Errorf("got  %s\nwant %s", show(got), want)
	}
}

func TestDecodeAppends(t *testing.T) {
	first, err := Decode(nil, []byte(`{"a":1}`), receipt(), pipeline.Config{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Decode(first.Records, []byte(`{"a":2}`), receipt(), pipeline.Config{})
	if err != nil || len(second.Records) != 2 || !second.Single || second.Records[0].Fields[0].Text != "1" {
		t.Errorf("second body gives %+v, %v", second, err)
	}
}

// TestDecoderReuse checks that records survive the decoder's next body.
func TestDecoderReuse(t *testing.T) {
	d := NewDecoder(pipeline.Config{})
	var all []Decoded
	body := func(i int) []byte {
		return fmt.Appendf(nil, `{"k%d":"esc\n%d","l":[ %d ]}`, i%3, i, i)
	}
	for i := range 200 {
		got, err := d.Decode("", nil, body(i), receipt())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got)
	}
	for i, got := range all {
		want, err := Decode(nil, body(i), receipt(), pipeline.Config{})
		if err != nil || !reflect.DeepEqual(got.Records, want.Records) {
			t.Fatalf("body %d is now %+v, want %+v", i, got.Records, want.Records)
		}
	}
}

// TestRelease checks that records made of what earlier ones were made of are
// the same as others, whatever those held, and that a body which overlaps a
// release in time is not touched by it.
func TestRelease(t *testing.T) {
	cfg := pipeline.Config{MaxFields: 400}
	d := NewDecoder(cfg)
	rng := rand.New(rand.NewPCG(1, 2))
	var held Decoded
	var heldBody []byte
	check := func(got Decoded, body []byte) {
		t.Helper()
		want, err := Decode(nil, body, receipt(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		got.memory, want.memory = nil, nil
		if len(want.Records) == 0 { // nil or empty
			got.Records, got.Lines, want.Records, want.Lines = nil, nil, nil, nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%.200q gives %+v, want %+v", body, got, want)
		}
	}
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for i := range rounds {
		var body []byte
		for range rng.IntN(40) {
			body = appendRandom(body, rng)
		}
		got, err := d.Decode("", nil, body, receipt())
		if err != nil {
			t.Fatal(err)
		}
		check(got, body)
		if i%7 == 0 {
			if heldBody != nil {
				check(held, heldBody)
				d.Release(held)
			}
			held, heldBody = got, body
			continue
		}
		d.Release(got)
		for _, rec := range got.Records {
			if rec.Fields != nil {
				t.Fatal("a released record still has fields")
			}
		}
	}
}

// appendRandom appends a record that is small, wide, nested, full of escapes or
// refused.
func appendRandom(dst []byte, rng *rand.Rand) []byte {
	switch rng.IntN(6) {
	case 0:
		dst = append(dst, `{"timestamp":"2025-03-04T05:06:07Z","level":"INFO"`...)
		for i := range rng.IntN(500) { // some are over the limit
			dst = fmt.Appendf(dst, `,"f%d":"v\t%d"`, i, i)
		}
		return append(dst, "}\n"...)
	case 1:
		return fmt.Appendf(dst, `{"message":"%s"}`+"\n", strings.Repeat(`a\"b`, rng.IntN(30_000)))
	case 2:
		return fmt.Appendf(dst, `{"a":{"b":[ %d ]},"a":%d,"timestamp":"no time","severity":"warn"}`+"\n", rng.IntN(9), rng.IntN(9))
	case 3:
		return append(dst, "{\"a\":1,\"b\":\"\xff\\n\",\"c\"}\n"...)
	}
	return fmt.Appendf(dst, `{"time":%d,"n":%d,"ok":true,"s":"x\u00e9"}`+"\n", 1_700_000_000+rng.IntN(1000), rng.IntN(1e6))
}

// TestHostile checks that hostile bodies cost neither much time nor memory and
// spoil nothing after them. A quadratic decoder does not finish this.
func TestHostile(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	for name, part := range map[string]string{
		"opened objects":    `{"a":` + "\n",
		"opened arrays":     `{"a":[` + "\n",
		"deep cut lines":    `{"a":` + strings.Repeat("[", 40) + "\n",
		"braces":            "{\n",
		"brackets":          "[\n",
		"quotes":            "\"\n",
		"array of numbers":  "[1,2,3,\n",
		"garbage":           "x\n",
		"long lines":        strings.Repeat("[1,", 10),
		"broken in array":   `[{"a":{,`,
		"broken and spaces": "[{x},  ",
		"empty":             "{}",
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Repeat(part, n) + "\n\n{\"last\":1}\n"
			got, err := Decode(nil, []byte(body), receipt(), pipeline.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Refused == 0 || len(got.Rejected) > RejectionsMax {
				t.Errorf("refused %d, described %d", got.Refused, len(got.Rejected))
			}
			if len(got.Records) != 1 || got.Records[0].Fields[0].Name != "last" {
				t.Errorf("%d records, want the last line", len(got.Records))
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("needs 256 MiB")
	}
	body := bytes.Repeat([]byte("{\"a\":1}\n"), 3<<20)
	if _, err := Decode(nil, body, receipt(), pipeline.Config{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("err = %v, want ErrTooLarge", err)
	}
}

// smoke returns lines of real logs.
func smoke(tb testing.TB) []byte {
	file, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "smoke_5k.ndjson.gz"))
	if errors.Is(err, os.ErrNotExist) {
		tb.Skip("no sample data beside the repository")
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	reader, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// TestRealLogs checks on real lines that a record says what its line says.
func TestRealLogs(t *testing.T) {
	data := smoke(t)
	got, err := Decode(nil, data, receipt(), pipeline.Config{})
	if err != nil || got.Refused != 0 {
		t.Fatalf("%d records, %v, refused %v", len(got.Records), err, got.Rejected)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	n := 0
	for ; lines.Scan(); n++ {
		var want map[string]any
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if back := rebuild(t, got.Records[n]); !reflect.DeepEqual(back, want) {
			t.Fatalf("line %d\n got %v\nwant %v", n+1, back, want)
		}
	}
	if n != len(got.Records) {
		t.Errorf("%d lines, %d records", n, len(got.Records))
	}
}

// rebuild makes of a record the object that was sent.
func rebuild(t *testing.T, rec model.Record) map[string]any {
	root := map[string]any{"timestamp": string(timestamp.Append(nil, rec.Time, rec.TimeDigits))}
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
				t.Fatal(err)
			}
		}
		keys, at := model.SplitPath(f.Name), root
		for _, key := range keys[:len(keys)-1] {
			if at[key] == nil {
				at[key] = map[string]any{}
			}
			at = at[key].(map[string]any)
		}
		at[keys[len(keys)-1]] = v
	}
	if original, ok := root["_original"].(map[string]any); ok {
		for key, v := range original {
			root[key] = v
		}
		delete(root, "_original")
	}
	return root
}

// TestBrokenRealLogs cuts and damages lines at random: lines that are left
// whole must all be stored.
func TestBrokenRealLogs(t *testing.T) {
	lines := bytes.SplitAfter(smoke(t), []byte("\n"))
	random := rand.New(rand.NewPCG(3, 4))
	var body []byte
	whole := 0
	for _, line := range lines[:2000] {
		if random.IntN(3) > 0 {
			body = append(body, line...)
			whole++
			continue
		}
		// A prefix of an object is not an object.
		body = append(body, line[:1+random.IntN(len(line)-3)]...)
		body = append(body, '\n')
	}
	got, err := Decode(nil, body, receipt(), pipeline.Config{})
	if err != nil || len(got.Records) != whole || got.Refused != 2000-whole {
		t.Errorf("%d records and %d refused, want %d and %d (%v)", len(got.Records), got.Refused, whole, 2000-whole, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range []string{"{\"a\":1}\n{\"b\":\"x\\u00e9\"}", "[{\"a\":1},\n7,{\"b\":[{}]}]", "\xef\xbb\xbf{\n\"a\":{\n\"b\":{}}}x\n", "{\"a\":[[[\n{\"a\":2}"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		cfg := pipeline.Config{MaxDepth: 4, MaxFields: 8, MaxNameBytes: 16, MaxLineBytes: 256}
		got, err := Decode(nil, body, receipt(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Lines) != len(got.Records) || got.Refused < len(got.Rejected) {
			t.Fatalf("%q gives %+v", body, got)
		}
		newlines := bytes.Count(body, []byte("\n"))
		last := 0
		for _, line := range got.Lines {
			if line < last || line > newlines+1 {
				t.Fatalf("%q has a record on line %d after %d", body, line, last)
			}
			last = line
		}
		if len(got.Records)+got.Refused == 0 && len(bytes.Trim(bytes.TrimPrefix(body, []byte(byteOrderMark)), " \t\r\n,[]")) > 0 {
			t.Fatalf("%q gives nothing", body)
		}
		// Whatever comes before, a line that is whole must be stored after it,
		// unless it is inside something that is still open.
		if !bytes.ContainsAny(body, "{[") {
			after, err := Decode(nil, append(bytes.Clone(body), "\n{\"last\":1}"...), receipt(), cfg)
			if err != nil || len(after.Records) == 0 || after.Records[len(after.Records)-1].Fields[0].Name != "last" {
				t.Fatalf("%q hides a line after it: %+v", body, after)
			}
		}
		if _, err := DecodeLines(nil, body, receipt(), cfg); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := smoke(b)
	d := NewDecoder(pipeline.Config{})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		got, err := d.Decode("", nil, data, receipt())
		if err != nil {
			b.Fatal(err)
		}
		d.Release(got)
	}
}

func BenchmarkDecodeOne(b *testing.B) {
	data := smoke(b)
	line := data[:bytes.IndexByte(data, '\n')]
	d := NewDecoder(pipeline.Config{})
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode("", nil, line, receipt()); err != nil {
			b.Fatal(err)
		}
	}
}

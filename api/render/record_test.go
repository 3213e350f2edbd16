package render

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
)

func TestRecordEncoder(t *testing.T) {
	id := model.RecordID{Shard: 1, Index: 0xab, Ordinal: 2}
	str := func(name, text string) model.Field { return model.Field{Name: name, Kind: model.String, Text: text} }
	num := func(name, text string) model.Field {
		return model.Field{Name: name, Kind: model.Number, Text: text}
	}
	const head = `{"id":"1-ab-2","timestamp":"2023-11-14T22:13:20Z"`
	for name, test := range map[string]struct {
		fields []model.Field
		want   string
	}{
		"empty":     {nil, head + `,"_id":"1-ab-2"}`},
		"level":     {[]model.Field{str("level", "warn")}, head + `,"level":"warn","severity":"warn","_id":"1-ab-2"}`},
		"nested":    {[]model.Field{str("m.ip", "1"), num("m.n.x", "1.50"), str("z", "")}, head + `,"m":{"ip":"1","n":{"x":1.50}},"z":"","_id":"1-ab-2"}`},
		"scattered": {[]model.Field{num("m.a", "1"), num("z", "2"), num("m.b", "3")}, head + `,"m":{"a":1,"b":3},"z":2,"_id":"1-ab-2"}`},
		"kinds": {[]model.Field{{Name: "b", Kind: model.Bool, Text: "true"}, {Name: "n", Kind: model.Null}, {Name: "j", Kind: model.JSON, Text: `[1, {"a":2}]`}, num("big", "12345678901234567890.10")},
			head + `,"b":true,"n":null,"j":[1, {"a":2}],"big":12345678901234567890.10,"_id":"1-ab-2"}`},
		"own id":    {[]model.Field{num("id", "7")}, `{"timestamp":"2023-11-14T22:13:20Z","id":7,"_id":"1-ab-2"}`},
		"dots":      {[]model.Field{num(`a\.b`, "1"), num("a.b", "2")}, head + `,"a.b":1,"a":{"b":2},"_id":"1-ab-2"}`},
		"conflict":  {[]model.Field{num("a", "1"), num("a.b", "2")}, head + `,"a":1,"_id":"1-ab-2","a.b":2}`},
		"conflict2": {[]model.Field{num("x.a", "1"), num("x.a.b.c", "2"), num(`x\.a\.b\.c`, "3")}, head + `,"x":{"a":1},"x.a.b.c":3,"_id":"1-ab-2","\\x.a.b.c":2}`},
		"taken":     {[]model.Field{num("timestamp.s", "1"), str("_id", "x")}, head + `,"_id":"1-ab-2","timestamp.s":1,"_original._id":"x"}`},
		"severity":  {[]model.Field{str("severity", "x"), str("level", "info")}, head + `,"severity":"x","level":"info","_id":"1-ab-2"}`},
		"escapes":   {[]model.Field{str("m\"\n", "a\x00\x1f\t\r\\\xff€")}, head + `,"m\"\n":"a\u0000\u001f\t\r\\` + "\ufffd€" + `","_id":"1-ab-2"}`},
		"damaged":   {[]model.Field{num("n", "1x"), num("m", ""), {Name: "b", Kind: model.Bool, Text: "x"}, {Name: "j", Kind: model.JSON}}, head + `,"n":"1x","m":"","b":"x","j":"","_id":"1-ab-2"}`},
		"empty key": {[]model.Field{num("", "1"), num("a.", "2")}, head + `,"":1,"a":{"":2},"_id":"1-ab-2"}`},
	} {
		r := model.Record{Time: 1_700_000_000e9, Fields: test.fields}
		var e Encoder
		got := string(e.Append(nil, id, &r))
		if got != test.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, test.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s: %s is not JSON", name, got)
		}
		if again := string(e.Append(nil, id, &r)); again != got {
			t.Errorf("%s: the second time %s", name, again)
		}
	}
}

// TestLastingEncoder compares an encoder of many records with new ones: records of more
// layouts than it keeps, some often, some once, whose names are not there any more.
func TestLastingEncoder(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	names := []string{"a", "b", "c", "a.b", "a.c", "a.b.c", `a\.b`, "level", "severity", "id", "timestamp.s", "_id", "\"", "", "m.x", "m.y"}
	e := Lasting()
	var few [][]string
	for range 20 {
		few = append(few, some(random, names))
	}
	for range 20_000 {
		of := few[random.IntN(len(few))]
		if random.IntN(3) == 0 {
			of = some(random, names)
		}
		r := model.Record{}
		for _, name := range of {
			r.Fields = append(r.Fields, model.Field{Name: name, Kind: model.String, Text: string([]byte{byte('a' + random.IntN(26))})})
		}
		var fresh Encoder
		if have, want := string(e.Append(nil, model.RecordID{}, &r)), string(fresh.Append(nil, model.RecordID{}, &r)); have != want {
			t.Fatalf("%q: have %s\nwant %s", of, have, want)
		}
	}
}

// some returns some of the names in any order.
func some(random *rand.Rand, names []string) []string {
	names = slices.Clone(names)
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:random.IntN(len(names))]
}

func FuzzRecordEncoder(f *testing.F) {
	f.Add("a.b", "1", byte(2), "a", "x", byte(1), "a.b.c", "", byte(4))
	f.Add(`a\.b`, "\xff", byte(1), "timestamp", "x", byte(1), "_id", "-0.5e3", byte(2))
	f.Fuzz(func(t *testing.T, n1, t1 string, k1 byte, n2, t2 string, k2 byte, n3, t3 string, k3 byte) {
		if n1 == n2 || n2 == n3 || n1 == n3 {
			t.Skip("names occur once per record")
		}
		r := model.Record{}
		for _, f := range []model.Field{{Name: n1, Kind: model.Kind(k1), Text: t1}, {Name: n2, Kind: model.Kind(k2), Text: t2}, {Name: n3, Kind: model.Kind(k3), Text: t3}} {
			if f.Kind != model.JSON { // verbatim by definition
				r.Fields = append(r.Fields, f)
			}
		}
		var e Encoder
		if out := e.Append(nil, model.RecordID{}, &r); !json.Valid(out) {
			t.Fatalf("%q is not JSON", out)
		}
	})
}

// TestAppendString puts every byte at every place of texts of all lengths around those
// that are looked at at once.
func TestAppendString(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for b := range 256 {
				for _, around := range []string{"a", "~", "\"", "é", " "} {
					text := []byte(strings.Repeat(around, length)[:length])
					text[at] = byte(b)
					var have string
					if out := AppendString(nil, string(text)); json.Unmarshal(out, &have) != nil || have != string([]rune(string(text))) {
						t.Fatalf("%q is %s", text, out)
					}
				}
			}
		}
	}
}

func BenchmarkRecordEncoder(b *testing.B) {
	r := model.Record{Time: 1_700_000_000e9, TimeDigits: 3, Fields: []model.Field{
		{Name: "message", Kind: model.String, Text: "Starting IoTDB 1.2.2 (Build: UNKNOWN) from \"here\""},
		{Name: "level", Kind: model.String, Text: "info"},
		{Name: "component", Kind: model.String, Text: "o.a.i.c.s.ConfigNodeCommandLine"},
		{Name: "metadata.source", Kind: model.String, Text: "iotdb_cluster"},
		{Name: "metadata.thread", Kind: model.String, Text: "main"},
		{Name: "metadata.line", Kind: model.Number, Text: "105"},
	}}
	var e Encoder
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Append(dst[:0], model.RecordID{Shard: 1, Index: 2, Ordinal: 3}, &r)
	}
	b.SetBytes(int64(len(dst)))
}

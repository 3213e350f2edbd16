package block

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/stere-log/stere/model"
)

// records turns a block back into records, field by field.
func records(b *Block) []model.Record {
	out := make([]model.Record, len(b.Times))
	for i := range out {
		out[i].Time, out[i].TimeDigits = b.Times[i], b.TimeDigits[i]
	}
	for _, c := range b.Columns {
		for i, code := range c.Codes {
			row := uint32(i)
			if c.Rows != nil {
				row = c.Rows[i]
			}
			out[row].Fields = append(out[row].Fields, model.Field{Name: c.Name, Kind: c.Kind, Text: c.Values[code]})
		}
	}
	return out
}

// sorted returns records with their fields in column order.
func sorted(in []model.Record) []model.Record {
	out := slices.Clone(in)
	for i := range out {
		out[i].Fields = slices.Clone(out[i].Fields)
		slices.SortFunc(out[i].Fields, func(a, b model.Field) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

func checkRoundTrip(t *testing.T, in []model.Record) {
	t.Helper()
	for _, version := range []byte{Version, VersionPlain} {
		coded, err := EncodeAs(version, []byte("before"), in)
		if err != nil {
			t.Fatal(err)
		}
		if coded = coded[len("before"):]; coded[0] != version {
			t.Errorf("version %d, want %d", coded[0], version)
		}
		checkDecoded(t, coded, in)
	}
}

func checkDecoded(t *testing.T, coded []byte, in []model.Record) {
	t.Helper()
	b, err := Decode(coded)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := Rows(coded); err != nil || rows != len(in) {
		t.Errorf("header has %d rows, %v, want %d", rows, err, len(in))
	}
	text := 0
	for i := range b.Columns {
		for _, value := range b.Columns[i].Values {
			text += len(value)
		}
	}
	if size := BodySize(coded); size < text+2*len(in) {
		t.Errorf("header has a body of %d bytes, its values are %d", size, text)
	}
	if got, want := records(b), sorted(in); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	packed, err := DecodePacked(coded)
	if err != nil {
		t.Fatal(err)
	}
	checkUnpacked(t, packed, b)
	checkTimes(t, coded, b)
}

// checkTimes compares the times that are read of the beginning of a block with its own.
func checkTimes(t *testing.T, coded []byte, want *Block) {
	t.Helper()
	var times Times
	for range 2 { // it can be used again
		used := false
		err := times.Of(coded, func(got []int64) error {
			if used = true; !slices.Equal(got, want.Times) {
				t.Errorf("the times are %v, want %v", got, want.Times)
			}
			return nil
		})
		if err != nil || !used {
			t.Errorf("the times are not read: %v", err)
		}
	}
	own := errors.New("own")
	if err := times.Of(coded, func([]int64) error { return own }); !errors.Is(err, own) {
		t.Errorf("the error of who uses them is lost: %v", err)
	}
}

// checkUnpacked compares a block of DecodePacked with that of Decode.
func checkUnpacked(t *testing.T, packed, want *Block) {
	t.Helper()
	if !slices.Equal(packed.Times, want.Times) || !slices.Equal(packed.TimeDigits, want.TimeDigits) || len(packed.Columns) != len(want.Columns) {
		t.Fatalf("packed: %d times, %d columns, want %d, %d", len(packed.Times), len(packed.Columns), len(want.Times), len(want.Columns))
	}
	var room Room // with what the columns before have left there
	for i := range packed.Columns {
		p, w := &packed.Columns[i], &want.Columns[i]
		if !p.Packed() || p.Codes != nil || p.Cells() != len(w.Codes) || p.Distinct() != len(w.Values) || w.Cells() != p.Cells() || w.Distinct() != p.Distinct() {
			t.Errorf("column %q has %d cells, %d values packed, want %d, %d", w.Name, p.Cells(), p.Distinct(), len(w.Codes), len(w.Values))
		}
		for range 2 { // it can be read again
			if got := p.Unpack(); !reflect.DeepEqual(got, w) {
				t.Errorf("unpacked column is %v, want %v", got, w)
			}
		}
		if got := p.UnpackInto(&room); !reflect.DeepEqual(got, w) {
			t.Errorf("column unpacked into a room is %v, want %v", got, w)
		}
		if w.Packed() || w.Unpack() != w || w.UnpackInto(&room) != w {
			t.Errorf("column %q is packed", w.Name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	checkRoundTrip(t, nil)
	checkRoundTrip(t, []model.Record{{Time: math.MinInt64}, {Time: math.MaxInt64, TimeDigits: 9}})
	records := 70_000 // more than two bytes count
	if testing.Short() {
		records = 5000
	}
	var in []model.Record
	for i := range records {
		r := model.Record{Time: int64(i%7) * 1e9, TimeDigits: uint8(i % 10), Fields: []model.Field{
			{Name: "message", Kind: model.String, Text: fmt.Sprintf("line %d", i)},
			{Name: "few", Kind: model.String, Text: fmt.Sprint(i % 5)},
			{Name: "some", Kind: model.Number, Text: fmt.Sprint(i % 1000)},
			{Name: "nearly all", Kind: model.Number, Text: fmt.Sprint(max(i, 1))},
		}}
		if i%3 == 0 {
			r.Fields = append(r.Fields, model.Field{Name: "sparse", Kind: model.Null})
		} else if i%5 == 0 {
			r.Fields = append(r.Fields, model.Field{Name: "sparse", Kind: model.String, Text: "null"})
		}
		if i > 0 {
			r.Fields = append(r.Fields, model.Field{Name: "many", Kind: model.JSON, Text: fmt.Sprint("[", i/2+i%3, "]")})
		}
		in = append(in, r)
	}
	checkRoundTrip(t, in)
	checkRoundTrip(t, in[:300]) // the encoder is used again
	for i := range in[:5000] {  // times that take many bytes, of a body that is packed in several pieces
		in[i].Time = int64(i) * 1_234_567_890_123 * int64(1-i%2*2)
	}
	checkRoundTrip(t, in[:5000])
}

// keptRecords are those of testdata/version2.block.
func keptRecords() []model.Record {
	var in []model.Record
	for i := range 400 {
		r := model.Record{Time: int64(i-200) * 1_234_567, TimeDigits: uint8(i % 10), Fields: []model.Field{
			{Name: "message", Kind: model.String, Text: fmt.Sprintf("line %d", i%300)},
			{Name: "few", Kind: model.String, Text: fmt.Sprint(i % 5)},
		}}
		if i%3 == 0 {
			r.Fields = append(r.Fields, model.Field{Name: "sparse", Kind: model.Null})
		}
		in = append(in, r)
	}
	return in
}

// TestVersionBefore checks that a block of version 2 is read.
func TestVersionBefore(t *testing.T) {
	coded, err := os.ReadFile("testdata/version2.block")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Decode(coded)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := Rows(coded); coded[0] != VersionPlain || err != nil || rows != 400 || BodySize(coded) < 400 {
		t.Errorf("version %d, %d rows, %v, body of %d bytes", coded[0], rows, err, BodySize(coded))
	}
	if got, want := records(b), sorted(keptRecords()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	packed, err := DecodePacked(coded)
	if err != nil {
		t.Fatal(err)
	}
	checkUnpacked(t, packed, b)
	checkRoundTrip(t, keptRecords())
}

// TestOldestAge checks codes of two bytes where the first of as many values as these can
// tell apart comes again behind the last one.
func TestOldestAge(t *testing.T) {
	const values = 1 << 16
	in := make([]model.Record, values+2)
	for i := range in {
		in[i].Fields = []model.Field{{Name: "n", Kind: model.Number, Text: fmt.Sprint(i % values)}}
	}
	checkRoundTrip(t, in)
}

func TestSameBytes(t *testing.T) {
	a := []model.Record{{Fields: []model.Field{{Name: "a", Kind: model.String, Text: "1"}, {Name: "b", Kind: model.String, Text: "2"}}}}
	b := []model.Record{{Fields: []model.Field{{Name: "b", Kind: model.String, Text: "2"}, {Name: "a", Kind: model.String, Text: "1"}}}}
	first, err1 := Encode(nil, a)
	second, err2 := Encode(nil, b)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first, second) {
		t.Error("the order of fields changes the bytes")
	}
}

// TestKeptColumns checks that what an encoder keeps of earlier blocks, refused
// ones among them, is not seen in later ones.
func TestKeptColumns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	kept := newEncoder()
	for i := range 400 {
		in := randomRecords(rng, i)
		got, err := kept.encode(nil, in)
		want, wantErr := newEncoder().encode(nil, in)
		if (err == nil) != (wantErr == nil) || !slices.Equal(got, want) {
			t.Fatalf("block %d has %d bytes, %v; a new encoder gives %d, %v", i, len(got), err, len(want), wantErr)
		}
		if len(kept.used) != 0 || len(kept.sorted) > keptColumns {
			t.Fatalf("after block %d, %d of %d columns are in use", i, len(kept.used), len(kept.sorted))
		}
		for _, c := range kept.sorted {
			if len(c.rows) != 0 || slices.ContainsFunc(c.values[:cap(c.values)], func(v string) bool { return v != "" }) {
				t.Fatalf("after block %d, column %q is not empty", i, c.name)
			}
		}
	}
}

// randomRecords returns records of a few sources; some blocks have a great many
// fields, or values, and some are refused.
func randomRecords(rng *rand.Rand, block int) []model.Record {
	out := make([]model.Record, rng.IntN(300))
	for i := range out {
		source := rng.IntN(3)
		for f := range 1 + rng.IntN(8) {
			name, kind := fmt.Sprintf("s%d.f%d", source, f), model.String
			switch {
			case block%50 == 49:
				name = fmt.Sprintf("many.%d.%d.%d", block, i, f)
			case rng.IntN(20) == 0:
				kind = model.Number
			}
			text := fmt.Sprint(rng.IntN(3))
			if f%2 == 1 {
				text = fmt.Sprint(rng.IntN(1 + 10*block))
			}
			out[i].Fields = append(out[i].Fields, model.Field{Name: name, Kind: kind, Text: text})
		}
	}
	if len(out) > 0 && block%9 == 8 {
		last := &out[len(out)-1]
		last.Fields = append(last.Fields, last.Fields[0])
	}
	return out
}

func TestEncodeRefuses(t *testing.T) {
	field := model.Field{Name: "a", Kind: model.String}
	if _, err := Encode(nil, []model.Record{{Fields: []model.Field{field, field}}}); err == nil {
		t.Error("a field twice was accepted")
	}
	if _, err := Encode(nil, []model.Record{{Fields: []model.Field{{Name: "a", Kind: 9}}}}); err == nil {
		t.Error("an unknown kind was accepted")
	}
	if _, err := Encode(nil, make([]model.Record, RowsMax+1)); !errors.Is(err, ErrLimit) {
		t.Errorf("too many records: %v", err)
	}
	long := strings.Repeat("x", BodyMax/4)
	var in []model.Record
	for i := range 5 {
		in = append(in, model.Record{Fields: []model.Field{{Name: "a", Kind: model.String, Text: long[i:]}}})
	}
	if _, err := Encode(nil, in); !errors.Is(err, ErrLimit) {
		t.Errorf("too many bytes: %v", err)
	}
	checkRoundTrip(t, []model.Record{{Fields: []model.Field{field}}}) // a refused batch leaves nothing behind
}

func TestEveryFlipIsFound(t *testing.T) {
	coded, err := Encode(nil, []model.Record{{Time: 5, Fields: []model.Field{{Name: "message", Kind: model.String, Text: "hello"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range coded {
		for bit := range 8 {
			bad := slices.Clone(coded)
			bad[i] ^= 1 << bit
			if _, err := Decode(bad); !errors.Is(err, ErrCorrupt) {
				t.Errorf("bit %d of byte %d: %v", bit, i, err)
			}
			if _, err := DecodePacked(bad); !errors.Is(err, ErrCorrupt) {
				t.Errorf("bit %d of byte %d, packed: %v", bit, i, err)
			}
		}
		if _, err := Decode(coded[:i]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes: %v", i, err)
		}
		if err := new(Times).Of(coded[:i], func([]int64) error { return nil }); !errors.Is(err, ErrCorrupt) {
			t.Errorf("times of %d bytes: %v", i, err)
		}
	}
}

// TestTimesTakeLittle reads times that take many bytes of a block with much text, of which no
// more is unpacked and kept than times can take.
func TestTimesTakeLittle(t *testing.T) {
	in := make([]model.Record, 100)
	for i := range in {
		in[i] = model.Record{Time: int64(i) * 1_234_567_890_123 * int64(1-i%2*2), Fields: []model.Field{
			{Name: "message", Kind: model.String, Text: strings.Repeat(fmt.Sprint("text ", i), 2000)}}}
	}
	coded, err := Encode(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	if coded[1] != bodyZstd {
		t.Fatalf("body of kind %d", coded[1])
	}
	var times Times
	if err := times.Of(coded, func([]int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if most := len(in) * timeBytesMax; cap(times.begun) <= len(in)*timeBytes || cap(times.begun) > most {
		t.Errorf("%d bytes are kept for %d times, want at most %d", cap(times.begun), len(in), most)
	}
}

func FuzzDecode(f *testing.F) {
	for _, in := range [][]model.Record{nil, {{Time: 1}}, {
		{Time: 1, Fields: []model.Field{{Name: "a", Kind: model.String, Text: "x"}, {Name: "b", Kind: model.Number, Text: "1"}}},
		{Time: 2, Fields: []model.Field{{Name: "a", Kind: model.String, Text: "x"}}},
		{Time: 3, Fields: []model.Field{{Name: "a", Kind: model.String, Text: "y"}}},
	}} {
		e := newEncoder()
		if err := errors.Join(e.add(in), e.write(in)); err != nil {
			f.Fatal(err)
		}
		raw := binary.AppendUvarint([]byte{Version, bodyRaw}, uint64(len(in)))
		raw = binary.AppendUvarint(raw, uint64(len(e.body)))
		f.Add(append(raw, e.body...))
		f.Add(append([]byte{VersionPlain}, append(raw, e.body...)[1:]...)) // times and codes mean something else there
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// The checksum is made right, or nothing behind it would be tried.
		coded := binary.LittleEndian.AppendUint32(data[:len(data):len(data)], crc32.Checksum(data, castagnoli))
		b, err := Decode(coded)
		packed, packedErr := DecodePacked(coded)
		if (err == nil) != (packedErr == nil) {
			t.Fatalf("decoded %v, packed %v", err, packedErr)
		}
		if err != nil {
			return
		}
		checkUnpacked(t, packed, b)
		checkTimes(t, coded, b)
		in := records(b)
		for _, r := range in {
			for _, field := range r.Fields {
				if !field.Kind.Valid() {
					t.Fatalf("field of kind %d", field.Kind)
				}
			}
		}
	})
}

func smoke(t testing.TB) (list []model.Record, bytes int64) {
	file, err := os.Open("../../../shared/data/smoke_5k.ndjson.gz")
	if err != nil {
		t.Skip("the development data is not there: ", err)
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var scan fastjson.Scanner
	text := new(strings.Builder)
	if _, err := io.Copy(text, unzip); err != nil {
		t.Fatal(err)
	}
	scan.Init(text.String())
	for scan.Next() {
		var r model.Record
		r.Time = int64(len(list)) * 1e6
		flatten(&r, "", scan.Value())
		list = append(list, r)
	}
	return list, int64(text.Len())
}

func flatten(r *model.Record, prefix string, v *fastjson.Value) {
	switch v.Type() {
	case fastjson.TypeObject:
		v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
			flatten(r, model.JoinPath(prefix, string(key)), v)
		})
	case fastjson.TypeString:
		r.Fields = append(r.Fields, model.Field{Name: prefix, Kind: model.String, Text: string(v.GetStringBytes())})
	default:
		r.Fields = append(r.Fields, model.Field{Name: prefix, Kind: model.Number, Text: v.String()})
	}
}

func TestSmoke(t *testing.T) {
	list, bytes := smoke(t)
	coded, err := Encode(nil, list)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records, %d bytes of JSON, block of %d", len(list), bytes, len(coded))
	checkRoundTrip(t, list)
}

func BenchmarkEncode(b *testing.B) {
	list, bytes := smoke(b)
	for _, n := range []int{500, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(bytes * int64(n) / int64(len(list)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = Encode(dst[:0], list[:n])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
			b.ReportMetric(float64(len(dst))/float64(n), "B/record")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	list, bytes := smoke(b)
	coded, err := Encode(nil, list)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(bytes)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(coded); err != nil {
			b.Fatal(err)
		}
	}
}

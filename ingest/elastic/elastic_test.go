package elastic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
)

func receipt() time.Time { return time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC) }

func idOf(i int) model.RecordID { return model.RecordID{Shard: 1, Index: 41, Ordinal: uint32(i)} }

// TestClients replays what shippers send. An ask is a request without a body
// that matters; a bulk is answered as if all its records had been stored.
func TestClients(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") {
			return
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "ask":
				return ask(t, d)
			case "bulk":
				return bulk(t, d)
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func ask(t *testing.T, d *datadriven.TestData) string {
	method, target, _ := strings.Cut(strings.TrimSpace(d.Input), " ")
	path, query, _ := strings.Cut(target, "?")
	info := Info{Name: "node-1", Cluster: "c", Address: "10.0.0.1:7100", Nodes: 3}
	status, contentType, body, ok := Handshake(method, path, query, info)
	if !ok {
		return "not ours\n"
	}
	if contentType == contentJSON && method != "HEAD" && !json.Valid(body) {
		t.Errorf("%s gives no JSON: %s", d.Input, body)
	}
	return fmt.Sprintf("%d %s\n%s\n", status, contentType, bytes.TrimSuffix(body, []byte("\n")))
}

func bulk(t *testing.T, d *datadriven.TestData) string {
	var index string
	var filters []string
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "index":
			index = arg.Vals[0]
		case "filter":
			filters = arg.Vals
		default: // datadriven takes a filter with commas apart
			filters = append(filters, arg.Key)
		}
	}
	r, err := Decode([]byte(d.Input), index, receipt(), pipeline.Config{})
	var refused *Error
	if errors.As(err, &refused) {
		if !json.Valid(refused.Body()) {
			t.Errorf("no JSON: %s", refused.Body())
		}
		return fmt.Sprintf("%d %s\n", refused.Status, refused.Body())
	}
	if err != nil {
		t.Fatal(err)
	}
	reply := AppendReply(nil, r, idOf, 3*time.Millisecond, strings.Join(filters, ","))
	checkReply(t, &r, reply)
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", reply)
	for i, rec := range r.Records {
		fmt.Fprintf(&out, "record %d at %s:", i, timestamp.Append(nil, rec.Time, rec.TimeDigits))
		for _, f := range rec.Fields {
			fmt.Fprintf(&out, " %s=%q", f.Name, f.Text)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// checkReply verifies what shippers rely on.
func checkReply(t *testing.T, r *Request, reply []byte) {
	t.Helper()
	var got struct {
		Errors *bool
		Items  []map[string]struct {
			Status int
			Error  *struct{ Type, Reason string }
		}
	}
	if err := json.Unmarshal(reply, &got); err != nil {
		t.Fatalf("%s: %v", reply, err)
	}
	if got.Errors == nil || len(got.Items) != r.Actions() {
		t.Fatalf("%d items for %d actions in %s", len(got.Items), r.Actions(), reply)
	}
	refused, stored := 0, 0
	for _, it := range got.Items {
		if len(it) != 1 {
			t.Fatalf("item with %d keys in %s", len(it), reply)
		}
		for _, v := range it {
			switch {
			case v.Status == 400 && v.Error != nil && v.Error.Type != "" && v.Error.Reason != "":
				refused++
			case v.Status == 201 && v.Error == nil:
				stored++
			case v.Status == 404 && v.Error == nil:
			default:
				t.Fatalf("item with status %d, error %v in %s", v.Status, v.Error, reply)
			}
		}
	}
	if refused != r.Rejected() || stored != len(r.Records) || *got.Errors != (refused > 0) {
		t.Fatalf("%d refused, %d stored, errors %v in %s", refused, stored, *got.Errors, reply)
	}
}

func TestErrorIsAnError(t *testing.T) {
	_, err := Decode([]byte("rubbish\n"), "", receipt(), pipeline.Config{})
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != 400 {
		t.Errorf("err = %v", err)
	}
}

// TestHostile checks bodies that try to cost much; each has but one answer.
func TestHostile(t *testing.T) {
	n := 300_000
	if testing.Short() {
		n = 30_000
	}
	deep := strings.Repeat(`{"a":`, 15*n)
	for name, c := range map[string]struct {
		body             string
		records, refused int
		whole            bool // the whole request is refused
	}{
		"deep source":       {"{\"create\":{}}\n" + deep + "\n{\"create\":{}}\n{\"a\":1}\n", 1, 1, false},
		"deep action":       {deep, 0, 0, true},
		"actions only":      {strings.Repeat("{\"create\":{}}\n", n), n / 2, 0, false},
		"deletes":           {strings.Repeat("{\"delete\":{\"_id\":\"x\"}}\n", n), 0, 0, false},
		"blank lines":       {strings.Repeat("\r\n", n) + "{\"create\":{}}\n" + strings.Repeat("\n", n) + "{\"a\":1}", 1, 0, false},
		"byte order mark":   {"\xef\xbb\xbf{\"create\":{}}\n{\"a\":1}", 1, 0, false},
		"NUL":               {"{\"create\":{}}\n{\"a\":\"\x00\"}\n", 1, 0, false},
		"garbage of action": {strings.Repeat("\xff", n), 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Decode([]byte(c.body), "", receipt(), pipeline.Config{})
			if (err != nil) != c.whole || len(r.Records) != c.records || r.Rejected() != c.refused {
				t.Errorf("%d records, %d refused, %v", len(r.Records), r.Rejected(), err)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("needs 256 MiB")
	}
	body := bytes.Repeat([]byte("{\"delete\":{}}\n"), 4<<20)
	var refused *Error
	if _, err := Decode(body, "", receipt(), pipeline.Config{}); !errors.As(err, &refused) || refused.Status != 413 {
		t.Errorf("err = %v, want status 413", err)
	}
}

// TestRelease checks that requests made of what earlier ones were made of are
// the same as others.
func TestRelease(t *testing.T) {
	d := NewDecoder(pipeline.Config{MaxFields: 5})
	for i := range 300 {
		var body []byte
		for j := range i % 17 {
			body = fmt.Appendf(body, "{\"create\":{\"_id\":\"%d\"}}\n{\"message\":\"a\\n%d\",\"n%d\":[ %d ]}\n", j, i*j, i%3, j)
			body = fmt.Appendf(body, "{\"delete\":{\"_id\":\"%d\"}}\n{\"index\":{}}\n{\"a\":%d,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5}\n", j, i)
		}
		body = append(body, "{\"index\":{}}\n{\"a\":1}\n"...)
		got, err := d.Decode("", body, "", receipt())
		want, wantErr := Decode(body, "", receipt(), pipeline.Config{MaxFields: 5})
		if err != nil || wantErr != nil {
			t.Fatal(err, wantErr)
		}
		memory := got.memory
		got.memory, want.memory = nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q gives %+v, want %+v", body, got, want)
		}
		got.memory = memory
		d.Release(got)
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range []string{"{\"create\":{\"_index\":\"a\",\"_id\":\"\\u00e9\"}}\n{\"a\":1}\n", "{\"update\":{}}\n{\"doc\":{\"a\":[1]}}\n{\"delete\":{}}\n", "{\"index\":{}}\n{\n{\"index\":{}}"} {
		f.Add([]byte(body), "errors,items.*.status")
	}
	f.Fuzz(func(t *testing.T, body []byte, filter string) {
		r, err := Decode(body, "", receipt(), pipeline.Config{MaxDepth: 5, MaxFields: 10})
		var refused *Error
		if errors.As(err, &refused) {
			if !json.Valid(refused.Body()) {
				t.Fatalf("no JSON: %s", refused.Body())
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		checkReply(t, &r, AppendReply(nil, r, idOf, time.Second, filter))
	})
}

func FuzzHandshake(f *testing.F) {
	f.Add("GET", "/_cat/health", "format=json", "c\x00\"")
	f.Fuzz(func(t *testing.T, method, path, query, name string) {
		_, contentType, body, ok := Handshake(method, path, query, Info{Name: name, Cluster: name, Version: name, Address: name})
		if ok && contentType == contentJSON && method != "HEAD" && !json.Valid(body) {
			t.Fatalf("%s %s gives no JSON: %s", method, path, body)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var body []byte
	for i := range 10_000 {
		body = fmt.Appendf(body, "{\"create\":{\"_index\":\"logs-app-default\"}}\n{\"@timestamp\":\"2025-03-04T05:06:07.891Z\",\"message\":\"request %d took 12 ms\",\"log\":{\"level\":\"info\",\"file\":{\"path\":\"/var/log/app.log\"}},\"host\":{\"name\":\"web-1\"},\"n\":%d}\n", i, i)
	}
	d := NewDecoder(pipeline.Config{})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := d.Decode("", body, "", receipt())
		if err != nil || len(r.Records) != 10_000 {
			b.Fatal(err)
		}
		d.Release(r)
	}
}

func BenchmarkReply(b *testing.B) {
	r, err := Decode(bytes.Repeat([]byte("{\"create\":{}}\n{\"a\":1}\n"), 1000), "", receipt(), pipeline.Config{})
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	for b.Loop() {
		dst = AppendReply(dst[:0], r, idOf, time.Millisecond, "errors,items.*.error,items.*.status")
	}
}

package node_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/query"
)

// get returns the body and the header of an answer.
func get(t *testing.T, address string) ([]byte, http.Header) {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %s, %v: %.300s", address, answer.Status, err, body)
	}
	return body, answer.Header
}

// ids returns the record ids of NDJSON.
func ids(t *testing.T, body []byte) (all []string) {
	t.Helper()
	for line := range bytes.Lines(body) {
		var record struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, record.ID)
	}
	return all
}

// searched returns the ids that a search finds, page by page.
func searched(t *testing.T, n *node.Node, text string, desc bool) (all []string) {
	t.Helper()
	request := query.Request{Audience: query.Audience{Tenant: "default"}, Text: text, Limit: 1000, Sort: []query.SortKey{{Field: "_time", Desc: desc}}}
	for {
		found, err := n.Engine().Search(t.Context(), request)
		if err != nil {
			t.Fatalf("search: %v", err)
		}
		if !found.Complete { // a shard had no leader for a while
			continue
		}
		for _, hit := range found.Hits {
			all = append(all, hit.ID.String())
		}
		if !found.HasMore {
			return all
		}
		request.Cursor = found.NextCursor
	}
}

func TestExportEqualsSearch(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 1))
	all := startThree(t) // all shards are on the first
	put := func(batches int) {
		t.Helper()
		for range batches {
			records := make([]model.Record, 1+rng.IntN(500))
			for i := range records {
				records[i] = model.Record{Time: 1e18 + rng.Int64N(1000)*1e9, Fields: []model.Field{
					{Name: "message", Kind: model.String, Text: fmt.Sprintf("line %d", rng.IntN(9))},
					{Name: "n", Kind: model.Number, Text: fmt.Sprint(rng.IntN(100))},
				}}
			}
			if _, err := all[rng.IntN(3)].Node.Writer().Write(t.Context(), ingest.Request{Tenant: "default", Records: records}); err != nil {
				t.Fatal(err)
			}
		}
	}
	texts, batches := []string{"", "line 3", "n>90", "nothing"}, 60
	if testing.Short() {
		texts, batches = texts[1:3], 20
	}
	put(batches)
	if err := all[0].Node.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(batches / 2)
	for _, text := range texts {
		for _, order := range []string{"asc", "desc"} {
			want := searched(t, all[0].Node, text, order == "desc")
			for i, one := range all[:2] {
				address := one.URL + "/logs/export?order=" + order + "&query=" + url.QueryEscape(text)
				body, header := get(t, address)
				if got := ids(t, body); !slices.Equal(got, want) {
					t.Fatalf("%q %s on node %d: %d records, want %d as searched", text, order, i, len(got), len(want))
				}
				if len(want) == 0 {
					continue
				}
				put(1) // changes nothing of an export that goes on
				at := rng.IntN(len(want))
				rest, _ := get(t, address+"&cursor="+header.Get("Stere-Export")+"&after="+want[at])
				if got := ids(t, rest); !slices.Equal(got, want[at+1:]) {
					t.Fatalf("%q %s on node %d after record %d: %d records, want %d", text, order, i, at, len(got), len(want)-at-1)
				}
				want = searched(t, all[0].Node, text, order == "desc")
			}
		}
	}
}

func TestExportForms(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	str := func(name, text string) model.Field { return model.Field{Name: name, Kind: model.String, Text: text} }
	num := func(name, text string) model.Field {
		return model.Field{Name: name, Kind: model.Number, Text: text}
	}
	var records []model.Record
	for i, fields := range [][]model.Field{
		{str("message", `=cmd|'x'!A1`), num("n", "-5"), num("f", "1.5")},
		{str("message", "a \"quoted\", line\nand another"), num("n", "7"), str("h.ip", "10.0.0.1")},
		{str("message", "-not a number"), {Name: "ok", Kind: model.Bool, Text: "true"}, {Name: "list", Kind: model.JSON, Text: "[1]"}},
	} {
		records = append(records, model.Record{Time: int64(i+1) * 1e9, Fields: fields})
	}
	if _, err := running.Node.Writer().Write(t.Context(), ingest.Request{Tenant: "default", Records: records}); err != nil {
		t.Fatal(err)
	}
	table := func(params string) [][]string {
		t.Helper()
		body, _ := get(t, running.URL+"/logs/export?format=csv&order=asc&"+params)
		rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	for params, want := range map[string]string{
		"":                              "_id timestamp level component message f h.ip list n ok _rest",
		"query=*|fields+n,message":      "n message _rest",
		"columns=message,n":             "message n",
		"query=*|stats+count()+by+(ok)": "ok count()",
	} {
		if got := strings.Join(table(params)[0], " "); got != want {
			t.Errorf("%q has the columns %s, want %s", params, got, want)
		}
	}
	rows := table("columns=message,n,f,timestamp")
	want := [][]string{{"message", "n", "f", "timestamp"}, {`'=cmd|'x'!A1`, "-5", "1.5", "1970-01-01T00:00:01Z"},
		{"a \"quoted\", line\nand another", "7", "", "1970-01-01T00:00:02Z"}, {"'-not a number", "", "", "1970-01-01T00:00:03Z"}}
	if !slices.EqualFunc(rows, want, slices.Equal) {
		t.Errorf("the rows are %q, want %q", rows, want)
	}

	body, _ := get(t, running.URL+"/logs/export?format=parquet&order=asc")
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	if got := file.NumRows(); got != 3 {
		t.Errorf("the file has %d rows, want 3", got)
	}
	type row struct {
		Message string   `parquet:"message,optional"`
		N       *int64   `parquet:"n,optional"`
		F       *float64 `parquet:"f,optional"`
		OK      *bool    `parquet:"ok,optional"`
		Time    int64    `parquet:"timestamp,optional"`
	}
	read, err := parquet.Read[row](bytes.NewReader(body), int64(len(body)))
	if err != nil || len(read) != 3 {
		t.Fatalf("%d rows, %v", len(read), err)
	}
	if r := read[0]; r.Message != `=cmd|'x'!A1` || r.N == nil || *r.N != -5 || r.F == nil || *r.F != 1.5 || r.OK != nil || r.Time != 1e9 {
		t.Errorf("the first row is %+v", r)
	}
	if r := read[2]; r.N != nil || r.OK == nil || !*r.OK {
		t.Errorf("the last row is %+v", r)
	}
	for _, bad := range []string{"format=xml", "order=up", "query=(", "query=*|sort+n", "cursor=x", "after=x"} {
		answer, err := http.Get(running.URL + "/logs/export?" + bad)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != 400 {
			t.Errorf("%s: status %d, want 400", bad, answer.StatusCode)
		}
	}
}

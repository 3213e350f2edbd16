package v1

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestDecodeSearch(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want SearchRequest
	}{
		"empty":       {" ", SearchRequest{}},
		"query":       {`{"query":"error AND payment","limit":5}`, SearchRequest{Query: "error AND payment", Limit: 5}},
		"time start":  {`{"timeRange":{"start":"a","end":"b"}}`, SearchRequest{TimeRange: &TimeRange{"a", "b"}}},
		"time long":   {`{"timeRange":{"startTime":"a","endTime":12}}`, SearchRequest{TimeRange: &TimeRange{"a", "12"}}},
		"sort object": {`{"sort":{"field":"duration","order":"asc"}}`, SearchRequest{Sort: SortKeys{{"duration", "asc"}}}},
		"sort list":   {`{"sort":[{"field":"a"},"b"]}`, SearchRequest{Sort: SortKeys{{"a", ""}, {"b", ""}}}},
		"filters": {
			`{"filters":{"severity":["error","critical"],"metadata":{"line":[1,true]},"component":"x","tags":[],"timeRange":{"start":"a"}}}`,
			SearchRequest{Filters: Filters{
				Fields:    []Filter{{"severity", []string{"error", "critical"}}, {"metadata.line", []string{"1", "true"}}, {"component", []string{"x"}}},
				TimeRange: &TimeRange{Start: "a"},
			}},
		},
		"unknown": {`{"qery":"x"}`, SearchRequest{Unknown: []string{"qery"}}},
	} {
		got, err := DecodeSearch([]byte(test.body))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, error %v, want %+v", name, got, err, test.want)
		}
		got.Unknown = nil
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeSearch(text)
		if err != nil || len(again.Filters.Fields) != len(got.Filters.Fields) {
			t.Errorf("%s: %s does not read back: %v", name, text, err)
		}
	}
	for _, body := range []string{`[]`, `{"limit":"x"}`, `{"filters":[]}`, `{"filters":{"a":[[1]]}}`, `{"sort":5}`, `{`, `{"timeRange":{"start":{}}}`} {
		if got, err := DecodeSearch([]byte(body)); err == nil {
			t.Errorf("%s was understood as %+v", body, got)
		}
	}
}

func FuzzDecodeSearch(f *testing.F) {
	f.Add([]byte(`{"filters":{"a":{"b":[1]},"timeRange":{"start":1}},"sort":["a"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := DecodeSearch(body); err == nil {
			if _, err := json.Marshal(r); err != nil {
				t.Fatal(err)
			}
		}
	})
}

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
		"unknown": {`{"qery":"x"}`, SearchRequest{Unknown: []Unknown{{"body", "qery", searchMembers}}}},
		"unknown inside": {
			`{"timeRange":{"strt":1},"pagination":{"pge":2},"sort":["a",{"feld":"b"}],"filters":{"timeRange":{"begin":"now"},"begin":"x"}}`,
			SearchRequest{
				TimeRange: &TimeRange{}, Sort: SortKeys{{Field: "a"}, {}}, Filters: Filters{TimeRange: &TimeRange{}, Fields: []Filter{{"begin", []string{"x"}}}},
				Unknown: []Unknown{{"timeRange", "strt", timeMembers}, {"pagination", "pge", pageMembers}, {"sort", "feld", sortMembers}, {"filters.timeRange", "begin", timeMembers}},
			},
		},
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
	for body, want := range map[string]string{
		`{"limit":"5"}`:              "limit: is a string, want a whole number",
		`{"facets":"component"}`:     "facets: is a string, want a list",
		`{"pagination":{"page":[]}}`: "pagination.page: is an array, want a whole number",
		`[]`:                         "read search request: array stands where an object is wanted",
	} {
		if _, err := DecodeSearch([]byte(body)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
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

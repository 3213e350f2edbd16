package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// caller speaks HTTP with a node as any program would.
type caller struct {
	t        *testing.T
	url, key string
}

// call sends a request and returns its answer: the JSON, or the status if the
// request failed.
func (c caller) call(method, path, body string) any {
	c.t.Helper()
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-API-Key", c.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode > 299 {
		return float64(resp.StatusCode)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		c.t.Fatalf("%s %s: %v in %.300s", method, path, err, text)
	}
	return v
}

// at returns what is under a path of names in JSON; "#" is a length, and a
// list of names after "each:" collects one member of every element.
func at(v any, path string) any {
	for name := range strings.SplitSeq(path, "/") {
		if member, ok := strings.CutPrefix(name, "each:"); ok {
			list, _ := v.([]any)
			out := make([]any, len(list))
			for i, element := range list {
				out[i] = at(element, member)
			}
			v = out
			continue
		}
		switch now := v.(type) {
		case map[string]any:
			v = now[name]
		case []any:
			if name == "#" {
				return float64(len(now))
			}
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(now) {
				return nil
			}
			v = now[i]
		}
	}
	return v
}

// formRecords are what the forms are asked about: of several ages, out of
// order, with all kinds of values.
const formRecords = `{"timestamp":"2024-05-01T12:00:01Z","message":"Connection reset by peer","level":"ERR","component":"net","uid":"u1","n":1,"metadata":{"ip":"10.0.0.1"}}
{"timestamp":"2024-05-01T12:00:03Z","message":"connection opened","level":"info","component":"net","uid":"u1","n":2.5,"ok":true}
{"timestamp":"2024-05-01T12:00:02Z","message":"disk_full on sda1","level":50,"component":"disk","uid":"u1","n":30}
{"timestamp":"2009-01-01T00:00:00Z","message":"an old record","severity":"warning","component":"net","uid":"u2","n":4}
{"timestamp":"1971-01-01T00:00:00Z","message":"a very old record","level":"debug","component":"auth","uid":"u2","n":5,"tags":["a","b"]}
{"timestamp":1714564804,"message":"Grüße aus Köln","level":"critical","component":"auth service","uid":"u3","empty":null}
`

// TestForms checks the forms of requests and answers that others are written
// against, on a node as it is served: with the records in the head, and again
// when they are sealed.
func TestForms(t *testing.T) {
	m := newTerminal(t)
	m.serve()
	key, err := os.ReadFile(filepath.Join(m.dir, "data", "admin-key"))
	if err != nil {
		t.Fatal(err)
	}
	c := caller{t, m.url, strings.TrimSpace(string(key))}
	if got := c.call("POST", "/logs", formRecords); at(got, "data/accepted") != float64(6) {
		t.Fatalf("accepted: %v", got)
	}
	id := fmt.Sprint(at(c.call("GET", "/logs?q=sda1", ""), "data/0/id"))
	for _, form := range []string{"head", "sealed"} {
		t.Run(form, func(t *testing.T) {
			c := caller{t, c.url, c.key}
			c.countForms()
			c.tableForms()
			c.recordForms(id)
		})
		if got := c.call("POST", "/admin/flush", ""); at(got, "data/settled") != true {
			t.Fatalf("flush: %v", got)
		}
	}
	c.pagingForms()
}

// countForms asks questions by how many records they find.
func (c caller) countForms() {
	for query, count := range map[string]int{
		`*`: 6, ``: 6, `connection`: 2, `CONNECTION`: 2, `connect`: 0, `connect*`: 2, `disk_full`: 1, `disk`: 1, `full`: 0, `sda1`: 1,
		`message:net`: 0, `net`: 3, `component:net`: 3, `component:="net"`: 3, `component:auth`: 2, `component:="auth"`: 1, `component:="auth service"`: 1,
		`"connection reset"`: 1, `"reset connection"`: 0, `köln`: 1, `KÖLN`: 1, `grüße`: 1, `gr`: 0,
		`level:error`: 2, `severity:error`: 2, `level:warn`: 1, `severity:="warn"`: 1, `level>=error`: 3, `level<info`: 1,
		`n>4`: 2, `n>=4`: 3, `n:[2 TO 5]`: 3, `n:*`: 5, `NOT n:*`: 1, `-connection`: 4, `ok:true`: 1,
		`metadata.ip:"10.0.0.1"`: 1, `metadata.ip:10.0.0.*`: 1, `message:/res[e]t/`: 1, `uid:="u1" AND NOT connection`: 1, `(sda1 OR köln) level:critical`: 1,
		`uid:u*`: 6, `tags:a`: 1,
	} {
		body, err := json.Marshal(map[string]any{"query": query, "limit": 100})
		if err != nil {
			c.t.Fatal(err)
		}
		got := c.call("POST", "/logs/search", string(body))
		if at(got, "data/#") != float64(count) || at(got, "pagination/searchMeta/totalMatches") != float64(count) || at(got, "pagination/searchMeta/relation") != "eq" || at(got, "pagination/searchMeta/complete") != true {
			c.t.Errorf("%s: want %d records, got %v", query, count, got)
		}
	}
	for params, count := range map[string]int{
		"level=error": 2, "severity=error&component=disk": 1, "component=net&component=disk": 4, "uid=u2": 2, "n=5": 1, "q=connection&level=info": 1, "metadata.ip=10.0.0.1": 1,
		"startTime=2024-05-01T12:00:02Z&endTime=2024-05-01T12:00:03Z": 2, "from=2024-05-01&to=2024-05-02": 4, "start=1714564804": 1, "endTime=1980-01-01T00:00:00Z": 1, "since=10m": 0,
	} {
		if got := c.call("GET", "/logs?"+params, ""); at(got, "pagination/total") != float64(count) {
			c.t.Errorf("GET /logs?%s: want %d, got %v", params, count, got)
		}
	}
	for body, count := range map[string]int{
		`{"filters":{"severity":["error"]}}`: 2, `{"filters":{"level":["err","FATAL"]}}`: 3, `{"filters":{"component":["net","disk"],"uid":["u1"]}}`: 3, `{"filters":{"n":[1,5]}}`: 2,
		`{"filters":{"timeRange":{"start":"2024-05-01T12:00:02Z","end":"2024-05-01T12:00:03Z"}}}`: 2, `{"timeRange":{"startTime":"2024-05-01T12:00:02Z","endTime":"2024-05-01T12:00:03Z"}}`: 2,
		`{"timeRange":{"start":"2024-05-01T12:00:02Z"}}`: 3, `{"filters":{"timeRange":{"endTime":"1980-01-01T00:00:00Z"}}}`: 1,
	} {
		if got := c.call("POST", "/logs/search", body); at(got, "data/#") != float64(count) {
			c.t.Errorf("%s: want %d, got %v", body, count, got)
		}
	}
}

// tableForms asks for statistics.
func (c caller) tableForms() {
	for _, test := range []struct{ body, path, want string }{
		{`{"query":"* | stats count() by (uid)"}`, "data/columns", `[{"name":"uid","type":"string"},{"name":"count()","type":"int"}]`},
		{`{"query":"* | stats count() by (uid)"}`, "data/rows", `[["u1",3],["u2",2],["u3",1]]`},
		{`{"query":"* | stats count() by (uid)","limit":2}`, "data/rows", `[["u1",3],["u2",2]]`},
		{`{"query":"* | stats count() by (uid)","limit":2}`, "pagination/hasMore", `true`},
		{`{"query":"* | stats count() by (uid)","limit":3}`, "pagination/hasMore", `false`},
		{`{"query":"* | stats count()"}`, "data/rows", `[[6]]`},
		{`{"query":"nothing | stats count()"}`, "data/rows", `[[0]]`},
		{`{"query":"* | stats count() as c, sum(n) as s, min(n), max(n), avg(n)"}`, "data/rows", `[[6,42.5,1,30,8.5]]`},
		{`{"query":"* | stats count() as hits"}`, "data/columns/0/name", `"hits"`},
		{`{"query":"* | stats count_distinct(uid)"}`, "data/rows", `[[3]]`},
		{`{"query":"uid:u1 | stats p50(n)"}`, "data/rows/#", `1`},
		{`{"query":"* | top 1 component"}`, "data/rows/0/0", `"net"`},
		{`{"query":"level:error | stats count() by (level)"}`, "data/rows", `[["error",2]]`},
		{`{"query":"* | stats count() by (severity) | limit 1"}`, "data/rows/0/0", `"error"`},
		{`{"query":"uid:u1 | sort n | fields n","limit":2}`, "data/each:n", `[1,2.5]`},
		{`{"query":"uid:u1","sort":{"field":"n","order":"desc"}}`, "data/each:n", `[30,2.5,1]`},
		{`{"query":"*","facets":["uid"],"limit":1}`, "pagination/searchMeta/facets/uid/0/count", `3`},
		{`{"query":"a AND (b"}`, "", `400`},
		{`{"query":"* | frobnicate"}`, "", `400`},
	} {
		got, err := json.Marshal(at(c.call("POST", "/logs/search", test.body), test.path))
		if test.path == "" {
			got, err = json.Marshal(c.call("POST", "/logs/search", test.body))
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if string(got) != test.want {
			c.t.Errorf("%s: %s is %s, want %s", test.body, test.path, got, test.want)
		}
	}
}

// recordForms gets one record and what is around it.
func (c caller) recordForms(id string) {
	for _, path := range []string{"/logs/" + id, "/logs?q=" + url.QueryEscape("_id:"+id), "/logs?q=" + url.QueryEscape(`_id:="`+id+`"`)} {
		got := at(c.call("GET", path, ""), "data")
		if list, ok := got.([]any); ok && len(list) == 1 {
			got = list[0]
		}
		for name, want := range map[string]any{"id": id, "_id": id, "message": "disk_full on sda1", "level": "error", "severity": "error", "n": float64(30), "timestamp": "2024-05-01T12:00:02Z",
			"component": "disk", "_original/level": float64(50)} {
			if at(got, name) != want {
				c.t.Errorf("%s: %s is %v, want %v", path, name, at(got, name), want)
			}
		}
	}
	nested := at(c.call("GET", "/logs?q=reset", ""), "data/0")
	if at(nested, "metadata/ip") != "10.0.0.1" || at(nested, "level") != "error" {
		c.t.Errorf("nested: %v", nested)
	}
	net := fmt.Sprint(at(c.call("GET", "/logs?q=reset", ""), "data/0/id"))
	around := at(c.call("GET", "/logs/"+net+"/context?before=5&after=5", ""), "data")
	if at(around, "record/id") != net || at(around, "before/each:message/0") != "an old record" || at(around, "after/0/message") != "connection opened" || at(around, "after/#") != float64(1) {
		c.t.Errorf("context: %v", around)
	}
	for _, path := range []string{"/logs/nonsense", "/logs/1-ffffff-0", "/logs/nonsense/context"} {
		if got := c.call("GET", path, ""); got != float64(404) {
			c.t.Errorf("%s: %v, want 404", path, got)
		}
	}
}

// pagingForms pages through everything while newer and older records arrive:
// each record that was there is seen once.
func (c caller) pagingForms() {
	seen := map[string]int{}
	for cursor, page := "", 0; ; page++ {
		got := c.call("POST", "/logs/search", fmt.Sprintf(`{"query":"NOT component:late","limit":2,"cursor":%q}`, cursor))
		list, _ := at(got, "data/each:id").([]any)
		for _, id := range list {
			seen[fmt.Sprint(id)]++
		}
		if stored := c.call("POST", "/logs", fmt.Sprintf(`[{"message":"late %d","component":"late"},{"message":"late","component":"late","timestamp":"2024-05-01T12:00:02.%dZ"}]`, page, page)); at(stored, "data/accepted") != float64(2) {
			c.t.Fatalf("store: %v", stored)
		}
		next, _ := at(got, "pagination/nextCursor").(string)
		if at(got, "pagination/hasMore") != (next != "") || page > 10 {
			c.t.Fatalf("page %d: %v", page, got)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(seen) != 6 {
		c.t.Errorf("paging saw %d records, want 6", len(seen))
	}
	for id, times := range seen {
		if times != 1 {
			c.t.Errorf("record %s came %d times", id, times)
		}
	}
}

// TestColumns checks which fields of records a table shows.
func TestColumns(t *testing.T) {
	for text, want := range map[string][2]string{
		"a":                                    {"[]", "[]"},
		"a | fields component, metadata.ip":    {"[component metadata.ip]", "[]"},
		"a | fields b, c | eval d = 1, b = 2":  {"[b c d]", "[b d]"},
		"a | eval d = 1 | fields d, message":   {"[d message]", "[d]"},
		"a | fields b, c | rename b as e":      {"[c e]", "[e]"},
		"a | fields b | parse json":            {"[]", "[]"},
		`a | extract "<ip> - <_>x<n>" from b`:  {"[]", "[ip n]"},
		"a | extract /(?P<user>x)(y)(?<n>z)/":  {"[]", "[n user]"},
		"a | context 2":                        {"[]", "[_around]"},
		"a | fields b | context 2 | fields c,": {"[]", "[]"},
	} {
		if columns, made := columnsOf(text); fmt.Sprint(columns) != want[0] || fmt.Sprint(made) != want[1] {
			t.Errorf("%s: %v and %v, want %v", text, columns, made, want)
		}
	}
	records := []json.RawMessage{
		json.RawMessage(`{"id":"0-1-0","timestamp":"2024-05-01T12:00:00Z","level":"info","message":"m","a":{"b":12,"c.d":"x"},"e":null,"_id":"0-1-0"}`),
		json.RawMessage(`{"id":"0-1-1","timestamp":"2024-05-01T12:00:01Z","level":"info","message":"n","a":{"b":3,"c":{"d":[1]}},"_id":"0-1-1"}`),
	}
	table := "timestamp             a.b  a.c.d  severity\n2024-05-01T12:00:00Z   12  x      info\n2024-05-01T12:00:01Z    3  [1]    info\n"
	for _, test := range []struct {
		show *shower
		want string
	}{
		{&shower{form: "table", columns: []string{"a.b", "a.c.d", "severity"}}, table},
		{&shower{form: "raw", columns: []string{"a.b", "e"}}, "12\t-\n3\t-\n"},
		{&shower{form: "raw", columns: []string{"a.b", "message"}}, "m\nn\n"},
		{&shower{form: "table", made: []string{"a.b", "e"}}, pad("2024-05-01T12:00:00Z", 24) + "  " + pad("INFO", 8) + "  " + pad("", 24) + "  m  a.b=12\n" + pad("2024-05-01T12:00:01Z", 24) + "  " + pad("INFO", 8) + "  " + pad("", 24) + "  n  a.b=3\n"},
	} {
		var out strings.Builder
		test.show.out = &out
		for _, record := range records { // pages of one record
			if err := test.show.records([]json.RawMessage{record}); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != test.want {
			t.Errorf("%+v:\n%q, want\n%q", test.show, out.String(), test.want)
		}
	}
}

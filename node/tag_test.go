package node_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/query"
)

// TestTagsTellAnswersApart writes and seals at random and checks that two answers with
// one tag are the same answer, whoever asked, and that a tag holds as long as nothing
// comes to the times that were asked for.
func TestTagsTellAnswersApart(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	engine := running.Node.Engine()
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 1))
	write := func(tenant model.TenantID, at int64) {
		t.Helper()
		records := []model.Record{{Time: at, Fields: []model.Field{{Name: "message", Kind: model.String, Text: "a"}, {Name: "n", Kind: model.Number, Text: fmt.Sprint(rng.IntN(3))}}}}
		if _, err := running.Node.Writer().Write(t.Context(), ingest.Request{Tenant: tenant, Records: records}); err != nil {
			t.Fatal(err)
		}
	}
	requests := []query.Request{
		{Text: "a", From: 1, To: 100}, {Text: "a", From: 50, To: 200}, {Text: "a", To: 100}, {Text: "n:1", From: 1, To: 100}, {Text: "a", From: 1, To: 100, Limit: 1},
		{Text: "* | stats count() by (n)", From: 1, To: 100}, {Text: "a", From: 1, To: 100, Facets: []string{"n"}}, {From: 1, To: 100, Filters: []query.Filter{{Field: "n", Values: []string{"1"}}}},
	}
	answers := map[string]string{} // by tag
	kept := 0
	for step := range 60 {
		tenant := []model.TenantID{"a", "b"}[rng.IntN(2)]
		switch rng.IntN(8) {
		case 0:
			if err := running.Node.FlushAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		case 1, 2, 3:
			write(tenant, 1000+int64(rng.IntN(100))) // at other times
		default:
			write(tenant, int64(rng.IntN(200)))
		}
		for _, tenant := range []model.TenantID{"a", "b"} {
			for i, request := range requests {
				request.Tenant, request.Tagged = tenant, true
				result, err := engine.Search(t.Context(), request)
				if err != nil || result.Tag == "" {
					t.Fatalf("seed %d, step %d: %+v has the tag %q, %v", seed, step, request, result.Tag, err)
				}
				text := fmt.Sprint(tenant, i, result.Hits, result.Rows, result.Total, result.Facets, result.HasMore)
				if before, ok := answers[result.Tag]; ok {
					if kept++; before != text {
						t.Fatalf("seed %d, step %d: one tag for\n%s and\n%s", seed, step, before, text)
					}
				}
				answers[result.Tag] = text
				request.Known = []string{"other", result.Tag}
				if again, err := engine.Search(t.Context(), request); err != nil || !again.Unchanged || len(again.Hits) > 0 {
					t.Fatalf("asked again: %+v, %v", again, err)
				}
			}
		}
	}
	if kept == 0 {
		t.Error("no tag held")
	}
	for _, request := range []query.Request{
		{Text: "a"}, {Text: "a", From: 1, To: time.Now().Add(time.Hour).UnixNano()}, {Text: "_time:>now-1h", To: 100}, {Text: "* | stats count_if(_time:>now-1h)", To: 100},
		{Text: "n in (a | fields n)", To: 100}, {Text: "* | union (a)", To: 100}, {Text: "* | where now() - _time > 5", To: 100}, {Text: "a", To: 100, Explain: true},
		{Text: "* | stats count() by (n) | compare 1m", From: 1, To: 100},
	} {
		request.Tenant, request.Tagged = "a", true
		if result, err := engine.Search(t.Context(), request); err != nil || result.Tag != "" {
			t.Errorf("%+v has the tag %q, %v", request, result.Tag, err)
		}
	}
}

// TestNotModified looks at tags over HTTP.
func TestNotModified(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	get := func(path, known string) (int, string) {
		t.Helper()
		answer := nodetest.Ask(t, "GET", running.URL+path, "", "If-None-Match", known)
		return answer.Status, answer.Header.Get("ETag")
	}
	if _, err := write(running.Node, "default", "", "one"); err != nil {
		t.Fatal(err)
	}
	paths := []string{
		"/logs?startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z", "/logs?endTime=1970-01-02T00:00:00Z&limit=1&page=2", "/logs?endTime=1970-01-02T00:00:00Z&limit=2&page=1",
		"/analytics/patterns?startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z", "/analytics/summary?includeMetrics=false&startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z",
		"/analytics/trends?startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z",
	}
	var tags []string
	for _, path := range paths {
		status, tag := get(path, "")
		if status != 200 || !strings.HasPrefix(tag, `W/"`) || slices.Contains(tags, tag) {
			t.Errorf("%s: %d, tag %q", path, status, tag)
		}
		tags = append(tags, tag)
		if status, again := get(path, `"x", `+tag); status != 304 || again != tag {
			t.Errorf("%s again: %d, tag %q, want 304", path, status, again)
		}
	}
	for _, path := range []string{"/logs", "/analytics/insights?startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z", "/analytics/summary?startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z"} {
		if status, tag := get(path, ""); status != 200 || tag != "" {
			t.Errorf("%s: %d, tag %q, want none", path, status, tag)
		}
	}
	if _, err := write(running.Node, "default", "", "two"); err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		if status, tag := get(path, tags[i]); status != 200 || tag == tags[i] {
			t.Errorf("%s after more came: %d, tag %q", path, status, tag)
		}
	}
}

package node_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/node/nodetest"
)

// TestInsightsAreTheSameEverywhere asks each node of three for insights and for what has
// changed, of the same window: two of them have no records, and all say the same.
func TestInsightsAreTheSameEverywhere(t *testing.T) {
	all := startThree(t)
	end := time.Now().Truncate(time.Minute)
	var lines strings.Builder
	put := func(at time.Time, component, level, message string) {
		fmt.Fprintf(&lines, "{\"timestamp\":%q,\"component\":%q,\"level\":%q,\"message\":%q}\n", at.UTC().Format(time.RFC3339Nano), component, level, message)
	}
	for hour := range 24 * 5 {
		for i := range 5 {
			put(end.Add(-time.Duration(hour)*time.Hour-time.Duration(i*7)*time.Minute), "web", "info", fmt.Sprintf("request %d served", hour*5+i))
		}
	}
	for i := range 200 {
		put(end.Add(-time.Duration(i)*time.Second), "web", "error", fmt.Sprintf("upstream %d does not answer", i))
		put(end.Add(-time.Duration(i)*time.Second), "db", "warn", fmt.Sprintf("slow statement %d", i))
	}
	request(t, all[0], "POST", "/logs", lines.String(), 200, nil)
	request(t, all[1], "POST", "/logs", failedLogins("gate", end.Add(-10*time.Minute)), 200, nil)
	window := url.Values{"startTime": {end.Add(-2 * time.Hour).UTC().Format(time.RFC3339)}, "endTime": {end.UTC().Format(time.RFC3339)}}.Encode()
	for path, has := range map[string][]string{
		"/analytics/insights?" + window:                     {`"complete":true`, "potential_brute_force", "upstream"},
		"/analytics/changes?against=1d&" + window:           {`"complete":true`, "upstream", "slow statement"},
		"/analytics/patterns?" + window:                     {`"complete":true`, "slow statement"},
		"/analytics/trends?interval=hour&" + window:         {`"complete":true`},
		"/analytics/summary?includeMetrics=false&" + window: {`"complete":true`},
	} {
		first := ""
		for i, one := range all {
			text := plainAnswer(t, one, path)
			if i == 0 {
				first = text
				for _, want := range has {
					if !strings.Contains(text, want) {
						t.Errorf("%s: there is no %s in %s", path, want, text)
					}
				}
			} else if text != first {
				t.Errorf("%s: node %d says\n%s\nnode 0 says\n%s", path, i, text, first)
			}
		}
	}
}

// plainAnswer is what a node answers, without the time at which it did. While a shard has
// no leader an answer says that it is not complete, and is asked for again.
func plainAnswer(t *testing.T, n *nodetest.Running, path string) string {
	t.Helper()
	var answer map[string]any
	for answer == nil || answer["complete"] == false {
		resp, err := http.Get(n.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if answer = nil; err == nil {
			err = json.Unmarshal(text, &answer)
		}
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %d, %s, %v", path, resp.StatusCode, text, err)
		}
	}
	delete(answer, "timestamp")
	delete(answer, "generatedAt")
	if inner, is := answer["patterns"].(map[string]any); is {
		delete(inner, "generatedAt")
	}
	plain, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

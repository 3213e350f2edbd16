package api

import (
	"strings"
	"testing"
)

// TestAnalytics checks that what is asked for arrives at the service and that
// faults of parameters are all named.
func TestAnalytics(t *testing.T) {
	w := newWorld(t, nil)
	w.do("POST", "/logs", `[{"message":"login failed","level":"error","component":"auth","duration":5},{"message":"login ok","level":"info","component":"auth","duration":7},{"message":"paid","component":"pay"}]`).want(t, 200)
	w.do("GET", "/analytics/summary?groupBy=component&timeframe=1h", "").want(t, 200,
		"summary/totalLogs", "3", "groupedData/auth/count", "2", "errors/totalErrors", "1", "complete", "true", "systemMetrics/requestVolume", "1", "patterns/complete", "true")
	w.do("GET", "/analytics/summary?component=auth&query=level:info&includePatterns=false&includeMetrics=false", "").want(t, 200, "summary/totalLogs", "1")
	w.do("GET", "/analytics/trends?timeframe=2h&interval=hour&metrics=count,errors", "").want(t, 200, "interval", "1h", "complete", "true")
	w.do("GET", "/analytics/patterns?category=all", "").want(t, 200, "complete", "true")
	if vary := w.do("GET", "/analytics/insights", "").header.Get("Vary"); !strings.Contains(vary, "Authorization") {
		t.Errorf("what is kept varies with %q, want the headers that say who asks", vary)
	}
	w.do("GET", "/analytics/insights", "").want(t, 200, "severity", "critical", "insights/0/type", "high_error_rate")
	for path, field := range map[string]string{
		"summary?timeframe=soon": "timeframe", "summary?groups=0": "groups", "summary?groupBy=a,b,c,d,e": "groupBy", "summary?slow=x": "slow", "summary?slow=NaN": "slow", "summary?includePatterns=maybe": "includePatterns",
		"summary?startTime=now&endTime=now-1h": "startTime", "summary?tz=Nowhere": "tz", "trends?interval=soon": "interval", "trends?interval=1s": "interval", "trends?metrics=speed": "metrics",
		"patterns?limit=x": "limit",
	} {
		w.do("GET", "/analytics/"+path, "").want(t, 400, "error/code", "VALIDATION_ERROR", "error/details/0/field", field)
	}
	w.do("GET", "/analytics/insights?query=(", "").want(t, 400, "error/code", "QUERY_SYNTAX_ERROR")
}

// TestQueriesAreShown checks what an operator sees of queries, and that there is
// nothing to end when none runs.
func TestQueriesAreShown(t *testing.T) {
	w := newWorld(t, nil)
	w.do("GET", "/admin/queries", "").want(t, 200, "data/queries", "[]", "data/leaves", "[]")
	w.do("DELETE", "/admin/queries/7", "").want(t, 404, "error/code", "NOT_FOUND")
}

// TestComplete checks that words, fields and values are offered where they fit.
func TestComplete(t *testing.T) {
	w := newWorld(t, nil)
	w.do("POST", "/logs", `[{"message":"a","level":"error","component":"auth"},{"message":"b","level":"error"}]`).want(t, 200)
	w.do("POST", "/query/complete", `{"query":"level:err | limit 3","position":9}`).want(t, 200, "data/from", "6", "data/to", "9", "data/choices/0/text", "error", "data/choices/0/count", "2")
	if answer := w.do("POST", "/query/complete", `{"query":"component:"}`); strings.Contains(answer.body, "nil") {
		t.Errorf("records without the field make a choice: %s", answer.body)
	}
	w.do("POST", "/query/complete", `{"query":"comp"}`).want(t, 200, "data/choices/0/text", "component", "data/choices/0/kind", "field")
	w.do("POST", "/query/complete", `{"query":"* | stat"}`).want(t, 200, "data/choices/0/text", "stats", "data/choices/0/kind", "pipe")
	w.do("POST", "/query/complete", `{"query":"a","position":7}`).want(t, 400, "error/details/0/field", "position")
	w.do("POST", "/query/complete", `[`).want(t, 400, "error/details/0/field", "body")
}

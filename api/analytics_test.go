package api

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/derived"
)

// TestAnalytics checks that what is asked for arrives at the service and that
// faults of parameters are all named.
func TestAnalytics(t *testing.T) {
	w := newWorld(t, nil)
	w.do("POST", "/logs", `[{"message":"login failed","level":"error","component":"auth","duration":5},{"message":"login ok","level":"info","component":"auth","duration":7},{"message":"paid","component":"pay"}]`).want(t, 200)
	w.do("GET", "/analytics/summary?groupBy=component&timeframe=1h", "").want(t, 200,
		"summary/totalLogs", "3", "groupedData/auth/count", "2", "errors/totalErrors", "1", "complete", "true", "systemMetrics/requestVolume", "1", "systemMetrics/successRate", "100", "systemMetrics/logProcessing/accepted", "3", "systemMetrics/userActivity/uniqueUsers", "0", "patterns/complete", "true")
	w.do("GET", "/analytics/summary?component=auth&query=level:info&includePatterns=false&includeMetrics=false", "").want(t, 200, "summary/totalLogs", "1")
	w.do("GET", "/analytics/trends?timeframe=2h&interval=hour&metrics=count,errors", "").want(t, 200, "interval", "1h", "complete", "true")
	for _, severity := range []string{"all", "high", "CRITICAL", "Warning", "error"} {
		w.do("GET", "/analytics/patterns?category=all&severity="+severity, "").want(t, 200, "complete", "true")
	}
	if vary := w.do("GET", "/analytics/insights", "").header.Get("Vary"); !strings.Contains(vary, "Authorization") || !strings.Contains(vary, "X-Tenant") || !strings.Contains(vary, "X-Scope-OrgID") {
		t.Errorf("what is kept varies with %q, want the headers that say who asks", vary)
	}
	w.do("GET", "/analytics/insights", "").want(t, 200, "severity", "critical", "insights/0/type", "high_error_rate")
	for path, field := range map[string]string{
		"summary?timeframe=soon": "timeframe", "summary?groups=0": "groups", "summary?groupBy=a,b,c,d,e": "groupBy", "summary?slow=x": "slow", "summary?slow=NaN": "slow", "summary?includePatterns=maybe": "includePatterns",
		"summary?startTime=now&endTime=now-1h": "startTime", "summary?tz=Nowhere": "tz", "trends?interval=soon": "interval", "trends?interval=1s": "interval", "trends?metrics=speed": "metrics",
		"patterns?limit=x": "limit", "patterns?severity=foo": "severity",
	} {
		w.do("GET", "/analytics/"+path, "").want(t, 400, "error/code", "VALIDATION_ERROR", "error/details/0/field", field)
	}
	w.do("GET", "/analytics/insights?query=(", "").want(t, 400, "error/code", "QUERY_SYNTAX_ERROR")
}

// keyed is memory that knows when it changes: never.
type keyed struct{ *memory }

// Views implements query.Shards.
func (k keyed) Views(ctx context.Context, tenant model.TenantID) ([]query.View, error) {
	views, err := k.memory.Views(ctx, tenant)
	for i := range views {
		views[i].Key = func(from, to int64) ([]byte, bool) { return []byte{1}, true }
	}
	return views, err
}

// TestIncompleteIsNotTagged checks that a client never keeps an answer in which
// something is missing, nor an error, for as long as the records do not change.
func TestIncompleteIsNotTagged(t *testing.T) {
	for groups, complete := range map[int]bool{2: false, 0: true} {
		w := newWorld(t, nil)
		w.server.cfg.Engine = query.New(keyed{w.memory}, query.Config{Groups: groups})
		w.server.insight = insight.New(w.server.cfg.Engine, nil, w.server.cfg.Now)
		w.do("POST", "/logs", `[{"message":"a","component":"a","timestamp":5},{"message":"b","component":"b","timestamp":5},{"message":"c","component":"c","timestamp":5}]`).want(t, 200)
		const times = "startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z"
		got := w.do("GET", "/analytics/summary?includeMetrics=false&groupBy=component&"+times, "")
		got.want(t, 200, "complete", fmt.Sprint(complete))
		if tagged := got.header.Get("ETag") != ""; tagged != complete {
			t.Errorf("complete %v, tag %q", complete, got.header.Get("ETag"))
		}
		got = w.do("GET", "/analytics/trends?metrics=speed&"+times, "")
		got.want(t, 400)
		if got.header.Get("ETag") != "" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("an error may be kept: %v", got.header)
		}
	}
}

// somewhere is a place that all addresses have.
type somewhere string

func (s somewhere) Version() string            { return string(s) }
func (s somewhere) Place(string) meaning.Place { return meaning.Place{Country: string(s)} }

// TestTagsFollowPlaces groups a summary by what is made of files of the operator's: with
// other files the answer that a client has kept is not the answer any more.
func TestTagsFollowPlaces(t *testing.T) {
	w := newWorld(t, nil)
	places := somewhere("DE")
	w.server.cfg.Engine = query.New(keyed{w.memory}, query.Config{Places: func() derived.Places { return places }})
	w.server.insight = insight.New(w.server.cfg.Engine, nil, w.server.cfg.Now)
	w.do("POST", "/logs", `[{"message":"a","client_ip":"81.2.69.142","timestamp":5}]`).want(t, 200)
	for field, follows := range map[string]bool{"client.geo.country_iso_code": true, "client_ip": false} {
		places = "DE"
		path := "/analytics/summary?includeMetrics=false&includePatterns=false&startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z&groupBy=" + field
		got := w.do("GET", path, "")
		got.want(t, 200)
		tag := got.header.Get("ETag")
		w.do("GET", path, "", "If-None-Match", tag).want(t, 304)
		places = "AT"
		got = w.do("GET", path, "", "If-None-Match", tag)
		if tag == "" || follows != (got.status == 200) {
			t.Errorf("%s: tag %q, with other files %d", field, tag, got.status)
		}
		if follows {
			got.want(t, 200, "groupedData/AT/count", "1")
		}
	}
}

// TestTagsFollowWords summarises by categories: when other words decide them, the answer
// that a client has kept is not the answer any more.
func TestTagsFollowWords(t *testing.T) {
	w := newWorld(t, nil)
	var words *meaning.Lexicon
	w.server.cfg.Engine = query.New(keyed{w.memory}, query.Config{Words: func(model.TenantID) *meaning.Lexicon { return words }})
	w.server.insight = insight.New(w.server.cfg.Engine, nil, w.server.cfg.Now)
	w.do("POST", "/logs", `[{"message":"pallet","timestamp":5}]`).want(t, 200)
	const path = "/analytics/summary?includeMetrics=false&includePatterns=false&startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z&groupBy=component"
	got := w.do("GET", path, "")
	got.want(t, 200, "summary/categoryBreakdown/general", "1")
	tag := got.header.Get("ETag")
	w.do("GET", path, "", "If-None-Match", tag).want(t, 304)
	var err error
	if words, err = meaning.NewLexicon([]meaning.Vocabulary{{Category: "warehouse", Words: []string{"pallet"}, Weight: 3}}); err != nil {
		t.Fatal(err)
	}
	w.do("GET", path, "", "If-None-Match", tag).want(t, 200, "summary/categoryBreakdown/warehouse", "1")
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

// TestExplain checks that a search says how it was answered, if asked.
func TestExplain(t *testing.T) {
	w := newWorld(t, nil)
	w.do("POST", "/logs", `{"message":"out of time","level":"error","domain":"a.example"}`).want(t, 201)
	w.do("POST", "/logs", `{"message":"out of time","level":"error","domain":"b.example"}`).want(t, 201)
	const meta = "pagination/searchMeta/"
	w.do("POST", "/logs/search?explain=true", `{"query":"level:error | stats count()"}`).want(t, 200, "data/rows/0/0", "2",
		meta+"explain/plan/0/what", "level: is error", meta+"explain/plan/0/by", "index", meta+"explain/actual/rows", "2", meta+"explain/actual/blocks", "2")
	w.do("POST", "/logs/search", `{"query":"level:error","explain":true}`).want(t, 200, meta+"explain/estimated/rows", "2")
	w.do("GET", "/logs?level=error&explain=true", "").want(t, 200, "pagination/total", "2", meta+"explain/plan/0/step", "filter")
	w.do("GET", "/logs?level=error", "").want(t, 200, meta+"explain", "")
	w.do("POST", "/logs/search?explain=yes", `{}`).want(t, 400, "error/details/0/field", "explain")

	w.do("POST", "/logs/search", `{"domains":["b.example","c.example"]}`).want(t, 200, "pagination/total", "1", "data/0/domain", "b.example")
	w.do("POST", "/logs/search", `{"global":true}`).want(t, 200, "pagination/total", "2")
	w.do("POST", "/logs/search", `{"global":true,"domains":["a"]}`).want(t, 400, "error/details/0/field", "domains")
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "u", "role": "reader", "tenant": "default", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	w.key = ""
	w.do("POST", "/logs/search", `{"global":true}`, "Authorization", "Bearer "+token).want(t, 403)
	w.do("POST", "/logs/search", `{"global":false,"domains":["a.example"]}`, "Authorization", "Bearer "+token).want(t, 200, "pagination/total", "1")
}

// TestSigma translates a rule, and asks the query that it becomes.
func TestSigma(t *testing.T) {
	w := newWorld(t, nil)
	const rule = "title: Failed logons\nlevel: medium\ndetection:\n  sel:\n    EventID: 4625\n  condition: sel"
	w.do("POST", "/query/sigma?prefix=metadata.", rule).want(t, 200, "data/title", "Failed logons", "data/query", `metadata.EventID:=4625`)
	w.do("POST", "/query/sigma?field=EventID=code", rule).want(t, 200, "data/query", `code:=4625`)
	w.do("POST", "/query/sigma", rule+" | count() > 5").want(t, 400, "error/details/0/line", "6")
	w.do("POST", "/query/sigma?field=x", rule).want(t, 400, "error/details/0/field", "field")
	w.do("POST", "/query/sigma?colour=x", rule).want(t, 400, "error/details/0/field", "colour")
}

// oneVerdict keeps the verdict that was given last.
type oneVerdict struct{ given []insight.Verdict }

func (o *oneVerdict) Verdicts(model.TenantID) []insight.Verdict { return o.given }
func (o *oneVerdict) Tenants() []model.TenantID                 { return nil }
func (o *oneVerdict) Give(_ context.Context, _ model.TenantID, v insight.Verdict) error {
	o.given = []insight.Verdict{v}
	return nil
}
func (o *oneVerdict) Model(model.TenantID) (*classifier.Model, string) { return nil, "" }

// TestFeedbackIsOfTheWholeTenant: who sees only some of the records neither reads what
// findings in the others are about nor decides which are shown.
func TestFeedbackIsOfTheWholeTenant(t *testing.T) {
	w, _, _, _ := matrixWorld(t)
	judge := &oneVerdict{}
	w.server.cfg.Judge, w.key = judge, ""
	const path, body = "/analytics/insights/spike-0123456789abcdef/feedback", `{"mute":"rule","about":"card of Ann was refused"}`
	claims := jwt.MapClaims{"sub": "bob", "role": "analyst", "tenant": "shop", "exp": time.Now().Add(time.Hour).Unix()}
	for _, restriction := range []string{"", "userId:=bob"} {
		claims["restriction"] = restriction
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		code := 200
		if restriction != "" {
			code, judge.given[0].By = 403, "else"
		}
		w.do("POST", path, body, "Authorization", "Bearer "+token).want(t, code)
		list := w.do("GET", "/analytics/feedback", "", "Authorization", "Bearer "+token)
		list.want(t, code)
		if sees := strings.Contains(list.body, "card of Ann"); sees != (code == 200) || len(judge.given) != 1 || (judge.given[0].By == "bob") != (code == 200) {
			t.Errorf("with the restriction %q: %s, kept %+v", restriction, list.body, judge.given)
		}
	}
}

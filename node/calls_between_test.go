package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/alert"
	"github.com/stere-log/stere/node/nodetest"
)

// TestCallsBetweenServices tells of calls and finds them again: as the graph of services
// with counts and errors, and as the timeline of one request with what else was logged
// for it.
func TestCallsBetweenServices(t *testing.T) {
	n := nodetest.Start(t, node.Config{Alerts: alert.Settings{Reach: outward.Loopback}})
	for _, name := range []string{"shop", "auth"} {
		request(t, n, "POST", "/integration/services", fmt.Sprintf(`{"serviceName":%q,"serviceUrl":"http://127.0.0.1:1","capabilities":["logging"]}`, name), 201, nil)
	}
	begin := time.Now().Add(-time.Minute)
	var calls []string
	call := func(i int, source, target, operation, level string) {
		calls = append(calls, fmt.Sprintf(`{"sourceService":%q,"targetService":%q,"operation":%q,"level":%q,"correlationId":"c%d","timestamp":%q}`,
			source, target, operation, level, i%3, begin.Add(time.Duration(i)*time.Millisecond).UTC().Format(time.RFC3339Nano)))
	}
	for i := range 12 {
		level := "info"
		if i%4 == 0 {
			level = "error"
		}
		call(i, "shop", "auth", []string{"check", "renew"}[i%2], level)
	}
	call(12, "auth", "ledger", "read", "info")
	call(13, "auth", "", "sleep", "info")
	request(t, n, "POST", "/integration/cross-service", "["+strings.Join(calls, ",")+"]", 201, nil)
	request(t, n, "POST", "/logs", fmt.Sprintf(`{"message":"token renewed","component":"auth","trace_id":"c1","timestamp":%q}`, begin.Add(4500*time.Microsecond).UTC().Format(time.RFC3339Nano)), 201, nil)
	request(t, n, "POST", "/integration/cross-service", `{"sourceService":"ledger","targetService":"auth"}`, 400, nil)
	request(t, n, "POST", "/integration/cross-service", `[]`, 400, nil)
	var graph struct {
		Complete bool
		Nodes    []struct {
			Service, Status                   string
			Registered                        *bool
			Calls, Called, Errors, Untargeted int
			ErrorShare                        float64
		}
		Edges []struct {
			Source, Target            string
			Calls, Errors, Operations int
			ErrorShare                float64
			FirstSeen, LastSeen       time.Time
		}
	}
	request(t, n, "GET", "/integration/graph?timeframe=1h", "", 200, &graph)
	if !graph.Complete || len(graph.Nodes) != 3 || len(graph.Edges) != 2 {
		t.Fatalf("%+v", graph)
	}
	auth, shop, ledger := graph.Nodes[0], graph.Nodes[1], graph.Nodes[2]
	if auth.Service != "auth" || auth.Called != 12 || auth.Calls != 2 || auth.Errors != 3 || auth.ErrorShare != 25 || auth.Untargeted != 1 || !*auth.Registered || auth.Status == "" {
		t.Errorf("%+v", auth)
	}
	if shop.Service != "shop" || shop.Calls != 12 || ledger.Service != "ledger" || *ledger.Registered || ledger.Status != "" {
		t.Errorf("%+v, %+v", shop, ledger)
	}
	if e := graph.Edges[0]; e.Source != "shop" || e.Target != "auth" || e.Calls != 12 || e.Errors != 3 || e.Operations != 2 || !e.LastSeen.After(e.FirstSeen) || graph.Edges[1].Target != "ledger" {
		t.Errorf("%+v", graph.Edges)
	}
	var timeline struct {
		Complete, More bool
		DurationMs     float64
		Services       []string
		Errors         int
		Steps          []struct {
			ID, Level, Service, Target, Operation, Message string
			OffsetMs                                       float64
		}
	}
	request(t, n, "GET", "/integration/timeline?correlationId=c1", "", 200, &timeline)
	if s := timeline.Steps; !timeline.Complete || timeline.More || len(s) != 6 || timeline.DurationMs != 12 || timeline.Errors != 1 || fmt.Sprint(timeline.Services) != "[shop auth]" ||
		s[0].Operation != "renew" || s[0].OffsetMs != 0 || s[2].Message != "token renewed" || s[2].Service != "auth" || s[2].OffsetMs != 3.5 || s[5].Service != "auth" || s[5].Target != "" {
		t.Errorf("%+v", timeline)
	}
	request(t, n, "GET", "/integration/timeline?correlationId=c1&limit=2", "", 200, &timeline)
	if len(timeline.Steps) != 2 || !timeline.More {
		t.Errorf("%+v", timeline)
	}
	var figures struct {
		ServiceRegistry struct{ TotalServices, ActiveServices, UnhealthyServices int }
		ServiceHealth   map[string]struct{ Status string }
	}
	request(t, n, "GET", "/integration/metrics", "", 200, &figures)
	if r := figures.ServiceRegistry; r.TotalServices != 2 || r.ActiveServices != 0 || figures.ServiceHealth["shop"].Status == "" {
		t.Errorf("%+v", figures)
	}
	request(t, n, "GET", "/integration/timeline", "", 400, nil)
	request(t, n, "GET", "/integration/timeline?correlationId=c1&limit=5000", "", 400, nil)
}

package node_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

// TestFeedback lets somebody guess passwords, finds it, and is told that it is right and
// then that it is wrong and not to be shown.
func TestFeedback(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	do := func(method, path, body string, status int) string {
		t.Helper()
		return nodetest.Want(t, status, method, running.URL+path, body)
	}
	var lines strings.Builder
	begin := time.Now().Add(-10 * time.Minute)
	for i := range 20 {
		fmt.Fprintf(&lines, "{\"timestamp\":%q,\"component\":\"sshd\",\"message\":\"Failed password for root from 203.0.113.7 port %d ssh2\"}\n", begin.Add(time.Duration(i)*time.Second).Format(time.RFC3339), 4000+i)
	}
	do("POST", "/logs", lines.String(), 200)
	insights := func() (ids []string, muted int) {
		var answer struct {
			Insights []struct{ ID, Type, Pattern string }
			Muted    int
		}
		if err := json.Unmarshal([]byte(do("GET", "/analytics/insights?timeframe=1h", "", 200)), &answer); err != nil {
			t.Fatal(err)
		}
		for _, one := range answer.Insights {
			if one.Type == "potential_brute_force" && one.Pattern == "203.0.113.7" {
				ids = append(ids, one.ID)
			}
		}
		return ids, answer.Muted
	}
	ids, _ := insights()
	if len(ids) != 1 {
		t.Fatalf("found %v", ids)
	}
	path := "/analytics/insights/" + ids[0] + "/feedback"
	precision := func(want string) {
		t.Helper()
		if have := do("GET", "/metrics?format=prometheus", "", 200); !strings.Contains(have, `stere_finding_precision{rule="brute_force"} `+want+"\n") {
			t.Errorf("the metric of precision is not %s", want)
		}
	}
	do("POST", path, `{"verdict":"true_positive","label":"again"}`, 200)
	precision("1")
	do("POST", path, `{"verdict":"false_positive","mute":"finding"}`, 200)
	precision("0")
	if have := do("GET", "/analytics/summary?timeframe=1h", "", 200); !strings.Contains(have, `"falsePositives":1,"precision":0,`) || !strings.Contains(have, `"serviceRegistry":`) {
		t.Errorf("the metrics of a summary: %s", have)
	}
	if ids, muted := insights(); len(ids) != 0 || muted != 1 {
		t.Errorf("after it was muted: %v, %d muted", ids, muted)
	}
	if have := do("GET", "/analytics/feedback", "", 200); !strings.Contains(have, `"falsePositives":1`) || !strings.Contains(have, ids[0]) {
		t.Errorf("feedback: %s", have)
	}
	do("POST", path, `{"verdict":"maybe"}`, 400)
	do("POST", path, `{"opinion":"good"}`, 400)
	do("POST", "/analytics/insights/nothing/feedback", `{"verdict":"true_positive"}`, 400)
}

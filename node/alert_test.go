package node_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/alert"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/sample"
)

// received is a webhook's receiver.
type received struct {
	mu     sync.Mutex
	events []map[string]any
	wrong  []string
	secret string
}

func (r *received) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var event map[string]any
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	mac := hmac.New(sha256.New, []byte(r.secret))
	mac.Write(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); err != nil || req.Header.Get("X-Signature-SHA256") != want {
		r.wrong = append(r.wrong, fmt.Sprint(err, req.Header))
	}
	r.events = append(r.events, event)
}

// told returns the events of a kind.
func (r *received) told(kind string) (events []map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e["event"] == kind {
			events = append(events, e["data"].(map[string]any))
		}
	}
	return events
}

// request makes a request and decodes what is in data.
func request(t *testing.T, n *nodetest.Running, method, path, body string, status int, into any) {
	t.Helper()
	req, err := http.NewRequest(method, n.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != status {
		t.Fatalf("%s %s: %d, %s, %v", method, path, resp.StatusCode, text, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, &struct{ Data any }{into}); err != nil {
			t.Fatalf("%s %s: %s: %v", method, path, text, err)
		}
	}
}

// TestStoryOfAnAttack: real logs of logins come in, a rule finds who tries passwords, an
// incident is opened with the records, the receiver is told, signed, and again when
// somebody closes it; what people say of the finding moves its precision.
func TestStoryOfAnAttack(t *testing.T) {
	receiver := &received{secret: "a secret of this test"}
	server := httptest.NewServer(receiver)
	defer server.Close()
	n := nodetest.Start(t, node.Config{Alerts: alert.Settings{Interval: 20 * time.Millisecond, Reach: outward.Loopback}})
	request(t, n, "POST", "/integration/webhooks", fmt.Sprintf(`{"webhookId":"ops","url":%q,"events":["security_incident","incident_opened","incident_changed"],"secret":%q}`, server.URL, receiver.secret), 201, nil)
	rule := "id: brute-force\nname: Somebody tries passwords\nseverity: high\nevent: security_incident\nevery: 10s\nlate: 1s\nwhen:\n  query: '\"Failed password\"'\n  over: 30m\n  by: [source]\n  atLeast: 10\nactions:\n  - notify: true\n  - incident: security\n"
	var logs bytes.Buffer
	now := time.Now()
	for i, line := range realLogins(t) {
		// As they came, but now.
		text, _ := json.Marshal(map[string]any{"message": line, "source": "linux-auth", "timestamp": now.Add(-time.Minute - time.Duration(i)*time.Millisecond).UTC().Format(time.RFC3339Nano)})
		logs.Write(append(text, '\n'))
	}
	request(t, n, "POST", "/logs", logs.String(), 200, nil)
	var trial struct {
		Fired   int
		Summary string
	}
	request(t, n, "POST", "/triage/test?over=1h", rule, 200, &trial)
	if trial.Fired != 1 || trial.Summary != "would have fired once in 1h" {
		t.Errorf("tried beforehand: %+v", trial)
	}
	request(t, n, "POST", "/triage/rules", rule, 201, nil)
	nodetest.Eventually(t, "the receiver hears of the attack and the incident", func() bool {
		return len(receiver.told("security_incident")) > 0 && len(receiver.told("incident_opened")) > 0
	})
	var incidents []struct{ ID, State, Class, Severity, Rule string }
	request(t, n, "GET", "/triage/incidents", "", 200, &incidents)
	if len(incidents) != 1 || incidents[0].Class != "security" || incidents[0].Rule != "brute-force" {
		t.Fatalf("incidents: %+v", incidents)
	}
	var incident struct {
		Entities map[string]string
		Evidence []struct{ Log struct{ Message string } }
	}
	request(t, n, "GET", "/triage/incidents/"+incidents[0].ID, "", 200, &incident)
	if incident.Entities["source"] != "linux-auth" || len(incident.Evidence) == 0 || !strings.Contains(incident.Evidence[0].Log.Message, "Failed password") {
		t.Errorf("the incident: %+v", incident)
	}
	request(t, n, "PATCH", "/triage/incidents/"+incidents[0].ID, `{"state":"closed","owner":"me","note":"locked out"}`, 200, nil)
	nodetest.Eventually(t, "the receiver hears that it is closed", func() bool { return len(receiver.told("incident_changed")) > 0 })
	if told := receiver.told("security_incident"); len(told) != 1 || told[0]["rule"] != "brute-force" || told[0]["incident"] != incidents[0].ID {
		t.Errorf("told: %v", told)
	}
	feedback(t, n)
	defaultRules(t, n)
	if len(receiver.wrong) > 0 {
		t.Errorf("signed wrong: %v", receiver.wrong)
	}
}

// feedback says of the attack that the insights have found that it is one, and then that
// it is not: the precision of what is found is what people said of it.
func feedback(t *testing.T, n *nodetest.Running) {
	t.Helper()
	var found struct {
		Insights []struct{ ID, Type, Message string }
	}
	resp, err := http.Get(n.URL + "/analytics/insights?timeframe=1h")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, one := range found.Insights {
		if one.Type == "potential_brute_force" {
			id = one.ID
		}
	}
	if id == "" {
		t.Fatalf("the insights do not have it: %+v", found)
	}
	for i, verdict := range []string{"true_positive", "false_positive"} {
		precision := fmt.Sprint(1 - i)
		request(t, n, "POST", "/analytics/insights/"+id+"/feedback", `{"verdict":"`+verdict+`"}`, 200, nil)
		resp, err := http.Get(n.URL + "/metrics?format=prometheus")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(text), `stere_finding_precision{rule="brute_force"} `+precision+"\n") {
			t.Errorf("after %s the precision is not %s: %v", verdict, precision, err)
		}
	}
}

// defaultRules: every rule of the start is one that could be saved, with queries that the
// engine takes and types of insights that there are; one with another type could not.
func defaultRules(t *testing.T, n *nodetest.Running) {
	t.Helper()
	var rules []struct {
		ID      string
		Builtin bool
	}
	request(t, n, "GET", "/triage/rules", "", 200, &rules)
	builtin := 0
	for _, r := range rules {
		if r.Builtin {
			builtin++
			request(t, n, "PATCH", "/triage/rules/"+r.ID, `{"disabled":true}`, 200, nil)
		}
	}
	if builtin != 17 {
		t.Errorf("%d rules from the start", builtin)
	}
	request(t, n, "POST", "/triage/rules", "id: typo\nwhen: {anomaly: {types: [brute_farce]}}", 400, nil)
	request(t, n, "POST", "/triage/rules", "id: right\nwhen: {anomaly: {types: [brute_force]}}", 201, nil)
}

// realLogins are lines of the bundled sample about logins that failed.
func realLogins(t *testing.T) (lines []string) {
	t.Helper()
	logs, err := sample.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	for in := bufio.NewScanner(logs); in.Scan() && len(lines) < 40; {
		var record struct{ Message string }
		if json.Unmarshal(in.Bytes(), &record) == nil && strings.Contains(record.Message, "Failed password") {
			lines = append(lines, record.Message)
		}
	}
	if len(lines) < 10 {
		t.Fatalf("the sample has only %d", len(lines))
	}
	return lines
}

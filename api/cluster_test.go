package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/model"
)

// fakeCluster keeps what it is asked to do, or refuses it.
type fakeCluster struct {
	mu      sync.Mutex
	calls   []string
	fail    error
	status  v1.ClusterStatus
	healing v1.SelfHealing
	result  v1.HealingResult
}

var testKnown = Known{
	Nodes:   []KnownNode{{"00000000000000a1", "db1"}, {"00000000000000a2", "db2"}, {"00000000000000a3", "archive"}},
	Shards:  []uint32{0, 1, 7},
	Actions: []string{"replace-node", "refetch-segments", "flush", "restart-component"},
}

func (f *fakeCluster) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.fail
}

// last returns the calls since it was last asked.
func (f *fakeCluster) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := strings.Join(f.calls, "; ")
	f.calls = nil
	return calls
}

func (f *fakeCluster) Known() Known { return testKnown }
func (f *fakeCluster) Status(context.Context) (v1.ClusterStatus, error) {
	return f.status, f.note("status")
}
func (f *fakeCluster) Drain(_ context.Context, node, by string) error {
	return f.note("drain %s %s", node, by)
}
func (f *fakeCluster) Undrain(_ context.Context, node, by string) error {
	return f.note("undrain %s %s", node, by)
}
func (f *fakeCluster) Remove(_ context.Context, node string, force bool, by string) error {
	return f.note("remove %s %v %s", node, force, by)
}
func (f *fakeCluster) Move(_ context.Context, shard uint32, from, to, by string) error {
	return f.note("move %d %s %s %s", shard, from, to, by)
}
func (f *fakeCluster) SetPaused(_ context.Context, paused bool, by string) error {
	return f.note("paused %v %s", paused, by)
}
func (f *fakeCluster) SetReplicas(_ context.Context, tenant model.TenantID, n int, by string) error {
	return f.note("replicas %s%d %s", tenant, n, by)
}
func (f *fakeCluster) SetShards(_ context.Context, n int, by string) error {
	return f.note("shards %d %s", n, by)
}
func (f *fakeCluster) Healing(context.Context) (v1.SelfHealing, error) {
	return f.healing, f.note("healing")
}
func (f *fakeCluster) Heal(_ context.Context, r v1.HealingRequest, by string) (v1.HealingResult, error) {
	text, _ := json.Marshal(r)
	return f.result, f.note("heal %s %s", text, by)
}

// TestClusterRoutes looks at what every route asks of the cluster and answers.
func TestClusterRoutes(t *testing.T) {
	const by = "admin-key"
	fake := &fakeCluster{result: v1.HealingResult{Success: true, Detail: "db2 is replaced"}}
	w := newWorld(t, func(c *Config) { c.Cluster = fake })
	const a1, a2 = "00000000000000a1", "00000000000000a2"
	for _, test := range []struct {
		method, path, body string
		status             int
		calls              string
		pairs              []string
	}{
		{"GET", "/admin/cluster", "", 200, "status", []string{"success", "true", "data/nodes/#", "0", "data/shards/#", "0", "data/moves/#", "0", "data/problems/#", "0", "data/catalogue/voters/#", "0"}},
		{"POST", "/admin/cluster/nodes/db1/drain", "", 200, "drain " + a1 + " " + by, []string{"data/id", a1, "data/name", "db1", "data/state", "draining"}},
		{"POST", "/admin/cluster/nodes/" + a2 + "/drain", "", 200, "drain " + a2 + " " + by, []string{"data/name", "db2"}},
		{"DELETE", "/admin/cluster/nodes/db2/drain", "", 200, "undrain " + a2 + " " + by, []string{"data/state", "active"}},
		{"DELETE", "/admin/cluster/nodes/db2", "", 200, "remove " + a2 + " false " + by, []string{"data/state", "gone"}},
		{"DELETE", "/admin/cluster/nodes/db2?force=true", "", 200, "remove " + a2 + " true " + by, nil},
		{"DELETE", "/admin/cluster/nodes/db2?force=perhaps", "", 400, "", []string{"error/details/0/field", "force"}},
		{"POST", "/admin/cluster/nodes/db9/drain", "", 404, "", []string{"error/code", "NOT_FOUND", "error/message", `the cluster has no node "db9", did you mean "db1"?`, "error/details/0/suggestion", "db1"}},
		{"POST", "/admin/cluster/nodes/nothing%20like%20it/drain", "", 404, "", []string{"error/message", `the cluster has no node "nothing like it", there are archive, db1, db2`}},
		{"POST", "/admin/cluster/moves", `{"shard":7,"from":"db1","to":"` + a2 + `"}`, 202, "move 7 " + a1 + " " + a2 + " " + by, []string{"data/shard", "7", "data/from", a1, "data/to", a2}},
		{"POST", "/admin/cluster/moves", `{"shard":5,"from":"db1","to":"db2"}`, 404, "", []string{"error/message", "the cluster has no shard 5: its shards are 0 to 7, the nearest is 7", "error/details/0/suggestion", "7"}},
		{"POST", "/admin/cluster/moves", `{"shard":7,"from":"db1","to":"db9"}`, 404, "", []string{"error/details/0/field", "to"}},
		{"POST", "/admin/cluster/moves", `{"shard":7,"from":"db1","to":"` + a1 + `"}`, 400, "", []string{"error/details/0/field", "to"}},
		{"PUT", "/admin/cluster/settings", `{"paused":true,"replicas":3}`, 200, "replicas 3 " + by + "; paused true " + by, []string{"data/replicas", "3", "data/paused", "true"}},
		{"PUT", "/admin/cluster/settings", `{"replicas":0}`, 200, "replicas 0 " + by, []string{"data/replicas", "0"}},
		{"PUT", "/admin/cluster/settings", `{"replicas":5,"tenant":"acme-"}`, 200, "replicas acme-5 " + by, []string{"data/replicas", "5", "data/tenant", "acme-"}},
		{"PUT", "/admin/cluster/settings", `{"tenant":"acme"}`, 400, "", []string{"error/details/0/field", "replicas"}},
		{"PUT", "/admin/cluster/settings", `{"replicas":5,"tenant":"no tenant"}`, 400, "", []string{"error/details/0/field", "tenant"}},
		{"PUT", "/admin/cluster/shards", `{"shards":32}`, 200, "shards 32 " + by, []string{"data/shards", "32"}},
		{"POST", "/admin/cluster/shards", `{"shards":32}`, 200, "shards 32 " + by, []string{"data/shards", "32"}},
		{"PUT", "/admin/cluster/settings", `{"shards":32,"paused":true}`, 200, "shards 32 " + by + "; paused true " + by, []string{"data/shards", "32"}},
		{"PUT", "/admin/cluster/shards", `{"shards":0}`, 400, "", []string{"error/details/0/field", "shards"}},
		{"PUT", "/admin/cluster/shards", `{}`, 400, "", []string{"error/details/0/field", "shards"}},
		{"POST", "/admin/cluster/pause", "", 200, "paused true " + by, []string{"data/paused", "true"}},
		{"POST", "/admin/cluster/resume", "", 200, "paused false " + by, []string{"data/paused", "false"}},
		{"GET", "/admin/self-healing", "", 200, "healing", []string{"actions/#", "0", "recentHistory/#", "0", "plan/#", "0", "problems/#", "0", "success", ""}},
		{"POST", "/admin/self-healing/actions", `{"action":"execute","actionId":"replace-node","target":"shard  7 from db1 to db2","dryRun":true,"reason":"test"}`, 200,
			`heal {"action":"execute","actionId":"replace-node","target":"shard 7 from ` + a1 + ` to ` + a2 + `","reason":"test","dryRun":true} ` + by, []string{"success", "true", "actionId", "replace-node", "dryRun", "true", "detail", "db2 is replaced"}},
		{"POST", "/admin/self-healing/actions", `{"action":"execute","actionId":"restart-service","target":"replica of shard 7 on db1","reason":"slow"}`, 200,
			`heal {"action":"execute","actionId":"restart-component","target":"replica of shard 7 on ` + a1 + `","reason":"slow"} ` + by, []string{"success", "true", "actionId", "restart-component"}},
		{"POST", "/admin/self-healing/actions", `{"action":"execute","actionId":"flush"}`, 400, "", []string{"error/details/0/field", "target", "error/details/0/message", `is missing, want of flush for example "node db1"`}},
		{"POST", "/admin/self-healing/actions", `{"action":"execute","dryRun":true}`, 200, `heal {"action":"execute","actionId":"","dryRun":true} ` + by, nil},
		{"POST", "/admin/self-healing/actions", `{"action":"toggle","actionId":"all","enabled":false}`, 200, `heal {"action":"toggle","actionId":"all","enabled":false} ` + by, nil},
		{"POST", "/admin/self-healing/actions", `{"action":"execute","actionId":"all"}`, 404, "", []string{"error/details/0/field", "actionId"}},
		{"POST", "/admin/self-healing/actions", `{"action":"execute","actionId":"replace-nodes"}`, 404, "", []string{"error/details/0/suggestion", "replace-node"}},
		{"POST", "/admin/self-healing/actions", `{"action":"add","actionConfig":{"id":"x"}}`, 409, "", []string{"error/code", "REFUSED"}},
		{"POST", "/admin/self-healing/actions", `{"action":"remove","actionId":"replace-node"}`, 409, "", nil},
	} {
		got := w.do(test.method, test.path, test.body)
		got.want(t, test.status, test.pairs...)
		if calls := fake.last(); calls != test.calls {
			t.Errorf("%s %s %s: the cluster was asked %q, want %q", test.method, test.path, test.body, calls, test.calls)
		}
	}
}

// TestClusterFailures looks at how errors of the cluster reach a client.
func TestClusterFailures(t *testing.T) {
	fake := &fakeCluster{}
	w := newWorld(t, func(c *Config) { c.Cluster = fake })
	for _, test := range []struct {
		fail   error
		status int
		code   string
		text   string // in the message
	}{
		{fmt.Errorf("%w: shard 7 would have no complete replica", ErrRefused), 409, "REFUSED", "shard 7 would have no complete replica"},
		{fmt.Errorf("%w: it has just been removed", ErrUnknown), 404, "NOT_FOUND", "just been removed"},
		{fmt.Errorf("%w: 2 of 3 voters are dead", ErrLeaderless), 503, "SERVICE_UNAVAILABLE", "2 of 3 voters are dead"},
		{fmt.Errorf("%w: the leader did not answer", ErrUncertain), 503, "OUTCOME_UNKNOWN", "the leader did not answer"},
		{context.DeadlineExceeded, 503, "TIMEOUT", ""},
		{errors.New("a defect with a secret in it"), 503, "INTERNAL_ERROR", ""},
	} {
		fake.fail = test.fail
		for _, call := range [][3]string{
			{"GET", "/admin/cluster", ""}, {"POST", "/admin/cluster/nodes/db1/drain", ""}, {"DELETE", "/admin/cluster/nodes/db1", ""},
			{"POST", "/admin/cluster/moves", `{"shard":7,"from":"db1","to":"db2"}`}, {"PUT", "/admin/cluster/settings", `{"replicas":3}`}, {"POST", "/admin/cluster/pause", ""},
			{"GET", "/admin/self-healing", ""}, {"POST", "/admin/self-healing/actions", `{"action":"execute","actionId":"replace-node"}`},
		} {
			got := w.do(call[0], call[1], call[2])
			got.want(t, test.status, "error/code", test.code)
			if text := got.at("error/message"); !strings.Contains(text, test.text) || strings.Contains(text, "secret") {
				t.Errorf("%s %s: %v becomes %q", call[0], call[1], test.fail, text)
			}
		}
	}
	alone := newWorld(t, nil)
	for _, rt := range alone.server.routes() {
		if !strings.HasPrefix(rt.path, "/admin/cluster") && !strings.HasPrefix(rt.path, "/admin/self-healing") {
			continue
		}
		path := strings.Replace(rt.path, "{node}", "db1", 1)
		alone.do(rt.methods[0], path, map[bool]string{true: `{"shards":3}`, false: `{"replicas":3}`}[strings.HasSuffix(path, "/shards")]).want(t, 404, "error/code", "NO_CLUSTER")
	}
}

// TestHealingAnswer looks at what the route adds to what the cluster says.
func TestHealingAnswer(t *testing.T) {
	fake := &fakeCluster{result: v1.HealingResult{Error: "nothing to replace"}}
	fake.healing = v1.SelfHealing{
		Status: v1.HealingActive, Actions: []v1.HealingAction{{ID: "a", Enabled: true, Cooldown: 300, TriggersCount: 1}, {ID: "b"}, {ID: "c", Enabled: true}},
		RecentHistory: make([]v1.HealingEvent, 30), TotalExecutions: 9, SuccessfulExecutions: 8,
	}
	w := newWorld(t, func(c *Config) { c.Cluster = fake })
	w.do("GET", "/admin/self-healing", "").want(t, 200, "status", "active", "actionsConfigured", "3", "actionsEnabled", "2", "recentHistory/#", "10",
		"totalExecutions", "9", "successfulExecutions", "8", "actions/0/id", "a", "actions/0/cooldown", "300", "actions/0/triggersCount", "1", "actions/0/inCooldown", "false", "actions/0/custom", "false")
	w.do("POST", "/admin/self-healing/actions", `{"action":"execute","actionId":"replace-node"}`).want(t, 400, "success", "false", "error", "nothing to replace", "actionId", "replace-node")
}

// TestAdminBodies looks at faults of bodies and their places.
func TestAdminBodies(t *testing.T) {
	fake := &fakeCluster{}
	w := newWorld(t, func(c *Config) { c.Cluster = fake })
	const moves, settings, actions = "/admin/cluster/moves", "/admin/cluster/settings", "/admin/self-healing/actions"
	for _, test := range []struct {
		path, body string
		faults     []string // field line column, and a text of the message
	}{
		{moves, "", []string{"body 1 1 is empty, want for example {"}},
		{moves, " [1]", []string{"body 1 5 is not an object"}},
		{moves, "{\"shard\":\n  7,,}", []string{"body 2 5 invalid character ','"}},
		{moves, `{"shard":7}x`, []string{"body 1 12 invalid character 'x'"}},
		{moves, `{}`, []string{"shard 0 0 is missing", "from 0 0 is missing", "to 0 0 is missing"}},
		{moves, `{"shard":null,"from":"db1","to":"db2"}`, []string{"shard 0 0 is missing"}},
		{moves, "{\"shard\": \"7\",\n \"from\": 5,\n\t\"to\": [\"db2\"]}", []string{`shard 1 11 is "7", want a whole number`, "from 2 10 is 5, want a string", `to 3 8 is ["db2"], want a string`}},
		{moves, `{"shard":-1,"from":"db1","to":"db2"}`, []string{"shard 1 10 is -1, want a whole number from 0 to 4294967295"}},
		{moves, `{"shard":1.5,"from":"db1","to":"db2"}`, []string{"shard 1 10 is 1.5"}},
		{moves, `{"shard":7,"shard":7,"from":"db1","to":"db2"}`, []string{"shard 1 20 is there twice"}},
		{moves, `{"shard":7,"form":"db1","to":"db2"}`, []string{"from 0 0 is missing", `form 1 19 is unknown, did you mean "from"?`}},
		{moves, `{"Shard":7,"from":"db1","to":"db2"}`, []string{"shard 0 0 is missing", `Shard 1 10 is unknown, did you mean "shard"?`}},
		{moves, `{"shard":7,"from":"ä","to":"d\u0000","zzzzzzzzzz":1}`, []string{"to 1 28 is \"d\\x00\", want no control characters", "zzzzzzzzzz 1 51 is unknown, want from, shard, to"}},
		{moves, `{"shard":7,"from":"db1","to":"` + strings.Repeat("x", 600) + `"}`, []string{"to 1 30 has 600 bytes, want at most 512"}},
		{settings, `{}`, []string{"body 0 0 nothing is to be changed"}},
		{settings, `{"replicas":4}`, []string{"replicas 1 13 is 4, want 1, 3 or 5"}},
		{settings, `{"paused":"yes","replicas":true}`, []string{`paused 1 11 is "yes", want true or false`, "replicas 1 28 is true"}},
		{actions, `{"action":"exec","actionId":"replace-node"}`, []string{`action 1 11 is "exec", want execute, toggle, add, remove`}},
		{actions, `{"action":"execute"}`, []string{"actionId 0 0 is missing"}},
		{actions, `{"action":"toggle","actionId":"all"}`, []string{"enabled 0 0 is missing"}},
		{actions, `{"action":"toggle","actionId":"all","enabled":true,"dryRun":true}`, []string{"dryRun 1 61 is for"}},
		{actions, `{"action":"toggle","actionId":"all","cooldown":-1}`, []string{"cooldown 1 48 is -1, want a number from 0 to"}},
	} {
		method := "POST"
		if test.path == settings {
			method = "PUT"
		}
		got := w.do(method, test.path, test.body)
		if test.body == "" {
			got = w.do(method, test.path, " ")
			test.faults = []string{"body 1 2 is empty"}
		}
		got.want(t, 400, "error/code", "VALIDATION_ERROR", "error/details/#", fmt.Sprint(len(test.faults)))
		for i, want := range test.faults {
			at := fmt.Sprintf("error/details/%d/", i)
			number := func(name string) string {
				if n := got.at(at + name); n != "" {
					return n
				}
				return "0"
			}
			if have := got.at(at+"field") + " " + number("line") + " " + number("column") + " " + got.at(at+"message"); !strings.HasPrefix(have, want) {
				t.Errorf("%s %s: fault %d is\n%s, want\n%s", test.path, test.body, i, have, want)
			}
		}
	}
	w.do("POST", moves, `{"x":"`+strings.Repeat("x", adminBodyBytesMax)+`"}`).want(t, 413)
	many := strings.Repeat(`,"a":1`, 1000)
	w.do("POST", moves, `{"shard":7`+many+`}`).want(t, 400, "error/details/#", fmt.Sprint(adminFaultsMax))
	if calls := fake.last(); calls != "" {
		t.Errorf("faulty bodies reached the cluster: %s", calls)
	}
}

// FuzzAdminBodies reads any bytes as any body: what is understood is what
// encoding/json understands, and every fault is fit for an answer.
func FuzzAdminBodies(f *testing.F) {
	for _, seed := range []string{
		`{"shard":7,"from":"db1","to":"db2"}`, `{"paused":true,"replicas":3}`, `{"action":"toggle","actionId":"all","enabled":false,"cooldown":1.5}`,
		`{"action":"execute","actionId":"replace-node","target":"db1","dryRun":true,"reason":"x"}`, "{\n\t\"ä\": [1, {}],", `{"a":1,"a":"\ud800"}`, "", "[]", "null", `{"shard":1e400}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		check := func(err error) bool {
			var p *problem
			if err == nil {
				return true
			}
			if !errors.As(err, &p) || p.kind.status >= 500 || len(p.details) > adminFaultsMax {
				t.Fatalf("%q: %v", text, err)
			}
			if !utf8.ValidString(p.message) {
				t.Fatalf("%q: the message is not UTF-8: %q", text, p.message)
			}
			lines := strings.Split(string(text), "\n")
			for _, d := range p.details {
				if !utf8.ValidString(d.Field+d.Message) || d.Line > len(lines) || d.Line > 0 && (d.Column < 1 || d.Column > len(lines[d.Line-1])+1) {
					t.Fatalf("%q: fault %+v", text, d)
				}
			}
			return false
		}
		move, err := decodeMove(text, testKnown)
		if check(err) {
			var plain v1.MoveRequest
			if err := json.Unmarshal(text, &plain); err != nil || plain.Shard != move.Shard || move.From == move.To {
				t.Fatalf("%q is %+v, but %+v, %v", text, move, plain, err)
			}
		}
		settings, err := decodeClusterSettings(text)
		if check(err) {
			again, _ := json.Marshal(settings)
			if twice, err := decodeClusterSettings(again); err != nil || (twice.Paused == nil) != (settings.Paused == nil) || (twice.Replicas == nil) != (settings.Replicas == nil) {
				t.Fatalf("%q is %s, which is %+v, %v", text, again, twice, err)
			}
		}
		healing, err := decodeHealing(text, testKnown)
		if check(err) {
			again, _ := json.Marshal(healing)
			if twice, err := decodeHealing(again, testKnown); err != nil || twice.ActionID != healing.ActionID || twice.Target != healing.Target || twice.DryRun != healing.DryRun {
				t.Fatalf("%q is %s, which is %+v, %v", text, again, twice, err)
			}
		}
	})
}

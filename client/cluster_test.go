package client

import (
	"errors"
	"testing"

	"github.com/stere-log/stere/api/v1"
	"github.com/valyala/fasthttp"
)

// TestClusterCalls looks at what is sent for every method of a cluster, and
// what is made of the answer.
func TestClusterCalls(t *testing.T) {
	var sent, answer string
	status, calls := 200, 0
	c := serveTest(t, func(ctx *fasthttp.RequestCtx) {
		calls++
		sent = string(ctx.Method()) + " " + string(ctx.RequestURI()) + " " + string(ctx.PostBody())
		ctx.SetStatusCode(status)
		ctx.SetBodyString(answer)
	})
	yes, three := true, 3
	for _, test := range []struct {
		call   func() (string, error)
		sent   string
		answer string
		want   string
	}{
		{func() (string, error) { s, err := c.Cluster(t.Context()); return s.ClusterID, err }, "GET /admin/cluster ", `{"success":true,"data":{"clusterId":"c1"}}`, "c1"},
		{func() (string, error) { n, err := c.Drain(t.Context(), "db 1"); return n.State, err }, "POST /admin/cluster/nodes/db%201/drain ", `{"success":true,"data":{"state":"draining"}}`, "draining"},
		{func() (string, error) { n, err := c.Undrain(t.Context(), "db1"); return n.State, err }, "DELETE /admin/cluster/nodes/db1/drain ", `{"success":true,"data":{"state":"active"}}`, "active"},
		{func() (string, error) { n, err := c.RemoveNode(t.Context(), "db1", true); return n.State, err }, "DELETE /admin/cluster/nodes/db1?force=true ", `{"success":true,"data":{"state":"gone"}}`, "gone"},
		{func() (string, error) {
			return "", c.MoveReplica(t.Context(), v1.MoveRequest{Shard: 7, From: "db1", To: "db2"})
		}, `POST /admin/cluster/moves {"shard":7,"from":"db1","to":"db2"}`, `{}`, ""},
		{func() (string, error) {
			return "", c.SetCluster(t.Context(), v1.ClusterSettingsRequest{Paused: &yes, Replicas: &three})
		}, `PUT /admin/cluster/settings {"paused":true,"replicas":3}`, `{}`, ""},
		{func() (string, error) { h, err := c.SelfHealing(t.Context()); return h.Status, err }, "GET /admin/self-healing ", `{"status":"active"}`, "active"},
		{func() (string, error) {
			r, err := c.Heal(t.Context(), v1.HealingRequest{Action: v1.HealingExecute, ActionID: "a", DryRun: true})
			return r.Detail, err
		}, `POST /admin/self-healing/actions {"action":"execute","actionId":"a","dryRun":true}`, `{"success":true,"actionId":"a","detail":"d"}`, "d"},
	} {
		status, answer, calls = 200, test.answer, 0
		if got, err := test.call(); err != nil || got != test.want || sent != test.sent {
			t.Errorf("sent %q, want %q; got %q, %v, want %q", sent, test.sent, got, err, test.want)
		}
		status, answer, calls = 409, `{"success":false,"error":{"code":"REFUSED","message":"why"}}`, 0
		var refused *Error
		if _, err := test.call(); !errors.As(err, &refused) || refused.Status != 409 || refused.Answer.Message != "why" || calls != 1 {
			t.Errorf("%s: error %v after %d calls, want a refusal", test.sent, err, calls)
		}
	}
	status, answer = 400, `{"success":false,"actionId":"a","error":"nothing to do"}`
	if r, err := c.Heal(t.Context(), v1.HealingRequest{Action: v1.HealingExecute, ActionID: "a"}); err != nil || r.Success || r.Error != "nothing to do" {
		t.Errorf("an action that failed is %+v, %v", r, err)
	}
	status, answer, calls = 503, `{"success":false,"error":{"code":"OUTCOME_UNKNOWN","message":"m"}}`, 0
	if err := c.MoveReplica(t.Context(), v1.MoveRequest{}); err == nil || calls != 1 {
		t.Errorf("a move that may have been made: error %v after %d calls, want 1", err, calls)
	}
	calls = 0
	if _, err := c.Drain(t.Context(), ""); err == nil || calls != 0 {
		t.Errorf("draining nobody: error %v after %d calls", err, calls)
	}
}

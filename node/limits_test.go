package node_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

// text fetches something as an administrator.
func text(t *testing.T, url string) string {
	t.Helper()
	return nodetest.Ask(t, "GET", url, "", "X-API-Key", accessKey).Body
}

// TestLimitsOfACluster floods three nodes: a tenant gets what is agreed with it within
// 5 %, whatever node it asks, also after one of them has gone; what it used and what was
// done is known everywhere.
func TestLimitsOfACluster(t *testing.T) {
	secret := []byte("a secret that only this test knows, long enough")
	var all []*nodetest.Running
	for i := range 3 {
		recognised, err := auth.New(auth.Config{AdminKey: accessKey})
		if err != nil {
			t.Fatal(err)
		}
		cfg := node.Config{Auth: recognised, Usage: true, Audit: true, Cluster: node.ClusterConfig{
			Name: fmt.Sprintf("n%d", i), Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0", Bootstrap: i == 0, Secret: secret,
		}}
		if i > 0 {
			cfg.Cluster.Join = []string{all[0].Node.GossipAddr()}
		}
		all = append(all, nodetest.Start(t, cfg))
	}
	const limit = 400
	body := fmt.Sprintf(`{"tenantId":"shop","plan":"premium","config":{"maxRequestsPerMinute":%d}}`, limit)
	if status, answer := call(t, "POST", all[1].URL+"/admin/tenants", accessKey, body); status != 201 {
		t.Fatalf("status %d, %v", status, answer)
	}
	status, made := call(t, "POST", all[1].URL+"/admin/keys", accessKey, `{"role":"writer","tenant":"shop"}`)
	if status != 201 {
		t.Fatalf("status %d, %v", status, made)
	}
	key := made["key"].(string)
	for i, one := range all {
		nodetest.Eventually(t, fmt.Sprintf("node %d knows the tenant and its key", i), func() bool {
			status, _ := call(t, "GET", one.URL+"/admin/tenants/shop", accessKey, "")
			other, _ := call(t, "GET", one.URL+"/admin/keys/"+made["id"].(string), accessKey, "")
			return status == 200 && other == 200
		})
	}
	// Who counts a key follows from who is there, so all have to see the same nodes, and
	// that these are in the cluster.
	alive := func(of int) (n int) {
		for _, m := range all[of].Node.Cluster().Members() {
			if m.State == gossip.Alive && m.Cluster != "" {
				n++
			}
		}
		return n
	}
	for i := range all {
		nodetest.Eventually(t, fmt.Sprintf("node %d sees all nodes", i), func() bool { return alive(i) == len(all) })
	}
	var taken, refused atomic.Int64
	flood := func(nodes []*nodetest.Running, each int) {
		var senders sync.WaitGroup
		for i := range 12 {
			senders.Go(func() {
				for range each {
					request, err := http.NewRequestWithContext(t.Context(), "POST", nodes[i%len(nodes)].URL+"/logs", strings.NewReader(`{"message":"m"}`))
					if err != nil {
						t.Error(err)
						return
					}
					request.Header.Set("X-API-Key", key)
					answer, err := http.DefaultClient.Do(request)
					if err != nil {
						t.Error(err)
						return
					}
					_ = answer.Body.Close()
					switch answer.StatusCode {
					case 201:
						taken.Add(1)
					case 429:
						refused.Add(1)
					default:
						t.Errorf("status %d", answer.StatusCode)
						return
					}
				}
			})
		}
		senders.Wait()
	}
	began := time.Now()
	flood(all, 60)
	within := time.Since(began) < 50*time.Second // else the window has moved on
	for i, one := range all {
		for line := range strings.Lines(text(t, one.URL+"/metrics?format=prometheus")) {
			if strings.HasPrefix(line, "stere_limit_") {
				t.Logf("node %d: %s", i, strings.TrimSpace(line))
			}
		}
	}
	if n := taken.Load(); within && (n > limit*105/100 || n < limit*95/100) {
		t.Errorf("%d requests were taken by three nodes, %d refused; want %d within 5 %%", n, refused.Load(), limit)
	}
	http.DefaultClient.CloseIdleConnections()
	all[2].Stop()
	nodetest.Eventually(t, "the others know that a node has gone", func() bool {
		return alive(0) < len(all) && alive(1) < len(all)
	})
	flood(all[:2], 20)
	if n := taken.Load(); time.Since(began) < 50*time.Second && n > limit*105/100 {
		t.Errorf("%d requests were taken after a node had gone, want at most %d", n, limit*105/100)
	}
	nodetest.Eventually(t, "usage is summed up", func() bool {
		_, usage := call(t, "GET", all[0].URL+"/admin/usage?tenant=shop", accessKey, "")
		list, _ := usage["tenants"].([]any)
		if len(list) != 1 {
			return false
		}
		return list[0].(map[string]any)["lines"].(float64) == float64(taken.Load())
	})
	nodetest.Eventually(t, "what was done is on record", func() bool {
		_, trail := call(t, "GET", all[0].URL+"/admin/audit?action=POST+/admin/tenants", accessKey, "")
		list, _ := trail["entries"].([]any)
		return len(list) == 1
	})
}

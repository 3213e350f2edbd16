package node_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

const accessKey = "stere_0123456789abcdef0123456789abcdef0123456789a"

// call asks a node and returns the status and the data of the answer.
func call(t *testing.T, method, url, key, body string) (status int, data map[string]any) {
	t.Helper()
	answer := nodetest.Ask(t, method, url, body, "X-API-Key", key)
	var envelope struct{ Data map[string]any }
	_ = json.Unmarshal([]byte(answer.Body), &envelope) // lists have no such data
	return answer.Status, envelope.Data
}

// newest asks what an administrator sees at once, whoever was told. A node waits a second for
// what is newest and then answers from what it knows, so what a busy machine has answered
// later than that says nothing.
func newest(t *testing.T, url, key string) (status int, data map[string]any) {
	t.Helper()
	nodetest.Eventually(t, "an answer comes within a second", func() bool {
		began := time.Now()
		status, data = call(t, "GET", url, key, "")
		return time.Since(began) < time.Second
	})
	return status, data
}

// TestKeysOfACluster makes, uses, rotates and revokes a key, each on another node
// of three; what it holds open ends with it.
func TestKeysOfACluster(t *testing.T) {
	secret := []byte("a secret that only this test knows, long enough")
	var all []*nodetest.Running
	for i := range 3 {
		recognised, err := auth.New(auth.Config{AdminKey: accessKey})
		if err != nil {
			t.Fatal(err)
		}
		cfg := node.Config{Auth: recognised, API: api.Config{Recheck: 20 * time.Millisecond}, Cluster: node.ClusterConfig{
			Name: fmt.Sprintf("n%d", i), Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0", Bootstrap: i == 0, Secret: secret,
		}}
		if i > 0 {
			cfg.Cluster.Join = []string{all[0].Node.GossipAddr()}
		}
		all = append(all, nodetest.Start(t, cfg))
	}
	status, made := call(t, "POST", all[1].URL+"/admin/keys", accessKey, `{"role":"tenant-admin","tenant":"shop","name":"k"}`)
	if status != 201 {
		t.Fatalf("status %d, %v", status, made)
	}
	key, id := made["key"].(string), made["id"].(string)
	for i, one := range all { // also those that have not heard of it yet
		if status, answer := call(t, "POST", one.URL+"/logs", key, `{"message":"x"}`); status != 201 {
			t.Errorf("node %d right after the key was made: status %d, %v", i, status, answer)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", all[2].URL+"/logs/tail", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	tail, err := http.DefaultClient.Do(request)
	if err != nil || tail.StatusCode != 200 {
		t.Fatalf("tail: %v, %v", tail, err)
	}
	defer tail.Body.Close()

	status, rotated := call(t, "POST", all[0].URL+"/admin/keys/"+id+"/rotate", key, `{"overlap":"1h"}`)
	if status != 200 {
		t.Fatalf("rotate: status %d", status)
	}
	fresh := rotated["key"].(string)
	for i, one := range all { // an administrator sees at once what was done through another node
		if status, shown := newest(t, one.URL+"/admin/keys/"+id, accessKey); status != 200 || shown["oldSecretUntil"] == nil {
			t.Errorf("node %d right after the rotation: status %d, %v", i, status, shown)
		}
	}
	nodetest.Eventually(t, "both secrets are taken", func() bool {
		old, _ := call(t, "GET", all[2].URL+"/logs", key, "")
		now, _ := call(t, "GET", all[2].URL+"/logs", fresh, "")
		return old == 200 && now == 200
	})
	if status, _ := call(t, "DELETE", all[1].URL+"/admin/keys/"+id, accessKey, ""); status != 200 {
		t.Fatalf("revoke: status %d", status)
	}
	for i, one := range all {
		for _, text := range []string{key, fresh} {
			nodetest.Eventually(t, fmt.Sprintf("node %d refuses the key", i), func() bool {
				status, _ := call(t, "GET", one.URL+"/logs", text, "")
				return status == 401
			})
		}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, bufio.NewReader(tail.Body))
		ended <- err
	}()
	select {
	case <-ended:
	case <-time.After(nodetest.Patience):
		t.Error("the tail goes on with a revoked key")
	}

	if status, _ := call(t, "POST", all[2].URL+"/admin/tenants", accessKey, `{"tenantId":"shop","plan":"premium"}`); status != 201 {
		t.Fatalf("tenant: status %d", status)
	}
	if status, _ := call(t, "PATCH", all[2].URL+"/admin/tenants/shop", accessKey, `{"status":"suspended"}`); status != 200 {
		t.Fatalf("suspend: status %d", status)
	}
	nodetest.Eventually(t, "every node refuses the tenant", func() bool {
		for _, one := range all {
			if nodetest.Ask(t, "GET", one.URL+"/logs", "", "X-API-Key", accessKey, "X-Tenant", "shop").Status != 403 {
				return false
			}
		}
		return true
	})
}

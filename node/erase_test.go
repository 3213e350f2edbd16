package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

// ask makes a request and returns the data of the answer.
func ask[T any](t *testing.T, method, url, body string, want int) (data T) {
	t.Helper()
	text := nodetest.Want(t, want, method, url, body)
	envelope := struct{ Data *T }{&data}
	if err := json.Unmarshal([]byte(text), &envelope); err != nil {
		t.Fatal(err)
	}
	return data
}

// ended waits for the end of a deletion and returns it.
func ended(t *testing.T, url, id string) (d v1.Deletion) {
	t.Helper()
	deadline := time.Now().Add(2 * nodetest.Patience)
	for d = ask[v1.Deletion](t, "GET", url+"/admin/deletions/"+id, "", 200); d.Ended == nil; d = ask[v1.Deletion](t, "GET", url+"/admin/deletions/"+id, "", 200) {
		if time.Now().After(deadline) {
			t.Fatalf("the deletion does not end: %+v", d)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return d
}

// erasable are nodes of a cluster with their file systems.
type erasable struct {
	t     *testing.T
	nodes []*nodetest.Running
	disks []vfs.FS
}

func startErasable(t *testing.T, count int) *erasable {
	e := &erasable{t: t}
	for i := range count {
		cfg := node.Config{FS: vfs.NewMem(), EraseInterval: 50 * time.Millisecond}
		if count > 1 {
			cfg.Cluster = node.ClusterConfig{Name: fmt.Sprintf("n%d", i), Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0", Bootstrap: i == 0, Replicas: count, Secret: []byte("a secret that only this test knows, long enough")}
			if i == 1 { // a cluster of encrypted nodes and others
				masters, err := encryption.ParseMasters([]byte(encryption.NewMaster()), "test")
				if err != nil {
					t.Fatal(err)
				}
				cfg.EncryptionKeys = func() (*encryption.Masters, error) { return masters, nil }
			}
			if i > 0 {
				cfg.Cluster.Join = []string{e.nodes[0].Node.GossipAddr()}
			}
		}
		e.disks = append(e.disks, cfg.FS)
		e.nodes = append(e.nodes, nodetest.Start(t, cfg))
	}
	nodetest.Eventually(t, "every shard has its replicas", func() bool {
		for _, shard := range e.nodes[0].Node.Cluster().State().Shards {
			if len(shard.Replicas) != count || slices.ContainsFunc(shard.Replicas, func(r catalogue.Replica) bool { return r.Role != catalogue.Voter }) {
				return false
			}
		}
		return true
	})
	return e
}

// put writes records, some of which have a word.
func (e *erasable) put(tenant model.TenantID, word string, count int) {
	e.t.Helper()
	var lines []string
	for i := range count {
		lines = append(lines, fmt.Sprintf("request %d is kept", i))
		if i%3 == 0 {
			lines = append(lines, fmt.Sprintf("request %d of %s goes", i, word))
		}
	}
	if _, err := write(e.nodes[len(lines)%len(e.nodes)].Node, tenant, "", lines...); err != nil {
		e.t.Fatal(err)
	}
}

// files returns the files that have a word.
func (e *erasable) files(word string) (found []string) {
	e.t.Helper()
	for i, disk := range e.disks {
		eachFile(e.t, disk, "", func(path string, part []byte) {
			if bytes.Contains(part, []byte(word)) {
				found = append(found, fmt.Sprintf("%d: %s", i, path))
			}
		})
	}
	return found
}

// TestDeletion deletes by a query, on one node and in a cluster: no answer of any node
// has the records when the deletion has been accepted by all shards, no file has their
// bytes when it has ended, and what was not to go is there.
func TestDeletion(t *testing.T) {
	for _, count := range []int{1, 3} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			e := startErasable(t, count)
			const word = "zebraquagga"
			url := e.nodes[0].URL
			e.put("default", word, 60)
			e.put("other", word, 30)
			ask[any](t, "POST", url+"/admin/flush", "", 200)
			e.put("default", word, 60)
			e.put("default", word, 9)
			if e.files(word) == nil {
				t.Fatal("no file has the word before it is deleted: this test finds nothing")
			}
			tag := func(known string) (status int, tag string) {
				answer := nodetest.Ask(t, "GET", url+"/analytics/summary?includeMetrics=false&groupBy=level&startTime=1970-01-01T00:00:00Z&endTime=1970-01-02T00:00:00Z", "", "If-None-Match", known)
				return answer.Status, answer.Header.Get("ETag")
			}
			_, before := tag("")
			if status, _ := tag(before); before == "" || status != 304 {
				t.Errorf("an answer that is known has the tag %q and the status %d", before, status)
			}
			estimate := ask[v1.DeletionEstimate](t, "POST", url+"/admin/deletions", `{"tenant":"default","query":"goes","dryRun":true}`, 200)
			if estimate.Records != 20+20+3 || estimate.Bytes <= 0 {
				t.Errorf("it is estimated that %d records of %d bytes go", estimate.Records, estimate.Bytes)
			}
			planned := ask[v1.Deletion](t, "POST", url+"/admin/deletions", `{"tenant":"default","query":"goes","reason":"asked for"}`, 202)
			done := ended(t, url, planned.ID)
			if done.Status != "done" || done.Records != 43 {
				t.Errorf("the deletion has become %+v", done)
			}
			for _, s := range done.Shards {
				if s.Replicas != count || s.Left != 0 || !s.Gone {
					t.Errorf("a shard is %+v", s)
				}
			}
			for i, one := range e.nodes {
				if found := search(t, one.Node, "default", word); len(found) != 0 {
					t.Errorf("node %d finds %d records", i, len(found))
				}
				if kept := search(t, one.Node, "default", "kept"); len(kept) != 60+60+9 {
					t.Errorf("node %d finds %d of 129 records that stay", i, len(kept))
				}
				if others := search(t, one.Node, "other", word); len(others) != 10 {
					t.Errorf("node %d finds %d of 10 records of another tenant", i, len(others))
				}
			}
			if status, after := tag(before); status != 200 || after == before {
				t.Errorf("the tag of an answer is %q, %q before; its status %d", after, before, status)
			}
			ask[any](t, "DELETE", url+"/admin/deletions/"+planned.ID, "", 409)
			e.retain()

			// The other tenant goes as a whole, and with it the last file that has the word:
			// what the cluster has agreed on with it, too.
			for _, one := range []struct{ method, path, body string }{
				{"PUT", "/admin/tenants/other/redaction", `{"rules":[{"name":"r","pattern":"%[1]s-[0-9]+"}]}`},
				{"PUT", "/admin/tenants/other/retention", `{"rules":[{"name":"r","match":"userId:%[1]s","keep":"36500d"}]}`},
			} {
				ask[any](t, one.method, url+one.path, fmt.Sprintf(one.body, word), 200)
			}
			e.teach("other", word) // while it has no account, and so every feature
			for path, body := range map[string]string{"/admin/keys": `{"role":"reader","tenant":"other","name":%q}`, "/admin/domains": `{"domain":"%[1]s.example","tenantId":"other","contactEmail":"%[1]s@other.example"}`} {
				ask[any](t, "POST", url+path, fmt.Sprintf(body, word), 201)
			}
			ask[any](t, "POST", url+"/admin/holds", `{"id":"case-7","tenant":"other","query":"goes","reason":"case 7"}`, 201)
			ask[any](t, "DELETE", url+"/admin/tenants/other?confirm=other", "", 409)
			ask[any](t, "DELETE", url+"/admin/holds/case-7", "", 200)
			ask[any](t, "DELETE", url+"/admin/tenants/other?confirm=other", "", 202)
			id := ask[[]v1.Deletion](t, "GET", url+"/admin/deletions?tenant=other", "", 200)[0].ID
			if done := ended(t, url, id); done.Status != "done" || done.Records != 40 {
				t.Errorf("the removal of the tenant has become %+v", done)
			}
			ask[any](t, "GET", url+"/admin/tenants/other", "", 404)
			nodetest.Eventually(t, "no file has the word", func() bool { return e.files(word) == nil })
		})
	}
}

// teach has a tenant keep whatever it can with a word in it.
func (e *erasable) teach(tenant, word string) {
	e.t.Helper()
	for _, one := range [][3]string{
		{"PUT", "/lookups/hosts", "host,owner\nh0,%s\n"}, {"POST", "/queries", `{"name":"q","query":"%s","description":"d"}`},
		{"POST", "/analytics/deploys", `{"service":"web","version":"7","note":"%s"}`}, {"POST", "/models/labels", `{"text":"it is %s","label":"bad"}`},
		{"POST", "/triage/rules", "id: r\nwhen: {query: %s}\nactions: [{incident: x}]"}, {"POST", "/triage/incidents", `{"title":"about %s","class":"x"}`},
		{"POST", "/triage/silences", `{"rule":"r","for":"1h","reason":"%s"}`}, {"POST", "/analytics/insights/spike-0123456789abcdef/feedback", `{"verdict":"true_positive","note":"%s"}`},
		{"POST", "/integration/webhooks", `{"webhookId":"w","url":"https://%s.example/","description":"%s"}`},
		{"POST", "/integration/services", `{"serviceName":"s","serviceUrl":"https://%s.example/"}`},
	} {
		body := strings.ReplaceAll(one[2], "%s", word)
		answer := nodetest.Ask(e.t, one[0], e.nodes[0].URL+one[1], body, "X-Tenant", tenant)
		if answer.Status > 201 {
			e.t.Errorf("%s %s answers %d: %s", one[0], one[1], answer.Status, answer.Body)
		}
	}
}

// retain keeps a tenant's records of which all but some are old, and wants these to go
// but for what is held.
func (e *erasable) retain() {
	e.t.Helper()
	url := e.nodes[0].URL
	e.put("old", "held", 30) // of 1970
	rules := `{"rules":[{"name":"all","keep":"2d"}]%s}`
	ask[any](e.t, "POST", url+"/admin/holds", `{"id":"case-1","tenant":"old","query":"goes","reason":"case 1"}`, 201)
	estimate := ask[v1.RetentionEstimate](e.t, "PUT", url+"/admin/tenants/old/retention", fmt.Sprintf(rules, `,"dryRun":true`), 200)
	if len(estimate.Removes) != 1 || estimate.Removes[0].Records != 40 || len(estimate.Removes[0].Held) != 1 || estimate.Removes[0].Held[0].Records != 10 {
		e.t.Errorf("rules would remove %+v", estimate)
	}
	ask[any](e.t, "PUT", url+"/admin/tenants/old/retention", fmt.Sprintf(rules, ""), 200)
	nodetest.Eventually(e.t, "the rule is carried out", func() bool {
		done := ask[[]v1.Deletion](e.t, "GET", url+"/admin/deletions?tenant=old", "", 200)
		return len(done) == 1 && done[0].Status == "done" && done[0].Records == 30 && done[0].Rule == "all"
	})
	if found := search(e.t, e.nodes[0].Node, "old", "*"); len(found) != 10 {
		e.t.Errorf("%d records are kept, want the 10 that are held", len(found))
	}
}

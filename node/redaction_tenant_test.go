package node_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/redact"
)

// TestRedactionOfTenants lets the administrators of tenants have rules of redaction of
// their own, on two nodes: what is sent to either is redacted by them, what another tenant
// sends is not; nobody makes them weaker than what the nodes do who may not, sees those of
// another tenant or changes them.
func TestRedactionOfTenants(t *testing.T) {
	var all []*nodetest.Running
	for i := range 2 {
		recognised, err := auth.New(auth.Config{AdminKey: accessKey})
		if err != nil {
			t.Fatal(err)
		}
		cfg := node.Config{Auth: recognised, Redaction: redact.Config{Key: []byte("a key that only this test knows")}, Cluster: node.ClusterConfig{
			Name: fmt.Sprintf("n%d", i), Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0", Bootstrap: i == 0, Secret: []byte("a secret that only this test knows, long enough"),
		}}
		if i > 0 {
			cfg.Cluster.Join = []string{all[0].Node.GossipAddr()}
		}
		all = append(all, nodetest.Start(t, cfg))
	}
	keys := map[string]string{}
	for _, tenant := range []string{"shop", "other"} {
		status, made := call(t, "POST", all[0].URL+"/admin/keys", accessKey, fmt.Sprintf(`{"role":"tenant-admin","tenant":%q,"name":"k"}`, tenant))
		if status != 201 {
			t.Fatalf("make a key: status %d, %v", status, made)
		}
		keys[tenant] = made["key"].(string)
		for _, one := range all {
			nodetest.Eventually(t, "the key is known", func() bool {
				status, _ := call(t, "GET", one.URL+"/logs", keys[tenant], "")
				return status == 200
			})
		}
	}
	const path = "/admin/tenants/shop/redaction"
	rules := func(weaker bool) string {
		text := `{"set":"personal","actions":{"ip":"hash"},"fields":[{"field":"note","action":"remove"}],"rules":[{"name":"badge","pattern":"badge-([0-9]{4})","group":1,"action":"mask"}]`
		if weaker {
			text = `{"actions":{"password":"off"}`
		}
		return text + "}"
	}
	for _, c := range []struct {
		what, method, key, body string
		want                    int
	}{
		{"none", "GET", keys["shop"], "", 200},
		{"none to drop", "DELETE", keys["shop"], "", 404},
		{"another tenant looks", "GET", keys["other"], "", 404},
		{"another tenant changes", "PUT", keys["other"], rules(false), 404},
		{"another tenant drops", "DELETE", keys["other"], "", 404},
		{"weaker", "PUT", keys["shop"], rules(true), 403},
		{"weaker, and says it may", "PUT", keys["shop"], `{"mayBeWeaker":true,"actions":{"password":"off"}}`, 403},
		{"no action", "PUT", keys["shop"], `{"actions":{"card":"shred"}}`, 400},
		{"no set", "PUT", keys["shop"], `{"set":"all"}`, 400},
		{"no member", "PUT", keys["shop"], `{"sets":"all"}`, 400},
		{"no expression", "PUT", keys["shop"], `{"rules":[{"name":"x","pattern":"("}]}`, 400},
		{"right", "PUT", keys["shop"], rules(false), 200},
	} {
		if status, data := call(t, c.method, all[1].URL+path, c.key, c.body); status != c.want {
			t.Errorf("%s: status %d, want %d, %v", c.what, status, c.want, data)
		}
	}
	status, shown := newest(t, all[0].URL+path, keys["shop"])
	if effective, _ := shown["effective"].(map[string]any); status != 200 || effective["email"] != "mask" || effective["ip"] != "hash" || effective["badge"] != "mask" || effective["card"] != "partial" {
		t.Errorf("status %d, %v", status, shown)
	}
	// test tells what a node would make of a record of a tenant.
	const record = `{"message":"a@b.example badge-1234 password=hunter2","note":"n","host":"h"}`
	findings := func(url, tenant string) string {
		_, report := call(t, "POST", url+"/admin/redaction/test", keys[tenant], record)
		return fmt.Sprint(report["findings"])
	}
	for i, one := range all {
		nodetest.Eventually(t, fmt.Sprintf("node %d has the rules", i), func() bool {
			return findings(one.URL, "shop") == "map[badge:1 email:1 field:1 password:1]"
		})
		if got := findings(one.URL, "other"); got != "map[password:1]" {
			t.Errorf("of another tenant is found %s", got)
		}
		for _, tenant := range []string{"other", "shop", "other", "shop"} {
			if status, _ := call(t, "POST", one.URL+"/logs", keys[tenant], record); status != 201 {
				t.Errorf("send: status %d", status)
			}
			if status, _ := call(t, "POST", one.URL+"/_bulk", keys[tenant], `{"create":{}}`+"\n"+record+"\n"); status != 200 {
				t.Errorf("send many: status %d", status)
			}
		}
	}
	stored := func(tenant string) string { return exported(t, all[0].URL, keys[tenant]) }
	if text := stored("shop"); strings.Contains(text, "a@b.example") || strings.Contains(text, "badge-1234") || strings.Contains(text, "note") || strings.Contains(text, "hunter2") || strings.Count(text, "badge-[redacted:badge]") != 8 {
		t.Errorf("the tenant's records are %s", text)
	}
	if text := stored("other"); strings.Count(text, "a@b.example badge-1234 password=[redacted:password]") != 8 || strings.Count(text, `"note":"n"`) != 8 {
		t.Errorf("the records of another tenant are %s", text)
	}

	// Who administers the platform allows less; then the tenant decides.
	if status, data := call(t, "PUT", all[0].URL+path, accessKey, `{"mayBeWeaker":true}`); status != 200 || data["mayBeWeaker"] != true {
		t.Errorf("allow: status %d, %v", status, data)
	}
	if status, data := call(t, "PUT", all[0].URL+path, keys["shop"], rules(true)); status != 200 {
		t.Errorf("weaker, and it may: status %d, %v", status, data)
	}
	if got := findings(all[0].URL, "shop"); got != "map[]" {
		t.Errorf("with weaker rules is found %s", got)
	}
	if status, _ := call(t, "DELETE", all[0].URL+path, keys["shop"], ""); status != 200 {
		t.Errorf("drop: status %d", status)
	}
	if status, _ := call(t, "PUT", all[0].URL+path, keys["shop"], rules(true)); status != 403 {
		t.Errorf("weaker after what was allowed was dropped: status %d", status)
	}
	if got := findings(all[0].URL, "shop"); got != "map[password:1]" {
		t.Errorf("without rules is found %s", got)
	}
}

// exported returns all records that a key sees.
func exported(t *testing.T, url, key string) string {
	t.Helper()
	return nodetest.Want(t, http.StatusOK, "GET", url+"/logs/export?query=*&format=ndjson&from=2000-01-01T00:00:00Z", "", "X-API-Key", key)
}

// TestRedactionOfATenantWhereItIsOff: a tenant has its records redacted on a node that
// redacts nothing.
func TestRedactionOfATenantWhereItIsOff(t *testing.T) {
	one := nodetest.Start(t, node.Config{Redaction: redact.Config{Disabled: true}})
	put := func(method, body string) {
		if status, data := call(t, method, one.URL+"/admin/tenants/default/redaction", "", body); status != 200 {
			t.Errorf("status %d, %v", status, data)
		}
	}
	send := func() {
		if status, _ := call(t, "POST", one.URL+"/logs", "", `{"message":"password=hunter2"}`); status != 201 {
			t.Errorf("send: status %d", status)
		}
	}
	send()
	put("PUT", `{"set":"standard"}`)
	send()
	put("DELETE", "")
	send()
	if text := everything(t, one.URL); strings.Count(text, "password=hunter2") != 2 || strings.Count(text, "password=[redacted:password]") != 1 {
		t.Errorf("the records are %s", text)
	}
}

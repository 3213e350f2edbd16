package node_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

// TestEnrichEverywhere tells one node of a lookup table, a deployment and a category, and
// asks all three, which have different shards.
func TestEnrichEverywhere(t *testing.T) {
	all := startThree(t)
	for i := range 30 {
		if _, err := write(all[i%3].Node, "default", "", fmt.Sprintf("a line of host h%d", i%2)); err != nil {
			t.Fatal(err)
		}
	}
	nodetest.Eventually(t, "the cluster takes a table", func() bool {
		return nodetest.Ask(t, "PUT", all[1].URL+"/lookups/hosts", "host,owner\nh0,ann\nh1,bob\n").Status == http.StatusOK
	})
	nodetest.Want(t, http.StatusCreated, "POST", all[1].URL+"/analytics/deploys", `{"service":"web","version":"7"}`)
	const query = `* | extract "a line of host <host>" | lookup hosts on host as is | stats count() by (is.owner)`
	nodetest.Want(t, http.StatusOK, "PUT", all[2].URL+"/analytics/categories/hosts", `{"words":["line host"],"components":["h"],"weight":2}`)
	nodetest.Want(t, http.StatusOK, "PUT", all[2].URL+"/analytics/categories/hosts", `{"words":["line"]}`)
	for i, one := range all {
		nodetest.Eventually(t, fmt.Sprintf("node %d knows the category", i), func() bool {
			found := nodetest.Ask(t, "POST", one.URL+"/logs/search", `{"query":"category:hosts | stats count()"}`).Body
			all := nodetest.Ask(t, "GET", one.URL+"/analytics/categories/hosts", "").Body
			return strings.Contains(found, `[[30]]`) && strings.Contains(all, `"words":["line"]`)
		})
		nodetest.Eventually(t, fmt.Sprintf("node %d knows the table and the deployment", i), func() bool {
			found := nodetest.Ask(t, "POST", one.URL+"/logs/search", `{"query":"`+strings.ReplaceAll(query, `"`, `\"`)+`"}`).Body
			deploys := nodetest.Ask(t, "GET", one.URL+"/analytics/deploys", "").Body
			return strings.Contains(found, `["ann",15]`) && strings.Contains(found, `["bob",15]`) && strings.Contains(deploys, `"version":"7"`)
		})
	}
}

// TestEnrich stores a lookup table, asks with it, replaces it and forgets it; and says what
// was put into service.
func TestEnrich(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	do := func(method, path, body string, status int) string {
		t.Helper()
		return nodetest.Want(t, status, method, running.URL+path, body)
	}
	asked := func(text string) string {
		t.Helper()
		query, err := json.Marshal(map[string]any{"query": text})
		if err != nil {
			t.Fatal(err)
		}
		return do("POST", "/logs/search", string(query), 200)
	}
	has := func(text, want string) {
		t.Helper()
		if !strings.Contains(text, want) {
			t.Errorf("%s\nhas no %s", text, want)
		}
	}
	var lines strings.Builder
	for i := range 60 {
		fmt.Fprintf(&lines, "{\"host\":\"h%d\",\"message\":\"line %d\"}\n", i%3, i)
	}
	do("POST", "/logs", lines.String(), 200)
	const count = "* | lookup hosts on host | stats count() by (owner)"
	has(do("POST", "/logs/search", `{"query":"`+count+`"}`, 400), "there is no lookup table")
	has(do("PUT", "/lookups/hosts", "host,owner\nh0,ann\nh1,bob\n", 200), `"rows":2`)
	has(asked(count), `["ann",20]`)
	has(asked(`* | lookup hosts on host as its | where its.owner == "bob" | limit 1`), `"its":{"owner":"bob"}`)
	has(do("GET", "/logs/export?format=ndjson&query=*+%7C+lookup+hosts+on+host", "", 200), `"owner":"ann"`)
	has(do("POST", "/query/complete", `{"query":"* | lookup ho","position":13}`, 200), `"hosts"`)

	var big strings.Builder // in several pieces
	big.WriteString("[")
	for i := range 5_000 {
		fmt.Fprintf(&big, `{"host":"h%d","owner":"team %d","note":"%s"},`, i, i%7, strings.Repeat("n", 40))
	}
	do("PUT", "/lookups/hosts?key=host", strings.TrimSuffix(big.String(), ",")+"]", 200)
	has(asked(count), `["team 2",20]`)
	has(do("GET", "/lookups", "", 200), `"name":"hosts"`)
	has(do("GET", "/lookups/hosts", "", 200), `["h4999","team 1"`)
	has(do("PUT", "/lookups/hosts", "host\nx\n", 400), "1 columns")
	has(do("PUT", "/lookups/no:name", "host,owner\nx,y\n", 400), "want 1 to 64")
	do("DELETE", "/lookups/hosts", "", 200)
	do("GET", "/lookups/hosts", "", 404)

	var deploy struct{ Data struct{ ID, Time string } }
	if err := json.Unmarshal([]byte(do("POST", "/analytics/deploys", `{"service":"web","version":"1.2"}`, 201)), &deploy); err != nil || deploy.Data.ID == "" || deploy.Data.Time == "" {
		t.Fatalf("%+v, %v", deploy, err)
	}
	has(do("GET", "/analytics/deploys", "", 200), `"version":"1.2"`)
	has(do("POST", "/analytics/deploys", `{"version":"1.2"}`, 400), "service has 0 bytes")
	has(do("POST", "/analytics/deploys", `{"service":"web","time":"2999-01-01T00:00:00Z"}`, 400), "want one that is over")
	do("DELETE", "/analytics/deploys/"+deploy.Data.ID, "", 200)
	do("DELETE", "/analytics/deploys/"+deploy.Data.ID, "", 404)
}

// TestCategoriesOfTenants adds words for categories, sees what decides them and which
// records follow, and forgets the words.
func TestCategoriesOfTenants(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	do := func(method, path, body string, status int, want ...string) {
		t.Helper()
		text := nodetest.Want(t, status, method, running.URL+path, body)
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s %s: %s\nhas no %s", method, path, text, part)
			}
		}
	}
	asked := func(text string, want ...string) {
		t.Helper()
		do("POST", "/logs/search", fmt.Sprintf(`{"query":%q}`, text), 200, want...)
	}
	do("POST", "/logs", `[{"message":"pallet 7 moved"},{"message":"goods receipt of pallets"},{"message":"hello","component":"wms"},{"message":"disk full","component":"wms"},{"message":"pallet","category":"mine"},{"message":"badge denied"}]`, 200)
	asked("* | stats count() by (category)", `["general",4]`, `["storage",1]`, `["mine",1]`)
	do("GET", "/analytics/categories", "", 200, `"name":"security","builtIn":[{"weight":3.5,"words":["attack"`, `"name":"general","description"`)
	do("GET", "/analytics/categories/warehouse", "", 404)
	do("PUT", "/analytics/categories/warehouse", `{"words":["Pallet","goods receipt"],"components":["WMS"]}`, 200, `"name":"warehouse","words":["pallet","goods receipt"],"components":["wms"],"weight":3,"changedBy":`)
	do("PUT", "/analytics/categories/security", `{"words":["badge"],"weight":5}`, 200, `"builtIn":[`, `"words":["badge"],"weight":5`)
	asked("* | stats count() by (category)", `["warehouse",4]`, `["security",1]`, `["mine",1]`)
	asked("category:warehouse receipt | fields category_reason", `warehouse 6: \"pallet\" 3, \"goods receipt\" 3`)
	asked("badge | fields categories", `"categories":["security"]`)
	do("GET", "/logs?category=warehouse", "", 200, `"total":4`)
	do("GET", "/analytics/summary", "", 200, `"warehouse":4`)
	do("GET", "/analytics/categories", "", 200, `{"success":true,"data":[{"name":"warehouse","words":`)
	do("GET", "/analytics/categories/warehouse", "", 200, `"components":["wms"]`)
	for body, want := range map[string]string{
		`{"words":["ok","a-b"]}`: `"field":"words[1]"`, `{"components":["a,b"]}`: `"field":"components[0]"`, `{"words":["ok"],"weight":11}`: `"field":"weight"`,
		`{}`: `"field":"words"`, `{"word":["ok"]}`: `"suggestion":"words"`, ``: `is empty`,
	} {
		do("PUT", "/analytics/categories/other", body, 400, want)
	}
	do("PUT", "/analytics/categories/Other", `{"words":["ok"]}`, 400, `"field":"name"`)
	do("PUT", "/analytics/categories/general", `{"words":["ok"]}`, 400, `"field":"name"`)
	do("DELETE", "/analytics/categories/security", "", 200, `"words":["badge"]`)
	do("DELETE", "/analytics/categories/security", "", 404)
	do("GET", "/analytics/categories/security", "", 200, `"builtIn":[`)
	do("DELETE", "/analytics/categories/warehouse", "", 200)
	asked("* | stats count() by (category)", `["general",4]`, `["storage",1]`, `["mine",1]`)
}

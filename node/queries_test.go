package node_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

// TestSavedQueries saves queries over HTTP, changes and forgets them.
func TestSavedQueries(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	do := func(method, path, body string, status int) string {
		t.Helper()
		return nodetest.Want(t, status, method, running.URL+path, body)
	}
	names := func() (names []string) {
		var answer struct {
			Data []struct{ Name, Query string }
		}
		if err := json.Unmarshal([]byte(do("GET", "/queries", "", 200)), &answer); err != nil {
			t.Fatal(err)
		}
		for _, one := range answer.Data {
			names = append(names, one.Name+"="+one.Query)
		}
		return names
	}
	want := func(all ...string) {
		t.Helper()
		if have := names(); fmt.Sprint(have) != fmt.Sprint(all) {
			t.Errorf("saved are %q, want %q", have, all)
		}
	}
	want()
	do("POST", "/queries", `{"name":"errors","query":"level:error","description":"what fails"}`, 201)
	do("POST", "/queries", `{"name":"errors","query":"level:warn"}`, 409)
	do("POST", "/queries", `{"name":"no name","query":"*"}`, 409)
	do("POST", "/queries", `{"name":"bad","query":"level:("}`, 400)
	do("POST", "/queries", `{"name":"bad","text":"*"}`, 400)
	do("POST", "/queries", fmt.Sprintf(`{"name":"long","query":%q}`, strings.Repeat("a ", catalogue.QueryTextMax/2)+"b"), 409)
	do("PUT", "/queries/Slow_1", `{"query":"duration>500"}`, 200)
	want("Slow_1=duration>500", "errors=level:error")
	do("PUT", "/queries/errors", `{"name":"errors","query":"level>=error"}`, 200)
	do("PUT", "/queries/errors", `{"name":"other","query":"level>=error"}`, 400)
	if text := do("GET", "/queries/errors", "", 200); !strings.Contains(text, `"level\u003e=error"`) && !strings.Contains(text, `"level>=error"`) {
		t.Errorf("the query is %s", text)
	}
	if text := do("GET", "/queries/error", "", 404); !strings.Contains(text, `"errors"`) {
		t.Errorf("no name is suggested: %s", text)
	}
	do("DELETE", "/queries/Slow_1", "", 200)
	do("DELETE", "/queries/Slow_1", "", 404)
	want("errors=level>=error")
	for i := range catalogue.QueriesOfTenantMax - 1 {
		do("PUT", fmt.Sprintf("/queries/q%d", i), `{"query":"*"}`, 200)
	}
	do("PUT", "/queries/more", `{"query":"*"}`, 409)
	do("PUT", "/queries/errors", `{"query":"*"}`, 200)
}

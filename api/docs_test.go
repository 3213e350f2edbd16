package api

import (
	"os"
	"strings"
	"testing"
)

// TestInterfaceIsDescribed keeps docs/api.md, the route table and the error
// table together.
func TestInterfaceIsDescribed(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	for _, rt := range w.server.routes() {
		path := strings.TrimPrefix(strings.Replace(rt.path, "{profile:*}", "…", 1), "/elasticsearch")
		if !strings.Contains(string(text), path) {
			t.Errorf("docs/api.md does not mention %s", path)
		}
	}
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := 0
	for rest := string(source); ; codes++ {
		_, after, ok := strings.Cut(rest, `kind{code: "`)
		if !ok {
			break
		}
		code, tail, _ := strings.Cut(after, `"`)
		if !strings.Contains(string(text), "`"+code+"` | ") {
			t.Errorf("docs/api.md does not have the code %s", code)
		}
		rest = tail
	}
	if codes < 10 {
		t.Errorf("found %d codes, the search is broken", codes)
	}
}

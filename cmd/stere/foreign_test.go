package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/internal/plain"
)

// escapes are what would clear a terminal, name its window, ring, and write from right to left.
const escapes = "disk \x1b[2J\x1b]0;x\x07\u009b31m\u202e\x7f"

// TestNothingForeign has texts of others with escapes wherever there can be some, and looks
// at all that commands show of them.
func TestNothingForeign(t *testing.T) {
	m := newTerminal(t)
	m.serve()
	key, err := os.ReadFile(filepath.Join(m.dir, "data", "admin-key"))
	if err != nil {
		t.Fatal(err)
	}
	post := func(method, path, body string) string {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, m.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-API-Key", strings.TrimSpace(string(key)))
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode > 202 {
			t.Fatalf("%s %s: %d %s, %v", method, path, answer.StatusCode, text, err)
		}
		return string(text)
	}
	odd := fmt.Sprintf("%q", escapes) // as JSON has it, but for \x
	odd = strings.NewReplacer(`\x1b`, `\u001b`, `\a`, `\u0007`, `\x7f`, `\u007f`).Replace(odd)
	post("POST", "/logs", `{"message":`+odd+`,"component":`+odd+`,"level":"error","userId":`+odd+`}`)
	post("POST", "/models/labels", `{"text":`+odd+`,"label":"bad"}`)
	post("POST", "/triage/incidents", `{"title":"t","class":"c","query":"*","from":"2020-01-01T00:00:00Z","until":"2100-01-01T00:00:00Z"}`)
	incidents := post("GET", "/triage/incidents", "")
	_, id, _ := strings.Cut(incidents, `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	post("PUT", "/lookups/hosts?key=host", `[{"host":"h","owner":`+odd+`}]`)
	heads := filepath.Join(m.dir, "heads.json")
	if err := os.WriteFile(heads, []byte(`[{"chain":`+odd+`,"seq":1,"hash":"00"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	trail := filepath.Join(m.dir, "trail.ndjson")
	if err := os.WriteFile(trail, []byte(`{"audit.entry":"`+"\u009b\u202e"+`"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, args := range [][]string{
		{"query", "*"}, {"query", "* | stats count() by (component)"}, {"query", "* | top 5 userId"}, {"query", "*", "--explain"},
		{"triage", "incidents"}, {"triage", "incidents", "show", id}, {"triage", "alerts"}, {"triage", "rules", "list"},
		{"models", "labels"}, {"models", "labels", "--json"}, {"lookup", "list"}, {"lookup", "show", "hosts"}, {"category", "list"}, {"deploy", "list"},
		{"audit", "list"}, {"audit", "verify", trail, "--heads", heads}, {"audit", "verify", trail, "--heads", heads, "--json"}, {"admin", "delete", "list"}, {"admin", "hold", "list"}, {"admin", "key", "list"}, {"admin", "tenant", "list"}, {"admin", "usage"},
		{"admin", "redact", "test", escapes + " password=hunter2"}, {"webhook", "list"}, {"services", "list"},
		{"query", "level:" + escapes + "("}, {"lookup", "show", escapes}, {"triage", "rules", "show", escapes},
	} {
		_, stdout, stderr := m.run("", args...)
		for _, text := range []string{stdout, stderr} {
			if at := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && plain.Foreign(r) }); at >= 0 {
				t.Errorf("stere %q shows %q", args, text[max(0, at-40):min(len(text), at+40)])
			}
		}
		if strings.Contains(stdout+stderr, "[2J") {
			shown++
		}
	}
	if shown < 8 {
		t.Errorf("only %d commands have shown what was to be made safe", shown)
	}
}

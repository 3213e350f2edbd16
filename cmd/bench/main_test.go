package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/result"
)

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, exitOK, "--target"},
		{nil, exitUsage, "--target"},
		{[]string{"--target", "else=x", "--work", t.TempDir()}, exitUsage, "unknown kind"},
		{[]string{"--target", "stere=/does/not/exist", "--corpus", "/does/not/exist", "--work", t.TempDir(), "-q"}, exitUsage, "corpus"},
		{[]string{"--target", "stere=/does/not/exist", "--corpus", "generate:2000", "--work", t.TempDir(), "-q"}, exitFailed, "start"},
	} {
		var out, errs bytes.Buffer
		if code := run(tc.args, &out, &errs); code != tc.code || !strings.Contains(out.String()+errs.String(), tc.says) {
			t.Errorf("%v: exit code %d, want %d; output: %s%s", tc.args, code, tc.code, &out, &errs)
		}
	}
}

// A bulk target takes the corpus and is not asked.
func TestBulkTarget(t *testing.T) {
	items := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		n := strings.Count(body.String(), `{"create":{"_index":"bench"}}`)
		if n == 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		items += n
		fmt.Fprintf(w, `{"took":1,"errors":false,"items":[%s]}`, strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, n), ","))
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "result.json")
	var out, errs bytes.Buffer
	code := run([]string{"--target", "bulk=" + server.URL, "--corpus", "generate:2500", "--workers", "1", "--idle", "0s", "--work", t.TempDir(), "--json", path, "-q"}, &out, &errs)
	if code != exitOK || items != 2500 {
		t.Fatalf("exit code %d, %d items: %s%s", code, items, &out, &errs)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var report result.Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	if target := report.Runs[0].Targets[0]; target.Ingest.Lines != 2500 || target.QuestionsAsked != 0 {
		t.Errorf("report says %d lines and %d questions", target.Ingest.Lines, target.QuestionsAsked)
	}
}

// TestTableAndInto prints a report and writes it into a page.
func TestTableAndInto(t *testing.T) {
	t.Chdir(t.TempDir())
	report := result.Report{Baseline: "a", Runs: []result.Run{{Corpus: result.Corpus{Name: "web", Lines: 5}, Targets: []result.Target{{Name: "a", Ingest: result.Ingest{LinesPerSec: 7}}}}}}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	page := "before\n<!-- bench: r.json short -->\n<!-- /bench -->\nafter\n"
	for name, text := range map[string]string{"r.json": string(text), "page.md": page, "bad.md": "<!-- bench: r.json short -->"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--table", "r.json"}, exitOK, "| lines/s | 7 |"},
		{[]string{"--table", "none.json"}, exitUsage, "none.json"},
		{[]string{"--table", "r.json", "--chart", "c.svg"}, exitFailed, "grows"},
		{[]string{"--table", "r.json", "--target", "stere"}, exitUsage, "--target"},
		{[]string{"--into", "page.md"}, exitOK, ""},
		{[]string{"--into", "bad.md"}, exitUsage, "bad.md"},
	} {
		var out, errs bytes.Buffer
		if code := run(tc.args, &out, &errs); code != tc.code || !strings.Contains(out.String()+errs.String(), tc.says) {
			t.Errorf("%v: exit code %d, want %d; output: %s%s", tc.args, code, tc.code, &out, &errs)
		}
	}
	written, err := os.ReadFile("page.md")
	if err != nil || !strings.Contains(string(written), "| lines/s | 7 |") || !strings.HasSuffix(string(written), "<!-- /bench -->\nafter\n") {
		t.Errorf("the page is %s, %v", written, err)
	}
}

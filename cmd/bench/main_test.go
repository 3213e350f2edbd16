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

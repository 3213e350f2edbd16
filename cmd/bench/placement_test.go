package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/scale"
)

// TestPlacement plans for a small cluster and writes report and chart.
func TestPlacement(t *testing.T) {
	path, drawing := filepath.Join(t.TempDir(), "p.json"), filepath.Join(t.TempDir(), "p.svg")
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--placement", "--nodes", "10", "--json", path, "--chart", drawing, "-q"}, exitOK, "a zone is lost"},
		{[]string{"--placement", "--nodes", "2", "-q"}, exitUsage, "at least"},
		{[]string{"--placement", "--target", "stere"}, exitUsage, "--target"},
	} {
		var out, errs bytes.Buffer
		if code := run(tc.args, &out, &errs); code != tc.code || !strings.Contains(out.String()+errs.String(), tc.says) {
			t.Errorf("%v: exit code %d, want %d; output: %s%s", tc.args, code, tc.code, &out, &errs)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var report scale.Report
	if err := json.Unmarshal(text, &report); err != nil || len(report.Sizes) != 1 || report.Sizes[0].Nodes != 10 {
		t.Errorf("the report is %s, %v", text, err)
	}
	if text, err = os.ReadFile(drawing); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("the chart is %s, %v", text, err)
	}
}

package scale_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/scale"
)

const root = "../.."

// TestPageSaysWhatTheReportSays wants the tables of docs/scale.md to be those of
// the report, and its arithmetic to be the program's.
//
//	go run ./cmd/bench --placement --json docs/results/placement.json --chart docs/results/placement.svg
func TestPageSaysWhatTheReportSays(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/scale.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs/results/placement.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report scale.Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	if report.Failed() {
		t.Error("the report says that the run failed")
	}
	for table := range strings.SplitSeq(strings.TrimSpace(report.Markdown()), "\n\n") {
		if !strings.Contains(string(page), table) {
			t.Errorf("docs/scale.md has not\n%s", table)
		}
	}
	report.Estimates = scale.Arithmetic()
	for table := range strings.SplitSeq(strings.TrimSpace(report.Markdown()), "\n\n") {
		if !strings.Contains(string(page), table) {
			t.Errorf("the arithmetic has changed; docs/scale.md has not\n%s", table)
		}
	}
}

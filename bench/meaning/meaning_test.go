package main

import (
	"strings"
	"testing"
)

// TestReport looks at the labelled lines alone, as without a folder, and at a folder
// without logs.
func TestReport(t *testing.T) {
	for _, data := range []string{"", t.TempDir()} {
		var out strings.Builder
		if err := run(data, 0, false, &out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "| all | ") || strings.Contains(out.String(), "| source |") != (data != "") {
			t.Errorf("of %q: %s", data, out.String())
		}
	}
}

package main

import (
	"os"
	"strings"
	"testing"
)

// TestConfigurationIsDescribed keeps docs/configuration.md and the table of
// settings together.
func TestConfigurationIsDescribed(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, ok := strings.CutPrefix(line, "| `"); ok {
			key, _, _ = strings.Cut(key, "`")
			rows[key] = line
		}
	}
	for _, s := range settings() {
		row := rows[s.key]
		if row == "" {
			t.Errorf("docs/configuration.md has no row for %s", s.key)
		}
		if s.fallback != "" && !strings.Contains(row, "`"+s.fallback+"`") || !strings.Contains(row, s.env[len(s.env)-1]) || strings.Contains(row, "` * |") != s.later {
			t.Errorf("the row of %s does not have its default, variable and mark: %s", s.key, row)
		}
		delete(rows, s.key)
	}
	for key := range rows {
		t.Errorf("docs/configuration.md has the unknown key %s", key)
	}
}

package main

import (
	"os"
	"regexp"
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

// TestMemoryIsShared looks at what one number makes of the others.
func TestMemoryIsShared(t *testing.T) {
	m := newTerminal(t)
	for _, c := range []struct {
		args  []string
		texts []string
	}{
		{nil, []string{`memory-target +304MiB +share of memory`, `body-memory +144MiB `, `record-memory +64MiB `, `body-limit +64MiB `}},
		{[]string{"--set", "memory=256MiB"}, []string{`memory +256MiB +--set`, `memory-target +152MiB `, `body-limit +32MiB `}},
		{[]string{"--set", "memory=16GiB", "--set", "record-memory=1GiB"}, []string{`body-memory +4608MiB `, `record-memory +1GiB +--set`, `body-limit +64MiB `}},
	} {
		out := m.want(0, append([]string{"config"}, c.args...))
		for _, text := range c.texts {
			if !regexp.MustCompile(`(?m)^` + text).MatchString(out) {
				t.Errorf("stere config %v has no line %q:\n%s", c.args, text, out)
			}
		}
	}
	m.want(2, []string{"config", "--set", "memory=1MiB"}, `memory (--set memory): "1MiB" is less than 64MiB`)
}

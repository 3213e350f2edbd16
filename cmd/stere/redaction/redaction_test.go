package redaction

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/redact"
)

// write makes a file for a test.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSettings(t *testing.T) {
	key := write(t, "0123456789abcdef0123\n")
	cfg, err := Settings(Texts{
		Mode: "personal", Actions: "email=hash, card=off", Fields: "*.token=mask,metadata.note=remove", KeyFile: key,
		RulesFile: write(t, "- name: badge\n  pattern: 'badge-([0-9]{4})'\n  group: 1\n  action: partial\n- name: ticket\n  pattern: T-[0-9]+\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Disabled || cfg.Set != redact.Personal || cfg.Actions["email"] != redact.Hash || cfg.Actions["card"] != redact.Off || len(cfg.Fields) != 2 || cfg.Fields[1].Action != redact.Remove ||
		len(cfg.Rules) != 2 || cfg.Rules[0].Group != 1 || cfg.Rules[0].Action != redact.Partial || cfg.Rules[1].Action != redact.Default || string(cfg.Key) != "0123456789abcdef0123" {
		t.Errorf("%+v", cfg)
	}
	if cfg, err := Settings(Texts{Mode: "off"}); err != nil || !cfg.Disabled {
		t.Errorf("off: %+v, %v", cfg, err)
	}
	for _, c := range []struct {
		texts Texts
		want  string
	}{
		{Texts{Actions: "card"}, "want name=action"},
		{Texts{Actions: "card=shred"}, `there is no action "shred"`},
		{Texts{Actions: "cards=mask"}, `there is no detector "cards"`},
		{Texts{Actions: "email=hash"}, "needs a key"},
		{Texts{KeyFile: write(t, "short")}, "want at least 16"},
		{Texts{KeyFile: "/does/not/exist"}, "read redaction key"},
		{Texts{RulesFile: write(t, "- nam: x\n")}, "field nam not found"},
		{Texts{RulesFile: write(t, "- name: x\n  pattern: '('\n")}, "missing closing"},
		{Texts{RulesFile: write(t, "- name: x\n  pattern: a\n  action: b\n")}, `there is no action "b"`},
	} {
		if _, err := Settings(c.texts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.texts, err, c.want)
		}
	}
}

func TestTestCommand(t *testing.T) {
	file := write(t, `{"message":"\u001b[31m pwd=y","metadata":{"password":"x1"}}`+"\n")
	for _, c := range []struct {
		input, stdin string
		json         bool
		want         []string
	}{
		{"login password=hunter2", "", false, []string{"line 1  message  login password=[redacted:password]", "1 of 1 records would be redacted.", "password  1  mask"}},
		{file, "", false, []string{"message            ·[31m pwd=[redacted:password]", "metadata.password  [redacted:password]", "password  2  mask"}},
		{"-", "a\nb pwd=y\n", true, []string{`"redacted": 1`, `"line": 2`}},
		{"nothing", "", false, []string{"0 of 1 records would be redacted."}},
	} {
		var out bytes.Buffer
		env := &Env{Stdin: strings.NewReader(c.stdin), Stdout: &out, Usage: func(err error) error { return err },
			Settings: func(string, map[string]string) (redact.Config, error) { return redact.Config{}, nil }}
		if err := (&testCommand{Input: c.input, JSON: c.json}).Run(env); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is missing in\n%s", c.input, want, out.String())
			}
		}
		if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: %q", c.input, out.String())
		}
	}
	off := &Env{Usage: func(err error) error { return err }, Settings: func(string, map[string]string) (redact.Config, error) { return redact.Config{Disabled: true}, nil }}
	if err := (&testCommand{Input: "x"}).Run(off); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("off: %v", err)
	}
}

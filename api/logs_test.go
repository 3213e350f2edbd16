package api

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

// TestLogInjection asks for things whose names are lines of a log, or commands to a
// terminal: what the node logs of each request stays one line, in text and in JSON, without
// a byte that a terminal takes for a command.
func TestLogInjection(t *testing.T) {
	const forged = "level=INFO msg=forged"
	for what, handler := range map[string]func(*lockedText) slog.Handler{
		"text": func(l *lockedText) slog.Handler {
			return slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
		"json": func(l *lockedText) slog.Handler {
			return slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
	} {
		log := &lockedText{}
		w := newWorld(t, func(c *Config) { c.Logger, c.Directory = slog.New(handler(log)), newRegistry() })
		evil := "x\n" + forged + "\r\n\x1b]0;owned\a\x1b[2J\u009b31m\u2028"
		escaped := url.PathEscape(evil)
		w.do("POST", "/admin/tenants", `{"tenantId":"t"}`).want(t, 201)
		w.do("PATCH", "/admin/tenants/t?confirm="+url.QueryEscape(evil), `{"contactEmail":"a@b.example"}`, "X-Request-ID", "r\tforged").want(t, 200)
		w.do("DELETE", "/admin/keys/"+escaped, "").want(t, 404)
		w.do("DELETE", "/admin/queries/"+escaped, "").want(t, 404)
		w.do("POST", "/admin/keys", `{"role":"reader","name":"n\n`+forged+`"}`)
		w.memory.fail = errSaid(evil)
		w.do("POST", "/logs", `{"message":"m"}`)
		text := log.String()
		if !strings.Contains(text, "administration") || !strings.Contains(text, "request failed") {
			t.Fatalf("%s: the log has not what was done: %s", what, text)
		}
		for line := range strings.Lines(text) {
			if begins := strings.HasPrefix(line, "time=") || strings.HasPrefix(line, `{"time":`); !begins {
				t.Errorf("%s: a line of the log is %q", what, line)
			}
			if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\n\r\x1b\a") {
				t.Errorf("%s: a line has control characters: %q", what, line)
			}
		}
	}
}

// errSaid is an error with a text.
type errSaid string

// Error implements error.
func (e errSaid) Error() string { return string(e) }

package api

import (
	"strings"
	"testing"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/redact"
)

// redacting returns a world whose server redacts.
func redacting(t *testing.T) *world {
	t.Helper()
	r, err := redact.New(redact.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, func(cfg *Config) { cfg.Decode.Redact = r })
}

func TestRedactionTest(t *testing.T) {
	w := redacting(t)
	got := w.do("POST", "/admin/redaction/test", `{"message":"pwd=hunter2 paid 4111111111111111","n":1}`)
	got.want(t, 200, "data/records", "1", "data/redacted", "1", "data/findings/password", "1", "data/findings/card", "1", "data/lines/#", "1",
		"data/lines/0/fields/0/field", "message", "data/lines/0/fields/0/value", "pwd=[redacted:password] paid [redacted:card:*1111]")
	w.do("POST", "/admin/redaction/test", "nothing\nhere").want(t, 200, "data/records", "2", "data/redacted", "0", "data/lines/#", "0")
	w.do("POST", "/admin/redaction/test", strings.Repeat("x", redactionBodyBytesMax+1)).want(t, 413)
	newWorld(t, nil).do("POST", "/admin/redaction/test", "x").want(t, 503)
	if n := w.server.cfg.Decode.Redact.Records(); n != 0 {
		t.Errorf("a test counts %d records", n)
	}
}

// TestAnswersHaveNoSecrets checks what answers repeat of what was sent.
func TestAnswersHaveNoSecrets(t *testing.T) {
	w := redacting(t)
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ path, kind, body string }{
		{"/logs", "application/json", `{"message":"password=hunter2","component":"password=hunter2"}`},
		{"/logs", "application/json", "password=hunter2 is no JSON"},
		{"/logs", "application/json", "{\"message\":\"m\"}\npassword=hunter2 is no JSON\n[\"password=hunter2\"]"},
		{"/logs", "application/json", "this is a text with a long beginning password=hunter2"},
		{"/logs", "application/json", `{"password=hunter2 ` + long + `":1}`},
		{"/logs", "application/json", `{"password=hunter2 ` + long + `":1,"a":{"b":1}}` + "\n" + `{"a":{"password=hunter2":` + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 41)},
		{"/_bulk", "application/x-ndjson", `{"password=hunter2":{}}` + "\n{}\n"},
		{"/_bulk", "application/x-ndjson", `{"create":{}}` + "\n" + `{"password=hunter2 ` + long + `":1}` + "\n"},
	} {
		got := w.do("POST", c.path, c.body, "Content-Type", c.kind)
		if strings.Contains(got.body, "hunter2") {
			t.Errorf("%.80s: %s", c.body, got.body)
		}
		if got.status >= 500 {
			t.Errorf("%.80s: %d", c.body, got.status)
		}
	}
}

// TestRepeatsOfRedactedBodies checks that a repeat is one though nothing is kept
// of the secret, and that what differs in more is a conflict.
func TestRepeatsOfRedactedBodies(t *testing.T) {
	w := redacting(t)
	send := func(body string) answer { return w.do("POST", "/logs", body, "Idempotency-Key", "k") }
	send(`{"message":"a password=hunter2"}`).want(t, 201)
	if got := send(`{"message":"a password=hunter2"}`); got.status != 201 || got.header.Get(v1.HeaderReplayed) != "true" {
		t.Errorf("a repeat: %d %v", got.status, got.header)
	}
	send(`{"message":"b password=hunter2"}`).want(t, 422)
}

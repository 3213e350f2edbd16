package meaning

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stere-log/stere/model/shape"
)

// TestSignals looks for known things in messages that tell of one, or only seem to.
func TestSignals(t *testing.T) {
	for text, want := range map[string]string{
		"Failed password for root from 1.2.3.4": "brute_force_attempt", "Login for the new user anna failed": "", "login of anna has failed": "brute_force_attempt",
		"SQL injection blocked": "sql_injection", "slow query: 7 ms": "slow_query", "request timed out": "slow_query", "java.lang.OutOfMemoryError: heap space": "memory_leak",
		"CPU usage at 97 %": "high_cpu_usage", "connect: connection refused": "connection_failure", "503 Service Unavailable": "service_unavailable",
		"write /x: no space left on device": "disk_space_issue", "payment of 7 EUR failed": "payment_failure", "user anna registered": "user_registration",
		"backup nightly created": "data_export", "Too Many Requests": "rate_limit_exceeded", "401 Unauthorized": "authentication_error", "HTTP 400 bad request": "validation_error",
		"authentication failed": "brute_force_attempt,authentication_error", `1.2.3.4 - - [x] "GET / HTTP/1.1" 502 7`: "service_unavailable", "room 503, 429 guests": "", "the authors of passwords": "",
	} {
		if got := SignalsIn(text); got != want {
			t.Errorf("%q tells of %q, want %q", text, got, want)
		}
	}
	if got := Signals(DurationShort, "slow_query,validation_error", "sql_injection"); len(got) != 2 || got[0].ID != "sql_injection" || got[0].Severity != "critical" {
		t.Errorf("of a short one: %v", got)
	}
	if len(AllSignals()) != 15 {
		t.Errorf("%d signals", len(AllSignals()))
	}
}

// TestSignalsOfOutlines compares texts with their outlines.
func TestSignalsOfOutlines(t *testing.T) {
	random := rand.New(rand.NewPCG(93, 94))
	pieces := []string{"failed", "login", "Connection", "refused", "timeout", "10.0.0.1", "7", " ", " ", " ", "a", "no", "space", "disk", "is", "full", "x7", "_", "\x11", "outOfMemory", "of"}
	for range 20_000 {
		var text strings.Builder
		for range 1 + random.IntN(12) {
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		outline := shape.MessageOutline(text.String())
		if got, want := SignalsIn(outline), SignalsIn(text.String()); got != want {
			t.Fatalf("%q tells of %q, its outline %q of %q", text.String(), want, outline, got)
		}
	}
}

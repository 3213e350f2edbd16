package meaning

import (
	"strings"
	"testing"
)

// TestRequestOf reads lines of access logs, and others.
func TestRequestOf(t *testing.T) {
	const agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 15_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.4 Mobile/15E148 Safari/604.1"
	for line, want := range map[string]Request{
		`10.0.0.1 - - [26/Jan/2019:19:45:25 +0330] "GET /x HTTP/1.1" 200 30975 "https://x/" "` + agent + `" "-"`: {"GET", "200", agent},
		`10.0.0.1 - - [x] "POST / HTTP/2.0" 503 7 "-" "-"`:                                                       {"POST", "503", ""},
		`10.0.0.1 - - [x] "GET / HTTP/1.0" 404 7`:                                                                {"GET", "404", ""},
		`GET / HTTP/1.1`: {}, `"get / HTTP/1.1" 200 7`: {}, `"GET / HTTP/1.1" 777 7`: {}, `HTTP/1.1" 200 7`: {}, ``: {},
	} {
		got, ok := RequestOf(line)
		if got != want || ok != (want != Request{}) {
			t.Errorf("%q: %+v, want %+v", line, got, want)
		}
		if ok && !HasStatus(line) {
			t.Errorf("%q: outline", line)
		}
	}
	if got := AgentOf(agent); got != (Agent{"Safari", "15.4", "iOS", "15.4", "iPhone", "mobile"}) {
		t.Errorf("the agent is %+v", got)
	}
}

// FuzzAgentOf looks for user agents on which the parser does not end well.
func FuzzAgentOf(f *testing.F) {
	f.Add("Mozilla/5.0 (Linux; Android 10; K) Chrome/1.0")
	f.Add("Android")
	f.Add("Mozilla/5.0 (Android; ")
	f.Fuzz(func(t *testing.T, text string) {
		if a := AgentOf(text); len(a.Name) > agentMax || strings.Contains(a.DeviceKind, " ") {
			t.Errorf("%+v", a)
		}
		RequestOf(text)
		Attacks(text)
		DetectLevel(text)
	})
}

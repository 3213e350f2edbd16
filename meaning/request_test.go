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

// hostileAgents are user agents of 1 MiB and of odd bytes.
func hostileAgents() []string {
	agents := []string{"\xff\xfe", "Mozilla/5.0 (\xed\xa0\x80)", "\u202eChrome/1", "Chrome/\x00/1", "((((", "))))", ";;;;", "////", "\ufeffMozilla/", "Mozilla/5.0 (Linux; \U0001F600\xf0\x9f) Chrome/9"}
	for _, piece := range []string{"Mozilla/5.0 ", "(", ")", "; ", "/", "Chrome/1 ", "Android ", "bot ", "é", "\xe2\x82", "\x00", "%", "Version/1.1.1."} {
		agents = append(agents, strings.Repeat(piece, 1<<20/len(piece)))
	}
	return agents
}

// TestHostileAgents: none takes memory for its length, and what is said of it is short.
func TestHostileAgents(t *testing.T) {
	for _, text := range hostileAgents() {
		line := `1.2.3.4 - - [x] "GET / HTTP/1.1" 200 5 "-" "` + text + `"`
		allocs := testing.AllocsPerRun(1, func() {
			AgentOf(text)
			AgentText(text)
			RequestOf(line)
		})
		a := AgentOf(text)
		if whole := len(a.Name) + len(a.Version) + len(a.OS) + len(a.OSVersion) + len(a.Device) + len(a.DeviceKind); whole > 6*agentMax || allocs > 2_000 {
			t.Errorf("%.20q: %d bytes, %.0f allocations", text, whole, allocs)
		}
		if request, ok := RequestOf(line); ok && (request.Method != "GET" || request.Status != "200") {
			t.Errorf("%.20q: %.200v", text, request)
		}
	}
}

// FuzzAgentOf looks for user agents on which the parser does not end well.
func FuzzAgentOf(f *testing.F) {
	f.Add("Mozilla/5.0 (Linux; Android 10; K) Chrome/1.0")
	f.Add("Android")
	f.Add("Mozilla/5.0 (Android; ")
	for _, text := range hostileAgents() {
		f.Add(text[:min(len(text), 4<<10)])
	}
	f.Fuzz(func(t *testing.T, text string) {
		if a := AgentOf(text); len(a.Name) > agentMax || strings.Contains(a.DeviceKind, " ") {
			t.Errorf("%+v", a)
		}
		RequestOf(text)
		Attacks(text)
		DetectLevel(text)
	})
}

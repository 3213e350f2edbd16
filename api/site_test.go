package api

import "testing"

// TestSites asks as pages of other web sites do.
func TestSites(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Origins = []string{"https://ui.example", "https://*.corp.example"} })
	for origin, allowed := range map[string]bool{
		"https://ui.example": true, "https://UI.example": true, "https://a.corp.example": true, "https://a.b.corp.example": true, "http://stere": true,
		"http://ui.example": false, "https://ui.example.evil": false, "https://evilcorp.example": false, "https://evil/.corp.example": false, "https://corp.example": false,
		"https://ui.example:8443": false, "null": false, "https://evil?.corp.example": false, "https://stere": true,
	} {
		got := w.do("GET", "/logs", "", "Origin", origin)
		want := 403
		if allowed {
			want = 200
		}
		if got.status != want || got.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %d, %v", origin, got.status, got.header)
		}
		if !allowed && got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may read the refusal", origin)
		}
		w.do("POST", "/logs", `{"message":"x"}`, "Origin", origin, "Content-Type", "text/plain").want(t, map[bool]int{true: 201, false: 403}[allowed])
	}
	flight := w.do("OPTIONS", "/logs", "", "Origin", "https://ui.example", "Access-Control-Request-Method", "POST")
	if flight.status != 204 || flight.header.Get("Access-Control-Allow-Methods") == "" || flight.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("before the request: %d %v", flight.status, flight.header)
	}
	w.do("OPTIONS", "/logs", "", "Origin", "https://evil.example").want(t, 403, "error/code", "CORS_ERROR")
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		for _, path := range []string{"/logs", "/none", "/health/live"} {
			if got := w.do("GET", path, "").header.Get(name); got != want {
				t.Errorf("%s of %s is %q", name, path, got)
			}
		}
	}
}

// TestStrangeNames asks a node without authentication by names that a stranger may
// have given to it.
func TestStrangeNames(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Auth = nil })
	w.key = ""
	for host, want := range map[string]int{
		"127.0.0.1:7100": 200, "localhost:7100": 200, "[::1]:7100": 200, "stere.localhost": 200, "stere": 200,
		"evil.example": 403, "evil.example:7100": 403, "127.0.0.1.evil.example": 403, "localhost.evil": 403,
	} {
		w.do("GET", "/logs", "", "Host", host).want(t, want)
		w.do("POST", "/logs", `{"message":"x"}`, "Host", host).want(t, map[int]int{200: 201, 403: 403}[want])
	}
	w.do("POST", "/admin/flush", "", "Host", "127.0.0.1:7100", "Origin", "https://evil.example").want(t, 403)
}

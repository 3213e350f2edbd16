package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// terminal runs command lines with an environment of their own.
type terminal struct {
	t   *testing.T
	env []string
	dir string // for files
	url string // of the node that serve started
}

func newTerminal(t *testing.T, env ...string) *terminal {
	t.Helper()
	dir := t.TempDir()
	return &terminal{t: t, dir: dir, env: append([]string{"HOME=" + dir}, env...)}
}

// run runs a command line and returns its exit code and output.
func (m *terminal) run(stdin string, args ...string) (code int, stdout, stderr string) {
	m.t.Helper()
	var out, errs bytes.Buffer
	code = run(m.t.Context(), args, strings.NewReader(stdin), &out, &errs, m.env)
	return code, out.String(), errs.String()
}

// want runs a command line and checks its exit code and that the output has
// all texts.
func (m *terminal) want(code int, args []string, texts ...string) string {
	m.t.Helper()
	got, stdout, stderr := m.run("", args...)
	if got != code {
		m.t.Errorf("stere %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	for _, text := range texts {
		if !strings.Contains(stdout+stderr, text) {
			m.t.Errorf("stere %s: no %q in\n%s%s", strings.Join(args, " "), text, stdout, stderr)
		}
	}
	return stdout
}

// file writes a file and returns its path.
func (m *terminal) file(name, text string) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// awaited is output that can be waited for.
type awaited struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{}
}

func (a *awaited) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text.Write(b)
	select {
	case a.grown <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (a *awaited) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.String()
}

// serve starts a node as the command does and returns its output; it is
// stopped with the test.
func (m *terminal) serve(args ...string) string {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := &awaited{grown: make(chan struct{}, 1)}
	var errs bytes.Buffer
	done := make(chan int, 1)
	args = append([]string{"serve", "--data", filepath.Join(m.dir, "data"), "--listen", "127.0.0.1:0"}, args...)
	go func() { done <- run(ctx, args, strings.NewReader(""), out, &errs, m.env) }()
	m.t.Cleanup(func() {
		cancel()
		if code := <-done; code != exitOK {
			m.t.Errorf("serve ended with %d: %s", code, errs.String())
		}
	})
	address := regexp.MustCompile(`Serving (http://[^,]+),`)
	for {
		if found := address.FindStringSubmatch(out.String()); found != nil {
			m.url = found[1]
			m.env = append(m.env, "STERE_URL="+m.url)
			return out.String()
		}
		select {
		case <-out.grown:
		case code := <-done:
			done <- code
			m.t.Fatalf("serve ended with %d: %s", code, errs.String())
		}
	}
}

func TestUsage(t *testing.T) {
	m := newTerminal(t)
	m.want(exitOK, []string{"--help"}, "stere query 'error AND payment' --since 1h", "Exit codes")
	m.want(exitOK, nil, "Usage: stere")
	for _, command := range []string{"serve", "send", "query", "demo", "config"} {
		m.want(exitOK, []string{command, "--help"}, "Examples:")
	}
	m.want(exitOK, []string{"version"}, "stere ")
	m.want(exitUsage, []string{"serv"}, "did you mean")
	m.want(exitUsage, []string{"query", "--limt", "5", "x"}, "--limt")
	m.want(exitUsage, []string{"query", "--since", "soon", "x"}, "not a duration")
	m.want(exitUsage, []string{"send", "--parallel", "0", "--batch", "1", "x"}, "--parallel", "--batch")
	m.want(exitUnreachable, []string{"query", "--url", "http://127.0.0.1:1", "x"}, "Is a node running there?")
}

func TestConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stere.yaml")
	if err := os.WriteFile(path, []byte("# settings\nlisten: 127.0.0.1:9000\nlog_level: warn\njwt-secret: hush-hush\nbody-limit: 1MiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := newTerminal(t, "LOG_LEVEL=error", "STERE_DATA=/var/lib/stere", "RATE_LIMIT_WINDOW=60")
	out := m.want(exitOK, []string{"config", "--config", path, "--set", "body-limit=2MiB"})
	for key, want := range map[string]string{
		"listen": `127\.0\.0\.1:9000 +` + regexp.QuoteMeta(path) + `:2 `, "log-level": `error +environment LOG_LEVEL `, "data": `/var/lib/stere +environment STERE_DATA `,
		"body-limit": `2MiB +--set body-limit `, "jwt-secret": `\(secret, 9 bytes\)`, "connections": `4096 +default `, "rate-limit-window": `60 +environment RATE_LIMIT_WINDOW `,
	} {
		if !regexp.MustCompile(`(?m)^` + key + ` +` + want).MatchString(out) {
			t.Errorf("%s is not %s in\n%s", key, want, out)
		}
	}
	if strings.Contains(out, "hush-hush") {
		t.Error("the secret is printed")
	}
}

func TestConfigFaults(t *testing.T) {
	m := newTerminal(t, "STERE_LISTN=1", "STERE_SERVICE_HOST=10.0.0.1", "ENVIRONMENT=prod", "RATE_LIMIT_REQUESTS=-1", "AUTH_SERVICE_URL=x")
	path := m.file("bad.yaml", "listen: x\nlog-level: loud\nlog-level: info\nshards: [1]\nnonsense: 1\n")
	m.want(exitUsage, []string{"config", "--config", path, "--set", "bodylimit=1", "--insecure-no-auth"},
		"10 fault(s)", path+`:1): "x" is not an address`, path+":2): \"loud\" is not a log level", path+":3: log-level is set twice", path+":4: shards has a list",
		path+`:5: unknown key "nonsense"`, "environment STERE_LISTN: unknown variable, did you mean STERE_LISTEN?", `environment (environment ENVIRONMENT): "prod" is none of`,
		"rate-limit-requests", "auth-service-url", "--set bodylimit")
	m.want(exitUsage, []string{"serve", "--listen", "0.0.0.0:0", "--insecure-no-auth"}, "only allowed on a loopback address")
	m.want(exitUsage, []string{"config", "--config", filepath.Join(m.dir, "missing.yaml")}, "no such file")
	m.want(exitUsage, []string{"config", "--config", m.file("list.yaml", "- a\n")}, "list.yaml:1: want lines of the form key: value")
	m.want(exitUsage, []string{"config", "--set", "query-budgets=admn=rows:1"}, `unknown role "admn"`)
	m.want(exitUsage, []string{"config", "--set", "query-budgets=admin=rows:1,Platform_Admin=rows:2"}, "the role platform-admin has two budgets")
}

// TestBudgetsOfRoles checks that a budget is of the role that its name means.
func TestBudgetsOfRoles(t *testing.T) {
	have := values{"query-budgets": {text: "admin=rows:1,tenant_admin=rows:2,reader=rows:3"}}.budgets("query-budgets")
	if len(have) != 3 || have["platform-admin"].Rows != 1 || have["tenant-admin"].Rows != 2 || have["reader"].Rows != 3 {
		t.Errorf("have %+v", have)
	}
}

func TestServeSendQuery(t *testing.T) {
	m := newTerminal(t)
	out := m.serve()
	key, err := os.ReadFile(filepath.Join(m.dir, "data", "admin-key"))
	if err != nil || !strings.Contains(out, strings.TrimSpace(string(key))) {
		t.Fatalf("the admin key was not printed: %v\n%s", err, out)
	}
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, `{"timestamp":"2024-05-01T12:%02d:%02dZ","message":"request %d","level":"%s","component":"c%d"}`+"\n", i/60, i%60, i, []string{"info", "error"}[i%2], i%3)
	}
	plain := m.file("app.ndjson", text.String())
	m.want(exitOK, []string{"send", plain, m.file("app.gz", gzipped(t, "one line\nanother line\n")), m.file("app.zst", zstded(t, `{"message":"packed"}`))}, "accepted 3003, rejected 0")
	m.want(exitOK, []string{"send", m.file("array.json", ` [ {"message":"first of array"}, {"message":"second of array"} ] `)}, "accepted 2")
	m.want(exitPartial, []string{"send", m.file("bad.ndjson", "{\"message\":\"fine\"}\n{\"message\":\n[1]\n")}, "bad.ndjson:2: ", "bad.ndjson:3: ", "accepted 1, rejected 2")
	m.want(exitError, []string{"send", filepath.Join(m.dir, "missing")}, "no such file")
	if code, _, stderr := m.run("from stdin\n", "send", "-"); code != exitOK || !strings.Contains(stderr, "accepted 1") {
		t.Errorf("send -: %d %s", code, stderr)
	}
	// Sent again, nothing is stored twice; as new records, it is.
	m.want(exitOK, []string{"send", plain}, "accepted 3000")
	if out := m.want(exitOK, []string{"query", "request | stats count()", "-o", "raw"}); out != "3000\n" {
		t.Errorf("%q records after sending the same file twice, want 3000", out)
	}
	m.want(exitOK, []string{"send", "--no-resume", "--batch", "64KiB", plain}, "accepted 3000")
	if out := m.want(exitOK, []string{"query", "request | stats count()", "-o", "raw"}); out != "6000\n" {
		t.Errorf("%q records after sending the file as new, want 6000", out)
	}

	out = m.want(exitOK, []string{"query", "request AND level:error", "-n", "1500", "-o", "ndjson", "--from", "2024-05-01", "--to", "2024-05-02"})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 1500 || !json.Valid([]byte(lines[1499])) {
		t.Errorf("%d lines over several pages, want 1500", len(lines))
	}
	var all []map[string]any
	if err := json.Unmarshal([]byte(m.want(exitOK, []string{"query", "packed", "-o", "json"})), &all); err != nil || len(all) != 1 {
		t.Errorf("json output: %v, %v", all, err)
	}
	if out := m.want(exitOK, []string{"query", "nowhere", "-o", "json"}); out != "[]\n" {
		t.Errorf("json output of nothing: %q", out)
	}
	if out := m.want(exitOK, []string{"query", `"another line"`, "-o", "raw"}); out != "another line\n" {
		t.Errorf("raw output %q", out)
	}
	m.want(exitOK, []string{"query", "message:request", "-n", "1"}, "2024-05-01T12:49:59Z", "ERROR", "request 2999")
	m.want(exitOK, []string{"query", "request | stats count() by (component)"}, "component  count()\n", "c0            2000\n")
	m.want(exitError, []string{"query", "level:error AND (a"}, "level:error AND (a\n", "^\n")
	m.want(exitCredentials, []string{"query", "x", "--data", m.dir, "--url", m.url}, "STERE_API_KEY")
}

func TestSendResumes(t *testing.T) {
	m := newTerminal(t)
	m.serve()
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "{\"message\":\"line %d of the file that is interrupted\"}\n", i)
	}
	path := m.file("long.ndjson", text.String())
	// A note as an interrupted run leaves it: everything before it is sent.
	p := &program{ctx: t.Context(), stderr: io.Discard, stdout: io.Discard, environ: m.env}
	src, err := p.openSource(path, "auto", 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	first, err := src.Next()
	if err != nil {
		t.Fatal(err)
	}
	_, cfg, err := p.connect(remoteFlags{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	lines := int64(bytes.Count(first.body, []byte("\n")))
	if err := p.writeNote(noteName("send", cfg.URL, cfg.APIKey, src.identity), resumeNote{Offset: first.end, Line: lines}); err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	m.want(exitOK, []string{"send", path}, fmt.Sprintf("goes on at line %d", lines+1), fmt.Sprintf("accepted %d, ", 5000-lines))
	m.want(exitOK, []string{"send", path}, "accepted 5000, ")
}

func TestInsecure(t *testing.T) {
	m := newTerminal(t)
	if out := m.serve("--insecure-no-auth"); !strings.Contains(out, "Authentication is off") {
		t.Errorf("no warning: %s", out)
	}
	if code, _, stderr := m.run(`{"message":"x"}`, "send", "-"); code != exitOK {
		t.Errorf("send without a key: %d %s", code, stderr)
	}
}

func TestSecondNodeIsRefused(t *testing.T) {
	m := newTerminal(t)
	m.serve()
	m.want(exitError, []string{"serve", "--data", filepath.Join(m.dir, "data"), "--listen", "127.0.0.1:0"}, filepath.Join(m.dir, "data"))
}

func TestDemo(t *testing.T) {
	m := newTerminal(t)
	m.want(exitOK, []string{"demo", "--exit", "--listen", "127.0.0.1:0"}, "every one is on disk and searchable", "The newest errors", "How many records of each level", "█", "The busiest components", "curl -s -H")
}

func TestSource(t *testing.T) {
	long := strings.Repeat("x", lineBytesMax+1)
	m := newTerminal(t)
	p := &program{ctx: t.Context(), stdin: strings.NewReader("{\"a\":1}\n" + long + "\n{\"a\":2}"), environ: m.env}
	src, err := p.openSource("-", "auto", 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	b, err := src.Next()
	if err != nil || string(b.body) != "{\"a\":1}\n\n{\"a\":2}" || len(b.tooLong) != 1 || b.tooLong[0].Line != 2 || b.end != int64(8+len(long)+1+7) {
		t.Errorf("batch of %d bytes, too long %v, end %d, error %v", len(b.body), b.tooLong, b.end, err)
	}
	if _, err := src.Next(); err != io.EOF {
		t.Errorf("after the last batch: %v", err)
	}
	for text, lines := range map[string]bool{"{}": false, " \n\t{}": false, "\ufeff{}": false, "[{}]": false, "[ {}": false, "[2024] x": true, "plain": true, "": false, "\"x\"": true} {
		p.stdin = strings.NewReader(text)
		src, err := p.openSource("-", "auto", 1)
		if err != nil || src.lines != lines {
			t.Errorf("%q: lines %v, error %v, want %v", text, src.lines, err, lines)
		}
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t *testing.T, text string) string {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoder.EncodeAll([]byte(text), nil))
}

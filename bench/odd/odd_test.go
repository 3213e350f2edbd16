package odd_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/bench"
	"github.com/stere-log/stere/bench/odd"
)

// bugVariable tells the fake what to do wrong.
const bugVariable = "ODD_TEST_BUG"

// TestMain is the fake server where it is started as one: it counts lines by
// tenant and keeps the counts in its folder.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		fmt.Fprintln(os.Stderr, serve(os.Args[3], os.Args[5], os.Getenv(bugVariable)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type fake struct {
	mu    sync.Mutex
	path  string
	bug   string
	lines map[string]int
}

func serve(dir, address, bug string) error {
	f := &fake{path: filepath.Join(dir, "counts"), bug: bug, lines: map[string]int{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if text, err := os.ReadFile(f.path); err == nil && bug != "forgets" {
		if err := json.Unmarshal(text, &f.lines); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "admin-key"), []byte("key"), 0o600); err != nil {
		return err
	}
	return http.ListenAndServe(address, f)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	tenant := tenantOf(r)
	switch r.URL.Path {
	case "/logs":
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		n := bytes.Count(body.Bytes(), []byte("\n"))
		rejected := 0
		switch f.bug {
		case "refuses":
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		case "rejects":
			rejected = 1
		case "drops":
			f.lines[tenant]--
		case "leaks":
			tenant = ""
		}
		f.lines[tenant] += n - rejected
		text, err := json.Marshal(f.lines)
		if err != nil || os.WriteFile(f.path, text, 0o644) != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `{"success":true,"data":{"accepted":%d,"rejected":%d,"errors":[]}}`, n-rejected, rejected)
	case "/logs/search":
		fmt.Fprintf(w, `{"success":true,"data":{"columns":[],"rows":[[%d]]}}`, f.lines[tenant])
	}
}

// tenantOf reads the tenant of a token, "" without one.
func tenantOf(r *http.Request) string {
	parts := strings.Split(r.Header.Get("Authorization"), ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct{ Tenant string }
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return "unreadable"
	}
	return claims.Tenant
}

func run(t *testing.T, bug string, only ...string) *odd.Report {
	t.Helper()
	t.Setenv(bugVariable, bug)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report, err := odd.Run(t.Context(), odd.Config{Targets: []string{"stere=" + program}, Only: only, WorkDir: t.TempDir(), Scale: 0.002, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestEveryCaseIsRightWithARightServer(t *testing.T) {
	report := run(t, "")
	if len(report.Outcomes) != len(odd.Cases(1)) || report.Failed() {
		t.Errorf("have %+v", report.Outcomes)
	}
	var table bytes.Buffer
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(table.String(), "WRONG") || !strings.Contains(table.String(), "disorder") {
		t.Errorf("the table is\n%s", table.String())
	}
}

func TestEveryBugIsSeen(t *testing.T) {
	for _, tc := range []struct {
		bug, name string
		right     bool
	}{
		{"drops", "constant", false},
		{"forgets", "constant", false},
		{"leaks", "tenants", false},
		{"drops", "tenants", false},
		{"rejects", "constant", true}, // to refuse a line is no fault if it is said
		{"refuses", "long line", true},
	} {
		report := run(t, tc.bug, tc.name)
		if o := report.Outcomes[0]; len(report.Outcomes) != 1 || o.Right() != tc.right {
			t.Errorf("a server that %s: %+v", tc.bug, o)
		}
		if o := report.Outcomes[0]; tc.right && (o.Rejected == 0 || o.Reason == "" && tc.bug == "refuses") {
			t.Errorf("a server that %s: refusals are not counted: %+v", tc.bug, o)
		}
	}
}

// TestCasesAreWhatTheySay reads every line of every case.
func TestCasesAreWhatTheySay(t *testing.T) {
	const scale = 0.01
	for _, c := range odd.Cases(scale) {
		names, messages, tenants := map[string]bool{}, map[string]bool{}, map[int]int{}
		longest, lines, backwards := 0, 0, 0
		var last time.Time
		err := c.Batches(rand.New(rand.NewPCG(1, 0)), func(b bench.Batch) error {
			if n := bytes.Count(b.Text, []byte("\n")); n != b.Lines {
				t.Errorf("%s: a batch says %d lines and has %d", c.Name, b.Lines, n)
			}
			for text := range bytes.Lines(b.Text) {
				var l struct {
					Timestamp time.Time
					Message   string
					Metadata  map[string]any
				}
				if err := json.Unmarshal(text, &l); err != nil {
					return err
				}
				for name := range l.Metadata {
					names[name] = true
				}
				if l.Timestamp.Before(last) {
					backwards++
				}
				last = l.Timestamp
				messages[l.Message] = true
				tenants[b.Tenant]++
				longest = max(longest, len(text)-1)
				lines++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		right := map[string]bool{
			"fields":    len(names) == 1_000,
			"long line": longest == 1<<20 && lines == 11,
			"unique":    len(messages) == 1_000,
			"constant":  len(messages) == 1 && lines == 5_000,
			"disorder":  backwards > lines/3,
			"tenants":   len(tenants) == 500 && tenants[0] == 0 && tenants[500] == 10,
		}[c.Name]
		if !right {
			t.Errorf("%s: %d names, %d messages, %d tenants, longest %d, %d lines, %d backwards", c.Name, len(names), len(messages), len(tenants), longest, lines, backwards)
		}
	}
}

func TestConfigNamesAllFaults(t *testing.T) {
	err := odd.Config{Scale: 2, Only: []string{"nothing"}}.Validate()
	for _, word := range []string{"target", "work folder", "scale", `"nothing"`} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error does not name %s: %v", word, err)
		}
	}
	if _, err := odd.Run(t.Context(), odd.Config{Targets: []string{"stere=http://127.0.0.1:1"}, WorkDir: t.TempDir()}); err == nil {
		t.Error("a server that runs already is taken")
	}
}

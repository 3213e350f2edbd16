package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/client"
)

// look runs stere tail until its output has a text, and returns the output.
func (m *terminal) look(text string, meanwhile func(shown string), args ...string) (stdout, stderr string) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	defer cancel()
	out := &awaited{grown: make(chan struct{}, 1)}
	var errs bytes.Buffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, append([]string{"tail"}, args...), strings.NewReader(""), out, &errs, m.env) }()
	for !strings.Contains(out.String(), text) {
		select {
		case <-out.grown:
			meanwhile(out.String())
		case code := <-done:
			m.t.Fatalf("stere tail ended with %d: %s%s", code, out.String(), errs.String())
		}
	}
	cancel()
	if code := <-done; code != exitOK {
		m.t.Errorf("stere tail ended with %d: %s", code, errs.String())
	}
	return out.String(), errs.String()
}

func TestTailAndExport(t *testing.T) {
	m := newTerminal(t)
	m.serve()
	m.want(exitOK, []string{"send", m.file("a.ndjson", `{"message":"old one","level":"error","component":"a\u001b[31m"}`+"\n"+`{"message":"other"}`+"\n")})
	sent := false
	out, _ := m.look("new one", func(shown string) {
		if !sent && strings.Contains(shown, "old one") {
			sent = true
			m.want(exitOK, []string{"send", m.file("b.ndjson", `{"message":"new one \u001b]0;x\u0007 \u202e"}`+"\n"+`{"message":"other"}`+"\n")})
		}
	}, "one", "--color", "never")
	if strings.ContainsAny(out, "\x1b\x07\u202e") || strings.Contains(out, "other") {
		t.Errorf("stere tail shows %q", out)
	}
	if out, _ := m.look("new one", func(string) {}, "one", "-n", "1", "-o", "json", "--color", "always"); !strings.HasPrefix(out, `{"id":`) {
		t.Errorf("stere tail -o json shows %q", out)
	}
	m.want(exitError, []string{"tail", "* | stats count()"}, "only a filter")
	m.want(exitUsage, []string{"tail", "--since", "soon"}, "not a duration")

	path := filepath.Join(m.dir, "all.csv")
	m.want(exitOK, []string{"query", "one | fields message", "-o", "csv", "--file", path})
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "message,_rest\n") || strings.Count(string(text), "\n") != 3 {
		t.Errorf("the file has %q, %v", text, err)
	}
	if out := m.want(exitOK, []string{"export", "one", "--order", "asc"}); strings.Count(out, "\n") != 2 || !strings.Contains(out, "old one") {
		t.Errorf("stere export writes %q", out)
	}
	m.want(exitError, []string{"export", "(", "--file", path}, "^")
}

// TestTailComesBack looks at what a tail asks for after its connection has broken,
// and what it tells of what was left out.
func TestTailComesBack(t *testing.T) {
	m := newTerminal(t)
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("backlog")+r.URL.Query().Get("after"))
		fmt.Fprintf(w, "id: c%d\ndata: {\"message\":\"line %d\"}\n\nid: d%d\nevent: dropped\ndata: {\"dropped\":3,\"total\":3}\n\n", len(asked), len(asked), len(asked))
		if len(asked) == 1 {
			return
		}
		if len(asked) == 2 {
			fmt.Fprint(w, "event: end\ndata: {\"reason\":\"the node stops\"}\n\n")
			return
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	out, errs := m.look("line 3", func(string) {}, "--url", server.URL, "-o", "raw")
	if out != "line 1\nline 2\nline 3\n" || strings.Join(asked, " ") != "10 d1 d2" {
		t.Errorf("it shows %q and asked for %q", out, asked)
	}
	for _, text := range []string{"3 records were left out", "connected again", "(the node stops)"} {
		if !strings.Contains(errs, text) {
			t.Errorf("no %q in %q", text, errs)
		}
	}
}

// TestExportGoesOn breaks an export in the middle of a line.
func TestExportGoesOn(t *testing.T) {
	m := newTerminal(t)
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("cursor")+r.URL.Query().Get("after"))
		w.Header().Set("Stere-Export", "token-")
		if len(asked) == 1 {
			fmt.Fprint(w, "{\"_id\":\"a\"}\n{\"_id\":\"b\"}\n{\"_i")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "{\"_id\":\"c\"}\n")
	}))
	defer server.Close()
	out := m.want(exitOK, []string{"export", "--url", server.URL}, "broke off after 2 records")
	if out != "{\"_id\":\"a\"}\n{\"_id\":\"b\"}\n{\"_id\":\"c\"}\n" || strings.Join(asked, " ") != " token-b" {
		t.Errorf("it writes %q and asked for %q", out, asked)
	}
}

// TestExportEndsAtItsLimit checks that an export which broke off after its last
// record does not ask for more: without a limit it would get everything.
func TestExportEndsAtItsLimit(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Stere-Export", "token")
		w.Header().Set("Content-Length", "1000") // which never come
		fmt.Fprint(w, "{\"_id\":\"0-1-0\"}\n{\"_id\":\"0-1-1\"}\n")
	}))
	defer server.Close()
	node, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	export := exportCommand{Limit: 2, Output: "ndjson"}
	if err := export.copy(&program{ctx: t.Context(), stderr: &errs}, node, url.Values{}, &out); err != nil {
		t.Errorf("the export: %v", err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 || asked != 1 {
		t.Errorf("%d lines after %d questions, want 2 after one", lines, asked)
	}
}

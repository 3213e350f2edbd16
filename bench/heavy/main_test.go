package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/query/syntax"
)

// TestQuestionsAreRead checks that every heavy question is one.
func TestQuestionsAreRead(t *testing.T) {
	for _, text := range heavy() {
		if _, err := syntax.Parse(text); err != nil {
			t.Error(err)
		}
	}
}

// TestSend checks that all lines are sent, and no more than are wanted.
func TestSend(t *testing.T) {
	var got bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&got, r.Body) // a wrong body shows
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "lines")
	var all strings.Builder
	for i := range 100 {
		fmt.Fprintf(&all, "{\"n\":%d}\n", i)
	}
	if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	sent, err := node{url: server.URL}.send(context.Background(), "large", path, 40)
	if err != nil || sent != 40 || got.String() != strings.Join(strings.SplitAfter(all.String(), "\n")[:40], "") {
		t.Errorf("%d lines are sent, %v: %s", sent, err, got.String())
	}
}

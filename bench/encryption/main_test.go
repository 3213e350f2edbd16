package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stere-log/stere/query/syntax"
)

// TestQuestionsAreRead checks that every question is one.
func TestQuestionsAreRead(t *testing.T) {
	for _, text := range questions() {
		if _, err := syntax.Parse(text); err != nil {
			t.Error(err)
		}
	}
}

// TestSend checks that so many lines are sent as are wanted, and no more.
func TestSend(t *testing.T) {
	var got atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.Add(int64(strings.Count(string(body), "\n")))
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "records")
	if err := os.WriteFile(path, []byte(strings.Repeat("{}\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int]int{7: 7, 1000: 100} {
		got.Store(0)
		if sent, err := send(t.Context(), server.URL, path, most); err != nil || sent != want || got.Load() != int64(want) {
			t.Errorf("sent %d, %d came, want %d: %v", sent, got.Load(), want, err)
		}
	}
}

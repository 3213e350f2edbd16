// Package nodetest runs nodes inside tests: on a file system in memory, with a
// free port, stopped when the test ends.
//
// The main type is Running. It is used from the test's goroutine.
package nodetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/node"
)

// Patience is how long a test waits for what has to happen.
const Patience = time.Minute

// Running is a node that runs.
type Running struct {
	Node *node.Node
	URL  string // of the HTTP interface, without a slash at the end

	stop func()
}

// Start runs a node and waits until it is ready. Unless the configuration says
// otherwise it lives in memory and listens on a free port of the loopback
// interface without authentication.
func Start(t testing.TB, cfg node.Config) *Running {
	t.Helper()
	if cfg.FS == nil {
		cfg.FS = vfs.NewMem()
	}
	if cfg.DataDir == "" {
		cfg.DataDir = "data"
	}
	if cfg.Listen == "" && cfg.Listener == nil {
		cfg.Listen = "127.0.0.1:0"
	}
	opened, err := node.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- opened.Run(ctx) }()
	running := &Running{Node: opened, URL: "http://" + opened.Addr().String()}
	running.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, node.ErrFatal) {
			t.Errorf("run node: %v", err)
		}
	})
	t.Cleanup(running.Stop)
	select {
	case <-opened.Ready():
	case err := <-done:
		done <- err
		t.Fatalf("the node ended: %v", err)
	case <-time.After(Patience):
		t.Fatal("the node does not become ready")
	}
	return running
}

// Stop stops the node and waits for its end. A node that failed for good is
// not an error here; tests ask Node.Failed.
func (r *Running) Stop() { r.stop() }

// Eventually waits until the condition holds.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not happen in %v that %s", Patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

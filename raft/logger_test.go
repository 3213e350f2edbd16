package raft

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	hraft "github.com/hashicorp/raft"
)

// TestWhatTheLibrarySays: what happens in every group whenever a member comes or goes is a
// detail; what is wrong with the log is not.
func TestWhatTheLibrarySays(t *testing.T) {
	var text bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&text, nil)))
	l.Error("failed to get log", "index", 1, "error", hraft.ErrLogNotFound) // a new member needs a snapshot
	l.Error("failed to heartbeat to", "peer", "n2", "error", errors.New("it is away"))
	l.Warn("heartbeat timeout reached, starting election")
	if text.Len() > 0 {
		t.Errorf("written is %s", &text)
	}
	l.Error("failed to get log", "index", 1, "error", errors.New("checksum"))
	l.Error("failed to get log")
	if n := strings.Count(text.String(), "level=ERROR"); n != 2 {
		t.Errorf("want two errors, have %s", &text)
	}
}

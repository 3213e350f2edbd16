package gossip

import (
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// libraryLog takes the library's log lines: "[LEVEL] memberlist: text".
//
// It also takes from them when this node begins to suspect a member, which the
// library tells in no other way; TestSuspicionIsSeen notices should the text
// change.
type libraryLog struct{ gossip *Gossip }

func newLibraryLog(g *Gossip) *log.Logger { return log.New(libraryLog{g}, "", 0) }

// Write takes one line.
func (l libraryLog) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	level, text, ok := strings.Cut(line, "] memberlist: ")
	if !ok {
		level, text = "", line
	}
	if rest, ok := strings.CutPrefix(text, "Suspect "); ok {
		if id, _, ok := strings.Cut(rest, " has failed"); ok {
			l.gossip.suspect(id)
		}
	}
	logger := l.gossip.config.Logger
	switch level {
	case "[ERR", "[ERROR":
		if l.aboutSecrets(text) {
			return len(p), nil
		}
		fallthrough
	default:
		// What the library finds an error is, as a rule, a peer that has died.
		logger.Debug("gossip", "message", text)
	}
	return len(p), nil
}

// aboutSecrets logs what arrives from nodes with another secret, or none, in
// words that say what to do.
func (l libraryLog) aboutSecrets(text string) bool {
	means := map[string]string{
		"no installed keys could decrypt":                            "another cluster secret; give all nodes the same",
		"encryption is configured but remote state is not encrypted": "no cluster secret; give it the one that this node has",
		"remote state is encrypted and encryption is not configured": "a cluster secret; give this node the same",
	}
	for part, what := range means {
		if strings.Contains(text, part) {
			_, from, _ := strings.Cut(text, "from=")
			l.gossip.notes.warn("secret "+what, "gossip was refused: the other node has "+what, "from", from)
			return true
		}
	}
	return false
}

// notes writes log lines that could become many, at most one of a kind in a
// while.
type notes struct {
	logger *slog.Logger
	now    func() time.Time

	mu struct {
		sync.Mutex
		last map[string]time.Time
	}
}

func (n *notes) warn(kind, message string, args ...any) {
	n.mu.Lock()
	now := n.now()
	last, ok := n.mu.last[kind]
	quiet := ok && now.Sub(last) < logInterval || !ok && len(n.mu.last) >= logKindsMax
	if !quiet {
		if n.mu.last == nil {
			n.mu.last = map[string]time.Time{}
		}
		n.mu.last[kind] = now
	}
	if len(n.mu.last) >= logKindsMax {
		for k, at := range n.mu.last {
			if now.Sub(at) >= logInterval {
				delete(n.mu.last, k)
			}
		}
	}
	n.mu.Unlock()
	if !quiet {
		n.logger.Warn(message, args...)
	}
}

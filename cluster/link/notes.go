package link

import (
	"log/slog"
	"sync"
	"time"
)

// notes writes log lines about what peers do, at most one of a kind for an
// address in a while, so that peers cannot fill the log.
type notes struct {
	logger *slog.Logger
	now    func() time.Time

	mu struct {
		sync.Mutex
		seen map[noteKey]*noted
	}
}

type noteKey struct{ kind, host string }

type noted struct {
	at    time.Time
	since int // that were not written since
}

// warn writes a line, unless one of this kind and address was written lately;
// the next one says how many were left out.
func (n *notes) warn(kind, host, message string, args ...any) {
	omitted, write := n.count(kind, host)
	if !write {
		return
	}
	if omitted > 0 {
		args = append(args, "omitted", omitted)
	}
	n.logger.Warn(message, args...)
}

func (n *notes) count(kind, host string) (omitted int, write bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now, key := n.now(), noteKey{kind, host}
	if n.mu.seen == nil {
		n.mu.seen = map[noteKey]*noted{}
	}
	if n.mu.seen[key] == nil && len(n.mu.seen) >= peersLoggedMax {
		for k, s := range n.mu.seen {
			if now.Sub(s.at) >= logInterval {
				delete(n.mu.seen, k)
			}
		}
		if len(n.mu.seen) >= peersLoggedMax {
			key = noteKey{kind: kind} // all others share a line
		}
	}
	s := n.mu.seen[key]
	if s == nil {
		s = &noted{at: now}
		n.mu.seen[key] = s
		return 0, true
	}
	if now.Sub(s.at) < logInterval {
		s.since++
		return 0, false
	}
	omitted, s.at, s.since = s.since, now, 0
	return omitted, true
}

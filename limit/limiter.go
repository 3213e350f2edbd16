package limit

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a Limiter.
const (
	KeysDefault = 16_384 // keys that are known at once, and as many of strangers

	WindowMax = 31 * day
	keyMax    = 512  // bytes
	placesMax = 4096 // of one key
	epochsMax = 8    // homes of one key whose counts are known beside the own
	pullMax   = 64   // nodes that are asked what they know
	pullsMax  = 64   // keys at once for which nodes are asked

	heldShare  = 50 // all permits that nodes hold are at most one of so many
	looseShare = 20 // what may go beyond a loose limit is at most one of so many

	permitLife    = time.Second // at most
	denialLife    = time.Second // at most, before the home is asked again
	askTimeout    = time.Second
	pullTimeout   = 300 * time.Millisecond // with recallTimeout less than askTimeout: who asks a new home must not doubt it
	recallTimeout = 600 * time.Millisecond
	recallAgain   = 5 * time.Second // after one that failed
	suspectTime   = 3 * time.Second // a node that did not answer is not asked
	aliveInterval = 200 * time.Millisecond
	homesTried    = 2
)

// Rule is a limit and what it is of.
type Rule struct {
	What   string        `json:"what,omitempty"` // for people: "requests of this client"
	Key    string        `json:"key"`            // what is counted; the same for all nodes
	Limit  int64         `json:"limit"`
	Window time.Duration `json:"window"`
	// Daily begins anew at midnight UTC instead of sliding.
	Daily bool `json:"daily,omitempty"`
	// Loose lets what crosses the limit go through whole if it is a small part of it.
	Loose bool `json:"loose,omitempty"`
	// Stranger says that anybody can make up keys like this one.
	Stranger bool `json:"stranger,omitempty"`
}

// bound keeps what comes from elsewhere within limits.
func (r *Rule) bound() {
	r.Window = min(max(r.Window, time.Millisecond), WindowMax)
	r.Limit = max(r.Limit, 0)
	r.Key = r.Key[:min(len(r.Key), keyMax)]
}

// Verdict is what becomes of a request.
type Verdict struct {
	OK    bool
	Rule  Rule
	Left  int64         // about
	Reset time.Duration // until all of the limit is there again
	Retry time.Duration // of a refusal: when it is worth to try again
}

// Peers are the other nodes.
type Peers interface {
	// Alive returns the nodes that count, this one among them.
	Alive() []string
	// Ask asks a node as the home of a key.
	Ask(ctx context.Context, node string, ask Ask) (Answer, error)
	// Known asks a node what it was told of a key.
	Known(ctx context.Context, node, key string) ([]Count, error)
}

// Config of a Limiter. The zero value is a node that is alone.
type Config struct {
	Self  string
	Peers Peers // nil: there are none
	// Recall returns what of a daily limit was used before, on this day; after an error
	// it is asked again. nil: nothing.
	Recall func(ctx context.Context, rule Rule) (int64, error)
	Keys   int              // that are known at once; default KeysDefault
	Now    func() time.Time // default time.Now
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	if c.Keys < 0 {
		faults = append(faults, fmt.Errorf("Keys is %d, want 0 (default) or more", c.Keys))
	}
	if c.Peers != nil && c.Self == "" {
		faults = append(faults, errors.New("Self is missing"))
	}
	return errors.Join(faults...)
}

// set is what is known of keys: those of strangers are apart.
type set struct {
	counters *table[counter]
	leases   *table[lease]
}

// Limiter says what is too much.
type Limiter struct {
	cfg     Config
	epoch   string
	sets    [2]set // known, strangers
	pulling chan struct{}
	asked   atomic.Int64
	failed  atomic.Int64

	mu struct {
		sync.Mutex
		looked  time.Time
		nodes   []string // sorted
		changed time.Time
		suspect map[string]time.Time // until when
	}
}

// New returns a limiter. The configuration must be valid.
func New(cfg Config) *Limiter {
	cfg.Keys = cmp.Or(cfg.Keys, KeysDefault)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &Limiter{cfg: cfg, epoch: rand.Text(), pulling: make(chan struct{}, pullsMax)}
	for i := range l.sets {
		l.sets[i] = set{
			newTable(cfg.Keys, func(c *counter, now time.Time) float64 { return c.weight(now) }),
			newTable(cfg.Keys, func(e *lease, now time.Time) float64 { return e.weight(now) }),
		}
	}
	l.mu.suspect = map[string]time.Time{}
	return l
}

func (l *Limiter) setOf(r *Rule) *set {
	if r.Stranger {
		return &l.sets[1]
	}
	return &l.sets[0]
}

func (l *Limiter) counters(r *Rule) *table[counter] { return l.setOf(r).counters }
func (l *Limiter) leases(r *Rule) *table[lease]     { return l.setOf(r).leases }

// Stats says how many keys are known, and how often other nodes were asked and gave no
// answer.
func (l *Limiter) Stats() (keys int, asked, failed int64) {
	for _, s := range l.sets {
		keys += s.counters.len() + s.leases.len()
	}
	return keys, l.asked.Load(), l.failed.Load()
}

// alive returns the nodes that count, and since when these are they.
func (l *Limiter) alive() (nodes []string, since time.Time) {
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cfg.Peers == nil || l.mu.nodes != nil && now.Sub(l.mu.looked) < aliveInterval {
		if l.mu.nodes == nil {
			l.mu.nodes, l.mu.changed = []string{l.cfg.Self}, now
		}
		return l.mu.nodes, l.mu.changed
	}
	l.mu.looked = now
	nodes = slices.Clone(l.cfg.Peers.Alive())
	if !slices.Contains(nodes, l.cfg.Self) {
		nodes = append(nodes, l.cfg.Self)
	}
	slices.Sort(nodes)
	if !slices.Equal(nodes, l.mu.nodes) {
		l.mu.nodes, l.mu.changed = nodes, now
	}
	return l.mu.nodes, l.mu.changed
}

// homes returns the nodes in the order in which they are the home of a key, without
// those that did not answer just now.
func (l *Limiter) homes(key string) []string {
	nodes, _ := l.alive()
	if len(nodes) == 1 {
		return nodes
	}
	now := l.cfg.Now()
	l.mu.Lock()
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(node string) bool { return now.Before(l.mu.suspect[node]) })
	l.mu.Unlock()
	slices.SortFunc(nodes, func(a, b string) int {
		return cmp.Or(cmp.Compare(score(b, key), score(a, key)), cmp.Compare(a, b))
	})
	return nodes
}

// score says how much a node is the home of a key.
func score(node, key string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(node)) // a hash takes everything
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(key))
	n := h.Sum64()
	n ^= n >> 33
	n *= 0xff51afd7ed558ccd
	n ^= n >> 33
	n *= 0xc4ceb9fe1a85ec53
	return n ^ n>>33
}

// doubt leaves a node out for a while.
func (l *Limiter) doubt(node string) {
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for other, until := range l.mu.suspect {
		if !now.Before(until) {
			delete(l.mu.suspect, other)
		}
	}
	l.mu.suspect[node] = now.Add(suspectTime)
}

// ask asks the home of a key; one that does not answer is none. In the end this node
// counts for itself.
func (l *Limiter) ask(ctx context.Context, ask Ask) Answer {
	for range homesTried {
		homes := l.homes(ask.Rule.Key)
		if homes[0] == l.cfg.Self {
			break
		}
		// What is asked for others too must not end with who asks.
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		l.asked.Add(1)
		answer, err := l.cfg.Peers.Ask(asking, homes[0], ask)
		cancel()
		if err == nil {
			return answer
		}
		l.failed.Add(1)
		l.doubt(homes[0])
	}
	return l.Answer(ctx, ask)
}

// Take takes n of what a rule allows, or nothing.
func (l *Limiter) Take(ctx context.Context, rule Rule, n int64) Verdict {
	rule.bound()
	if l.homes(rule.Key)[0] == l.cfg.Self { // which is always one of them
		return rule.verdict(l.Answer(ctx, Ask{Rule: rule, Least: n, Want: n, Known: l.heard(&rule)}), n)
	}
	return l.lease(&rule).take(ctx, l, rule, n)
}

// Spent reports whether nothing of a rule is left, as far as that is known here
// without asking anybody.
func (l *Limiter) Spent(rule Rule) (Verdict, bool) {
	rule.bound()
	now := l.cfg.Now()
	if e := l.leases(&rule).get(rule.Key); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.denial.Left == 0 && now.Before(e.denied) {
			return e.refusal(rule, now), true
		}
	}
	if c := l.counters(&rule).get(rule.Key); c != nil && l.homes(rule.Key)[0] == l.cfg.Self {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.used(now) >= rule.Limit {
			v := Verdict{Rule: rule}
			v.Retry, v.Reset = c.sum().free(&rule, now, 1)
			return v, true
		}
	}
	return Verdict{}, false
}

// Give gives back n that were taken and not used.
func (l *Limiter) Give(ctx context.Context, rule Rule, n int64) {
	rule.bound()
	if l.homes(rule.Key)[0] == l.cfg.Self {
		l.Answer(ctx, Ask{Rule: rule, Back: n})
		return
	}
	e := l.lease(&rule)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.have += n
}

// Hold takes one of so many places, for at most the rule's window. Who has it
// releases it.
func (l *Limiter) Hold(ctx context.Context, rule Rule) (release func(), ok bool) {
	rule.bound()
	ask := Ask{Rule: rule, Hold: rand.Text()}
	if l.ask(ctx, ask).Granted == 0 {
		return nil, false
	}
	return func() {
		ask.Release = true
		l.ask(context.WithoutCancel(ctx), ask)
	}, true
}

// verdict is what an answer means for who needs n.
func (r Rule) verdict(a Answer, n int64) Verdict {
	return Verdict{OK: a.Granted >= n, Rule: r, Left: a.Left, Reset: a.Reset, Retry: a.Retry}
}

package cluster

import (
	"sync"
	"time"
)

// promise is what an answer of a node may be.
type promise int

const (
	nothing  promise = iota // whatever it says, but right if it says that it is complete
	complete                // must be complete
	partial                 // must not call itself complete
)

// outlook is what the nodes must answer. It is safe for concurrent use.
type outlook struct {
	grace time.Duration
	mu    struct {
		sync.Mutex
		since time.Time
		of    map[string]promise // by name; what is not there is nothing
	}
}

// set says what the nodes must answer from now on, grace granted.
func (o *outlook) set(of map[string]promise) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.since, o.mu.of = time.Now(), of
}

// judge returns what is promised of a node, and whether that is due for a
// question that was asked at this time and has been answered now: the cluster had
// the time that it may need since things last changed.
func (o *outlook) judge(node string, asked time.Time) (p promise, due bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.of[node], !asked.Before(o.mu.since.Add(o.grace))
}

// sights works out the promises where the nodes of a group reach each other and
// nobody else. Nodes in no group are not promised anything. A node must answer
// completely if its group has a quorum of every shard.
func sights(shards []shard, groups ...[]string) map[string]promise {
	of := map[string]promise{}
	for _, group := range groups {
		p := complete
		for _, s := range shards {
			there := 0
			for _, name := range group {
				if s.has(name) {
					there++
				}
			}
			if 2*there <= len(s.Replicas) {
				p = partial
			}
		}
		if len(shards) == 0 {
			p = nothing
		}
		for _, name := range group {
			of[name] = p
		}
	}
	return of
}

package limit

import (
	"context"
	"sync"
	"time"
)

// Ask is what a node asks the home of a key.
type Ask struct {
	Rule    Rule    `json:"rule"`
	Least   int64   `json:"least,omitempty"` // permits that are needed, or none
	Want    int64   `json:"want,omitempty"`  // that are wanted, for all who wait
	More    int64   `json:"more,omitempty"`  // that would be used soon
	Back    int64   `json:"back,omitempty"`  // from before, that were not used
	Known   []Count `json:"known,omitempty"` // what was counted, as the node was told last
	Hold    string  `json:"hold,omitempty"`  // a place is wanted under this name instead of permits
	Release bool    `json:"release,omitempty"`
}

// Answer is what the home says.
type Answer struct {
	Granted int64         `json:"granted"`
	Left    int64         `json:"left"`
	Retry   time.Duration `json:"retry,omitempty"` // until what was needed fits
	Reset   time.Duration `json:"reset,omitempty"` // until all is there again
	Known   []Count       `json:"known,omitempty"` // what is counted
}

// counter is a key at its home.
type counter struct {
	mu      sync.Mutex
	ready   chan struct{} // closed when it is known what was counted before; nil: nobody has begun to look
	rule    Rule
	counts  counts               // its own
	others  map[string]counts    // of other homes, by epoch
	places  map[string]time.Time // that are held, until when
	touched time.Time
	recall  time.Time // when to ask again what was written down; zero: it is known, or not wanted
}

// weight of a counter: the share that is used, and those that were used last before
// others.
func (c *counter) weight(now time.Time) float64 {
	if !c.mu.TryLock() {
		return 2 // in use
	}
	defer c.mu.Unlock()
	used := c.used(now)
	return float64(used)/float64(max(c.rule.Limit, 1)) - now.Sub(c.touched).Seconds()/1e9 + float64(len(c.places))
}

// used returns what was taken within the window, whoever counted it.
func (c *counter) used(now time.Time) int64 {
	used := c.counts.slide(&c.rule, now)
	for epoch, other := range c.others {
		n := other.slide(&c.rule, now)
		if c.others[epoch] = other; len(other) == 0 {
			delete(c.others, epoch)
		}
		used += n
	}
	return used
}

// sum returns all that is counted, by slot.
func (c *counter) sum() counts {
	sum := c.counts
	for _, other := range c.others {
		sum = sum.plus(other)
	}
	return sum
}

// hear takes over what other homes have counted.
func (c *counter) hear(self string, told []Count, now time.Time) {
	for _, count := range told[:min(len(told), epochsMax)] {
		if count.Epoch == self || len(count.Epoch) > keyMax {
			continue
		}
		if _, there := c.others[count.Epoch]; !there && len(c.others) >= epochsMax {
			continue
		}
		other := c.others[count.Epoch]
		other.merge(&c.rule, count.Slots[:min(len(count.Slots), slots+1)], now)
		if len(other) == 0 {
			continue
		}
		if c.others == nil {
			c.others = map[string]counts{}
		}
		c.others[count.Epoch] = other
	}
}

// tell returns what is counted, by home.
func (c *counter) tell(self string) []Count {
	told := []Count{{self, append([]Slot(nil), c.counts...)}}
	for epoch, other := range c.others {
		told = append(told, Count{epoch, append([]Slot(nil), other...)})
	}
	return told
}

// known makes sure that a new counter knows what was counted before: by another home,
// and of a day by what was written down. Who comes meanwhile waits.
func (l *Limiter) known(ctx context.Context, c *counter, rule *Rule) {
	c.mu.Lock()
	if c.ready != nil {
		ready := c.ready
		now := l.cfg.Now()
		again := !c.recall.IsZero() && !now.Before(c.recall)
		if again {
			c.recall = now.Add(recallTimeout + recallAgain) // others do not ask meanwhile
		}
		c.mu.Unlock()
		if again {
			l.recall(ctx, c, rule)
		}
		select {
		case <-ready:
		case <-ctx.Done():
		}
		return
	}
	ready := make(chan struct{})
	c.ready, c.rule = ready, *rule
	c.mu.Unlock()
	defer close(ready)
	told := l.others(ctx, rule)
	now := l.cfg.Now()
	c.mu.Lock()
	for _, counts := range told {
		c.hear(l.epoch, counts, now)
	}
	c.mu.Unlock()
	l.recall(ctx, c, rule)
}

// recall makes sure that a counter of a day has at least what is written down, which is
// what homes have counted, but for the last seconds.
func (l *Limiter) recall(ctx context.Context, c *counter, rule *Rule) {
	if !rule.Daily || l.cfg.Recall == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recallTimeout)
	defer cancel()
	before, err := l.cfg.Recall(ctx, *rule)
	now := l.cfg.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recall = (time.Time{}); err != nil {
		c.recall = now.Add(recallAgain)
		return
	}
	if missing := before - c.used(now); missing > 0 {
		c.counts.add(rule, now, missing)
	}
}

// others returns what other nodes were told of a key, if this node has not been its
// home for as long as its window is.
func (l *Limiter) others(ctx context.Context, rule *Rule) [][]Count {
	nodes, since := l.alive()
	if rule.Stranger || len(nodes) < 2 || l.cfg.Now().Sub(since) > max(rule.Window, time.Second) && !rule.Daily {
		return nil
	}
	select {
	case l.pulling <- struct{}{}:
		defer func() { <-l.pulling }()
	default:
		return nil // so many are new that what they are asked for would be a flood
	}
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	var told [][]Count
	for _, node := range nodes[:min(len(nodes), pullMax)] {
		if node == l.cfg.Self {
			continue
		}
		asking.Go(func() {
			counts, err := l.cfg.Peers.Known(ctx, node, rule.Key)
			if err != nil {
				return // its next question brings it
			}
			mu.Lock()
			defer mu.Unlock()
			told = append(told, counts)
		})
	}
	asking.Wait()
	if lease := l.leases(rule).get(rule.Key); lease != nil {
		lease.mu.Lock()
		told = append(told, lease.known)
		lease.mu.Unlock()
	}
	return told
}

// Answer answers another node as the home of a key.
func (l *Limiter) Answer(ctx context.Context, ask Ask) Answer {
	ask.Rule.bound()
	c, _ := l.counters(&ask.Rule).make(ask.Rule.Key, l.cfg.Now())
	l.known(ctx, c, &ask.Rule)
	nodes, _ := l.alive()
	now := l.cfg.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched, c.rule = now, ask.Rule
	if ask.Hold != "" {
		return c.hold(&ask, now)
	}
	c.hear(l.epoch, ask.Known, now)
	c.counts.give(max(ask.Back, 0))
	used := c.used(now)
	left := max(c.rule.Limit-used, 0)
	least, want := max(ask.Least, 0), max(ask.Want, ask.Least, 0)
	granted := int64(0)
	switch {
	case least <= left:
		granted = min(want, left)
		if granted == want {
			granted += min(max(ask.More, 0), c.rule.Limit/int64(heldShare*len(nodes)), (left-want)/int64(2*len(nodes)))
		}
	case c.rule.Loose && left > 0 && least <= c.rule.Limit/looseShare:
		granted = least
	}
	if granted > 0 {
		c.counts.add(&c.rule, now, granted)
	}
	answer := Answer{Granted: granted, Left: max(left-granted, 0)}
	answer.Retry, answer.Reset = c.sum().free(&c.rule, now, max(least, 1))
	if len(nodes) > 1 {
		answer.Known = c.tell(l.epoch)
	}
	return answer
}

// withOwn adds to what a home said what this node has counted itself while it was the home:
// nodes that have just found each other, or one of which has not answered, may not agree
// on which of them that is, and what was let through meanwhile counts.
func (l *Limiter) withOwn(rule *Rule, known []Count) []Count {
	c := l.counters(rule).get(rule.Key)
	if c == nil {
		return known
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used(l.cfg.Now()); len(c.counts) == 0 {
		return known
	}
	own := []Count{{l.epoch, append([]Slot(nil), c.counts...)}}
	for _, count := range known {
		if count.Epoch != l.epoch {
			own = append(own, count)
		}
	}
	return own[:min(len(own), epochsMax+1)]
}

// heard returns what the home before said last, for this node as the home now.
func (l *Limiter) heard(rule *Rule) []Count {
	e := l.leases(rule).get(rule.Key)
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known
}

// hold gives one of so many places, or takes it back.
func (c *counter) hold(ask *Ask, now time.Time) Answer {
	for name, until := range c.places {
		if !now.Before(until) {
			delete(c.places, name)
		}
	}
	if ask.Release {
		delete(c.places, ask.Hold)
		return Answer{}
	}
	if int64(len(c.places)) >= min(ask.Rule.Limit, placesMax) {
		return Answer{Retry: time.Second}
	}
	if c.places == nil {
		c.places = map[string]time.Time{}
	}
	c.places[ask.Hold] = now.Add(ask.Rule.Window)
	return Answer{Granted: 1, Left: ask.Rule.Limit - int64(len(c.places))}
}

// Known returns what is known here of what was counted of a key: by this node as
// its home, or as that said last.
func (l *Limiter) Known(key string) []Count {
	for _, set := range l.sets {
		if c := set.counters.get(key); c != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.tell(l.epoch)
		}
		if e := set.leases.get(key); e != nil {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.known
		}
	}
	return nil
}

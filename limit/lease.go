package limit

import (
	"context"
	"sync"
	"time"
)

// lease is what a node has of a key whose home is elsewhere.
type lease struct {
	mu      sync.Mutex
	have    int64 // permits
	until   time.Time
	used    int64 // since the home was asked last: so many are wanted beforehand
	asked   time.Time
	waiting int64         // permits that others wait for
	asking  chan struct{} // closed when the answer is there; nil: nobody asks

	denied  time.Time // until when the denial holds
	refused time.Time // when it was heard
	needs   int64     // for so many or more
	denial  Answer

	known []Count
	left  int64
	reset time.Time
}

// weight of a lease: the ones asked for last stay.
func (e *lease) weight(now time.Time) float64 {
	if !e.mu.TryLock() {
		return 1
	}
	defer e.mu.Unlock()
	if e.asking != nil {
		return 1
	}
	return -now.Sub(e.asked).Seconds()
}

func (l *Limiter) lease(rule *Rule) *lease {
	e, _ := l.leases(rule).make(rule.Key, l.cfg.Now())
	return e
}

// take takes n of the permits that are here, or asks for more.
func (e *lease) take(ctx context.Context, l *Limiter, rule Rule, n int64) Verdict {
	for {
		e.mu.Lock()
		now := l.cfg.Now()
		if v, decided := e.decide(rule, n, now); decided {
			e.mu.Unlock()
			return v
		}
		if asking := e.asking; asking != nil {
			e.waiting += n
			e.mu.Unlock()
			select {
			case <-asking:
			case <-ctx.Done():
			}
			e.mu.Lock()
			e.waiting -= n
			e.mu.Unlock()
			if ctx.Err() != nil {
				return Verdict{Rule: rule, Retry: time.Second}
			}
			continue
		}
		asking := make(chan struct{})
		e.asking = asking
		ask := e.question(&rule, n, now)
		e.mu.Unlock()
		ask.Known = l.withOwn(&rule, ask.Known)
		answer := l.ask(ctx, ask)
		e.mu.Lock()
		e.hear(&rule, n, answer, l.cfg.Now())
		e.asking = nil
		close(asking)
		granted := answer.Granted > 0 && e.have >= n
		var v Verdict
		if granted {
			v = e.spend(rule, n, l.cfg.Now())
		} else if answer.Granted == 0 {
			v = rule.verdict(answer, n)
		}
		e.mu.Unlock()
		if granted || answer.Granted == 0 {
			return v
		}
	}
}

// decide takes permits that are here, or refuses by a denial that still holds; e.mu
// is held.
func (e *lease) decide(rule Rule, n int64, now time.Time) (Verdict, bool) {
	if e.have >= n && now.Before(e.until) {
		return e.spend(rule, n, now), true
	}
	if now.Before(e.denied) && n >= e.needs {
		return e.refusal(rule, now), true
	}
	return Verdict{}, false
}

func (e *lease) spend(rule Rule, n int64, now time.Time) Verdict {
	e.have -= n
	e.used += n
	return Verdict{OK: true, Rule: rule, Left: max(e.left, 0) + e.have, Reset: max(e.reset.Sub(now), 0)}
}

func (e *lease) refusal(rule Rule, now time.Time) Verdict {
	passed := max(now.Sub(e.refused), 0)
	v := rule.verdict(e.denial, 1)
	v.Retry, v.Reset = max(v.Retry-passed, time.Millisecond), max(v.Reset-passed, 0)
	return v
}

// question returns what to ask the home; e.mu is held.
func (e *lease) question(rule *Rule, n int64, now time.Time) Ask {
	ask := Ask{Rule: *rule, Known: e.known}
	if !now.Before(e.until) {
		ask.Back, e.have = e.have, 0
	}
	ask.Least = n - e.have
	ask.Want = ask.Least + e.waiting
	if life := rule.life(); now.Sub(e.asked) < 2*life {
		ask.More = e.used
	}
	e.used, e.asked = 0, now
	return ask
}

// life is how long permits last: so short that what they are used for counts when it
// is done, about.
func (r *Rule) life() time.Duration {
	if r.Daily {
		return permitLife
	}
	return min(r.Window/slots, permitLife)
}

// hear takes an answer; e.mu is held.
func (e *lease) hear(rule *Rule, n int64, answer Answer, now time.Time) {
	e.known = answer.Known[:min(len(answer.Known), epochsMax+1)]
	e.left, e.reset = answer.Left, now.Add(answer.Reset)
	if answer.Granted > 0 {
		e.have += answer.Granted
		e.until = now.Add(rule.life())
		e.denied = time.Time{}
		return
	}
	e.denial, e.needs, e.refused = answer, n, now
	life := denialLife // for what never fits, too: then no time is named
	if answer.Retry > 0 {
		life = min(max(answer.Retry, time.Millisecond), denialLife)
	}
	e.denied = now.Add(life)
}

package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
)

const (
	// skewTimeout is how long the other nodes may take to measure a clock.
	skewTimeout = 30 * time.Second
	// skewMax is by how much they may be wrong about it.
	skewMax = 2 * time.Second
)

// shifted lets the wall clock of a node jump, and jump back. All nodes must go on
// as if nothing was, and the others must see how far it is off.
func (r *round) shifted(ctx context.Context, victim *node) error {
	most := []time.Duration{time.Minute, 2 * time.Hour, 72 * time.Hour}[r.rng.IntN(3)]
	ahead := (most/10 + time.Duration(r.rng.Int64N(int64(most)))).Truncate(time.Second)
	if r.rng.IntN(2) == 0 {
		ahead = -ahead
	}
	r.note("its clock jumps by %v", ahead)
	r.expect(r.crew.names())
	if err := lab.SetClock(victim.process.PID(), ahead); err != nil {
		return err
	}
	began := time.Now()
	seen := r.awaitSkew(ctx, victim, ahead)
	r.hold(ctx)
	if err := lab.SetClock(victim.process.PID(), 0); err != nil {
		return err
	}
	if seen != "" && ctx.Err() == nil {
		v := &r.report.Violations
		v.Note(&v.Wrong, 1, "the clock of %s is %v ahead, and after %v %s", victim.name, ahead, time.Since(began).Round(time.Second), seen)
	}
	return nil
}

// awaitSkew waits until every other node says how far a clock is ahead, and
// returns what they say in place of that.
func (r *round) awaitSkew(ctx context.Context, victim *node, ahead time.Duration) (wrong string) {
	for began := time.Now(); time.Since(began) < skewTimeout && ctx.Err() == nil; pause(ctx, poll) {
		wrong = ""
		for _, n := range r.crew.nodes() {
			if n == victim {
				continue
			}
			skew, err := askSkew(ctx, n.api, victim.name)
			if err != nil {
				wrong = fmt.Sprintf("%s says nothing: %v", n.name, err)
			} else if (skew - ahead).Abs() > skewMax {
				wrong = fmt.Sprintf("%s takes it for %v", n.name, skew)
			}
		}
		if wrong == "" {
			return ""
		}
	}
	return wrong
}

package admit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurns checks that heavy queries work in turns, that one which has just begun
// does not wait for them, and that waiting ends with the context.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const atOnce = 2
		g := New(Config{AtOnce: 20, Turns: NewTurns(atOnce, time.Now)})
		var works, most atomic.Int64
		hold := make(chan struct{})
		piece := func() error {
			most.Store(max(most.Load(), works.Add(1)))
			<-hold
			works.Add(-1)
			return nil
		}
		var heavy sync.WaitGroup
		for range 6 {
			ticket := enter(t, g, "a")
			heavy.Go(func() {
				defer ticket.Leave()
				time.Sleep(heavyAfter)
				for range 3 {
					if err := ticket.Do(t.Context(), piece); err != nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(heavyAfter)
		synctest.Wait()
		if works.Load() != atOnce {
			t.Fatalf("%d pieces are done at once, want %d", works.Load(), atOnce)
		}
		small := enter(t, g, "b")
		done := false
		if err := small.Do(t.Context(), func() error { done = true; return nil }); err != nil || !done {
			t.Errorf("a query that has just begun: %v, done %v", err, done)
		}
		time.Sleep(heavyAfter)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := small.Do(ctx, func() error { t.Error("it was its turn"); return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it waited without end: %v", err)
		}
		small.Leave()
		failed := errors.New("failed")
		close(hold)
		heavy.Wait()
		if most.Load() > atOnce {
			t.Errorf("%d pieces were done at once", most.Load())
		}
		last := enter(t, g, "c")
		time.Sleep(heavyAfter)
		if err := last.Do(t.Context(), func() error { return failed }); !errors.Is(err, failed) {
			t.Errorf("the error of a piece is %v", err)
		}
		last.Leave()
	})
}

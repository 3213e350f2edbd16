package main

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace counts the wait of what is late, and what there is no room for.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 1050*time.Millisecond)
		defer stop()
		var n atomic.Int64
		took, left := pace(ctx, 100*time.Millisecond, 1, func() {
			n.Add(1)
			time.Sleep(150 * time.Millisecond)
		})
		if len(took) != 6 || left != 5 || n.Load() != 6 || took[0] != 150*time.Millisecond {
			t.Errorf("took %v, %d left out", took, left)
		}
	})
}

// TestReport says how much slower the flood makes.
func TestReport(t *testing.T) {
	var out bytes.Buffer
	ms := func(list ...int) (times []time.Duration) {
		for _, n := range list {
			times = append(times, time.Duration(n)*time.Millisecond)
		}
		return times
	}
	quiet := turn{writes: ms(1, 2, 4), questions: ms(10)}
	busy := turn{writes: ms(3, 1, 8), questions: ms(11), statuses: map[int]int{200: 3, 429: 30}}
	if err := report(&out, &quiet, &busy); err != nil || !strings.Contains(out.String(), "200: 3, 429: 30; worst ratio 2.00") {
		t.Errorf("%v\n%s", err, out.String())
	}
	busy.failed = 1
	if err := report(&out, &quiet, &busy); err == nil {
		t.Error("what failed is no error")
	}
}

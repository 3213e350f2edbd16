package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// Memory is given back once after each time of work, when that is over.
func TestMemoryIsGivenBackWhenIdle(t *testing.T) {
	given, cached := 0, int64(0)
	r := newReleaser(func() int64 { return cached }, func() { given++ }, func(uint64) {})
	allocated := uint64(0)
	look := func(grown, free, garbage uint64) {
		allocated += grown
		r.look(allocated, free, 50<<20+garbage, 50<<20)
	}
	for _, step := range []struct {
		what                 string
		rounds               int
		grown, free, garbage uint64
		want                 int
	}{
		{"busy", 10, 100 << 20, 200 << 20, 0, 0},
		{"idle for a moment", idleRounds - 1, 1000, 200 << 20, 0, 0},
		{"busy again", 1, 100 << 20, 200 << 20, 0, 0},
		{"idle", 10, 1000, 200 << 20, 0, 1},
		{"busy with little", 5, 2 << 20, 1 << 20, 1 << 20, 1},
		{"idle with nothing to give back", 10, 1000, 1 << 20, 1 << 20, 1},
		{"busy with garbage", 5, 20 << 20, 1 << 20, 100 << 20, 1},
		{"idle after garbage", 10, 1000, 1 << 20, 100 << 20, 2},
		{"a little at a time", 100, idleAllocated / 2, 1 << 20, 20 << 20, 5},
	} {
		for range step.rounds {
			look(step.grown, step.free, step.garbage)
		}
		if given != step.want {
			t.Errorf("%s: given back %d times, want %d", step.what, given, step.want)
		}
	}
}

// A small heap grows by collectLeast at least, a large one by that or a share of it.
func TestHeapGrowth(t *testing.T) {
	const memory = 512 << 20
	for live := uint64(0); live < 300<<20; live += 1 << 20 {
		percent := collectAt(live, 0, memory)
		grows := max(live, liveLeast) * uint64(percent) / 100
		switch {
		case percent > collectUsual:
			if step := max(live, liveLeast) * collectStep / 100; grows > collectLeast || grows+step < collectLeast {
				t.Errorf("%d bytes live: the heap grows by %d, want %d less a step at least", live, grows, collectLeast)
			}
		case percent > collectLittle && percent < collectUsual:
			if most := uint64(memory / collectMost); grows > most || grows+live*littleStep/100 < most {
				t.Errorf("%d bytes live: the heap grows by %d, want %d less a step at most", live, grows, most)
			}
		case percent < collectLittle:
			t.Errorf("%d bytes live: %d percent", live, percent)
		}
	}
}

// TestMemoryLimit checks that the limit follows the caches, but never beyond what leaves
// room for the program itself, and that a target that was set higher stays.
func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct{ memory, target, cached, want int64 }{
		{512 << 20, 304 << 20, 0, 304 << 20},
		{512 << 20, 304 << 20, 20 << 20, 344 << 20},
		{512 << 20, 304 << 20, 160 << 20, 384 << 20},
		{512 << 20, 600 << 20, 160 << 20, 600 << 20},
	} {
		w := memoryWatch{memory: c.memory, target: c.target, cached: func() int64 { return c.cached }}
		if got := w.limit(); got != c.want {
			t.Errorf("%d MiB of memory, a target of %d and caches of %d: %d, want %d", c.memory>>20, c.target>>20, c.cached>>20, got>>20, c.want>>20)
		}
	}
}

// TestCollectAt checks that the heap grows by less between collections where the node
// may take little, and by what caches hold, as far as that lives.
func TestCollectAt(t *testing.T) {
	for _, c := range []struct {
		live           uint64
		cached, memory int64
		want           int
	}{
		{4 << 20, 0, 512 << 20, 1200}, {4 << 20, 0, 128 << 20, 400}, {0, 0, 0, 1200}, {40 << 20, 0, 512 << 20, 100},
		{128 << 20, 0, 512 << 20, 25}, {200 << 20, 0, 512 << 20, 15}, {100 << 20, 0, 512 << 20, 35}, {128 << 20, 0, 0, 35}, {1 << 30, 0, 512 << 20, 15}, {1 << 30, 0, 8 << 30, 55}, {256 << 20, 0, 8 << 30, 100},
		{200 << 20, 100 << 20, 512 << 20, 50}, {200 << 20, 300 << 20, 512 << 20, 100}, {4 << 20, 100 << 20, 512 << 20, 1200},
	} {
		if got := collectAt(c.live, c.cached, c.memory); got != c.want {
			t.Errorf("%d MiB alive of %d, %d of them in caches: %d percent, want %d", c.live>>20, c.memory>>20, c.cached>>20, got, c.want)
		}
	}
}

// TestReached checks that a heap may grow to most of what it was to grow to lately, which
// is forgotten in time.
func TestReached(t *testing.T) {
	now := time.Unix(1000, 0)
	var r reached
	for i, c := range []struct {
		after   time.Duration
		percent int
		live    uint64
		want    int
	}{
		{0, 1200, 0, 1200},
		{time.Second, 30, 200 << 20, 30},          // up to 260 MiB
		{0, 50, 100 << 20, 100},                   // three quarters of the 160 beyond, in steps
		{0, 40, 150 << 20, 55},                    // of 110
		{0, 20, 300 << 20, 20},                    // up to 360
		{0, 50, 100 << 20, 150},                   // of 260
		{reachedHalf, 50, 100 << 20, 100},         // of 50 of its own and half of the 210 beyond
		{100 * reachedHalf, 50, 100 << 20, 50},    // forgotten
		{0, 1200, 4 << 20, 2700},                  // of 146
		{1000 * reachedHalf, 1200, 4 << 20, 1200}, // nothing lives for long
	} {
		now = now.Add(c.after)
		if got := r.collectAt(c.percent, c.live, now); got != c.want {
			t.Errorf("step %d: %d MiB alive: %d percent, want %d", i, c.live>>20, got, c.want)
		}
	}
}

// TestAfterCollection waits for what is sent after each collection.
func TestAfterCollection(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	collected := make(chan struct{}, 1)
	afterCollection(ctx, collected)
	for range 3 {
		runtime.GC()
		<-collected
	}
	cancel()
	runtime.GC() // what was waiting for this one sends nothing, and nothing waits for another
	runtime.GC()
	select {
	case <-collected:
		t.Error("told of a collection after the end")
	default:
	}
}

// TestCachesGiveWay checks that the caches give up pages when what lives is near the
// limit, once for each collection.
func TestCachesGiveWay(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	given := 0
	w := memoryWatch{memory: 512 << 20, target: 304 << 20, cached: func() int64 { return 160 << 20 }, rest: func() int64 { given++; return 0 }}
	for i, step := range []struct {
		live uint64
		want int
	}{{200 << 20, 0}, {288 << 20, 0}, {300 << 20, 1}, {300 << 20, 1}, {301 << 20, 2}, {100 << 20, 2}} {
		if w.keepLimit(step.live); given != step.want {
			t.Errorf("step %d: given up %d times, want %d", i, given, step.want)
		}
	}
}

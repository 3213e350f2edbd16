package main

import "testing"

// Memory is given back once after each time of work, when that is over.
func TestMemoryIsGivenBackWhenIdle(t *testing.T) {
	given := 0
	r := newReleaser(func() { given++ }, func() {})
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
	} {
		for range step.rounds {
			look(step.grown, step.free, step.garbage)
		}
		if given != step.want {
			t.Errorf("%s: given back %d times, want %d", step.what, given, step.want)
		}
	}
}

package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/stere-log/stere/internal/heap"
)

// What of the process's memory is given back, and when.
const (
	idleInterval  = time.Second
	idleAllocated = 1 << 20  // bytes allocated in an interval; with more the node is busy
	idleRounds    = 3        // idle intervals in a row before memory is given back
	idleHeld      = 16 << 20 // bytes that nobody uses; fewer are not worth a collection
)

// Names of runtime/metrics.
const (
	metricAllocated = "/gc/heap/allocs:bytes"
	metricFree      = "/memory/classes/heap/free:bytes"
	metricObjects   = "/memory/classes/heap/objects:bytes"
	metricLive      = "/gc/heap/live:bytes"
)

// releaser gives memory back to the system once the process has become idle.
// The runtime keeps what a burst of work took for the next one, and gives it
// back over many minutes; what a log store holds at rest should be what it
// needs at rest.
type releaser struct {
	samples   []metrics.Sample
	allocated uint64
	idle      int    // intervals in a row
	dirty     bool   // memory has been allocated since it was last given back
	release   func() // debug.FreeOSMemory
	tick      func() // every interval
}

func newReleaser(release, tick func()) *releaser {
	return &releaser{release: release, tick: tick, samples: []metrics.Sample{
		{Name: metricAllocated}, {Name: metricFree}, {Name: metricObjects}, {Name: metricLive}}}
}

// run looks until the context ends.
func (r *releaser) run(ctx context.Context) {
	ticker := time.NewTicker(idleInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.tick()
			metrics.Read(r.samples)
			r.look(r.value(0), r.value(1), r.value(2), r.value(3))
		}
	}
}

// value returns a sample, 0 if this runtime does not have it.
func (r *releaser) value(i int) uint64 {
	if r.samples[i].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return r.samples[i].Value.Uint64()
}

// look decides from the bytes allocated since the start, the free ones that
// are kept, those of objects in use or not yet collected, and those that were
// in use at the last collection.
func (r *releaser) look(allocated, free, objects, live uint64) {
	grown := allocated - r.allocated
	r.allocated = allocated
	if grown >= idleAllocated {
		r.idle, r.dirty = 0, true
		return
	}
	if r.idle++; !r.dirty || r.idle < idleRounds {
		return
	}
	r.dirty = false
	garbage := uint64(0)
	if objects > live {
		garbage = objects - live
	}
	if free+garbage >= idleHeld {
		r.release()
	}
}

// cacheOverhead is what a byte in a cache takes, in halves: its accounting leaves
// out what the allocator rounds up.
const cacheOverhead = 3

// watchMemory gives memory back when the process is idle, and keeps its limit
// at target plus what caches hold, until stop is called. A limit that caches
// eat up would have the collector run all the time. A target of 0 leaves the
// limit alone. Begin is what of the heap was asked for in huge pages.
func watchMemory(ctx context.Context, target int64, cached func() int64, begin heap.Stretch) (stop func()) {
	tick := func() {
		if target > 0 {
			debug.SetMemoryLimit(target + cached()*cacheOverhead/2)
		}
	}
	tick()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		newReleaser(func() {
			begin.Plain()
			debug.FreeOSMemory()
		}, tick).run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

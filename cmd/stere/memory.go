package main

import (
	"context"
	"math"
	"runtime"
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
	idleHeld      = 16 << 20 // bytes that nobody uses, or that were allocated since; fewer are not worth a collection
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
	idle      int          // intervals in a row
	given     uint64       // allocated when memory was last given back
	rest      func() int64 // gives up what caches need not keep, and returns how much
	release   func()       // debug.FreeOSMemory
	tick      func(live uint64)
}

func newReleaser(rest func() int64, release func(), tick func(live uint64)) *releaser {
	return &releaser{rest: rest, release: release, tick: tick, samples: []metrics.Sample{
		{Name: metricAllocated}, {Name: metricFree}, {Name: metricObjects}, {Name: metricLive}}}
}

// run looks until the context ends, and ticks after each collection, too: what lives
// may have doubled within a part of a second.
func (r *releaser) run(ctx context.Context) {
	ticker := time.NewTicker(idleInterval)
	defer ticker.Stop()
	collected := make(chan struct{}, 1)
	afterCollection(ctx, collected)
	for {
		select {
		case <-ctx.Done():
			return
		case <-collected:
			metrics.Read(r.samples[3:])
			r.tick(r.value(3))
		case <-ticker.C:
			metrics.Read(r.samples)
			r.tick(r.value(3))
			r.look(r.value(0), r.value(1), r.value(2), r.value(3))
		}
	}
}

// afterCollection sends after each collection until the context ends: what nobody
// holds is found by it.
func afterCollection(ctx context.Context, collected chan<- struct{}) {
	unheld := new(*byte) // not a tiny object, which would share its place with others that live on
	runtime.AddCleanup(unheld, func(collected chan<- struct{}) {
		if ctx.Err() != nil {
			return
		}
		select {
		case collected <- struct{}{}:
		default:
		}
		afterCollection(ctx, collected)
	}, collected)
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
// in use at the last collection. What is allocated little by little while the
// process is idle becomes garbage too, and is given back now and then.
func (r *releaser) look(allocated, free, objects, live uint64) {
	grown := allocated - r.allocated
	r.allocated = allocated
	if grown >= idleAllocated {
		r.idle = 0
		return
	}
	if r.idle++; r.idle < idleRounds || allocated-r.given < idleHeld {
		return
	}
	r.given = allocated
	garbage := uint64(max(0, r.rest()))
	if objects > live {
		garbage += objects - live
	}
	if free+garbage >= idleHeld {
		r.release()
	}
}

// cacheOverhead is what a byte in a cache takes, in halves: its accounting leaves
// out what the allocator rounds up.
const cacheOverhead = 4

// collectLeast is by how much the heap grows at least between two collections. The
// heap of a node that has just begun is small, and would be collected several times
// for one question.
const collectLeast = 48 << 20

const (
	collectUsual  = 100     // percent by which the heap grows, as the runtime has it
	collectStep   = 50      // steps of it: to change it stops the node for a moment
	collectLittle = 15      // percent at least where much lives
	littleStep    = 5       // steps of it below collectUsual
	liveLeast     = 4 << 20 // what lives is taken for that much at least
)

// Shares of the memory of a node, one part of so many or so many of limitOf.
const (
	collectShare = 8  // by which the heap grows between two collections, if that is less than collectLeast
	collectMost  = 14 // by which it grows where more than that lives
	beginShare   = 4  // that is asked for in huge pages
	readyShare   = 16 // of which the system puts memory behind the beginning while the node starts
	limitShare   = 24 // of limitOf: to which the limit follows the caches; the rest is the program itself and what is beside the heap
	limitOf      = 32
	pressedShare = 6 // of pressedOf of the limit: with more alive the caches give way
	pressedOf    = 8
)

// collectAt returns by how many percent of what lives the heap grows until it is
// collected; memory is what the node may take, 0 if that is not known. While a segment
// is built much lives and little garbage is made: a heap that grew by as much again
// would be the peak of the node, for few collections less. What caches hold lives while
// there are questions, which make much garbage: it counts as it does for the runtime.
func collectAt(live uint64, cached, memory int64) int {
	least, most := uint64(collectLeast), uint64(collectLeast)
	if memory > 0 {
		least = min(least, uint64(memory/collectShare))
		most = uint64(memory / collectMost)
	}
	live = max(live, liveLeast)
	if percent := int(collectUsual * least / live); percent > collectUsual {
		return inSteps(percent)
	}
	percent := int(collectUsual * max(most, uint64(max(0, cached))) / live)
	return min(collectUsual, max(collectLittle, inSteps(percent)))
}

// inSteps rounds percents down.
func inSteps(percent int) int {
	if percent > collectUsual {
		return percent / collectStep * collectStep
	}
	return percent / littleStep * littleStep
}

// reachedHalf is in what time half of what a heap has reached beyond what it would now
// is forgotten.
const reachedHalf = 8 * time.Second

// reachedShare is how much of what it has reached it may take, beyond what lives: what
// is not collected for long lies between what lives.
const reachedShare = 0.75

// reached is how large a heap was to become lately, before it was collected. While
// segments are built one after the other, what lives goes up and down, and the memory
// that the most took is there for the least, too: to collect sooner saves none.
type reached struct {
	bytes float64
	at    time.Time
}

// collectAt returns by how many percent of what lives the heap grows until it is
// collected, which it would be at so many alone.
func (r *reached) collectAt(percent int, live uint64, now time.Time) int {
	lives := float64(max(live, liveLeast))
	goal := lives * float64(collectUsual+percent) / collectUsual
	left := math.Exp2(-float64(now.Sub(r.at)) / float64(reachedHalf))
	r.bytes, r.at = goal+max(0, r.bytes-goal)*left, now
	return max(percent, inSteps(int(collectUsual*reachedShare*(r.bytes-lives)/lives)))
}

// memoryWatch keeps what a process takes to what it needs.
type memoryWatch struct {
	memory  int64        // bytes that the process may take at most
	target  int64        // bytes without what caches hold; 0 leaves the limit alone
	collect bool         // say when the heap is collected, too
	cached  func() int64 // bytes that caches hold
	rest    func() int64 // gives up what they need not keep while the process is idle
	begin   heap.Stretch // what of the heap was asked for in huge pages
	pressed uint64       // what lived when caches last gave way
	limited int64        // the limit that is set
}

// limit returns the limit of memory: the target plus what caches hold, for a limit that
// caches eat up would have the collector run all the time; but not so much that the
// process would take more than it may.
func (w *memoryWatch) limit() int64 {
	most := max(w.target, w.memory/limitOf*limitShare)
	return min(w.target+w.cached()*cacheOverhead/2, most)
}

// keepLimit sets the limit of memory. When what lives comes near it, the caches give
// up what they need not keep, once for each collection, which alone shows what that
// gave; and the system must not fill up huge pages.
func (w *memoryWatch) keepLimit(live uint64) {
	limit := w.limit()
	if live != w.pressed && live > uint64(limit/pressedOf*pressedShare) {
		w.pressed = live
		w.begin.Plain()
		w.rest()
	}
	if limit != w.limited {
		w.limited = limit
		debug.SetMemoryLimit(limit)
	}
}

// start gives memory back when the process is idle, and keeps its limit, until stop is
// called.
func (w *memoryWatch) start(ctx context.Context) (stop func()) {
	percent, usual := 0, 0
	var lately reached
	tick := func(live uint64) {
		if w.target > 0 {
			w.keepLimit(live)
		}
		if at := lately.collectAt(collectAt(live, w.cached(), w.memory), live, time.Now()); w.collect && at != percent {
			before := debug.SetGCPercent(at)
			if percent == 0 {
				usual = before
			}
			percent = at
		}
	}
	tick(0)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		newReleaser(func() int64 { return w.rest() + w.begin.Unback() }, func() {
			w.begin.Plain()
			runtime.GC() // what pools keep goes with the second collection, which is the next
			debug.FreeOSMemory()
		}, tick).run(ctx)
	}()
	return func() {
		cancel()
		<-done
		if w.collect {
			debug.SetGCPercent(usual)
		}
	}
}

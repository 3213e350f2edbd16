package admit

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/internal/background"
	"github.com/stere-log/stere/model"
)

// heavyAfter is after how long a query is a heavy one.
const heavyAfter = 50 * time.Millisecond

// Turns are the turns that heavy queries take, so that some processor of the scheduler is
// always left for what is answered soon: at most one piece of work less than GOMAXPROCS is
// done at once, on threads of low priority. What has just begun takes no turn, unless
// its tenant has begun so many pieces that they keep all processors: nobody knows what
// a piece will take before it is done, and many that are large at once are too much
// for the memory. While that is short one piece is done at a time.
//
// The tenant with the fewest pieces under way is next. Of its queries it is in turn the
// one that began first and the one that has waited longest: with the latter alone, many
// heavy queries would all run out of time together; with the former alone, a short one
// would wait for all that began before it.
//
// Turns are safe for concurrent use.
type Turns struct {
	atOnce int
	now    func() time.Time
	short  func() bool // of memory

	mu struct {
		sync.Mutex
		waiting []*turn // in the order in which they came
		heavy   map[model.TenantID]int
		light   map[model.TenantID]int
		working int // heavy ones, of all tenants
		oldest  bool
	}
}

// turn is a piece of work that waits.
type turn struct {
	tenant model.TenantID
	began  time.Time // its query
	light  bool      // its query has just begun
	ready  chan bool // of 1: it may be done, as a heavy one or not
}

// NewTurns returns turns for so many pieces at once; 0 is one less than GOMAXPROCS.
func NewTurns(atOnce int, now func() time.Time) *Turns {
	if atOnce <= 0 {
		atOnce = max(1, runtime.GOMAXPROCS(0)-1)
	}
	t := &Turns{atOnce: atOnce, now: now, short: shortOfMemory}
	t.mu.heavy, t.mu.light = map[model.TenantID]int{}, map[model.TenantID]int{}
	return t
}

// shortShare is the share of the memory limit, in eighths, beyond which what lives in
// the heap leaves no room for several large pieces of work.
const shortShare = 5

// shortOfMemory reports whether the process is near its limit of memory.
func shortOfMemory() bool {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(samples)
	if samples[0].Value.Kind() != metrics.KindUint64 || samples[1].Value.Kind() != metrics.KindUint64 {
		return false
	}
	return samples[0].Value.Uint64() > samples[1].Value.Uint64()/8*shortShare
}

// do does a piece of the work of a tenant's query that began at a time, and returns its
// error, or that of the context if that ends before it begins. The piece must not take
// a turn itself.
func (t *Turns) do(ctx context.Context, tenant model.TenantID, began time.Time, piece func() error) error {
	own := &turn{tenant: tenant, began: began, light: t.now().Sub(began) < heavyAfter, ready: make(chan bool, 1)}
	t.mu.Lock()
	t.mu.waiting = append(t.mu.waiting, own)
	t.grant()
	t.mu.Unlock()
	select {
	case heavy := <-own.ready:
		defer t.end(tenant, heavy)
		if heavy {
			return background.Run(piece)
		}
		return piece()
	case <-ctx.Done():
		t.giveUp(own)
		return fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
}

// giveUp takes back what waits, or ends what was let in meanwhile.
func (t *Turns) giveUp(own *turn) {
	t.mu.Lock()
	if i := slices.Index(t.mu.waiting, own); i >= 0 {
		t.mu.waiting = slices.Delete(t.mu.waiting, i, i+1)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.end(own.tenant, <-own.ready)
}

// end ends a piece of a tenant, and lets in what can be done now.
func (t *Turns) end(tenant model.TenantID, heavy bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	count := t.mu.light
	if heavy {
		count = t.mu.heavy
		t.mu.working--
	}
	if count[tenant]--; count[tenant] == 0 {
		delete(count, tenant)
	}
	t.grant()
}

// grant lets in what can be done now.
func (t *Turns) grant() {
	if len(t.mu.waiting) == 0 {
		return
	}
	light, heavy := t.atOnce+1, t.atOnce
	if t.short() {
		light, heavy = 1, 1
	}
	t.mu.waiting = slices.DeleteFunc(t.mu.waiting, func(w *turn) bool {
		if !w.light || t.mu.light[w.tenant] >= light {
			return false
		}
		t.mu.light[w.tenant]++
		w.ready <- false
		return true
	})
	for t.mu.working < heavy && len(t.mu.waiting) > 0 {
		next := t.next()
		w := t.mu.waiting[next]
		t.mu.waiting = slices.Delete(t.mu.waiting, next, next+1)
		t.mu.working++
		t.mu.heavy[w.tenant]++
		w.ready <- true
	}
}

// next returns the place of the piece whose turn it is among those that wait.
func (t *Turns) next() int {
	next := 0
	for i, w := range t.mu.waiting {
		if t.mu.heavy[w.tenant] < t.mu.heavy[t.mu.waiting[next].tenant] {
			next = i
		}
	}
	if t.mu.oldest = !t.mu.oldest; !t.mu.oldest {
		return next
	}
	tenant := t.mu.waiting[next].tenant
	for i, w := range t.mu.waiting {
		if w.tenant == tenant && w.began.Before(t.mu.waiting[next].began) {
			next = i
		}
	}
	return next
}

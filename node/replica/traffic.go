package replica

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage"
)

// Limits of what is counted of tenants.
const (
	// TenantsTold is how many tenants Traffic names at most, the largest.
	TenantsTold = 8
	// tenantsCounted is how many are counted at most; where there are more, the
	// smallest are forgotten.
	tenantsCounted = 512
	// spans of spanTime make a day.
	spans    = 8
	spanTime = 24 * time.Hour / spans
)

// Traffic is what has come into a replica, in bytes of records as they are
// encoded before compression.
type Traffic struct {
	Written int64                    // applied since the start
	Tenants map[model.TenantID]int64 // of the largest, within a day or since the start
}

// traffic counts what is applied. It is no part of the state: a replica that
// starts begins anew, with what its log still has.
type traffic struct {
	began time.Time // the clock of the process, which no clock that is set disturbs

	mu struct {
		sync.Mutex
		written int64
		span    int // number of the current one
		tenants map[model.TenantID]*[spans]int64
	}
}

func newTraffic() *traffic {
	t := &traffic{began: time.Now()}
	t.mu.tenants = map[model.TenantID]*[spans]int64{}
	return t
}

// note counts an append that is applied.
func (t *traffic) note(a *storage.Append) {
	bytes := int64(max(len(a.Block), block.BodySize(a.Block)))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(int(time.Since(t.began) / spanTime))
	t.mu.written += bytes
	counts := t.mu.tenants[a.Tenant]
	if counts == nil {
		if len(t.mu.tenants) >= tenantsCounted {
			t.forget()
		}
		counts = new([spans]int64)
		t.mu.tenants[a.Tenant] = counts
	}
	counts[t.mu.span%spans] += bytes
}

// turn begins the span with a number, and empties those between. The caller
// holds the lock.
func (t *traffic) turn(span int) {
	if span <= t.mu.span {
		return
	}
	for tenant, counts := range t.mu.tenants {
		for i := t.mu.span + 1; i <= span && i <= t.mu.span+spans; i++ {
			counts[i%spans] = 0
		}
		if total(counts) == 0 {
			delete(t.mu.tenants, tenant)
		}
	}
	t.mu.span = span
}

// forget makes room for other tenants: the smaller half goes. The caller holds
// the lock.
func (t *traffic) forget() {
	for _, tenant := range t.largest()[len(t.mu.tenants)/2:] {
		delete(t.mu.tenants, tenant)
	}
}

// largest returns the tenants, the largest first.
func (t *traffic) largest() []model.TenantID {
	return slices.SortedFunc(maps.Keys(t.mu.tenants), func(a, b model.TenantID) int {
		return cmp.Or(cmp.Compare(total(t.mu.tenants[b]), total(t.mu.tenants[a])), cmp.Compare(a, b))
	})
}

func total(counts *[spans]int64) (sum int64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// Traffic says what has come in. It may be called from any goroutine.
func (r *Replica) Traffic() Traffic {
	t := r.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(int(time.Since(t.began) / spanTime))
	out := Traffic{Written: t.mu.written, Tenants: map[model.TenantID]int64{}}
	for i, tenant := range t.largest() {
		if i == TenantsTold {
			break
		}
		out.Tenants[tenant] = total(t.mu.tenants[tenant])
	}
	return out
}

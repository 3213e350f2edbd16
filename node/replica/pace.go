package replica

import (
	"context"
	"sync"
	"time"

	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/storage"
)

// How full a head is, as a share of what makes writers wait, when they are slowed
// down, and to how many times the speed at which segments are built: from paceFast
// then to paceSlow when it is full.
const (
	paceFrom = 0.625
	paceFast = 2
	paceSlow = 0.5
	paceMax  = time.Second // that a block is held back at most
	// paceLeast is which share of a full head goes on at once and only counts: who
	// writes little does not wait for who writes much.
	paceLeast = 1.0 / 1024
	// paceSaid is which share of a full head says how long one takes: of the little that
	// is sealed for its age, building takes what it takes to begin a segment and to make it
	// durable, which would count hundreds of times.
	paceSaid = 0.25
)

// Pace slows writers down as the heads fill up, to what segments are built at. Writers
// that may go on until the head is full take the processors from the one thread that
// builds, and then all wait for it, with a processor that nobody uses: under steady
// load that costs more than it takes to let it keep up. It is shared by the replicas of
// a node, which build one after the other.
type Pace struct {
	mu   sync.Mutex
	head time.Duration // that a full head takes to be built; 0: not known yet
	next time.Time     // when the next block may come
}

// built notes how long it took to build a share of a full head, if that is so large that
// it says something of others.
func (p *Pace) built(share float64, took time.Duration) {
	if share < paceSaid {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	head := time.Duration(float64(took) / share)
	if p.head > 0 {
		head = (p.head + head) / 2
	}
	p.head = head
}

// wait returns how long a block is to be held back that is a share of a full head, while
// so much of what the head may hold is used.
func (p *Pace) wait(now time.Time, share, filled float64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if filled < paceFrom {
		return 0
	}
	speed := max(paceSlow, paceFast-(paceFast-paceSlow)*(filled-paceFrom)/(1-paceFrom))
	begin := p.next
	if begin.Before(now) {
		begin = now
	}
	begin = begin.Add(min(0, now.Add(paceMax).Sub(begin)))
	p.next = begin.Add(time.Duration(share * float64(p.head) / speed))
	if share < paceLeast {
		return 0
	}
	return begin.Sub(now)
}

// keepPace holds a block back while sealing does not keep up.
func (r *Replica) keepPace(ctx context.Context, a *storage.Append) error {
	rows := 0
	for _, batch := range a.Batches {
		rows += int(batch.Rows)
	}
	wait := r.cfg.Pace.wait(time.Now(), r.share(rows, int64(len(a.Block))), r.Filled())
	if wait <= 0 {
		return nil
	}
	return pause.For(ctx, wait)
}

// share returns how much of a head that is sealed rows and bytes are.
func (r *Replica) share(rows int, bytes int64) float64 {
	return max(float64(rows)/float64(r.cfg.SealRows), float64(bytes)/float64(r.cfg.SealBytes))
}

// frozen returns how much of a head that is sealed one of the seals is that wait to be
// built, about: a replica that lags behind or replays its log has many of them.
func (r *Replica) frozen(st storage.Status) float64 {
	return r.share(st.FrozenRows, st.FrozenBytes) / float64(max(1, st.Pending))
}

// Filled returns how much of what the head may hold it does; from 1 on writers wait.
func (r *Replica) Filled() float64 {
	return r.share(r.shard.HeadSize()) / float64(r.cfg.HeadFactor)
}

package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/stere-log/stere/bench/faults/ledger"
)

// Pauses of a writer after an outcome other than success.
const (
	pauseMin = 5 * time.Millisecond
	pauseMax = 100 * time.Millisecond
)

// load is the writers. They run until stopped; hold lets each finish the batch
// it has and wait.
type load struct {
	cfg    Config
	api    *ledger.API
	ledger *ledger.Ledger
	stop   context.CancelFunc
	done   sync.WaitGroup
	gate   sync.RWMutex // a writer holds it shared for one batch, from first try to acknowledgement
}

func startLoad(ctx context.Context, cfg Config, a *ledger.API, l *ledger.Ledger) *load {
	ctx, cancel := context.WithCancel(ctx)
	w := &load{cfg: cfg, api: a, ledger: l, stop: cancel}
	for i := range cfg.Writers {
		w.done.Go(func() { w.write(ctx, i) })
	}
	w.done.Go(func() { w.settle(ctx) })
	return w
}

// settle lets the node seal and merge now and then, also while records are read
// back. Whether it does is its own affair.
func (w *load) settle(ctx context.Context) {
	rng := rand.New(rand.NewPCG(w.cfg.Seed, 1<<32))
	for ctx.Err() == nil {
		pause(ctx, time.Duration(rng.Int64N(int64(2*w.cfg.SettleEvery))))
		_, _ = w.api.Do(ctx, http.MethodPost, "/admin/flush", nil, "") // the node may be down
	}
}

// end stops the writers; batches under way stay of unknown outcome.
func (w *load) end() {
	w.stop()
	w.done.Wait()
}

// hold returns when no batch is under way and lets none start, or returns
// false when the time is up; then nothing is held.
func (w *load) hold(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got := make(chan struct{})
	w.done.Go(func() { // ends at the latest when the writers do
		w.gate.Lock()
		close(got)
	})
	select {
	case <-got:
		return true
	case <-ctx.Done():
		w.done.Go(func() {
			<-got
			w.gate.Unlock()
		})
		return false
	}
}

// release lets the writers go on after hold returned true.
func (w *load) release() { w.gate.Unlock() }

// write sends batch after batch.
func (w *load) write(ctx context.Context, writer int) {
	rng := rand.New(rand.NewPCG(w.cfg.Seed, uint64(writer)))
	for number := 0; ctx.Err() == nil; number++ {
		rows := 1 + rng.IntN(2*w.cfg.BatchRows-1)
		w.gate.RLock()
		b := &ledger.Batch{ID: ledger.BatchID{Writer: writer, Number: number}, Time: time.Now().UnixNano(), Rows: rows}
		start := time.Now()
		w.send(ctx, b, rng)
		w.gate.RUnlock()
		// Pacing keeps the load even; a writer that was held up does not
		// catch up.
		share := time.Duration(rows) * time.Second * time.Duration(w.cfg.Writers) / time.Duration(w.cfg.RowsPerSecond)
		pause(ctx, max(share-time.Since(start), time.Millisecond))
	}
}

// send sends one batch until it is acknowledged, always under the same key.
func (w *load) send(ctx context.Context, b *ledger.Batch, rng *rand.Rand) {
	body, err := b.Body(w.ledger.Run)
	if err != nil {
		return // nothing was sent
	}
	w.ledger.Add(b)
	wait := pauseMin
	for ctx.Err() == nil {
		sent := time.Now()
		err := w.api.Write(ctx, w.ledger.Run+"-"+b.ID.String(), body, b.Rows)
		if err == nil {
			w.ledger.Ack(b, sent)
			return
		}
		if errors.Is(err, ledger.ErrRefused) {
			w.ledger.Refuse(err)
		}
		pause(ctx, wait+time.Duration(rng.Int64N(int64(pauseMin))))
		wait = min(2*wait, pauseMax)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/stere-log/stere/bench/faults/ledger"
)

// Pauses of a writer after it has tried every node in vain.
const (
	retryMin = 10 * time.Millisecond
	retryMax = 200 * time.Millisecond
)

// avoidFor is how long writers prefer other nodes to one that did not answer.
const avoidFor = 2 * time.Second

// tickEvery is the interval of single records, ticksMax how many may wait for
// their acknowledgement.
const (
	tickEvery = 100 * time.Millisecond
	ticksMax  = 128
)

// askEvery is the mean pause between two questions to a node.
const askEvery = 100 * time.Millisecond

// recentBatches is how far back half of the questions for a batch go.
const recentBatches = 50

// load is the writers and askers of a life. They run until stopped; hold lets
// the writers finish the batches they have and wait.
type load struct {
	crew   *crew
	ledger *ledger.Ledger
	meter  *meter
	asked  *answers
	stop   context.CancelFunc
	done   sync.WaitGroup
	gate   sync.RWMutex // a writer holds it shared for one batch, from first try to acknowledgement
	askers sync.RWMutex // an asker holds it shared for one question
}

func startLoad(ctx context.Context, c *crew, l *ledger.Ledger) *load {
	ctx, cancel := context.WithCancel(ctx)
	w := &load{crew: c, ledger: l, meter: &meter{}, asked: &answers{}, stop: cancel}
	for i := range c.cfg.Writers {
		w.done.Go(func() { w.write(ctx, i) })
	}
	for i := range c.cfg.Nodes {
		w.done.Go(func() { w.ask(ctx, i) })
	}
	w.done.Go(func() { w.settle(ctx) })
	w.done.Go(func() { w.tick(ctx, c.cfg.Writers) })
	return w
}

// end stops the load; batches under way stay of unknown outcome.
func (w *load) end() {
	w.stop()
	w.done.Wait()
}

// settle lets nodes seal and merge now and then: by themselves they would hardly
// come to that between two faults. Whether they do is their own affair.
func (w *load) settle(ctx context.Context) {
	rng := rand.New(rand.NewPCG(w.crew.cfg.Seed, 1<<32))
	for ctx.Err() == nil {
		pause(ctx, time.Duration(rng.Int64N(int64(2*w.crew.cfg.SettleEvery))))
		nodes := w.crew.nodes()
		_, _ = nodes[rng.IntN(len(nodes))].api.Do(ctx, http.MethodPost, "/admin/flush", nil, "") // the node may be down
	}
}

// hold returns when no batch is under way and no question, and lets none start,
// or returns false when the time is up; then nothing is held.
func (w *load) hold(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got := make(chan struct{})
	w.done.Go(func() { // ends at the latest when the load does
		w.gate.Lock()
		w.askers.Lock()
		close(got)
	})
	select {
	case <-got:
		return true
	case <-ctx.Done():
		w.done.Go(func() {
			<-got
			w.release()
		})
		return false
	}
}

// release lets the load go on after hold returned true.
func (w *load) release() {
	w.askers.Unlock()
	w.gate.Unlock()
}

// write sends batch after batch, each to another node first.
func (w *load) write(ctx context.Context, writer int) {
	cfg := w.crew.cfg
	rng := rand.New(rand.NewPCG(cfg.Seed, uint64(writer)))
	for number := 0; ctx.Err() == nil; number++ {
		rows := 1 + rng.IntN(2*cfg.BatchRows-1)
		w.gate.RLock()
		start := time.Now()
		b := &ledger.Batch{ID: ledger.BatchID{Writer: writer, Number: number}, Time: start.UnixNano(), Rows: rows}
		w.send(ctx, b, writer+number, rng)
		w.gate.RUnlock()
		// Pacing keeps the load even; a writer that was held up does not
		// catch up.
		share := time.Duration(rows) * time.Second * time.Duration(cfg.Writers) / time.Duration(cfg.RowsPerSecond)
		pause(ctx, max(share-time.Since(start), time.Millisecond))
	}
}

// tick sends a record at even intervals, whether those before are acknowledged
// or not. Writers may all wait for one node to answer when another would have
// acknowledged long since; these records show from when on the cluster does.
func (w *load) tick(ctx context.Context, writer int) {
	var sending sync.WaitGroup
	defer sending.Wait()
	slots := make(chan struct{}, ticksMax)
	for number := 0; ctx.Err() == nil; number++ {
		pause(ctx, tickEvery)
		select {
		case slots <- struct{}{}:
		default:
			continue // so many wait that one more shows nothing
		}
		w.gate.RLock()
		b := &ledger.Batch{ID: ledger.BatchID{Writer: writer, Number: number}, Time: time.Now().UnixNano(), Rows: 1}
		sending.Go(func() {
			w.send(ctx, b, number, rand.New(rand.NewPCG(w.crew.cfg.Seed, uint64(writer)<<32+uint64(number))))
			w.gate.RUnlock()
			<-slots
		})
	}
}

// send sends one batch until it is acknowledged, always under the same key: to
// the next node when one refuses, does not answer or is not there.
func (w *load) send(ctx context.Context, b *ledger.Batch, first int, rng *rand.Rand) {
	body, err := b.Body(w.ledger.Run)
	if err != nil {
		return // nothing was sent
	}
	w.ledger.Add(b)
	wait := retryMin
	for try := 0; ctx.Err() == nil; try++ {
		nodes := w.crew.nodes()
		n := choose(nodes, first+try)
		sent := time.Now()
		err := n.api.Write(ctx, w.ledger.Run+"-"+b.ID.String(), body, b.Rows)
		if err == nil {
			w.ledger.Ack(b, sent)
			w.meter.ack(b.Rows)
			return
		}
		if errors.Is(err, ledger.ErrRefused) {
			w.ledger.Refuse(err)
		} else {
			n.silent.Store(time.Now().UnixNano())
		}
		if (try+1)%len(nodes) == 0 {
			pause(ctx, wait+time.Duration(rng.Int64N(int64(retryMin))))
			wait = min(2*wait, retryMax)
		}
	}
}

// choose returns the i-th node, or the next one that has not left a request
// without an answer lately, as clients and balancers do.
func choose(nodes []*node, i int) *node {
	now := time.Now().UnixNano()
	for k := range nodes {
		if n := nodes[(i+k)%len(nodes)]; now-n.silent.Load() > int64(avoidFor) {
			return n
		}
	}
	return nodes[i%len(nodes)]
}

// answers counts what became of questions. It is safe for concurrent use.
type answers struct {
	mu struct {
		sync.Mutex
		count Answers
		wrong ledger.Violations
	}
}

// Answers is what became of questions.
type Answers struct {
	Asked      int64 `json:"asked"`
	Failed     int64 `json:"failed"`     // no answer, or an error
	Incomplete int64 `json:"incomplete"` // answers that say that they are not complete
	// Those through nodes that are up and reach a quorum of every shard.
	UpAsked      int64 `json:"upAsked"`
	UpFailed     int64 `json:"upFailed"`
	UpIncomplete int64 `json:"upIncomplete"`
	// Judged are those that had to be as the outlook says.
	Judged int64 `json:"judged"`
}

func (a *Answers) add(b Answers) {
	a.Asked += b.Asked
	a.Failed += b.Failed
	a.Incomplete += b.Incomplete
	a.UpAsked += b.UpAsked
	a.UpFailed += b.UpFailed
	a.UpIncomplete += b.UpIncomplete
	a.Judged += b.Judged
}

// take returns what has been counted and begins anew.
func (a *answers) take() (Answers, ledger.Violations) {
	a.mu.Lock()
	defer a.mu.Unlock()
	count, wrong := a.mu.count, a.mu.wrong
	a.mu.count, a.mu.wrong = Answers{}, ledger.Violations{}
	return count, wrong
}

// ask asks one member after the other, whichever is the i-th.
func (w *load) ask(ctx context.Context, i int) {
	rng := rand.New(rand.NewPCG(w.crew.cfg.Seed, 1<<40+uint64(i)))
	for ctx.Err() == nil {
		pause(ctx, time.Duration(rng.Int64N(int64(2*askEvery))))
		nodes := w.crew.nodes()
		n := nodes[i%len(nodes)]
		w.askers.RLock()
		began := time.Now()
		wrong, whole, err := w.question(ctx, n, rng)
		if ctx.Err() == nil {
			p, due := w.crew.outlook.judge(n.name, began)
			w.asked.enter(answer{n.name, wrong, whole, err, time.Since(began)}, p, due)
		}
		w.askers.RUnlock()
	}
}

// question asks for the number of all records, or for the records of one batch,
// of the newest ones or any.
func (w *load) question(ctx context.Context, n *node, rng *rand.Rand) (wrong string, whole ledger.Wholeness, err error) {
	b := w.ledger.Acked(func(n int) int {
		if rng.IntN(2) == 0 {
			return n - 1 - rng.IntN(min(n, recentBatches))
		}
		return rng.IntN(n)
	})
	if b == nil || rng.IntN(3) == 0 {
		return w.ledger.Probe(ctx, n.asked)
	}
	return w.ledger.ProbeBatch(ctx, n.asked, b)
}

// answer is one answer.
type answer struct {
	node  string
	wrong string // what is wrong with it
	whole ledger.Wholeness
	err   error
	took  time.Duration
}

// enter judges an answer by what is promised, if that is due.
func (a *answers) enter(got answer, p promise, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	failed := got.err != nil
	incomplete := !failed && !got.whole.Complete
	a.mu.count.add(Answers{Asked: 1, Failed: one(failed), Incomplete: one(incomplete)})
	if p == complete {
		a.mu.count.add(Answers{UpAsked: 1, UpFailed: one(failed), UpIncomplete: one(incomplete)})
	}
	v := &a.mu.wrong
	if got.wrong != "" {
		v.Note(&v.Wrong, 1, "%s: wrong answer: %s", got.node, got.wrong)
	}
	if !due || p == nothing {
		return
	}
	a.mu.count.Judged++
	switch {
	case p == partial && !failed && !incomplete:
		v.Note(&v.Unmarked, 1, "%s: an answer calls itself complete without a quorum of every shard", got.node)
	case p == complete && failed:
		v.Note(&v.NotAnswered, 1, "%s: question failed after %v although a quorum of every shard is up: %v", got.node, got.took.Round(time.Millisecond), got.err)
	case p == complete && incomplete:
		v.Note(&v.Incomplete, 1, "%s: answer is not complete although a quorum of every shard is up: %s", got.node, got.whole.Reason)
	}
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

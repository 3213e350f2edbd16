package node_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

var (
	simSeeds = flag.Int("seeds", 0, "how many seeds of the simulation to run; 0: a few")
	simSeed  = flag.Uint64("seed", 0, "the first seed of the simulation")
	simOften = flag.String("often", "", "a fault of the simulation that is to happen often, by its name")
)

func isLog(path string) bool { return strings.Contains(path, "data/log/") }

// warm makes what is made once for the process outside of all bubbles:
// channels that are made in one cannot be used in another.
func warm(t *testing.T) {
	t.Helper()
	running := nodetest.Start(t, node.Config{})
	defer running.Stop()
	for i := range 2 {
		if _, err := write(running.Node, "default", "", strings.Repeat(fmt.Sprint("a line for the encoders ", i), 20), "other"); err != nil {
			t.Fatal(err)
		}
		search(t, running.Node, "default", "*")
		if err := running.Node.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	search(t, running.Node, "default", "*")
}

// TestSimulationOfOneNode kills a node and cuts its power under load.
func TestSimulationOfOneNode(t *testing.T) { simulate(t, 1, 20) }

// TestSimulation does that and more to the nodes of a cluster and to their network.
func TestSimulation(t *testing.T) { simulate(t, 3, 20) }

// simulate runs seeds of clusters of some machines.
func simulate(t *testing.T, machines, few int) {
	warm(t)
	seeds := *simSeeds
	if seeds == 0 {
		seeds = few
		if testing.Short() {
			seeds = max(1, few/10)
		}
	}
	began, failed := time.Now(), 0
	for seed := *simSeed; seed < *simSeed+uint64(seeds); seed++ {
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { simulateSeed(t, seed, machines) }) {
			if failed++; failed >= *simFailures {
				t.Fatalf("%d seeds failed", failed)
			}
		}
	}
	t.Logf("%d seeds in %v", seeds, time.Since(began).Round(time.Millisecond))
}

// failuresMax is how many seeds may fail until no more are run.
const failuresMax = 3

func simulateSeed(t *testing.T, seed uint64, machines int) {
	defer func() {
		if t.Failed() {
			t.Logf("again: go test ./node -run '%s' -seeds 1 -seed %d -count 20", strings.SplitN(t.Name(), "/", 2)[0], seed)
		}
	}()
	var l *ledger
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, machines)
		l = w.ledger
		defer func() {
			if t.Logf("%v %v %v", w.counts, l.stats, w.book.counts()); t.Failed() {
				w.book.keep(t, seed)
			}
		}()
		defer w.end()
		w.live()
		w.settle()
	})
	checkHistory(t, l)
}

// live runs clients while things fail.
func (w *world) live() {
	for _, m := range w.machines {
		m.start()
	}
	for _, m := range w.machines {
		w.until(m.ip+" is ready", m.isReady)
	}
	if len(w.machines) > 1 && w.rng.IntN(2) == 0 { // shards that tenants can be given at any time
		w.operate(func(ctx context.Context, n *node.Node, _ uint32, _, _ string) error {
			return n.Healer().AddShards(ctx, w.tuning.shards+1, "simulation")
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	wait := w.clients(ctx)
	for end := time.Now().Add(w.tuning.lasts); time.Now().Before(end) && !w.t.Failed(); {
		time.Sleep(time.Duration(w.rng.Int64N(int64(2 * time.Second))))
		w.fail()
	}
	cancel()
	wait()
}

// clients starts the clients, and returns what waits for their end.
func (w *world) clients(ctx context.Context) (wait func()) {
	var clients sync.WaitGroup
	for i := range w.tuning.clients {
		c := &client{w: w, rng: rand.New(rand.NewPCG(w.rng.Uint64(), uint64(i))), number: i}
		clients.Go(func() { c.run(ctx) })
	}
	return clients.Wait
}

// settle mends everything and looks whether everything is there, on every node,
// also after one more power cut of all.
func (w *world) settle() {
	if w.t.Failed() {
		return
	}
	w.mend()
	c := &client{w: w, rng: w.rng}
	for i, a := range w.ledger.open() {
		if i%2 == 0 {
			w.until("a request is acknowledged", func() bool { return c.send(c.anyone(), a) })
		}
	}
	w.look(c)
	for _, m := range w.machines {
		w.until(m.ip+" is flushed", func() bool { // leaders may change meanwhile
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			return m.current().node.Flush(ctx) == nil
		})
	}
	w.erased()
	w.look(c)
	w.kill(true, w.machines...)
	w.mend()
	w.look(c)
	w.erased()
	if !w.t.Failed() {
		w.ledger.judge()
	}
}

// mend heals the network and starts what is down.
func (w *world) mend() {
	w.net.Heal()
	for _, m := range w.running(true) {
		m.disk.Disarm()
	}
	w.buryDead()
	for _, m := range w.running(false) {
		m.start()
	}
	for _, m := range w.machines {
		w.until(m.ip+" is ready", m.isReady)
	}
}

// look asks every node for everything, until the answer is complete.
func (w *world) look(c *client) {
	for _, m := range w.machines {
		for _, tenant := range tenants {
			w.until(m.ip+" gives a complete answer", func() bool { return c.ask(m.current(), question{tenant: tenant, client: -1}) })
			w.until(m.ip+" counts completely", func() bool { return c.ask(m.current(), question{tenant: tenant, client: -1, count: true}) })
		}
	}
	w.agree()
}

// until waits for what must become true. Nodes that were removed meanwhile join
// again, as new ones.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !w.t.Failed() && !holds(); {
		if time.Now().After(end) {
			stacks := make([]byte, logMax)
			fmt.Fprintf(w.book, "%s\n", stacks[:runtime.Stack(stacks, true)])
			w.t.Fatalf("it did not happen in %v that %s; the last incomplete answer said %q", patience, what, w.ledger.lacks)
		}
		time.Sleep(100 * time.Millisecond)
		w.buryDead()
		for _, m := range w.running(false) {
			m.start()
		}
	}
}

// agree waits until all replicas have the same.
func (w *world) agree() {
	why := ""
	defer func() {
		if w.t.Failed() && why != "" {
			w.t.Log(why)
		}
	}()
	w.until("replicas have the same", func() bool {
		why = w.replicasAgree()
		return why == ""
	})
}

package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/internal/sim"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/membership"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage"
)

// world is a simulated cluster: machines, their network, and what its clients
// know. Its methods are for the goroutine of the test, in a bubble.
type world struct {
	t        testing.TB
	rng      *rand.Rand
	fate     *rand.Rand // of what power cuts leave; guarded by the ledger's mu
	net      *sim.Network
	machines []*machine
	ledger   *ledger
	tester   *client // of the world itself, see sim_scenarios_test.go
	tuning   tuning
	ended    sync.WaitGroup // runs of nodes that were killed, calls of operators
	book     *logBook
	logger   *slog.Logger
	counts   map[string]int // faults and what else happened, for the log
}

// tuning is what a seed decides about sizes and times.
type tuning struct {
	machines, shards, clients int
	replicas                  int           // of a shard
	lasts                     time.Duration // of the faults
	think                     time.Duration // between two calls of a client, at most
	syncTime                  time.Duration // of the log, at most
	link                      sim.Link
	node                      node.Config
}

// between returns a random number from lo to hi, both included.
func between(rng *rand.Rand, lo, hi int) int { return lo + rng.IntN(hi-lo+1) }

func randomTuning(rng *rand.Rand, machines int) tuning {
	ms := func(lo, hi int) time.Duration { return time.Duration(between(rng, lo, hi)) * time.Millisecond }
	lasts, clients, calls := ms(5_000, 20_000), between(rng, 2, 4), between(rng, 100, 400)
	return tuning{
		machines: machines, shards: between(rng, 1, 2), clients: clients, replicas: []int{3, 3, 3, 1}[rng.IntN(4)],
		lasts: lasts, think: 2 * lasts * time.Duration(clients) / time.Duration(calls), syncTime: ms(0, 4),
		link: sim.Link{Delay: ms(0, 2), Jitter: ms(0, 3)},
		node: node.Config{
			DataDir: "data", LogLanes: between(rng, 1, 3), LogMemoryBytes: int64(between(rng, 1, 1<<16)),
			LogFileBytes: int64(between(rng, 4<<10, 64<<10)), CatalogueSaveBytes: between(rng, 1<<10, 64<<10),
			SegmentCacheBytes: int64(between(rng, 1, 1<<18)), HeadCacheBytes: int64(between(rng, 1, 1<<18)),
			ShutdownTimeout: time.Second,
			Healing: heal.Config{
				Interval: ms(500, 2_000), RaiseAfter: ms(500, 3_000), Limits: placement.Limits{ReplaceAfter: ms(3_000, 300_000)},
			},
			Ingest: ingest.Config{BlockRecords: between(rng, 4, 40), Timeout: ms(1_000, 8_000)},
			Query:  query.Config{Time: ms(1_000, 10_000), Workers: between(rng, 1, 3)},
			Replica: replica.Config{
				SealRows: between(rng, 10, 150), SealBlocks: between(rng, 3, 40), SealAge: ms(50, 3_000), IdleAge: ms(50, 2_000), IdleBytes: 1 << 12,
				Storage: storage.Config{DayCutRows: between(rng, 8, 100), MergeFan: between(rng, 2, 4), MergeRowsMax: between(rng, 100, 2_000)},
			},
		},
	}
}

func newWorld(t testing.TB, seed uint64, machines int) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{t: t, rng: rng, fate: rand.New(rand.NewPCG(seed, 4)), tuning: randomTuning(rng, machines), counts: map[string]int{}}
	w.net = sim.NewNetwork(rand.New(rand.NewPCG(seed, 2)), w.tuning.link)
	w.ledger, w.book = newLedger(t), &logBook{}
	w.logger = slog.New(slog.NewTextHandler(w.book, &slog.HandlerOptions{Level: slog.LevelInfo}))
	w.tester = &client{w: w, rng: rand.New(rand.NewPCG(seed, 5)), number: w.tuning.clients}
	for i := range machines {
		w.add(i)
	}
	return w
}

// add makes a machine with an empty disk.
func (w *world) add(number int) *machine {
	m := &machine{w: w, number: number, ip: fmt.Sprint("10.0.0.", number+1)}
	m.fit(sim.NewDisk())
	w.machines = append(w.machines, m)
	return m
}

// fit gives a disk its speed and puts it into the machine. Only the log's syncs
// take time: the store syncs with mutexes held.
func (m *machine) fit(d *sim.Disk) {
	m.disk = d
	most := int64(m.w.tuning.syncTime)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(m.w.rng.Uint64(), 3))
	d.SyncTime(func(path string) time.Duration {
		if !isLog(path) {
			return 0
		}
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(m.slow.Load() + rng.Int64N(most+1))
	})
}

// machine is a computer: what it runs may change, its disk stays.
type machine struct {
	w      *world
	number int
	ip     string
	joins  bool // it is no founder, or no more
	disk   *sim.Disk
	host   *sim.Host
	slow   atomic.Int64 // ns that each sync of the log takes in addition
	ahead  atomic.Int64 // seconds that the machine's clock is ahead

	mu  sync.Mutex
	run *process // nil while nothing runs
}

// process is one run of a node.
type process struct {
	machine *machine
	node    *node.Node
	cancel  context.CancelFunc
	host    *sim.Host
	disk    *sim.Disk
	done    chan struct{} // closed when Run has returned
	dead    bool          // killed; guarded by the ledger's mu
	stopped bool          // is to end in good order; guarded by the ledger's mu
	gone    bool          // ended because it was removed from the cluster; guarded by the ledger's mu
	left    *sim.Disk     // what is left of the disk, once struck is closed
	struck  chan struct{}
}

// current returns what runs, nil if nothing does.
func (m *machine) current() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run
}

func (m *machine) set(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run = p
}

// start starts the node of a machine on which nothing runs.
func (m *machine) start() {
	w := m.w
	w.logger.Info("start", "at", m.ip)
	m.host = w.net.Host(m.ip)
	cfg := w.tuning.node
	cfg.FS, cfg.Shards, cfg.Now = m.disk, w.tuning.shards, m.now
	cfg.Logger = w.logger.With("at", m.ip)
	var err error
	if cfg.Listener, err = m.host.Listen(7100); err != nil {
		w.t.Fatal(err)
	}
	if w.tuning.machines > 1 {
		cfg.Cluster = m.cluster()
	}
	opened, err := node.New(context.Background(), cfg)
	if err != nil {
		w.t.Fatalf("start %s: %v", m.ip, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{machine: m, node: opened, cancel: cancel, host: m.host, disk: m.disk, done: make(chan struct{}), struck: make(chan struct{})}
	go func() {
		defer close(p.done)
		switch err := opened.Run(ctx); {
		case errors.Is(err, membership.ErrGone):
			w.ledger.leave(p)
		case (err != nil || ctx.Err() == nil) && !w.ledger.isDead(p):
			w.t.Errorf("%s ended: %v", m.ip, err)
		}
	}()
	m.set(p)
}

// cluster is the machine's part of the cluster: the first machines found it
// together, others join.
func (m *machine) cluster() node.ClusterConfig {
	w := m.w
	cfg := node.ClusterConfig{
		Listen: m.ip, Name: fmt.Sprint("node-", m.number), Replicas: w.tuning.replicas, Secret: []byte("the secret of a simulated cluster"), Dial: m.host.Dial,
		Join: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"},
	}
	if m.number < founders && !m.joins {
		cfg.BootstrapExpect = founders
	}
	var err error
	if cfg.Listener, err = m.host.Listen(node.DefaultClusterPort); err != nil {
		w.t.Fatal(err)
	}
	packets, err := m.host.Packets(node.DefaultGossipPort)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.GossipTransport = packets
	return cfg
}

// founders is how many machines found a cluster.
const founders = 3

// logBook keeps what all nodes of a world log, for seeds that fail.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.text.Len() < logMax {
		b.text.Write(p)
	}
	return len(p), nil
}

// counts says how often what matters was logged.
func (b *logBook) counts() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := map[string]int{}
	for name, text := range map[string]string{
		"segments fetched": `msg="a segment was fetched"`, "members changed": `msg="the shard's members have changed"`,
		"replicas deleted": "does not want this replica", "nodes removed": "action=remove-node", "moves": "step=\"add voter\"",
		"shards added": "action=add-shards", "tenants spread": "action=spread-tenant",
	} {
		if n := strings.Count(b.text.String(), text); n > 0 {
			counts[name] = n
		}
	}
	return counts
}

// logMax is how much of a log is kept.
const logMax = 16 << 20

// keep writes the log of a seed that failed to a file.
func (b *logBook) keep(t testing.TB, seed uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := filepath.Join(os.TempDir(), fmt.Sprintf("stere-simulation-%d-%d.log", os.Getpid(), seed))
	if err := os.WriteFile(name, b.text.Bytes(), 0o600); err != nil {
		t.Error(err)
	}
	t.Logf("log: %s", name)
}

// stop ends a node in good order.
func (m *machine) stop() {
	p := m.current()
	m.w.ledger.stop(p)
	p.cancel()
	<-p.done
	m.disk.Disarm()
	if m.w.ledger.isDead(p) { // struck meanwhile
		m.bury()
		return
	}
	m.set(nil)
	m.host.Crash(false)
}

// kill ends nodes without a last word, all at one moment: their processes, or
// the power of their machines.
func (w *world) kill(power bool, machines ...*machine) {
	w.strike(power, machines)
	for _, m := range machines {
		m.bury()
	}
}

// strike is the moment of kill. It may be called from any goroutine.
func (w *world) strike(power bool, machines []*machine) {
	w.ledger.mu.Lock() // nothing that they say from here on counts
	var struck []*process
	for _, m := range machines {
		if p := m.current(); p != nil && !p.dead {
			p.dead = true
			w.logger.Info("strike", "at", m.ip, "power", power)
			struck = append(struck, p)
		}
	}
	w.ledger.mu.Unlock()
	for _, p := range struck {
		p.host.Crash(power)
	}
	for _, p := range struck {
		if power {
			w.ledger.mu.Lock() // of the random numbers
			p.left = p.disk.Cut(w.fate)
			w.ledger.mu.Unlock()
		} else {
			p.left = p.disk.Kill()
		}
		close(p.struck)
	}
}

// bury ends what still runs of a node that was killed. The machine has the disk
// that was left.
func (m *machine) bury() {
	p := m.current()
	if p == nil {
		return
	}
	<-p.struck
	m.fit(p.left)
	m.set(nil)
	p.cancel()
	m.w.ended.Go(func() { <-p.done })
}

// strikeSoon kills the node right before one of the next changes of its disk.
func (m *machine) strikeSoon(power bool, changes int) {
	m.disk.Before(changes, func() { m.w.strike(power, []*machine{m}) })
}

// buryDead buries the nodes that were killed by a change of their disk. Those
// that have left the cluster get an empty disk.
func (w *world) buryDead() {
	for _, m := range w.running(true) {
		switch p := m.current(); {
		case w.ledger.isDead(p):
			m.bury()
		case w.ledger.isGone(p):
			<-p.done
			m.set(nil)
			m.host.Crash(false)
			m.fit(sim.NewDisk())
			m.joins = true
		}
	}
}

// running returns the machines that run a node, or those that do not.
func (w *world) running(want bool) (machines []*machine) {
	for _, m := range w.machines {
		if (m.current() != nil) == want {
			machines = append(machines, m)
		}
	}
	return machines
}

func (m *machine) isReady() bool {
	select {
	case <-m.current().node.Ready():
		return true
	default:
		return false
	}
}

// patience is how long a healed cluster may take for anything, in its own time.
const patience = 3 * time.Minute

// end stops everything that runs and what is left of what was killed.
func (w *world) end() {
	w.net.Heal()
	for _, m := range w.machines {
		switch {
		case m.current() != nil:
			m.stop()
		case m.host != nil:
			m.host.Crash(false)
		}
	}
	w.ended.Wait()
	time.Sleep(5 * time.Minute) // what libraries do comes to an end
}

// tenants of the clients.
var tenants = []model.TenantID{"default", "other"}

// unavailable reports whether an error is what a client has to expect while
// nodes and links fail.
func unavailable(err error) bool {
	return errors.Is(err, ingest.ErrUnavailable) || errors.Is(err, ingest.ErrBusy) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

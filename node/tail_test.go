package node_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/tail"
)

var tailSeed = flag.Uint64("tailseed", 0, "seed of TestTails; 0 takes one from the clock")

// acked is a record that was acknowledged.
type acked struct {
	id     model.RecordID
	tenant model.TenantID
	kind   int
	level  string
	number int64 // of the batch
}

// tailWorld is a cluster with writers and tails, and what was acknowledged.
type tailWorld struct {
	t     *testing.T
	rng   *rand.Rand
	nodes []atomic.Pointer[nodetest.Running]
	count atomic.Int64 // batches sent

	mu    sync.Mutex
	acked []acked
}

// node returns a node that runs.
func (w *tailWorld) node(rng *rand.Rand) *node.Node {
	for {
		if one := w.nodes[rng.IntN(len(w.nodes))].Load(); one != nil {
			return one.Node
		}
	}
}

// writes sends batches until the context ends, each until it is acknowledged.
func (w *tailWorld) writes(ctx context.Context, writer int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, uint64(writer)))
	for batch := 0; ctx.Err() == nil; batch++ {
		tenant := []model.TenantID{"a", "b"}[rng.IntN(2)]
		var all []acked
		var records []model.Record
		for range 1 + rng.IntN(5) {
			one := acked{tenant: tenant, kind: rng.IntN(4), level: []string{"info", "error"}[rng.IntN(2)]}
			all = append(all, one)
			records = append(records, model.Record{Time: int64(1e18 + rng.IntN(1e9)), Fields: []model.Field{
				{Name: "message", Kind: model.String, Text: fmt.Sprintf("kind%d of writer %d batch %d", one.kind, writer, batch)},
				{Name: "level", Kind: model.String, Text: one.level},
			}})
		}
		request := ingest.Request{Tenant: tenant, Key: fmt.Sprintf("%d-%d", writer, batch), BodyHash: [16]byte{1, byte(batch), byte(batch >> 8), byte(writer)}, Records: records}
		// What was sent before a tail was open may have been stored before, too.
		number := w.count.Add(1)
		for {
			patient, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			result, err := w.node(rng).Writer().Write(patient, request)
			cancel()
			if err != nil {
				continue // the same batch again, on any node
			}
			w.mu.Lock()
			for i := range all {
				all[i].id, all[i].number = result.ID(i), number
			}
			w.acked = append(w.acked, all...)
			w.mu.Unlock()
			break
		}
	}
}

// looker is a client with a tail that comes back when its node has gone.
type looker struct {
	w       *tailWorld
	rng     *rand.Rand
	name    string
	tenant  model.TenantID
	text    string
	matches func(*acked) bool
	backlog bool
	began   int64 // batches sent before the tail was open

	mu      sync.Mutex
	seen    map[model.RecordID]bool
	dropped uint64
	again   int // times that it came back
}

func (l *looker) run(ctx context.Context) {
	request := tail.Request{Audience: query.Audience{Tenant: l.tenant}, Text: l.text}
	if l.backlog {
		request.Since = 1
	}
	last := map[model.ShardID]model.Mark{}
	for ctx.Err() == nil {
		hub := l.w.node(l.rng).Tails()
		opened, err := hub.Open(ctx, request)
		if err != nil {
			continue
		}
		if request.Cursor == "" {
			l.mu.Lock()
			l.began = l.w.count.Load() // what is sent from now on must be shown
			l.mu.Unlock()
		}
		for {
			event, err := opened.Next(ctx)
			if err != nil {
				break
			}
			l.take(event, last)
			request = tail.Request{Audience: query.Audience{Tenant: l.tenant}, Text: l.text, Cursor: event.Cursor}
			if n := len(event.Lines); n > 0 && l.rng.IntN(40) == 0 { // as if the connection had broken
				request.Cursor = event.Lines[n-1].Cursor
				if event.Dropped == 0 {
					break
				}
			}
		}
		opened.Close()
		l.mu.Lock()
		l.again++
		l.mu.Unlock()
	}
}

// take checks an event.
func (l *looker) take(event tail.Event, last map[model.ShardID]model.Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped += event.Dropped
	for _, line := range event.Lines {
		if l.seen[line.ID] {
			l.w.t.Errorf("%s: record %s is shown twice", l.name, line.ID)
		}
		l.seen[line.ID] = true
		if event.Backlog {
			continue
		}
		if mark := line.ID.Mark(); mark.Compare(last[line.ID.Shard]) <= 0 {
			l.w.t.Errorf("%s: record %s comes after %v", l.name, line.ID, last[line.ID.Shard])
		} else {
			last[line.ID.Shard] = mark
		}
	}
}

// missing returns what the looker must have seen and has not.
func (l *looker) missing(all []acked) (lacks []model.RecordID, foreign int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[model.RecordID]bool{}
	for i := range all {
		one := &all[i]
		if one.tenant != l.tenant || !l.matches(one) {
			continue
		}
		known[one.id] = true
		if !l.seen[one.id] && (l.backlog || one.number > l.began) {
			lacks = append(lacks, one.id)
		}
	}
	for id := range l.seen {
		if !known[id] {
			foreign++
		}
	}
	return lacks, foreign
}

func (w *tailWorld) looker(i int, seed uint64) *looker {
	rng := rand.New(rand.NewPCG(seed, uint64(1000+i)))
	l := &looker{w: w, rng: rng, tenant: []model.TenantID{"a", "b"}[rng.IntN(2)], backlog: rng.IntN(3) == 0, seen: map[model.RecordID]bool{}}
	switch rng.IntN(5) {
	case 0:
		l.text, l.matches = "", func(*acked) bool { return true }
	case 1:
		l.text, l.matches = "kind1", func(a *acked) bool { return a.kind == 1 }
	case 2:
		l.text, l.matches = "level:error", func(a *acked) bool { return a.level == "error" }
	case 3:
		l.text, l.matches = "kind2 OR (kind3 level:info) | fields message", func(a *acked) bool { return a.kind == 2 || a.kind == 3 && a.level == "info" }
	case 4:
		l.text, l.matches = "NOT kind0", func(a *acked) bool { return a.kind != 0 }
	}
	l.name = fmt.Sprintf("tail %d of %s %q", i, l.tenant, l.text)
	l.began = math.MaxInt64
	return l
}

// TestTails compares what tails show, on all nodes of a cluster of which one is
// stopped and comes back and whose leaders change, with what was acknowledged.
func TestTails(t *testing.T) {
	seed := *tailSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	w := &tailWorld{t: t, rng: rand.New(rand.NewPCG(seed, 1)), nodes: make([]atomic.Pointer[nodetest.Running], 3)}
	secret := []byte("a secret that only this test knows, long enough")
	configs := make([]node.Config, 3)
	var all []*nodetest.Running
	for i := range configs {
		configs[i] = node.Config{FS: vfs.NewMem(), Shards: 3, Cluster: node.ClusterConfig{
			Name: fmt.Sprintf("n%d", i), Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0", Bootstrap: i == 0, Replicas: 3, Secret: secret,
		}}
		if i > 0 {
			configs[i].Cluster.Join = []string{all[0].Node.GossipAddr()}
		}
		all = append(all, nodetest.Start(t, configs[i]))
		w.nodes[i].Store(all[i])
	}
	replicate(t, all)

	writing, stopWriting := context.WithCancel(t.Context())
	var writers, lookers sync.WaitGroup
	for i := range 3 {
		writers.Go(func() { w.writes(writing, i, seed) })
	}
	looking, stopLooking := context.WithCancel(t.Context())
	defer stopLooking()
	var looks []*looker
	open := func(n int) {
		for range n {
			l := w.looker(len(looks), seed)
			looks = append(looks, l)
			lookers.Go(func() { l.run(looking) })
		}
	}
	batches := int64(200)
	if testing.Short() {
		batches = 50
	}
	more := func(n int64) {
		for want := w.count.Load() + n; w.count.Load() < want; {
			time.Sleep(time.Millisecond)
		}
	}
	more(50)
	open(10)
	more(batches)
	if err := all[0].Node.FlushAll(t.Context()); err != nil {
		t.Error(err)
	}
	open(5)
	more(batches)
	for shard := range all[0].Node.Cluster().State().Shards { // other leaders
		_ = all[0].Node.Cluster().Transfer(t.Context(), shard, all[w.rng.IntN(3)].Node.ID()) // some are the leader
	}
	more(batches)
	gone := 1 + w.rng.IntN(2)
	w.nodes[gone].Store(nil)
	all[gone].Stop()
	open(3)
	more(batches)
	all[gone] = nodetest.Start(t, configs[gone])
	w.nodes[gone].Store(all[gone])
	open(2)
	more(batches)
	stopWriting()
	writers.Wait()

	t.Cleanup(func() {
		for _, l := range looks {
			if lacks, _ := l.missing(w.acked); t.Failed() {
				t.Logf("%s (backlog %v, began %d): lacks %d, first %v, saw %d, dropped %d, came back %d times", l.name, l.backlog, l.began, len(lacks), lacks[:min(3, len(lacks))], len(l.seen), l.dropped, l.again)
			}
		}
	})
	nodetest.Eventually(t, "every tail has shown everything", func() bool {
		return !slices.ContainsFunc(looks, func(l *looker) bool {
			lacks, _ := l.missing(w.acked)
			l.mu.Lock()
			defer l.mu.Unlock()
			return uint64(len(lacks)) > l.dropped || l.began == math.MaxInt64
		})
	})
	stopLooking()
	lookers.Wait()
	shown, again := 0, 0
	for _, l := range looks {
		if lacks, foreign := l.missing(w.acked); uint64(len(lacks)) > l.dropped || foreign > 0 {
			t.Errorf("%s: %d records are missing, %d were dropped, %d are not its own", l.name, len(lacks), l.dropped, foreign)
		}
		shown, again = shown+len(l.seen), again+l.again
	}
	t.Logf("%d records acknowledged, %d shown by %d tails, which came back %d times", len(w.acked), shown, len(looks), again)
}

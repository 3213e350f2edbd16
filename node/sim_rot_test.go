package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
)

// flip flips a bit of a file of a disk.
func flip(disk vfs.FS, path string, at int64, bit int) error {
	f, err := disk.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b, at); err != nil {
		return err
	}
	return f.Sync()
}

// The folders of the log: of the shards, and of the catalogue.
var (
	shardLanes    = []string{"data/log/lane-00", "data/log/lane-01"}
	catalogueLane = []string{"data/log/lane-02"}
)

// flipLog flips bits in the files of these folders of the log, each byte as likely as
// any other, and says where.
func flipLog(disk vfs.FS, rng *rand.Rand, lanes []string, flips int) (where []string, err error) {
	type file struct {
		path string
		size int64
	}
	var files []file
	sum := int64(0)
	for _, lane := range lanes {
		names, err := disk.List(lane)
		if err != nil {
			return nil, err
		}
		slices.Sort(names) // they come in another order each time
		for _, name := range names {
			path := disk.PathJoin(lane, name)
			info, err := disk.Stat(path)
			if err != nil {
				return nil, err
			}
			if strings.HasSuffix(name, ".wal") {
				files = append(files, file{path, info.Size()})
				sum += info.Size()
			}
		}
	}
	for range flips {
		if sum == 0 {
			break
		}
		at := rng.Int64N(sum)
		for i, f := range files {
			if at >= f.size {
				at -= f.size
				continue
			}
			// One in a file: both copies of what a file begins with may be gone
			// otherwise, and then the log is refused.
			sum, files = sum-f.size, slices.Delete(slices.Clone(files), i, i+1)
			where = append(where, fmt.Sprintf("byte %d of %s (%d bytes)", at, f.path, f.size))
			if err := flip(disk, f.path, at, rng.IntN(8)); err != nil {
				return where, err
			}
			break
		}
	}
	return where, nil
}

// rotLog kills a node, flips bits in its log and starts it again. That happens
// once in a run, and only to a node whose shards have two other voters: what two
// of three replicas have forgotten is lost.
func (w *world) rotLog() {
	if w.counts[rotten] > 1 || w.tuning.node.LogLanes < 3 {
		return // the catalogue has no lane of its own
	}
	m := w.some(true)
	if m == nil || !m.isReady() {
		return // what it knows of the catalogue may be old
	}
	voters := 0
	for _, one := range m.current().node.Cluster().CatalogueMembers() {
		if one.Voter {
			voters++
		}
	}
	if voters < 3 {
		return
	}
	state := m.current().node.Cluster().State()
	for _, number := range state.ReplicasOn(m.current().node.Cluster().Self()) {
		voters := 0
		for _, r := range state.Shards[number].Replicas {
			if r.Role == catalogue.Voter {
				voters++
			}
		}
		if voters < 3 {
			return
		}
	}
	w.kill(w.rng.IntN(2) == 0, m)
	where, err := flipLog(m.disk, w.rng, append(shardLanes, catalogueLane...), between(w.rng, 1, 4))
	if err != nil {
		w.t.Fatal(err)
	}
	w.ledger.count("rotten logs")
	w.logger.Info("bits of a log were flipped", "at", m.ip, "where", where)
	m.start()
}

// rotten is the name of that fault.
const rotten = "bits of a log"

// damagedWorlds runs worlds of three nodes of which one is damaged, for some seeds.
func damagedWorlds(t *testing.T, live func(w *world)) {
	warm(t)
	seeds := *simSeeds
	if seeds == 0 {
		seeds = 12
		if testing.Short() {
			seeds = 2
		}
	}
	for seed := *simSeed; seed < *simSeed+uint64(seeds); seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			var l *ledger
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed, 3)
				w.tuning.node.LogLanes, w.tuning.shards, w.tuning.replicas = 3, 5, 3
				l = w.ledger
				defer func() {
					if t.Logf("%v %v", l.stats, w.book.counts()); t.Failed() {
						w.book.keep(t, seed)
					}
				}()
				defer w.end()
				live(w)
				w.settle()
			})
			checkHistory(t, l)
		})
	}
}

// TestDamagedLogs flips bits in the log of one of three nodes under load, at
// several places of each seed: the shards that they do not concern go on there,
// the others are made anew from the other nodes, and no answer is wrong.
func TestDamagedLogs(t *testing.T) {
	lost, kept, rebuilt := 0, 0, 0
	damagedWorlds(t, func(w *world) {
		victim, end := w.damage(func(disk vfs.FS) ([]string, error) { return flipLog(disk, w.rng, shardLanes, between(w.rng, 1, 5)) })
		n := victim.current().node
		a, b := len(n.Lost()), len(n.Replicas())
		if state := n.Status().Checks["shards"]; a > 0 && !strings.Contains(state.Message, "damaged") {
			w.t.Errorf("%d replicas are set aside and the status says %+v", a, state)
		}
		w.until("no replica is set aside", func() bool { return len(victim.current().node.Lost()) == 0 })
		w.until("shards have their replicas again", func() bool { return len(victim.current().node.Replicas()) == a+b })
		time.Sleep(time.Second)
		end()
		lost, kept, rebuilt = lost+a, kept+b, rebuilt+strings.Count(w.book.string(), "have removed the replica whose log is damaged")
	})
	t.Logf("%d replicas were set aside, %d beside them went on, %d were made anew", lost, kept, rebuilt)
	if lost == 0 || kept == 0 || rebuilt != lost {
		t.Errorf("%d replicas were set aside, %d beside them went on, %d were made anew", lost, kept, rebuilt)
	}
}

// TestDamagedCatalogue flips bits in what one of three nodes has of the catalogue: it
// starts, leaves the catalogue's group, follows it anew, votes again, and nothing else
// is lost. It is killed once more on the way.
func TestDamagedCatalogue(t *testing.T) {
	damaged, released := 0, 0
	damagedWorlds(t, func(w *world) {
		victim, end := w.damage(func(disk vfs.FS) ([]string, error) {
			const saved = "data/catalogue"
			if info, err := disk.Stat(saved); err == nil && w.rng.IntN(3) == 0 {
				at := w.rng.Int64N(info.Size())
				return []string{fmt.Sprintf("byte %d of %s", at, saved)}, flip(disk, saved, at, w.rng.IntN(8))
			}
			return flipLog(disk, w.rng, catalogueLane, between(w.rng, 1, 3))
		})
		if state := victim.current().node.Status().Checks["catalogue"]; strings.Contains(state.Message, "damaged") {
			damaged++
			time.Sleep(time.Duration(w.rng.Int64N(int64(2 * time.Second))))
			w.kill(w.rng.IntN(2) == 0, victim)
			victim.start()
		}
		w.until(victim.ip+" is ready", victim.isReady)
		self := victim.current().node.Cluster().Self()
		w.until("the damaged node votes in the catalogue again", func() bool {
			return slices.ContainsFunc(w.machines, func(m *machine) bool {
				return slices.ContainsFunc(m.current().node.Cluster().CatalogueMembers(), func(one heal.Member) bool {
					return one.Node == self && one.Voter && one.Match > 0
				})
			})
		})
		end()
		if strings.Contains(w.book.string(), "out of the catalogue's group") {
			released++
		}
	})
	t.Logf("the catalogue of %d nodes was damaged, %d followed anew", damaged, released)
	if damaged == 0 || released != damaged {
		t.Errorf("the catalogue of %d nodes was damaged, %d followed anew", damaged, released)
	}
}

// damage runs clients, kills a node when all replicas are there, damages its disk and
// starts it again. Calling end ends the clients.
func (w *world) damage(flip func(disk vfs.FS) (where []string, err error)) (victim *machine, end func()) {
	for _, m := range w.machines {
		m.start()
	}
	for _, m := range w.machines {
		w.until(m.ip+" is ready", m.isReady)
	}
	w.agree() // three replicas of each shard
	end = w.load()
	time.Sleep(time.Duration(between(w.rng, 1, 5)) * time.Second)
	victim = w.machines[w.rng.IntN(len(w.machines))]
	w.kill(w.rng.IntN(2) == 0, victim)
	time.Sleep(time.Duration(w.rng.Int64N(int64(3 * time.Second))))
	where, err := flip(victim.disk)
	if err != nil {
		w.t.Fatal(err)
	}
	w.logger.Info("bits were flipped", "at", victim.ip, "where", where)
	victim.start()
	return victim, end
}

// load starts the clients; the function it returns ends them.
func (w *world) load() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	wait := w.clients(ctx)
	return func() { cancel(); wait() }
}

// string is what was logged.
func (b *logBook) string() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

package raft

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Over real sockets, with real time: elections, a restart, a learner that gets
// a manifest, and no goroutine left at the end.
func TestTCP(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, size := range []int{3, 5} {
		b := &book{where: map[string]string{}}
		var names []string
		for i := range size {
			names = append(names, fmt.Sprint("n", i+1))
		}
		nodes, disks := map[string]*node{}, map[string]vfs.FS{}
		start := func(name string, voters []string) {
			t.Helper()
			if disks[name] == nil {
				disks[name] = vfs.NewMem()
			}
			cfg := testConfig(disks[name])
			cfg.NodeID, cfg.Streams = name, b.streams(name)
			n, err := startMember(cfg, voters)
			if err != nil {
				t.Fatal(err)
			}
			nodes[name] = n
		}
		propose := func(data string) *node {
			t.Helper()
			for {
				for _, n := range nodes {
					_, _, err := n.group.Propose(t.Context(), []byte("id:"+data))
					if err == nil {
						return n
					}
					if errors.Is(err, ErrShutdown) {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Millisecond) // until there is a leader
			}
		}
		for _, name := range names {
			start(name, names)
		}
		for i := range 50 {
			propose(fmt.Sprint(i))
		}
		propose(strings.Repeat("x", 1<<20))
		nodes["n2"].close(t)
		delete(nodes, "n2")
		leader := propose("while n2 is away")
		for _, n := range nodes {
			if err := n.group.WaitApplied(t.Context(), leader.group.Stats().Commit); err != nil {
				t.Fatal(err)
			}
			n.seal(t)
		}
		start("n2", nil)
		start("n9", nil)
		leader = propose("before n9 is added")
		for leader.group.AddLearner(t.Context(), "n9") != nil {
			leader = propose("again")
		}
		for leader.group.AddVoter(t.Context(), "n9") != nil {
			leader = propose("again")
		}
		leader = propose("after n9 was added")
		index, err := leader.group.ReadIndex(t.Context())
		for errors.Is(err, ErrNotLeader) { // it leads no more: machines without a free processor change leaders
			leader = propose("after n9 was added")
			index, err = leader.group.ReadIndex(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range nodes {
			if err := n.group.WaitApplied(t.Context(), index); err != nil {
				t.Fatal(err)
			}
			if got := n.ledger.data(); got[len(got)-1] != "id:after n9 was added" {
				t.Errorf("%s ends with %.40q", name, got[len(got)-1])
			}
		}
		if nodes["n9"].ledger.restores != 1 {
			t.Errorf("the learner was given %d manifests", nodes["n9"].ledger.restores)
		}
		var closing sync.WaitGroup
		for _, n := range nodes {
			closing.Go(func() {
				if err := n.host.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		closing.Wait()
	}
	// The last ones have been told to end and need a processor.
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	all := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, all[:runtime.Stack(all, true)])
}

// What 64 groups on three hosts cost while nobody uses them.
func BenchmarkIdle(b *testing.B) {
	const groups, span = 64, 5 * time.Second
	names := []string{"n1", "n2", "n3"}
	for _, election := range []time.Duration{500 * time.Millisecond, time.Second} {
		b.Run(fmt.Sprint(election), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			goroutines := runtime.NumGoroutine()
			addresses := &book{where: map[string]string{}}
			var all []*Group
			for _, name := range names {
				h, err := Open(Config{
					NodeID: name, FS: vfs.NewMem(), Dir: "/wal", SlowDisk: -1,
					ElectionTimeout: election, Streams: addresses.streams(name),
				})
				if err != nil {
					b.Fatal(err)
				}
				defer h.Close()
				for id := range uint32(groups) {
					g, err := h.StartWith(id, &counter{}, names)
					if err != nil {
						b.Fatal(err)
					}
					all = append(all, g)
				}
			}
			for _, g := range all {
				if err := g.WaitLeader(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			time.Sleep(span)
			for b.Loop() {
				start, used := time.Now(), processorTime()
				time.Sleep(span)
				b.ReportMetric(100*float64(processorTime()-used)/float64(time.Since(start))/float64(len(names)), "%core/host")
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(names))/(1<<20), "heap-MiB/host")
			b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(len(names)), "goroutines/host")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What it costs three hosts in one process to have a command, all together.
// The sizes are those of a coalesced batch and of a large one.
func BenchmarkReplicate(b *testing.B) {
	names := []string{"n1", "n2", "n3"}
	for _, size := range []int{256 << 10, 4 << 20} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			addresses := &book{where: map[string]string{}}
			var all []*Group
			for _, name := range names {
				h, err := Open(Config{NodeID: name, FS: vfs.Default, Dir: b.TempDir() + "/wal", Memory: 16 << 20, Streams: addresses.streams(name)})
				if err != nil {
					b.Fatal(err)
				}
				defer h.Close()
				g, err := h.StartWith(1, &counter{}, names)
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, g)
			}
			command := make([]byte, size)
			propose := func() bool {
				for _, g := range all {
					if _, _, err := g.Propose(b.Context(), command); err == nil {
						return true
					}
				}
				return false
			}
			for !propose() {
				time.Sleep(time.Millisecond) // until there is a leader
			}
			b.SetBytes(int64(size))
			used := processorTime()
			for b.Loop() {
				for !propose() {
					time.Sleep(time.Millisecond) // a busy machine has lost its leader
				}
			}
			b.ReportMetric(float64((processorTime()-used).Microseconds())/float64(b.N)/float64(size)*(1<<20)/1000, "cpu-ms/MiB")
		})
	}
}

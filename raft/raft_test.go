package raft

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	hraft "github.com/hashicorp/raft"

	"github.com/stere-log/stere/raft/wal"
)

func testConfig(fs vfs.FS) Config {
	return Config{NodeID: "n1", FS: fs, Dir: "/data/wal", FileSize: 64 << 10, Reserve: 32 << 10, SlowDisk: -1}
}

// node is a host with one group and its ledger.
type node struct {
	host   *Host
	group  *Group
	ledger *ledger
}

func startNode(cfg Config) (*node, error) { return startMember(cfg, []string{cfg.NodeID}) }

func startMember(cfg Config, voters []string) (*node, error) {
	if err := cfg.FS.MkdirAll("/data", 0o755); err != nil {
		return nil, err
	}
	l, err := newLedger(cfg.FS, "/data/manifest")
	if err != nil {
		return nil, err
	}
	h, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	g, err := h.StartWith(7, l, voters)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &node{h, g, l}, nil
}

func mustStart(t testing.TB, cfg Config) *node {
	t.Helper()
	n, err := startNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.ready(t)
	return n
}

func (n *node) ready(t testing.TB) {
	t.Helper()
	if err := n.group.WaitLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.group.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (n *node) close(t testing.TB) {
	t.Helper()
	if err := n.host.Close(); err != nil {
		t.Fatal(err)
	}
}

func (n *node) propose(t testing.TB, data string) uint64 {
	t.Helper()
	index, _, err := n.group.Propose(t.Context(), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func (n *node) seal(t testing.TB) {
	t.Helper()
	index, err := n.ledger.seal()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.group.Truncate(index); err != nil {
		t.Fatal(err)
	}
}

func names(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("command %d", i))
	}
	return out
}

func TestSingleVoter(t *testing.T) {
	fs := vfs.NewMem()
	n := mustStart(t, testConfig(fs))
	want := names(20)
	for i, data := range want {
		index, result, err := n.group.Propose(t.Context(), []byte(data))
		if err != nil || result != i+1 || index == 0 {
			t.Fatalf("%d %v %v", index, result, err)
		}
		if i == 9 {
			before := n.group.LogBytes()
			n.seal(t)
			if after := n.group.LogBytes(); after >= before || after != 0 {
				t.Fatalf("%d bytes to replay after a seal of all, %d before", after, before)
			}
		}
	}
	if id, self := n.group.Leader(); id != "n1" || !self {
		t.Fatalf("leader %q %v", id, self)
	}
	n.close(t)
	if _, _, err := n.group.Propose(t.Context(), nil); !errors.Is(err, ErrShutdown) && !errors.Is(err, ErrNotLeader) {
		t.Fatalf("after close: %v", err)
	}
	for range 3 {
		n = mustStart(t, testConfig(fs))
		if got := n.ledger.data(); !slices.Equal(got, want) {
			t.Fatalf("after restart %q", got)
		}
		if !slices.Equal(n.host.Groups(), []uint32{7}) {
			t.Fatal(n.host.Groups())
		}
		want = append(want, fmt.Sprint("after restart ", len(want)))
		n.propose(t, want[len(want)-1])
		n.close(t)
	}
}

// A member that is alone leads at once, not after an election timeout.
func TestSingleVoterDoesNotWaitForTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(vfs.NewMem())
		cfg.ElectionTimeout = time.Hour
		for range 3 {
			start := time.Now()
			n := mustStart(t, cfg)
			if took := time.Since(start); took > 0 {
				t.Fatalf("leads after %v", took)
			}
			n.propose(t, "x")
			n.close(t)
		}
	})
}

func TestSharesBytes(t *testing.T) {
	n := mustStart(t, testConfig(vfs.NewMem()))
	defer n.close(t)
	command := []byte("shared")
	if _, _, err := n.group.Propose(t.Context(), command); err != nil {
		t.Fatal(err)
	}
	if &n.ledger.entries[0].Data[0] != &command[0] {
		t.Fatal("the command was copied on its way to the state machine")
	}
}

// While the disk is busy proposals gather and are then written together.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSyncData {
				syncs.Add(1)
				time.Sleep(time.Millisecond) // simulated
			}
			return nil
		}))
		cfg := testConfig(fs)
		cfg.InFlight = 64
		n := mustStart(t, cfg)
		const total = 1000
		var wg sync.WaitGroup
		for i := range total {
			wg.Go(func() {
				if _, _, err := n.group.Propose(t.Context(), fmt.Append(nil, i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s := syncs.Load(); s > total/8 {
			t.Errorf("%d syncs for %d proposals", s, total)
		}
		if got := len(n.ledger.data()); got != total {
			t.Errorf("%d applied", got)
		}
		n.close(t)
	})
}

// Everything acknowledged survives power cuts, in order and once.
func TestPowerCuts(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		fs := vfs.NewCrashableMem()
		if err := makeRoot(fs); err != nil {
			t.Fatal(err)
		}
		var acked []string
		for round := range 4 {
			n := mustStart(t, testConfig(fs))
			got := n.ledger.data()
			var have []string // some were not acknowledged before the cut
			for _, data := range got {
				if slices.Contains(acked, data) {
					have = append(have, data)
				}
			}
			if !slices.Equal(have, acked) {
				t.Fatalf("seed %d round %d: have %q, want %q", seed, round, have, acked)
			}
			for i := range 5 + rng.IntN(10) {
				data := fmt.Sprintf("%d-%d", round, i)
				n.propose(t, data)
				acked = append(acked, data)
				if rng.IntN(6) == 0 {
					n.seal(t)
				}
			}
			next := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			n.close(t)
			fs = next
		}
	}
}

func makeRoot(fs vfs.FS) error {
	if err := fs.MkdirAll("/data", 0o755); err != nil {
		return err
	}
	d, err := fs.OpenDir("/")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func TestLostLogIsAnError(t *testing.T) {
	fs := vfs.NewMem()
	n := mustStart(t, testConfig(fs))
	n.propose(t, "x")
	n.seal(t)
	n.close(t)
	if err := fs.RemoveAll("/data/wal"); err != nil {
		t.Fatal(err)
	}
	if _, err := startNode(testConfig(fs)); !errors.Is(err, ErrLogLost) {
		t.Fatalf("started without its log: %v", err)
	}
}

func TestLostManifestIsAnError(t *testing.T) {
	fs := vfs.NewMem()
	n := mustStart(t, testConfig(fs))
	n.propose(t, "x")
	n.seal(t)
	n.propose(t, "y")
	n.close(t)
	if err := fs.Remove("/data/manifest"); err != nil {
		t.Fatal(err)
	}
	if _, err := startNode(testConfig(fs)); !errors.Is(err, ErrLogLost) {
		t.Fatalf("started without what its log adjoins: %v", err)
	}
}

func TestTruncateNeedsTheManifest(t *testing.T) {
	n := mustStart(t, testConfig(vfs.NewMem()))
	defer n.close(t)
	index := n.propose(t, "x")
	if err := n.group.Truncate(index); err == nil {
		t.Fatal("truncated what is not sealed")
	}
	n.seal(t)
	if err := n.group.Truncate(index + 1); err == nil {
		t.Fatal("truncated beyond the manifest")
	}
}

// full is a disk that has no space for writes larger than left.
type full struct {
	vfs.FS
	on *atomic.Bool
}

type fullFile struct {
	vfs.File
	on *atomic.Bool
}

func (f full) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return fullFile{file, f.on}, err
}

func (f fullFile) Write(b []byte) (int, error) {
	if f.on.Load() && len(b) > 4<<10 {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	return f.File.Write(b)
}

func (f fullFile) Preallocate(int64, int64) error {
	if f.on.Load() {
		return syscall.ENOSPC
	}
	return nil
}

// The leader of a group of one meets a full disk, leads on, takes what frees
// space, and takes everything when there is space again.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var on atomic.Bool
		mem := vfs.NewMem()
		cfg := testConfig(full{mem, &on})
		cfg.OnFatal = func(err error) { t.Errorf("fatal: %v", err) }
		n := mustStart(t, cfg)
		large := strings.Repeat("x", 64<<10)
		want := []string{"first", "seal", large}
		n.propose(t, "first")
		on.Store(true)
		start := time.Now()
		for range 5 {
			if _, _, err := n.group.Propose(t.Context(), []byte(large)); !errors.Is(err, ErrNoSpace) {
				t.Fatalf("on a full disk: %v", err)
			}
		}
		for {
			_, _, err := n.group.ProposeReserved(t.Context(), []byte("seal"))
			if err == nil {
				break
			}
			if !errors.Is(err, ErrNotLeader) {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		t.Logf("leads again after %v", time.Since(start))
		if _, self := n.group.Leader(); !self {
			t.Fatal("does not lead")
		}
		on.Store(false)
		n.propose(t, large)
		n.close(t)
		n = mustStart(t, testConfig(mem))
		if got := n.ledger.data(); !slices.Equal(got, want) {
			t.Fatalf("%d commands, want %d", len(got), len(want))
		}
		n.close(t)
	})
}

// Without even space for a vote the member waits instead of panicking.
func TestNoSpaceForAVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var on atomic.Bool
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if on.Load() && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate) {
				return syscall.ENOSPC
			}
			return nil
		}))
		n := mustStart(t, testConfig(fs))
		on.Store(true)
		if _, _, err := n.group.Propose(t.Context(), []byte("x")); !errors.Is(err, ErrNoSpace) {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, _, err := n.group.Propose(t.Context(), []byte("x")); !errors.Is(err, ErrNoSpace) {
			t.Fatal(err)
		}
		on.Store(false)
		n.ready(t)
		n.propose(t, "y")
		if got := n.ledger.data(); !slices.Equal(got, []string{"y"}) {
			t.Fatalf("%q", got)
		}
		on.Store(true)
		_, _, err := n.group.ProposeReserved(t.Context(), []byte("x"))
		if !errors.Is(err, ErrNoSpace) {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		n.close(t) // while the vote waits
	})
}

func TestFailedDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var on atomic.Bool
		boom := errors.New("input/output error")
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if on.Load() && op.Kind == errorfs.OpFileSyncData {
				return boom
			}
			return nil
		}))
		var fatal atomic.Int32
		cfg := testConfig(fs)
		cfg.OnFatal = func(error) { fatal.Add(1) }
		n := mustStart(t, cfg)
		n.propose(t, "x")
		on.Store(true)
		if _, _, err := n.group.Propose(t.Context(), []byte("y")); !errors.Is(err, ErrUncertain) {
			t.Fatalf("%v, want uncertain", err)
		}
		on.Store(false)
		for range 3 {
			time.Sleep(2 * time.Second)
			if _, _, err := n.group.Propose(t.Context(), []byte("z")); !errors.Is(err, ErrShutdown) {
				t.Fatalf("accepted after the disk failed: %v", err)
			}
		}
		if fatal.Load() != 1 {
			t.Fatalf("OnFatal was called %d times", fatal.Load())
		}
		if err := n.host.Close(); !errors.Is(err, wal.ErrFailed) {
			t.Fatalf("close: %v", err)
		}
	})
}

func TestContextEndsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var hang atomic.Bool
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if hang.Load() && op.Kind == errorfs.OpFileSyncData {
				<-release
			}
			return nil
		}))
		cfg := testConfig(fs)
		cfg.InFlight = 1
		n := mustStart(t, cfg)
		hang.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := n.group.Propose(ctx, []byte("x"))
		if !errors.Is(err, ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		// The next one does not get past the limit, so it is not uncertain.
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := n.group.Propose(ctx, []byte("y")); errors.Is(err, ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		hang.Store(false)
		close(release)
		n.propose(t, "z")
		if got := n.ledger.data(); !slices.Equal(got, []string{"x", "z"}) {
			t.Fatalf("%q", got)
		}
		n.close(t)
	})
}

func TestCloseAnswersEverybody(t *testing.T) {
	n := mustStart(t, testConfig(vfs.NewMem()))
	var wg sync.WaitGroup
	var acked atomic.Int64
	for range 8 {
		wg.Go(func() {
			for {
				_, _, err := n.group.Propose(t.Context(), []byte("x"))
				if err != nil {
					if !errors.Is(err, ErrShutdown) && !errors.Is(err, ErrNotLeader) {
						t.Error(err)
					}
					return
				}
				acked.Add(1)
			}
		})
	}
	for acked.Load() < 100 {
		n.propose(t, "x")
		acked.Add(1)
	}
	n.close(t)
	wg.Wait()
	if got := int64(len(n.ledger.data())); got != acked.Load() {
		t.Fatalf("%d applied, %d acknowledged", got, acked.Load())
	}
}

func TestConfigValidate(t *testing.T) {
	err := Config{ElectionTimeout: 1, InFlight: -1, Lanes: -1}.Validate()
	for _, want := range []string{"NodeID", "ElectionTimeout", "InFlight", "Lanes", "FS", "Dir"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestStartTwice(t *testing.T) {
	n := mustStart(t, testConfig(vfs.NewMem()))
	if _, err := n.host.Start(7, n.ledger); err == nil {
		t.Fatal("started twice")
	}
	n.close(t)
	if _, err := n.host.Start(8, n.ledger); !errors.Is(err, ErrShutdown) {
		t.Fatal(err)
	}
}

// The library says so of commands that are committed, too.
func TestShutdownOfTheLibraryIsUncertain(t *testing.T) {
	if err := (&Group{}).outcome(hraft.ErrRaftShutdown); !errors.Is(err, ErrUncertain) || !errors.Is(err, ErrShutdown) {
		t.Errorf("%v, want ErrUncertain and ErrShutdown", err)
	}
}

package catalogue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/raft"
)

// member is a node's host with the catalogue's group alone.
type member struct {
	host  *raft.Host
	group *raft.Group
	c     *Catalogue
}

// begin starts a member that has these voters if nothing is stored.
func begin(t testing.TB, node string, fs vfs.FS, store Store, streams func(uint32) (raft.Streams, error), voters ...string) member {
	t.Helper()
	h, err := raft.Open(raft.Config{
		NodeID: node, FS: fs, Dir: path.Join("/data", "wal"), FileSize: 64 << 10, Reserve: 32 << 10, SlowDisk: -1, Streams: streams,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := mustOpen(t, store)
	g, err := h.StartWith(Group, c, voters)
	if err != nil {
		t.Fatal(err)
	}
	c.Attach(g)
	return member{h, g, c}
}

// start starts a member that is alone, and waits for what is in its log.
func start(t testing.TB, fs vfs.FS, store Store) member {
	t.Helper()
	m := begin(t, nodeA, fs, store, nil, nodeA)
	m.lead(t)
	return m
}

func (m member) lead(t testing.TB) {
	t.Helper()
	if err := errors.Join(m.group.WaitLeader(t.Context()), m.group.Barrier(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func (m member) propose(t testing.TB, command Command) *State {
	t.Helper()
	s, err := m.c.Propose(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (m member) close(t testing.TB) {
	t.Helper()
	if err := m.host.Close(); err != nil {
		t.Fatal(err)
	}
}

// run runs the saver until the function that is returned is called.
func (m member) run(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.c.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestGroupOfOne proposes, saves, cuts the log and opens again, with commands
// after the last save and without.
func TestGroupOfOne(t *testing.T) {
	fs, store := vfs.NewMem(), &memory{}
	m := start(t, fs, store)
	m.propose(t, initial())
	for i := range 200 {
		m.propose(t, SetTenant{ID: "t", Tenant: Tenant{Shards: []uint32{uint32(i % 4)}}})
	}
	if _, err := m.c.Propose(t.Context(), initial()); !errors.Is(err, ErrConflict) {
		t.Errorf("another cluster: %v", err)
	}
	long := m.group.LogBytes()
	if err := m.c.Save(); err != nil {
		t.Fatal(err)
	}
	if short := m.group.LogBytes(); short >= long/10 {
		t.Fatalf("%d bytes of log, %d after the cut", long, short)
	}
	for round := range 3 {
		want := m.propose(t, PutAction{Action{Name: "test", Outcome: ActionDone, Detail: fmt.Sprint(round)}})
		if round == 1 {
			if err := m.c.Save(); err != nil {
				t.Fatal(err)
			}
		}
		m.close(t)
		m = start(t, fs, store)
		same(t, "opened again", m.c.State(), want)
	}
	// Nothing was proposed: another leader may have it already.
	before := m.group.Applied()
	for _, c := range []Command{SetHealing{}, PutAction{Action{Name: "x", Outcome: "?"}}} {
		if _, err := m.c.Propose(t.Context(), c); !errors.Is(err, ErrInvalid) {
			t.Errorf("%#v: %v", c, err)
		}
	}
	if after := m.group.Applied(); after != before {
		t.Errorf("what can never be right came into the log, %d to %d", before, after)
	}
	m.close(t)
}

// TestRunSavesAndCuts runs the saver over a store that fails first.
func TestRunSavesAndCuts(t *testing.T) {
	store := &memory{saved: make(chan struct{}, 1), fail: errors.New("disk is full")}
	m := start(t, vfs.NewMem(), store)
	stop := m.run(t)
	m.propose(t, initial())
	<-store.saved
	if _, ok := m.c.Snapshot(); ok {
		t.Fatal("a save that failed is told as durable")
	}
	store.set(nil)
	s := m.propose(t, SetHealing{Name: "move"})
	for pos, ok := m.c.Snapshot(); !ok || pos.Index != s.Index; pos, ok = m.c.Snapshot() {
		<-store.saved
		func() { // until the catalogue has taken note
			m.c.saving.Lock()
			defer m.c.saving.Unlock()
		}()
	}
	stop()
	m.close(t)
}

// file is a Store as a node may have it.
type file struct{ fs vfs.FS }

const filePath = "/data/catalogue"

func (f file) Load() ([]byte, error) {
	r, err := f.fs.Open(filePath)
	if err != nil {
		return nil, nil // there is none yet
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (f file) Save(data []byte) error {
	w, err := f.fs.Create(filePath+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
		return err
	}
	if err := f.fs.Rename(filePath+".new", filePath); err != nil {
		return err
	}
	return syncFolder(f.fs, "/data")
}

func syncFolder(fs vfs.FS, folder string) error {
	d, err := fs.OpenDir(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// TestPowerCuts cuts the power of log and store while commands come and every
// one is saved: what was acknowledged is there, and is what it was.
func TestPowerCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	fs := vfs.NewCrashableMem()
	if err := errors.Join(fs.MkdirAll("/data", 0o755), syncFolder(fs, "/")); err != nil {
		t.Fatal(err)
	}
	var known sync.Map // index to the state as it was acknowledged
	acknowledged := uint64(0)
	for round := range 12 {
		m := start(t, fs, file{fs})
		s := m.c.State()
		if s.Index < acknowledged {
			t.Fatalf("round %d: state of index %d, %d was acknowledged", round, s.Index, acknowledged)
		}
		if want, ok := known.Load(s.Index); ok && !bytes.Equal(written(t, s), want.([]byte)) {
			t.Fatalf("round %d:\n got %s\nwant %s", round, written(t, s), want)
		}
		if s.Cluster == "" {
			m.propose(t, initial())
		}
		stop := m.run(t)
		enough, cut := make(chan uint64), make(chan struct{})
		var proposing sync.WaitGroup
		proposing.Go(func() {
			after := 5 + rng.IntN(40)
			for i := 0; ; i++ {
				s, err := m.c.Propose(t.Context(), random(rand.New(rand.NewPCG(uint64(round), uint64(i))), m.c.State()))
				if err == nil {
					known.Store(s.Index, written(t, s))
				}
				if i == after {
					enough <- m.c.State().Index
				}
				select {
				case <-cut:
					return
				default:
				}
			}
		})
		acknowledged = <-enough
		next := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		close(cut)
		proposing.Wait()
		stop()
		m.close(t)
		fs = next
		// What came after the cut has not happened.
		known.Range(func(index, _ any) bool {
			if index.(uint64) > acknowledged {
				known.Delete(index)
			}
			return true
		})
	}
}

// network says where on this machine the nodes are.
type network struct {
	mu    sync.Mutex
	where map[string]string
}

type streams struct {
	net.Listener
	n *network
}

func (n *network) streams(t testing.TB, node string) func(uint32) (raft.Streams, error) {
	return func(uint32) (raft.Streams, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.where[node] = l.Addr().String()
		return streams{l, n}, nil
	}
}

func (s streams) Dial(node string, timeout time.Duration) (net.Conn, error) {
	s.n.mu.Lock()
	address := s.n.where[node]
	s.n.mu.Unlock()
	return net.DialTimeout("tcp", address, timeout)
}

// TestSecondNode adds a member whose log begins after the cut: it gets the
// saved state, follows, proposes through the leader, and starts again.
func TestSecondNode(t *testing.T) {
	n := &network{where: map[string]string{}}
	a := begin(t, nodeA, vfs.NewMem(), &memory{}, n.streams(t, nodeA), nodeA)
	a.lead(t)
	a.propose(t, initial())
	for range 100 {
		a.propose(t, SetWanted{Shard: 1, Wanted: 3})
	}
	if err := a.c.Save(); err != nil {
		t.Fatal(err)
	}
	fs, store := vfs.NewMem(), &memory{}
	b := begin(t, nodeB, fs, store, n.streams(t, nodeB))
	if err := a.group.AddLearner(t.Context(), nodeB); err != nil {
		t.Fatal(err)
	}
	catchUp := func() {
		t.Helper()
		want := a.propose(t, SetHealing{Name: "move"})
		got, err := b.c.Wait(t.Context(), want.Index)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the second node", got, want)
	}
	catchUp()
	if pos, ok := b.c.Snapshot(); !ok || pos.Index < 100 {
		t.Fatalf("the second node was given no snapshot: %+v", pos)
	}

	// By way of the leader.
	var elsewhere NotLeaderError
	if _, err := b.c.Propose(t.Context(), PutNode{Node: node(nodeB)}); !errors.As(err, &elsewhere) || elsewhere.Leader != nodeA {
		t.Fatalf("propose on a follower: %v", err)
	}
	encoded := Encode(PutNode{Node: node(nodeB)})
	if result, err := b.c.ProposeEncoded(t.Context(), encoded); !errors.As(DecodeResult(result), &elsewhere) || !errors.Is(err, raft.ErrNotLeader) {
		t.Fatalf("propose on a follower: %x, %v", result, err)
	}
	result, err := a.c.ProposeEncoded(t.Context(), encoded)
	if err != nil {
		t.Fatal(err)
	}
	index, err := ResultIndex(result)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := b.c.Wait(t.Context(), index); err != nil || s.Nodes[nodeB].Name != node(nodeB).Name || s.Nodes[nodeB].Since == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, test := range []struct {
		encoded []byte
		want    error
	}{
		{[]byte("no command"), ErrCommand},
		{Encode(SetReplicas{Shard: 99, Replicas: []Replica{{Node: nodeA, Role: Voter}}}), ErrUnknownShard},
	} {
		if result, err := a.c.ProposeEncoded(t.Context(), test.encoded); !errors.Is(err, test.want) || !errors.Is(DecodeResult(result), test.want) {
			t.Errorf("%q: %x, %v", test.encoded, result, err)
		}
	}

	// It saves and cuts by itself, and starts from that.
	if err := b.c.Save(); err != nil {
		t.Fatal(err)
	}
	b.close(t)
	b = begin(t, nodeB, fs, store, n.streams(t, nodeB))
	if b.c.State().Index < index {
		t.Errorf("state of index %d after a restart, it had %d", b.c.State().Index, index)
	}
	catchUp()
	b.close(t)
	a.close(t)
}

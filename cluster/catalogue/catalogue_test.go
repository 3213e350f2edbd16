package catalogue

import (
	"context"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/raft"
)

const (
	clusterID = "00000000000000aa"
	nodeA     = "000000000000000a"
	nodeB     = "000000000000000b"
)

// memory is a Store that fails when it is told to.
type memory struct {
	mu    sync.Mutex
	data  []byte
	saves int
	fail  error
	saved chan struct{} // if not nil: gets a value when a save was asked for
}

func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.data), nil
}

func (m *memory) Save(data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saved != nil {
		poke(m.saved)
	}
	if m.fail != nil {
		return m.fail
	}
	m.data = slices.Clone(data)
	m.saves++
	return nil
}

func (m *memory) set(fail error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

func mustOpen(t testing.TB, store Store) *Catalogue {
	t.Helper()
	clock := int64(1)
	c, err := Open(Config{Store: store, SaveBytes: 1, Now: func() int64 { clock++; return clock }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func node(id string) Node {
	return Node{ID: id, Name: "node-" + id[14:], Zone: "z1", Address: "10.0.0.1:7000", API: "[::1]:7001", Version: "1.0", Formats: Formats{1, 2}}
}

func initial() Init {
	return Init{Cluster: clusterID, Node: node(nodeA), Shards: 4, Time: 1}
}

// member is a node's host with the catalogue's group alone.
type member struct {
	host  *raft.Host
	group *raft.Group
	c     *Catalogue
}

func start(t testing.TB, fs vfs.FS, store Store) member {
	t.Helper()
	h, err := raft.Open(raft.Config{NodeID: nodeA, FS: fs, Dir: path.Join("/data", "wal"), FileSize: 64 << 10, Reserve: 32 << 10, SlowDisk: -1})
	if err != nil {
		t.Fatal(err)
	}
	c := mustOpen(t, store)
	g, err := h.Start(Group, c)
	if err != nil {
		t.Fatal(err)
	}
	c.Attach(g)
	if err := errors.Join(g.WaitLeader(t.Context()), g.Barrier(t.Context())); err != nil {
		t.Fatal(err)
	}
	return member{h, g, c}
}

func (m member) propose(t testing.TB, command Command) *State {
	t.Helper()
	s, err := m.c.Propose(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func same(t testing.TB, what string, got, want *State) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// TestGroupOfOne proposes, saves, cuts the log and opens again, with commands
// after the last save and without.
func TestGroupOfOne(t *testing.T) {
	fs, store := vfs.NewMem(), &memory{}
	m := start(t, fs, store)
	changed, stop := m.c.Watch()
	defer stop()
	m.propose(t, initial())
	<-changed
	for i := range 200 {
		m.propose(t, SetTenant{ID: "t", Tenant: Tenant{Shards: []uint32{uint32(i % 4)}}})
	}
	long := m.group.LogBytes()
	if err := m.c.save(); err != nil {
		t.Fatal(err)
	}
	if short := m.group.LogBytes(); short >= long/10 {
		t.Fatalf("%d bytes of log, %d after the cut", long, short)
	}
	for round := range 3 {
		want := m.propose(t, PutAction{Action{Name: "test", Outcome: ActionDone, Detail: fmt.Sprint(round)}})
		if round == 1 {
			if err := m.c.save(); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.host.Close(); err != nil {
			t.Fatal(err)
		}
		m = start(t, fs, store)
		same(t, "opened again", m.c.State(), want)
	}
	if err := m.host.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRunSavesAndCuts runs the saver over a store that fails first.
func TestRunSavesAndCuts(t *testing.T) {
	store := &memory{saved: make(chan struct{}, 1), fail: errors.New("disk is full")}
	m := start(t, vfs.NewMem(), store)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.c.Run(ctx) }()
	m.propose(t, initial())
	<-store.saved
	if _, ok := m.c.Snapshot(); ok {
		t.Fatal("a save that failed is told as durable")
	}
	store.set(nil)
	s := m.propose(t, SetHealing{Name: "move"})
	for pos, ok := m.c.Snapshot(); !ok || pos.Index != s.Index; pos, ok = m.c.Snapshot() {
		<-store.saved
		m.c.saving.Lock() // until the catalogue has taken note
		m.c.saving.Unlock()
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := m.host.Close(); err != nil {
		t.Fatal(err)
	}
}

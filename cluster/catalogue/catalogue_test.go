package catalogue

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

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
	return Node{ID: id, Name: "node-" + id[14:], Zone: "z1", Address: "10.0.0.1:7000", API: "[::1]:7001", Version: "1.0", Formats: Formats{1, Format}}
}

func initial() Init {
	return Init{Cluster: clusterID, Node: node(nodeA), Shards: 4, Time: 1}
}

func same(t testing.TB, what string, got, want *State) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func TestConfig(t *testing.T) {
	if _, err := Open(Config{SaveBytes: -1}); err == nil {
		t.Error("no store, and less than nothing between two saves")
	}
	c, err := Open(Config{Store: &memory{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Snapshot(); ok || c.State().Cluster != "" {
		t.Error("a new catalogue is not empty")
	}
	if _, err := c.OpenSnapshot(); err == nil {
		t.Error("a snapshot of nothing")
	}
	if _, err := c.Propose(t.Context(), initial()); !errors.Is(err, raft.ErrNotLeader) {
		t.Errorf("propose without a log: %v", err)
	}
}

// TestMembersOfThePosition: a change of the members after the newest command
// is of none of the positions before it.
func TestMembersOfThePosition(t *testing.T) {
	c := mustOpen(t, &memory{})
	command := Encode(initial())
	c.Configured(1, []byte("one"))
	c.Apply(2, 1, command)
	c.Configured(3, []byte("two"))
	for _, want := range []raft.Position{
		{Index: 2, Term: 1, Configuration: []byte("one"), ConfigurationIndex: 1},
		{Index: 4, Term: 2, Configuration: []byte("two"), ConfigurationIndex: 3}, // of a command that is refused
	} {
		if err := c.Save(); err != nil {
			t.Fatal(err)
		}
		if pos, ok := c.Snapshot(); !ok || !reflect.DeepEqual(pos, want) {
			t.Errorf("%+v, want %+v", pos, want)
		}
		c.Apply(4, 2, command)
	}
}

// TestRestoreFails: what could not be read or stored changes nothing.
func TestRestoreFails(t *testing.T) {
	from := mustOpen(t, &memory{})
	from.Configured(1, []byte("one"))
	from.Apply(2, 1, Encode(initial()))
	if err := from.Save(); err != nil {
		t.Fatal(err)
	}
	pos, _ := from.Snapshot()
	snapshot := from.cfg.Store.(*memory).data

	store := &memory{}
	to := mustOpen(t, store)
	before := to.State()
	other := pos
	other.Index++
	broken := errors.New("disk is broken")
	for _, test := range []struct {
		pos  raft.Position
		data []byte
		fail error
		want error
	}{
		{pos, snapshot[1:], nil, ErrCorrupt},
		{other, snapshot, nil, nil},
		{pos, snapshot, broken, broken},
	} {
		store.set(test.fail)
		err := to.Restore(test.pos, bytes.NewReader(test.data))
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%v, want %v", err, test.want)
		}
		if _, ok := to.Snapshot(); ok || to.State() != before {
			t.Error("a snapshot that failed is there")
		}
	}
	store.set(nil)
	changed, stop := to.Watch()
	defer stop()
	if err := to.Restore(pos, bytes.NewReader(snapshot)); err != nil {
		t.Fatal(err)
	}
	<-changed
	same(t, "restored", to.State(), from.State())
}

// TestWatch: changes while nobody looks are one, and none comes after stop.
func TestWatch(t *testing.T) {
	c := mustOpen(t, &memory{})
	changed, stop := c.Watch()
	c.Apply(2, 1, Encode(initial()))
	c.Apply(3, 1, Encode(SetHealing{Name: "move", Time: 1}))
	<-changed
	c.Apply(4, 1, []byte("no command"))
	select {
	case <-changed:
		t.Error("two values for two changes in quick succession, or one for none")
	default:
	}
	stop()
	c.Apply(5, 1, Encode(SetHealing{Name: "drain", Time: 1}))
	select {
	case <-changed:
		t.Error("a value after the end")
	default:
	}
	if s, err := c.Wait(t.Context(), 5); err != nil || s.Index != 5 {
		t.Errorf("%+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Wait(ctx, 6); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
}

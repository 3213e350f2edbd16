package raft

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// hanging is a disk whose syncs do not return while it is frozen.
type hanging struct {
	vfs.FS

	mu     sync.Mutex
	thawed chan struct{} // nil: it is not frozen
}

func (d *hanging) freeze() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.thawed = make(chan struct{})
}

func (d *hanging) thaw() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.thawed != nil {
		close(d.thawed)
	}
	d.thawed = nil
}

func (d *hanging) wait() {
	d.mu.Lock()
	thawed := d.thawed
	d.mu.Unlock()
	if thawed != nil {
		<-thawed
	}
}

func (d *hanging) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return &hangingFile{f, d}, nil
}

func (d *hanging) Unwrap() vfs.FS { return d.FS }

type hangingFile struct {
	vfs.File
	disk *hanging
}

func (f *hangingFile) Sync() error     { f.disk.wait(); return f.File.Sync() }
func (f *hangingFile) SyncData() error { f.disk.wait(); return f.File.SyncData() }

// frozen runs a cluster whose disks can be frozen.
func frozen(t *testing.T, size int, test func(c *cluster, disks map[string]*hanging)) {
	synctest.Test(t, func(t *testing.T) {
		disks := map[string]*hanging{}
		defer func() {
			for _, disk := range disks {
				disk.thaw() // also where the test failed: members end with it
			}
		}()
		test(newClusterOn(t, size, func(name string, fs vfs.FS) vfs.FS {
			if disks[name] == nil {
				disks[name] = &hanging{FS: fs}
			}
			return disks[name]
		}), disks)
	})
}

// TestHungDiskEndsLeadership: a leader whose disk hangs hands over within three
// seconds, says so to who waits, and what was acknowledged stays once it is back.
func TestHungDiskEndsLeadership(t *testing.T) {
	frozen(t, 3, func(c *cluster, disks map[string]*hanging) {
		t := c.t
		var want []string
		add := func() {
			want = append(want, fmt.Sprint("command ", len(want)))
			c.propose(want[len(want)-1])
		}
		for round := range 6 {
			add()
			c.agree(want)
			old := c.leader()
			group := c.nodes[old].group
			disks[old].freeze()
			began := time.Now()
			// The one under way learns that it must ask elsewhere; so do those that come.
			if _, _, err := group.Propose(t.Context(), fmt.Append(nil, "hung ", round)); !errors.Is(err, ErrUncertain) {
				t.Fatalf("a proposal to a hung disk: %v", err)
			}
			if _, _, err := group.Propose(t.Context(), []byte("late")); !errors.Is(err, ErrNotLeader) {
				t.Errorf("a proposal while the disk hangs: %v", err)
			}
			if _, err := group.ReadIndex(t.Context()); !errors.Is(err, ErrNotLeader) {
				t.Errorf("a read while the disk hangs: %v", err)
			}
			if leader, self := group.Leader(); self || leader == old {
				t.Errorf("the member with the hung disk says that it leads")
			}
			add()
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("round %d: handed over after %v", round, took)
			} else if took < time.Second {
				t.Errorf("round %d: handed over after %v, the disk did not hang", round, took)
			}
			if leader := c.leader(); leader == old {
				t.Fatal("the same member leads")
			}
			time.Sleep(time.Duration(round) * time.Second)
			disks[old].thaw()
			c.agree(want)
			for _, name := range c.names {
				for _, m := range c.names {
					if s, ok := c.nodes[name].group.facade.server(m); !ok || s.Suffrage != hraft.Voter {
						t.Errorf("round %d: to %s, %s is no voter", round, name, m)
					}
				}
			}
		}
	})
}

// TestHungDiskDoesNotVote: who cannot store a vote gives none, and a member that
// is asked to lead and cannot is passed over.
func TestHungDiskDoesNotVote(t *testing.T) {
	frozen(t, 3, func(c *cluster, disks map[string]*hanging) {
		t := c.t
		c.propose("first")
		old := c.leader()
		hung := c.other(old)
		disks[hung].freeze()
		c.propose("second") // the other two have it
		c.until("the disk hangs", c.nodes[hung].host.log.Hangs)
		if err := c.nodes[old].group.Transfer(t.Context(), hung); err == nil {
			t.Error("a member whose disk hangs is to lead")
		}
		if old = c.leader(); old == hung { // it gave up to transfer
			t.Fatal("a member leads whose disk hangs")
		}
		disks[old].freeze()
		go c.nodes[old].group.Propose(context.Background(), []byte("hung"))
		c.until("the leader hangs", c.nodes[old].host.log.Hangs)
		time.Sleep(10 * time.Second)
		for _, name := range c.names {
			if _, self := c.nodes[name].group.Leader(); self {
				t.Errorf("%s leads, though two of three disks hang", name)
			}
		}
		disks[hung].thaw()
		c.propose("third")
		disks[old].thaw()
		c.propose("fourth")
		got := []string{}
		for _, data := range c.nodes[c.leader()].ledger.data() {
			if data != "hung" { // it may have come, or not
				got = append(got, data)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint([]string{"first", "second", "third", "fourth"}) {
			t.Errorf("the group has %q", got)
		}
	})
}

// TestAloneWaitsForItsDisk: a group of one has nobody to hand over to.
func TestAloneWaitsForItsDisk(t *testing.T) {
	frozen(t, 1, func(c *cluster, disks map[string]*hanging) {
		t := c.t
		c.propose("first")
		disks["n1"].freeze()
		time.AfterFunc(8*time.Second, disks["n1"].thaw)
		if _, _, err := c.nodes["n1"].group.Propose(t.Context(), []byte("second")); err != nil {
			t.Fatal(err)
		}
		if _, self := c.nodes["n1"].group.Leader(); !self {
			t.Error("it does not lead any more")
		}
		c.agree([]string{"first", "second"})
	})
}

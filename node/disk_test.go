package node_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/node"
)

// roomyDisk is a disk that can be said to be full, or of which syncs of a folder fail.
type roomyDisk struct {
	vfs.FS
	full atomic.Bool
	used atomic.Bool            // up is the quota for the log, of which GetDiskUsage does not tell
	bad  atomic.Pointer[string] // the folder
}

func (d *roomyDisk) OpenDir(name string) (vfs.File, error) {
	folder, err := d.FS.OpenDir(name)
	return badFolder{folder, d, name}, err
}

type badFolder struct {
	vfs.File
	disk *roomyDisk
	name string
}

func (f badFolder) Sync() error {
	if bad := f.disk.bad.Load(); bad != nil && strings.HasPrefix(f.name, *bad) {
		return syscall.EIO
	}
	return f.File.Sync()
}

func (d *roomyDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	if err != nil || !isLog(name) {
		return f, err
	}
	return quotaFile{f, d}, nil
}

// quotaFile is one of the log, which finds no space for much.
type quotaFile struct {
	vfs.File
	disk *roomyDisk
}

func (f quotaFile) Write(p []byte) (int, error) {
	if f.disk.used.Load() && len(p) > 4<<10 {
		return 0, syscall.EDQUOT
	}
	return f.File.Write(p)
}

func (f quotaFile) Preallocate(offset, length int64) error {
	if f.disk.used.Load() {
		return syscall.EDQUOT
	}
	return f.File.Preallocate(offset, length)
}

func (d *roomyDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	usage := vfs.DiskUsage{TotalBytes: 100 << 30, AvailBytes: 50 << 30, UsedBytes: 50 << 30}
	if d.full.Load() {
		usage.AvailBytes, usage.UsedBytes = 1<<20, 100<<30
	}
	return usage, nil
}

func (d *roomyDisk) Unwrap() vfs.FS { return d.FS }

// three is a cluster of three nodes in virtual time with a replica of the one
// shard on each.
type three struct {
	*street
	nodes []*dweller
	disks []*roomyDisk
	slow  []atomic.Int64 // how long a sync of the log takes, ns
}

func newThree(t *testing.T) *three {
	c := &three{street: newStreet(t), slow: make([]atomic.Int64, 3)}
	for i := range 3 {
		ip := fmt.Sprint("10.0.0.", i+1)
		cluster := node.ClusterConfig{Name: fmt.Sprint("n", i), Listen: ip, Replicas: 3, BootstrapExpect: 3, Join: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}}
		c.nodes = append(c.nodes, c.start(ip, cluster, func(cfg *node.Config) {
			c.street.disks[ip].SyncTime(func(path string) time.Duration {
				if !isLog(path) {
					return 0
				}
				return time.Duration(c.slow[i].Load())
			})
			c.disks = append(c.disks, &roomyDisk{FS: cfg.FS})
			cfg.FS, cfg.Ingest.Timeout, cfg.LogFileBytes = c.disks[i], 20*time.Second, 16<<10
		}))
	}
	for _, n := range c.nodes {
		n.ready(t)
	}
	c.until("every replica votes", func() bool {
		for _, shard := range c.nodes[0].node.Cluster().State().Shards {
			for _, r := range shard.Replicas {
				if r.Role != catalogue.Voter {
					return false
				}
			}
			return len(shard.Replicas) == 3
		}
		return false
	})
	return c
}

func (c *three) until(what string, holds func() bool) {
	c.t.Helper()
	for end := time.Now().Add(5 * time.Minute); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("it did not happen that %s", what)
		}
	}
}

// leader returns which node says that it leads the shard, -1 for none.
func (c *three) leader() int {
	for i, n := range c.nodes {
		if n == nil {
			continue
		}
		report := n.node.Cluster().Reports(c.t.Context())[n.node.ID()]
		for _, r := range report.Replicas {
			if r.Leads {
				return i
			}
		}
	}
	return -1
}

func (c *three) stop() {
	for i := range c.nodes {
		c.disks[i].full.Store(false)
		c.disks[i].used.Store(false)
		c.slow[i].Store(0)
	}
	time.Sleep(15 * time.Second)
	for _, n := range c.nodes {
		if n != nil {
			n.stop(c.t)
		}
	}
	settle()
}

// TestFullDiskHandsOver: what a leader with a full disk leads is led at once by
// a replica with room, and writers through any node notice nothing; only when no
// replica has room are records refused.
func TestFullDiskHandsOver(t *testing.T) {
	warm(t)
	synctest.Test(t, func(t *testing.T) {
		c := newThree(t)
		defer c.stop()
		count := 0
		write := func(i int) error {
			_, err := write(c.nodes[i].node, "default", "", fmt.Sprint("line ", count))
			if err == nil {
				count++
			}
			return err
		}
		if err := write(0); err != nil {
			t.Fatal(err)
		}
		old := c.leader()
		c.disks[old].full.Store(true)
		for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
			for i := range c.nodes {
				at := time.Now()
				if err := write(i); err != nil {
					t.Fatalf("after %v through node %d: %v", time.Since(began), i, err)
				}
				if took := time.Since(at); took > 3*time.Second {
					t.Errorf("after %v through node %d: a write took %v", time.Since(began), i, took)
				}
			}
		}
		if leader := c.leader(); leader == old || leader < 0 {
			t.Errorf("node %d leads, the disk of %d is full", leader, old)
		}
		for i := range c.disks {
			c.disks[i].full.Store(true)
		}
		c.until("records are refused", func() bool { return errors.Is(write(0), ingest.ErrNoSpace) })
		for i := range c.disks {
			c.disks[i].full.Store(false)
		}
		c.until("records are taken again", func() bool { return write(1) == nil })
		for i, n := range c.nodes {
			if got := len(search(t, n.node, "default", "line")); got != count {
				t.Errorf("node %d finds %d records, want %d", i, got, count)
			}
		}
	})
}

// TestLogWithoutSpaceHandsOver: a leader whose log finds no space, of which the file system does
// not tell or not yet, hands over like one whose disk is seen to be full: while a replica has
// room no record is refused, and none is once there is room.
func TestLogWithoutSpaceHandsOver(t *testing.T) {
	warm(t)
	synctest.Test(t, func(t *testing.T) {
		c := newThree(t)
		defer c.stop()
		count := 0
		rng := rand.New(rand.NewPCG(1, 1))
		write := func(i int) error {
			line := []byte(fmt.Sprint("line ", count))
			for range 40 << 10 { // more than what a full log still takes, however it is compressed
				line = append(line, byte('!'+rng.IntN(90)))
			}
			_, err := write(c.nodes[i].node, "default", "", string(line))
			if err == nil {
				count++
			}
			return err
		}
		handsOver := func() {
			t.Helper()
			old := c.leader()
			if old < 0 {
				t.Fatal("nobody leads")
			}
			c.disks[old].used.Store(true)
			for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(500 * time.Millisecond) {
				for i := range c.nodes {
					if err := write(i); err != nil {
						t.Fatalf("after %v through node %d: %v", time.Since(began), i, err)
					}
				}
			}
			if c.leader() == old {
				t.Errorf("node %d leads, its log has no space", old)
			}
			c.disks[old].used.Store(false)
			time.Sleep(10 * time.Second)
		}
		handsOver()
		if !testing.Short() {
			handsOver()
		}
		for i := range c.disks {
			c.disks[i].used.Store(true)
		}
		c.until("records are refused", func() bool { return errors.Is(write(0), ingest.ErrNoSpace) })
		for i := range c.disks {
			c.disks[i].used.Store(false)
		}
		c.until("records are taken again", func() bool { return write(1) == nil })
		for i := range c.disks { // as the file systems tell, and the leader is the first with room
			c.disks[i].full.Store(true)
		}
		c.until("records are refused", func() bool { return errors.Is(write(0), ingest.ErrNoSpace) })
		first := c.leader()
		if first < 0 {
			t.Fatal("nobody leads")
		}
		c.disks[first].full.Store(false)
		c.until("records are taken again", func() bool { return write(1) == nil })
		for i := range c.disks {
			c.disks[i].full.Store(false)
		}
		time.Sleep(10 * time.Second)
		handsOver() // that none had room once is forgotten
		for i, n := range c.nodes {
			if got := len(search(t, n.node, "default", "line")); got != count {
				t.Errorf("node %d finds %d records, want %d", i, got, count)
			}
		}
	})
}

// TestHungDiskHandsOver: while the disk of a leader hangs, writers wait for
// three seconds at most, through whatever node, and nothing is stored twice.
func TestHungDiskHandsOver(t *testing.T) {
	warm(t)
	synctest.Test(t, func(t *testing.T) {
		c := newThree(t)
		defer c.stop()
		count := 0
		for round := range 3 {
			old := c.leader()
			if old < 0 {
				t.Fatal("nobody leads")
			}
			c.slow[old].Store(int64(8 * time.Second)) // less than ends the node
			for _, i := range []int{(round + old) % 3, (round + old + 1) % 3, old} {
				at := time.Now()
				if _, err := write(c.nodes[i].node, "default", "", fmt.Sprint("line ", count)); err != nil {
					t.Fatalf("through node %d while the disk of %d hangs: %v", i, old, err)
				}
				count++
				if took := time.Since(at); took > 3*time.Second {
					t.Errorf("through node %d while the disk of %d hangs: a write took %v", i, old, took)
				}
			}
			if leader := c.leader(); leader == old {
				t.Errorf("node %d leads, and its disk hangs", leader)
			}
			c.slow[old].Store(0)
			time.Sleep(20 * time.Second)
			for i, n := range c.nodes {
				if got := len(search(t, n.node, "default", "line")); got != count {
					t.Errorf("node %d finds %d records, want %d", i, got, count)
				}
			}
		}
	})
}

// TestFolderThatDoesNotSync: a node whose disk fails to sync the folder of the log, or of
// the store, ends with an error that says so, and acknowledges nothing from then on. The
// others go on.
func TestFolderThatDoesNotSync(t *testing.T) {
	warm(t)
	for _, folder := range []string{"data/log", "data/store/keys"} {
		t.Run(folder, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testFolderThatDoesNotSync(t, folder) })
		})
	}
}

func testFolderThatDoesNotSync(t *testing.T, folder string) {
	c := newThree(t)
	defer c.stop()
	acknowledged, unknown := 0, 0
	try := func(i int) error {
		line := fmt.Sprint("line ", acknowledged+unknown, strings.Repeat(" and more of it", 50))
		_, err := write(c.nodes[i].node, "default", "", line)
		if err != nil {
			unknown++
			return fmt.Errorf("through node %d: %w", i, err)
		}
		acknowledged++
		return nil
	}
	write := func(i int) {
		if err := try(i); err != nil {
			t.Fatal(err)
		}
	}
	old := c.leader()
	if old < 0 {
		t.Fatal("nobody leads")
	}
	write(old)
	victim := c.nodes[old]
	c.disks[old].bad.Store(&folder)
	var ended error
	c.until("the node ends", func() bool {
		err := try((old + 1) % 3) // the log may be what fails: then it is the leader's last
		flushing, cancel := context.WithTimeout(t.Context(), time.Second)
		_ = victim.node.Flush(flushing) // begins files of the store; the node may end meanwhile
		cancel()
		select {
		case ended = <-victim.done:
			return true
		default:
			if err != nil {
				t.Fatal(err)
			}
			return false
		}
	})
	c.nodes[old] = nil
	_ = victim.node.Close() // as a process would end; what it closes has failed
	if !errors.Is(ended, syscall.EIO) {
		t.Errorf("the node ended with %v, want the error of its disk", ended)
	}
	if !victim.log.has("has failed") || !victim.log.has("input/output error") {
		t.Error("the log of the node does not say why it ended")
	}
	for i, n := range c.nodes {
		if n != nil {
			write(i)
			if got := len(search(t, n.node, "default", "line")); got < acknowledged || got > acknowledged+unknown {
				t.Errorf("node %d finds %d records, want %d, or %d more that were not acknowledged", i, got, acknowledged, unknown)
			}
		}
	}
}

package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// smallDisk is a file system of which it is known how much is free, and that may be full.
type smallDisk struct {
	vfs.FS
	full atomic.Bool
}

func newSmallDisk() *smallDisk {
	d := &smallDisk{}
	d.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if d.full.Load() && op.Kind == errorfs.OpFileWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
	return d
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	usage := vfs.DiskUsage{TotalBytes: 1 << 30, AvailBytes: 1 << 29, UsedBytes: 1 << 29}
	if d.full.Load() {
		usage.AvailBytes, usage.UsedBytes = 0, usage.TotalBytes
	}
	return usage, nil
}

// TestFullDiskIsSaidOnce: when it begins and when it has ended, and again when it recurs; the
// ballast is given back and taken again.
func TestFullDiskIsSaidOnce(t *testing.T) {
	disk, log := newSmallDisk(), &bytes.Buffer{}
	e := open(t, Config{FS: disk, Logger: slog.New(slog.NewTextHandler(log, nil))})
	name := disk.PathJoin("data/store", BallastName)
	has := func(want bool) {
		t.Helper()
		if _, err := disk.Stat(name); (err == nil) != want {
			t.Errorf("the ballast is there: %v", err == nil)
		}
	}
	write := func() error {
		f, err := e.fs.Create("data/store/a file", vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		_, err = f.Write([]byte("what is written"))
		return errors.Join(err, f.Close())
	}
	for round := 1; round <= 2; round++ {
		has(true)
		disk.full.Store(true)
		for range 50 {
			if err := write(); !IsNoSpace(err) {
				t.Fatalf("on a full disk: %v", err)
			}
			e.backgroundError(syscall.ENOSPC)
		}
		has(false)
		e.LookForRoom()
		has(false)
		disk.full.Store(false)
		if round == 1 {
			var b Batch
			b.Set([]byte("k"), []byte("v"))
			if err := e.Commit(&b); err != nil {
				t.Fatal(err)
			}
		} else { // nobody writes
			e.LookForRoom()
		}
		has(true)
		if began, ended := strings.Count(log.String(), "the disk is full"), strings.Count(log.String(), "has room for the store again\" writes_without=100"); began != round || ended != round {
			t.Fatalf("said %d times that the disk is full, %d times that it has room, want %d:\n%s", began, ended, round, log)
		}
	}
}

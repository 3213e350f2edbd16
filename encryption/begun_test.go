package encryption

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The key of a file that was begun stays, also while nothing of the file is on the
// disk but its headers, whatever is rotated and forgotten meanwhile.
func TestKeyOfBegunFileStays(t *testing.T) {
	disk := vfs.NewMem()
	cfg := testConfig(t, disk)
	f := mustOpen(t, cfg)
	files := map[string]vfs.File{}
	for name, category := range map[string]vfs.DiskWriteCategory{"data/log": unspec, "data/log.new": unspec, "data/table.sst": unspec, "data/shop.sst": "owner:shop"} {
		file, err := f.Create(name, category)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
	}
	if _, err := files["data/shop.sst"].Write([]byte("collected")); err != nil {
		t.Fatal(err)
	}
	if err := f.Prune(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Rename("data/log.new", "data/renamed"), f.Ring().Rotate(), f.Prune()); err != nil {
		t.Fatal(err)
	}
	if s, err := f.Status(); err != nil || len(s.Keys) != 4 || s.OldFiles != 0 {
		t.Errorf("status %+v, %v", s, err)
	}
	for _, file := range files {
		if _, err := file.Write([]byte(" all")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	f = mustOpen(t, cfg)
	for name, want := range map[string]string{"data/log": " all", "data/renamed": " all", "data/table.sst": " all", "data/shop.sst": "collected all"} {
		if got, err := readAll(t, f, name); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A rotation goes on after a restart: what an owner's older key encrypted is still to
// be written anew, although no file has the new key yet.
func TestRotationIsNotForgotten(t *testing.T) {
	cfg := testConfig(t, vfs.NewMem())
	f := mustOpen(t, cfg)
	file, err := f.Create("data/shop", "owner:shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Sync(), file.Close(), f.Ring().Rotate()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if f = mustOpen(t, cfg); f.Prune() != nil {
			t.Fatal("prune")
		}
		if old, err := f.IsOld("data/shop"); !old || err != nil {
			t.Fatalf("after a restart: old %t, %v", old, err)
		}
	}
	if err := errors.Join(f.Remove("data/shop"), f.Prune()); err != nil {
		t.Fatal(err)
	}
	if s, err := f.Status(); err != nil || len(s.Keys) != 1 || s.Keys[0].Owner != "" {
		t.Fatalf("status %+v, %v", s, err)
	}
}

// fullAt is a disk on which files with some ending of their name cannot be created.
type fullAt struct {
	vfs.FS
	ending string
}

func (d *fullAt) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if d.ending != "" && strings.HasSuffix(name, d.ending) {
		return nil, errFull
	}
	return d.FS.Create(name, c)
}

// Wherever the disk is full while a key is forgotten, no file is written with a key
// that one of the copies of the ring does not have.
func TestForgettingOnFullDisk(t *testing.T) {
	for _, ending := range []string{ringCopy + ".new", RingName + ".new"} {
		disk := &fullAt{FS: vfs.NewMem()}
		cfg := testConfig(t, disk)
		f := mustOpen(t, cfg)
		write := func(name string) {
			t.Helper()
			file, err := f.Create(name, "owner:shop")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.Write([]byte("secret")); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(file.Sync(), file.Close()); err != nil {
				t.Fatal(err)
			}
		}
		write("data/first")
		if err := f.Remove("data/first"); err != nil {
			t.Fatal(err)
		}
		disk.ending = ending
		if err := f.Prune(); !errors.Is(err, errFull) {
			t.Fatalf("%s: a full disk: %v", ending, err)
		}
		disk.ending = ""
		write("data/second")
		f = mustOpen(t, cfg)
		if got, err := readAll(t, f, "data/second"); string(got) != "secret" || err != nil {
			t.Errorf("%s: %q, %v", ending, got, err)
		}
	}
}

// A file that is collected before it is written goes on after a write that failed, as
// one that asks again when there is space wants it.
func TestCollectedWritesFail(t *testing.T) {
	disk := &failing{FS: vfs.NewMem(), left: -1}
	f := mustOpen(t, testConfig(t, disk))
	file, err := f.Create("data/table.sst", unspec)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	failed := 0
	for i := range 12 {
		piece := bytes.Repeat([]byte{byte('a' + i)}, chunkBytes/3)
		disk.left = -1
		if i%4 == 3 {
			disk.left = 5000
		}
		_, err := file.Write(piece)
		if errors.Is(err, errFull) {
			failed++
			disk.left = -1
			_, err = file.Write(piece)
		}
		if err != nil {
			t.Fatalf("piece %d: %v", i, err)
		}
		want = append(want, piece...)
	}
	disk.left = 5000
	if err := file.Sync(); !errors.Is(err, errFull) {
		t.Fatalf("sync on a full disk: %v", err)
	}
	disk.left = -1
	if _, err := file.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, f, "data/table.sst"); !bytes.Equal(got, append(want, "end"...)) || err != nil || failed == 0 {
		t.Fatalf("read %d bytes of %d, %v, %d writes failed", len(got), len(want)+3, err, failed)
	}
}

package encryption

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// benchmarkFS runs a benchmark on the disk, encrypted and not.
func benchmarkFS(b *testing.B, run func(b *testing.B, fs vfs.FS, dir string)) {
	for _, name := range []string{"encrypted", "plain"} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			fs := vfs.Default
			if name == "encrypted" {
				masters := mustMasters(b, NewMaster())
				fs = mustOpen(b, Config{FS: fs, Dir: dir, Files: []string{"node.json"}, Keys: func() (*Masters, error) { return masters, nil }})
			}
			run(b, fs, dir)
		})
	}
}

// BenchmarkAppend writes what a log does at once, without syncs.
func BenchmarkAppend(b *testing.B) {
	benchmarkFS(b, func(b *testing.B, fs vfs.FS, dir string) {
		block := make([]byte, 256<<10)
		file, err := fs.Create(fs.PathJoin(dir, "log"), unspec)
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		b.SetBytes(int64(len(block)))
		for n := 0; b.Loop(); n++ {
			if n%256 == 255 { // no file is that long
				_ = file.Close()
				if file, err = fs.Create(fs.PathJoin(dir, "log"), unspec); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := file.Write(block); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReadAt reads a block of a table.
func BenchmarkReadAt(b *testing.B) {
	benchmarkFS(b, func(b *testing.B, fs vfs.FS, dir string) {
		name := fs.PathJoin(dir, "1.sst")
		file, err := fs.Create(name, unspec)
		if err != nil {
			b.Fatal(err)
		}
		if _, err = file.Write(make([]byte, 8<<20)); err == nil {
			err = file.Sync()
		}
		if err != nil || file.Close() != nil {
			b.Fatal(err)
		}
		if file, err = fs.Open(name); err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		block := make([]byte, 8<<10)
		b.SetBytes(int64(len(block)))
		for n := 0; b.Loop(); n++ {
			if _, err := file.ReadAt(block, int64(n*7919%(7<<20))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

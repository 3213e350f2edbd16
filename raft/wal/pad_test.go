package wal

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// pagesFS counts the pages that are on their way to the disk at each sync.
type pagesFS struct {
	vfs.FS
	page    int64
	written int64 // pages
}

type pagesFile struct {
	vfs.File
	fs    *pagesFS
	size  int64
	dirty map[int64]bool
}

func (fs *pagesFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return &pagesFile{File: f, fs: fs, dirty: map[int64]bool{}}, err
}

func (f *pagesFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	for at := f.size / f.fs.page; at*f.fs.page < f.size+int64(n); at++ {
		f.dirty[at] = true
	}
	f.size += int64(n)
	return n, err
}

func (f *pagesFile) SyncData() error {
	f.fs.written += int64(len(f.dirty))
	clear(f.dirty)
	return f.File.SyncData()
}

// A file says how many of its bytes are written together, as one does that encrypts.
func (f *pagesFile) PageBytes() int { return int(f.fs.page) }

// TestNoPageIsWrittenTwice stores batches of many sizes: those of several pages write each
// page once, others leave no room.
func TestNoPageIsWrittenTwice(t *testing.T) {
	for _, c := range []struct {
		name  string
		page  int64
		sizes []int
		twice int64 // pages that are written again, at most: the first and the last too
		room  int64 // bytes that hold nothing, at most
	}{
		{"batches of several pages", 4096, []int{17_000, 40_001, 65_000, 90_123, 33_333, 20_480}, 2, 60 * 4096},
		{"pages of another size", 4048, []int{17_000, 40_001, 65_000, 90_123, 33_333, 20_480}, 2, 60 * 4048},
		{"batches of a page", 4096, []int{100, 900, 4000, 9000}, 60, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := &pagesFS{FS: vfs.NewMem(), page: c.page}
			cfg := Config{FS: fs, Dir: "/data/wal", Lanes: 1, Reserve: -1, SlowDisk: -1}
			w := mustOpen(t, cfg)
			bytes := int64(0)
			for i := range 60 {
				size := c.sizes[i%len(c.sizes)]
				bytes += int64(headerSize + logFixed + size)
				if err := w.Group(1).StoreLog(&hraft.Log{Index: uint64(i + 1), Data: make([]byte, size)}); err != nil {
					t.Fatal(err)
				}
			}
			mustClose(t, w)
			end := int64(w.lanes[0].enc.offset)
			marks := int64(62 * (headerSize + 8*marksMax)) // between batches, when nobody waits
			if room := end - bytes; room > c.room+marks {
				t.Errorf("%d bytes in %d bytes of a file", bytes, end)
			}
			if pages := end/c.page + 1; fs.written > pages+c.twice {
				t.Errorf("%d pages were written, the file has %d", fs.written, pages)
			}
			w = mustOpen(t, cfg)
			for i := range 60 {
				var l hraft.Log
				if err := w.Group(1).GetLog(uint64(i+1), &l); err != nil || len(l.Data) != c.sizes[i%len(c.sizes)] {
					t.Fatalf("entry %d has %d bytes, %v", i+1, len(l.Data), err)
				}
			}
			mustClose(t, w)
		})
	}
}

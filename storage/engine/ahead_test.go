package engine

import (
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestReadAhead opens a store with a few tables and looks at how much of them
// is asked for, in memory and on a disk.
func TestReadAhead(t *testing.T) {
	t.Run("memory", func(t *testing.T) { testReadAhead(t, vfs.NewMem(), "data/store") })
	t.Run("disk", func(t *testing.T) { testReadAhead(t, DiskFS(), filepath.Join(t.TempDir(), "store")) })
}

func testReadAhead(t *testing.T, fs FS, dir string) {
	e := open(t, Config{FS: fs, Dir: dir})
	for _, prefix := range []string{"a", "b", "c"} {
		ingest(t, e, prefix, 20, make([]byte, 100<<10))
	}
	disk := int64(e.Stats().DiskBytes)
	if e.Close() != nil {
		t.Fatal("the store does not close")
	}
	for _, test := range []struct{ limit, least, most int64 }{
		{0, 3 * 20 * 100 << 10, disk},
		{1500 << 10, 1500 << 10, 1500 << 10},
		{1, 1, 1},
		{-1, 0, 0},
	} {
		e := open(t, Config{FS: fs, Dir: dir, AheadBytes: test.limit})
		e.reading.Wait()
		if got := int64(e.Stats().AheadBytes); got < test.least || got > test.most {
			t.Errorf("with limit %d: %d bytes were asked for, want %d to %d", test.limit, got, test.least, test.most)
		}
		if _, err := get(t, e, "b000007"); err != nil {
			t.Error(err)
		}
		if e.Close() != nil {
			t.Fatal("the store does not close")
		}
	}
}

package engine

import (
	"path/filepath"
	"runtime"
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

// asking is a file system that notes which ranges of its tables are asked for.
type asking struct {
	vfs.FS
	asked *[]askedRange
}

type askedRange struct {
	name         string
	from, length int64
}

func (a asking) Open(name string, options ...vfs.OpenOption) (vfs.File, error) {
	file, err := a.FS.Open(name, options...)
	if err != nil {
		return nil, err
	}
	return askingFile{file, filepath.Base(name), a.asked}, nil
}

type askingFile struct {
	vfs.File
	name  string
	asked *[]askedRange
}

func (f askingFile) Prefetch(offset, length int64) error {
	*f.asked = append(*f.asked, askedRange{f.name, offset, length})
	return nil
}

// TestReadAheadOrder looks at what is asked for first: the ends of all tables,
// then the newest, and nothing twice.
func TestReadAheadOrder(t *testing.T) {
	fs := vfs.NewMem()
	sizes := map[string]int64{"000004.sst": 70, "000006.sst": 7 << 20, "000005.sst": 700}
	for name, size := range sizes {
		if err := WriteFile(fs, name, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	var asked []askedRange
	e := &Engine{cfg: Config{FS: asking{fs, &asked}}}
	e.readAhead("", 1<<30)
	const mib = 1 << 20
	want := []askedRange{
		{"000006.sst", 6 * mib, mib}, {"000005.sst", 600, 100}, {"000004.sst", 60, 10},
		{"000006.sst", 0, mib}, {"000006.sst", mib, mib}, {"000006.sst", 2 * mib, mib},
		{"000006.sst", 3 * mib, mib}, {"000006.sst", 4 * mib, mib}, {"000006.sst", 5 * mib, mib},
		{"000005.sst", 0, 600}, {"000004.sst", 0, 60},
	}
	if len(asked) != len(want) {
		t.Fatalf("asked for %v, want %v", asked, want)
	}
	for i := range want {
		if asked[i] != want[i] {
			t.Errorf("range %d is %v, want %v", i, asked[i], want[i])
		}
	}
}

// TestAheadBytes looks at the share of the memory that is read ahead.
func TestAheadBytes(t *testing.T) {
	for _, test := range []struct{ available, want int64 }{
		{0, 64 << 20},
		{1 << 30, 64 << 20},
		{4 << 30, 256 << 20},
		{256 << 30, 512 << 20},
	} {
		if got := aheadBytes(test.available); got != test.want {
			t.Errorf("of %d bytes %d are read ahead, want %d", test.available, got, test.want)
		}
	}
	if available := availableMemory(); runtime.GOOS == "linux" && available <= 0 {
		t.Errorf("the system says that %d bytes are available", available)
	}
}

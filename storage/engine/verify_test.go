package engine

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func verify(t *testing.T, e *Engine, lower, upper string) (int, error) {
	t.Helper()
	keys := 0
	err := e.Verify(t.Context(), []byte(lower), []byte(upper), func(_, value []byte) error {
		keys++
		return nil
	})
	return keys, err
}

// Verify reads the disk, not what is cached of it, and only the span.
func TestVerifyReadsTheDisk(t *testing.T) {
	fs := vfs.NewMem()
	e := open(t, Config{FS: fs, CacheBytes: 64 << 20, OnCorruption: func(path string, _ error) { t.Errorf("%s is reported", path) }})
	value := bytes.Repeat([]byte("0123456789abcdef"), 8192)
	ingest(t, e, "s/", 4, value)
	ingest(t, e, "t/", 9, []byte("small"))
	for span, want := range map[[2]string]int{{"s/", "s0"}: 4, {"t/", "t0"}: 9, {"s/000001", "s/000003"}: 2, {"a", "z"}: 13, {"u", "v"}: 0} {
		if keys, err := verify(t, e, span[0], span[1]); keys != want || err != nil {
			t.Errorf("verify %q: %d keys, %v; want %d", span, keys, err, want)
		}
	}
	for i := range 4 {
		if v, err := get(t, e, fmt.Sprintf("s/%06d", i)); v != string(value) || err != nil {
			t.Fatal(err)
		}
	}
	flipBitOfLargestTable(t, fs, "data/store/keys")
	if v, err := get(t, e, "s/000001"); v != string(value) || err != nil {
		t.Errorf("a cached value: %d bytes, %v", len(v), err)
	}
	if _, err := verify(t, e, "s/", "s0"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("verify of a damaged table: %v, want ErrCorrupt", err)
	}
	if keys, err := verify(t, e, "t/", "t0"); keys != 9 || err != nil {
		t.Errorf("verify of the other table: %d keys, %v", keys, err)
	}
	if err := e.Verify(t.Context(), []byte("t/"), []byte("t0"), func(_, _ []byte) error { return ErrFailed }); !errors.Is(err, ErrFailed) {
		t.Errorf("an error of visit: %v", err)
	}
}

// Removing keys next to damage takes nothing else away, or is refused; a span
// of whole tables goes, damaged or not.
func TestDeletingNextToDamage(t *testing.T) {
	for first := range 4 {
		fs := vfs.NewMem()
		e := open(t, Config{FS: fs})
		value := bytes.Repeat([]byte("0123456789abcdef"), 8192)
		ingest(t, e, "s/", 4, value)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		flipBitOfLargestTable(t, fs, "data/store/keys")
		e = open(t, Config{FS: fs})
		good := map[int]bool{}
		for i := range 4 {
			_, err := get(t, e, fmt.Sprintf("s/%06d", i))
			good[i] = err == nil
		}
		lower, upper := fmt.Appendf(nil, "s/%06d", first), fmt.Appendf(nil, "s/%06d", first+1)
		err := e.DeleteSpan(t.Context(), lower, upper)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		for i := range 4 {
			_, missing := get(t, e, fmt.Sprintf("s/%06d", i))
			switch {
			case i == first && err == nil:
				if !errors.Is(missing, ErrNotFound) {
					t.Errorf("span %d: the deleted key: %v", first, missing)
				}
			case good[i] && missing != nil:
				t.Errorf("span %d, %v: key %d: %v, it was good before", first, err, i, missing)
			}
		}
		if err := e.DeleteSpan(t.Context(), []byte("s/"), []byte("s0")); err != nil {
			t.Errorf("deleting the whole table: %v", err)
		}
		if key, err := e.First([]byte("s/"), []byte("s0")); key != nil || err != nil {
			t.Errorf("key %q is left over, %v", key, err)
		}
	}
}

// Replace takes the place of what was there, damaged or not, and survives a
// power cut.
func TestReplace(t *testing.T) {
	fs := vfs.NewCrashableMem()
	e := open(t, Config{FS: fs})
	ingest(t, e, "s/", 4, bytes.Repeat([]byte("0123456789abcdef"), 8192))
	flipBitOfLargestTable(t, fs, "data/store/keys")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open(t, Config{FS: fs})
	table, err := e.NewTable("")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(table.Set([]byte("s/000002"), []byte("new")), table.Finish()); err != nil {
		t.Fatal(err)
	}
	if err := e.Replace(t.Context(), []byte("s/"), []byte("s0"), table); err != nil {
		t.Fatal(err)
	}
	e = open(t, Config{FS: fs.CrashClone(vfs.CrashCloneCfg{})})
	var found []string
	if err := e.Scan([]byte("s/"), []byte("s0"), func(key, value []byte) error {
		found = append(found, string(key)+"="+string(value))
		return nil
	}); err != nil || len(found) != 1 || found[0] != "s/000002=new" {
		t.Errorf("after replacing: %q, %v", found, err)
	}
}

// What takes the place of tables, and what is in it, is there for every reader at every
// moment.
func TestReplacedIsThereAllTheTime(t *testing.T) {
	e := open(t, Config{FS: vfs.NewMem()})
	ingest(t, e, "s/", 4, []byte("value"))
	var readers sync.WaitGroup
	var done atomic.Bool
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				if _, err := get(t, e, "s/000002"); err != nil {
					t.Errorf("a key that is replaced by itself: %v", err)
					return
				}
				count := 0
				if err := e.Scan([]byte("s/"), []byte("s0"), func(_, _ []byte) error { count++; return nil }); err != nil || count != 4 {
					t.Errorf("%d of 4 keys that are replaced by themselves are found, %v", count, err)
					return
				}
			}
		})
	}
	for range 500 {
		table, err := e.NewTable("")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if err := table.Set(fmt.Appendf(nil, "s/%06d", i), []byte("value")); err != nil {
				t.Fatal(err)
			}
		}
		if err := table.Finish(); err != nil {
			t.Fatal(err)
		}
		if err := e.Replace(t.Context(), []byte("s/"), []byte("s0"), table); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	readers.Wait()
}

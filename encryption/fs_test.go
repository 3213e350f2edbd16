package encryption

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/storage/engine"
)

const (
	testDir = "data"
	unspec  = vfs.WriteCategoryUnspecified
)

func mustMasters(t testing.TB, text string) *Masters {
	t.Helper()
	m, err := ParseMasters([]byte(text), "keys")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// testConfig encrypts a folder with one new master key.
func testConfig(t testing.TB, fs vfs.FS) Config {
	t.Helper()
	masters := mustMasters(t, NewMaster())
	if err := fs.MkdirAll(testDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(engine.SyncDir(fs, ""), engine.SyncDir(fs, testDir)); err != nil {
		t.Fatal(err)
	}
	return Config{FS: fs, Dir: testDir, Files: []string{"node.json"}, Keys: func() (*Masters, error) { return masters, nil }}
}

func mustOpen(t testing.TB, cfg Config) *FS {
	t.Helper()
	f, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readSome reads from a file at an offset, as often as it takes.
func readSome(t testing.TB, file vfs.File, at int64, n int) ([]byte, error) {
	t.Helper()
	b := make([]byte, n)
	got, err := file.ReadAt(b, at)
	if err == io.EOF {
		err = nil
	}
	return b[:got], err
}

func readAll(t testing.TB, fs vfs.FS, name string) ([]byte, error) {
	t.Helper()
	file, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// sizes favours what is around pages.
func size(rng *rand.Rand) int {
	switch rng.IntN(4) {
	case 0:
		return rng.IntN(20)
	case 1:
		return pageData - 2 + rng.IntN(5)
	case 2:
		return rng.IntN(3 * pageData)
	}
	return rng.IntN(chunkBytes + 2*pageData)
}

// Whatever is done to files, an encrypted file system is what a plain one is, and
// what is on the disk has nothing of it.
func TestModel(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		disk := vfs.NewMem()
		f := mustOpen(t, testConfig(t, disk))
		plain := vfs.NewMem()
		if err := plain.MkdirAll(testDir, 0o755); err != nil {
			t.Fatal(err)
		}
		names := []string{"data/a", "data/b.sst", "data/c", "data/d.sst"}
		open := map[string][2]vfs.File{} // being written
		check := func(step string, err, want error) {
			t.Helper()
			if (err == nil) != (want == nil) {
				t.Fatalf("seed %d %s: %v, plain %v", seed, step, err, want)
			}
		}
		for step := range 250 {
			name, other := names[rng.IntN(len(names))], names[rng.IntN(len(names))]
			what := fmt.Sprintf("step %d %s %s", step, name, other)
			pair, writing := open[name]
			switch op := rng.IntN(10); {
			case op == 0 && !writing:
				a, err := f.Create(name, unspec)
				b, want := plain.Create(name, unspec)
				check(what, err, want)
				open[name] = [2]vfs.File{a, b}
			case op <= 4 && writing:
				b := random(rng, size(rng))
				_, err := pair[0].Write(bytes.Clone(b))
				_, want := pair[1].Write(bytes.Clone(b))
				check(what, err, want)
			case op == 5 && writing:
				check(what, pair[0].Sync(), pair[1].Sync())
			case op == 6 && writing:
				check(what, pair[0].Close(), pair[1].Close())
				delete(open, name)
			case op == 7 && !writing && open[other][0] == nil && name != other:
				check(what, f.Rename(name, other), plain.Rename(name, other))
			case op == 8 && !writing && open[other][0] == nil && name != other:
				check(what, f.Link(name, other), plain.Link(name, other))
			case op == 9 && !writing:
				check(what, f.Remove(name), plain.Remove(name))
			}
			if pair, writing := open[other]; writing && pair[0].(*writer).collect {
				continue // nobody reads it yet
			}
			compare(t, rng, f, plain, other, fmt.Sprintf("seed %d %s", seed, what))
		}
	}
}

// compare reads a file in two file systems.
func compare(t *testing.T, rng *rand.Rand, f *FS, plain vfs.FS, name, what string) {
	t.Helper()
	a, err := f.Open(name)
	b, want := plain.Open(name)
	if (err == nil) != (want == nil) {
		t.Fatalf("%s: open: %v, plain %v", what, err, want)
	}
	if err != nil {
		return
	}
	defer a.Close()
	defer b.Close()
	ia, err1 := a.Stat()
	ib, err2 := b.Stat()
	sa, err3 := f.Stat(name)
	if err := errors.Join(err1, err2, err3); err != nil || ia.Size() != ib.Size() || sa.Size() != ib.Size() {
		t.Fatalf("%s: sizes %d, %d, %d: %v", what, ia.Size(), sa.Size(), ib.Size(), err)
	}
	for range 3 {
		at, n := rng.Int64N(ib.Size()+10), size(rng)
		got, err := readSome(t, a, at, n)
		want, err2 := readSome(t, b, at, n)
		if err := errors.Join(err, err2); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %d bytes at %d of %d differ: %v", what, n, at, ib.Size(), err)
		}
	}
	got, err1 := io.ReadAll(a)
	all, err2 := io.ReadAll(b)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("%s: the whole differs: %v", what, err)
	}
}

// After a power cut what was synced is there, and behind it is what was written
// or zeros.
func TestPowerCuts(t *testing.T) {
	behind := 0
	for seed := range uint64(80) {
		rng := rand.New(rand.NewPCG(seed, 2))
		disk := vfs.NewCrashableMem()
		cfg := testConfig(t, disk)
		f := mustOpen(t, cfg)
		file, err := f.Create("data/log", unspec)
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.SyncDir(f, testDir); err != nil {
			t.Fatal(err)
		}
		var written []byte
		synced := 0
		for range 1 + rng.IntN(12) {
			b := random(rng, rng.IntN(2*pageData))
			if rng.IntN(3) > 0 {
				b = b[:len(b)/100]
			}
			written = append(written, b...)
			if _, err := file.Write(b); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(2) == 0 {
				if err := file.Sync(); err != nil {
					t.Fatal(err)
				}
				synced = len(written)
			}
		}
		for _, percent := range []int{0, 50, 100} {
			cfg.FS = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			got, err := readAll(t, mustOpen(t, cfg), "data/log")
			if err != nil || len(got) < synced || !bytes.Equal(got[:synced], written[:synced]) {
				t.Fatalf("seed %d, %d %%: %d of %d synced bytes: %v", seed, percent, len(got), synced, err)
			}
			for i := synced; i < len(got); i++ {
				if got[i] != 0 && got[i] != written[i] {
					t.Fatalf("seed %d: byte %d was never written", seed, i)
				}
				if got[i] != 0 {
					behind++
				}
			}
		}
	}
	if behind == 0 {
		t.Fatal("nothing that was not synced is ever there: the cuts are too mild")
	}
}

// closedFile is a file in the store of a few pages, and what it holds.
func closedFile(t *testing.T, f *FS, name string, content []byte) {
	t.Helper()
	if err := engine.WriteFile(f, name, bytes.Clone(content)); err != nil {
		t.Fatal(err)
	}
}

func rawFile(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	b, err := engine.ReadFile(fs, name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func putRaw(t *testing.T, fs vfs.FS, name string, b []byte) {
	t.Helper()
	if err := engine.WriteFile(fs, name, bytes.Clone(b)); err != nil {
		t.Fatal(err)
	}
}

// No flipped bit changes what is read: it is without effect, or an error.
func TestBitFlips(t *testing.T) {
	disk := vfs.NewMem()
	f := mustOpen(t, testConfig(t, disk))
	rng := rand.New(rand.NewPCG(1, 3))
	content := random(rng, 2*pageData+300)
	closedFile(t, f, "data/file", content)
	raw := rawFile(t, disk, "data/file")
	found := 0
	for try := range 1800 {
		at := rng.IntN(len(raw))
		if try < headUsed {
			at = try
		}
		changed := bytes.Clone(raw)
		changed[at] ^= 1 << rng.IntN(8)
		putRaw(t, disk, "data/file", changed)
		got, err := readAll(t, f, "data/file")
		inPages := at >= headBytes && (at-headBytes)%pageBytes >= pageHead
		switch {
		case err == nil && !bytes.Equal(got, content):
			t.Fatalf("a flip at %d changes what is read", at)
		case inPages && !errors.As(err, new(*DamageError)):
			t.Fatalf("a flip at %d of a page is not found: %v", at, err)
		case err != nil:
			found++
		}
	}
	if found == 0 {
		t.Fatal("no flip is found")
	}
}

// Pages and files that were moved, swapped, cut, or taken from an older file of the
// same name are found.
func TestMovedPagesAndFiles(t *testing.T) {
	disk := vfs.NewMem()
	f := mustOpen(t, testConfig(t, disk))
	rng := rand.New(rand.NewPCG(1, 4))
	closedFile(t, f, "data/one", random(rng, 4*pageData))
	closedFile(t, f, "data/two", random(rng, 4*pageData))
	one, two := rawFile(t, disk, "data/one"), rawFile(t, disk, "data/two")
	page := func(b []byte, n int) []byte { return b[headBytes+n*pageBytes:][:pageBytes] }
	for what, change := range map[string]func(b []byte){
		"swapped pages":           func(b []byte) { copy(page(b, 1), page(one, 2)); copy(page(b, 2), page(one, 1)) },
		"a page twice":            func(b []byte) { copy(page(b, 2), page(one, 1)) },
		"a page of another file":  func(b []byte) { copy(page(b, 1), page(two, 1)) },
		"slots of another page":   func(b []byte) { copy(page(b, 1), page(one, 2)[:pageHead]) },
		"zeros":                   func(b []byte) { clear(page(b, 1)) },
		"a shorter length":        func(b []byte) { page(b, 1)[0]-- },
		"the header of the other": func(b []byte) { copy(b, two[:headBytes]) },
	} {
		b := bytes.Clone(one)
		change(b)
		putRaw(t, disk, "data/one", b)
		if got, err := readAll(t, f, "data/one"); err == nil {
			t.Errorf("%s: read %d bytes without an error", what, len(got))
		}
	}
	putRaw(t, disk, "data/one", two)
	if _, err := readAll(t, f, "data/one"); !errors.Is(err, ErrMoved) || !pebble.IsCorruptionError(err) {
		t.Errorf("a file in the place of another: %v", err)
	}
	if err := f.Rename("data/one", "data/three"); !errors.Is(err, ErrMoved) {
		t.Errorf("rename of a file in the place of another: %v", err)
	}
	putRaw(t, disk, "data/one", []byte("not encrypted"))
	if _, err := readAll(t, f, "data/one"); !errors.Is(err, ErrPlain) || !pebble.IsCorruptionError(err) {
		t.Errorf("a file that is not encrypted: %v", err)
	}
	putRaw(t, disk, "data/one", one[:len(one)-pageBytes-100])
	got, err := readAll(t, f, "data/one")
	if err == nil && len(got) >= 3*pageData {
		t.Errorf("a cut file reads as %d bytes", len(got))
	}
}

// failing is a disk on which writes fail, after some bytes.
type failing struct {
	vfs.FS
	left int // bytes until it fails; below 0: never
}

type failingFile struct {
	vfs.File
	disk *failing
}

func (d *failing) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := d.FS.Create(name, c)
	return &failingFile{file, d}, err
}

var errFull = errors.New("no space")

func (f *failingFile) WriteAt(b []byte, at int64) (int, error) {
	if f.disk.left < 0 || len(b) <= f.disk.left {
		return f.File.WriteAt(b, at)
	}
	n, _ := f.File.WriteAt(b[:f.disk.left], at)
	return n, errFull
}

// After a write that failed, only the same bytes may be written there: two texts
// under the same bytes of the cipher would give both away.
func TestFailedWrites(t *testing.T) {
	disk := &failing{FS: vfs.NewMem(), left: -1}
	f := mustOpen(t, testConfig(t, disk))
	file, err := f.Create("data/log", unspec)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) error { _, err := file.Write([]byte(text)); return err }
	if err := errors.Join(write("begin "), file.Sync()); err != nil {
		t.Fatal(err)
	}
	disk.left = 60
	if err := write("first text "); !errors.Is(err, errFull) {
		t.Fatalf("a full disk: %v", err)
	}
	disk.left = -1
	if err := write("other text "); !errors.Is(err, errDiffers) {
		t.Fatalf("another text in its place: %v", err)
	}
	if err := write("first "); err != nil {
		t.Fatal(err)
	}
	if err := write("xxx"); !errors.Is(err, errDiffers) {
		t.Fatalf("another text in the place of its rest: %v", err)
	}
	if err := errors.Join(write("text "), write("end"), file.Close()); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, f, "data/log"); string(got) != "begin first text end" || err != nil {
		t.Fatalf("read %q, %v", got, err)
	}
}

// Whatever a file begins with, opening it does no harm.
func FuzzHeader(f *testing.F) {
	disk := vfs.NewMem()
	fs := mustOpen(f, testConfig(f, disk))
	if err := engine.WriteFile(fs, "data/file", []byte("something")); err != nil {
		f.Fatal(err)
	}
	raw, err := engine.ReadFile(disk, "data/file", 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:headUsed])
	f.Add(magic[:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := engine.WriteFile(disk, "data/file", bytes.Clone(b)); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, fs, "data/file")
		if err == nil && len(got) > 0 && !bytes.Equal(got, []byte("something")[:len(got)]) && !slices.Equal(got, make([]byte, len(got))) {
			t.Fatalf("read %q of something else", got)
		}
		if _, err := fs.Stat("data/file"); err != nil && !errors.Is(err, ErrPlain) {
			t.Logf("stat: %v", err)
		}
	})
}

// Nothing of what is written is on the disk, nor names of owners outside of the ring.
func TestNothingIsReadable(t *testing.T) {
	disk := vfs.NewMem()
	f := mustOpen(t, testConfig(t, disk))
	text := bytes.Repeat([]byte("the quick brown fox "), 5000)
	closedFile(t, f, "data/file", text)
	if raw := rawFile(t, disk, "data/file"); bytes.Contains(raw, []byte("quick")) || len(raw) < len(text) {
		t.Fatal("the text is on the disk")
	}
	if got, err := readAll(t, f, "data/file"); !bytes.Equal(got, text) || err != nil {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

package encryption

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stere-log/stere/storage/engine"
)

// Master keys are read from lines, and what is wrong is said with its line and
// without a byte of a key.
func TestParseMasters(t *testing.T) {
	one, two := NewMaster(), NewMaster()
	m := mustMasters(t, "# old\n"+one+"\n"+two)
	if want := strings.Fields(two)[1]; m.newest().id != want || m.find(strings.Fields(one)[1]) == nil {
		t.Errorf("the newest of %s is %s, want %s", m.ids(), m.newest().id, want)
	}
	words := strings.Fields(one)
	for text, want := range map[string]string{
		"":                                 "has no key",
		"# nothing\n":                      "has no key",
		"\n" + words[2]:                    "line 2: want stere-master-key-1",
		words[0] + " x " + words[2]:        "the id is not 16 hex digits",
		words[0] + " " + words[1] + " !":   "the key is not 32 bytes",
		words[0] + " " + words[1] + " AAA": "the key is not 32 bytes",
		one + one:                          "another key with the id",
		strings.Repeat("#", mastersText+1): "more than 65536 bytes",
	} {
		_, err := ParseMasters([]byte(text), "f")
		if !errors.Is(err, ErrKeys) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), words[2]) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// The file must be kept from others; a socket gives the same text.
func TestReadMasters(t *testing.T) {
	dir := t.TempDir()
	path, text := filepath.Join(dir, "keys"), NewMaster()
	if _, err := ReadMasters(path); !errors.Is(err, ErrKeys) || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := ReadMasters(path); err != nil || m.ids() != strings.Fields(text)[1] {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMasters(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that all can read: %v", err)
	}
	if _, err := ReadMasters(dir); err == nil {
		t.Error("a folder is read")
	}
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte(text))
		_ = conn.Close()
	}()
	if m, err := ReadMasters(socket); err != nil || m.ids() != strings.Fields(text)[1] {
		t.Errorf("a socket: %v", err)
	}
}

// keyed opens a folder with a text of master keys.
func keyed(t *testing.T, fs vfs.FS, text string) (*FS, error) {
	t.Helper()
	cfg := testConfig(t, fs)
	cfg.Keys = func() (*Masters, error) { return ParseMasters([]byte(text), "the key file") }
	return Open(cfg)
}

// Wrong and lost keys are said, and nothing is changed.
func TestWrongAndLostKeys(t *testing.T) {
	disk, key := vfs.NewMem(), NewMaster()
	f, err := keyed(t, disk, key)
	if err != nil {
		t.Fatal(err)
	}
	closedFile(t, f, "data/node.json", []byte("it is me"))
	ring, spare := rawFile(t, disk, "data/"+RingName), rawFile(t, disk, "data/"+ringCopy)
	id := strings.Fields(key)[1]
	other := strings.Fields(NewMaster())
	for name, c := range map[string]struct {
		text string
		want error
		says string
	}{
		"another key":           {NewMaster(), ErrWrongKey, id},
		"another with its id":   {other[0] + " " + id + " " + other[2], ErrRing, id},
		"no key in the file":    {"", ErrKeys, "the key file"},
		"the key among others":  {NewMaster() + key, nil, ""},
		"the key before others": {key + NewMaster(), nil, ""},
	} {
		copied := vfs.NewMem()
		for _, file := range []string{"node.json", RingName, ringCopy} {
			if err := copied.MkdirAll("data", 0o755); err != nil {
				t.Fatal(err)
			}
			putRaw(t, copied, "data/"+file, rawFile(t, disk, "data/"+file))
		}
		f, err := keyed(t, copied, c.text)
		if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.want, c.says)
		}
		if err == nil {
			if got, err := readAll(t, f, "data/node.json"); string(got) != "it is me" || err != nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		} else if !bytes.Equal(rawFile(t, copied, "data/"+RingName), ring) {
			t.Errorf("%s: the ring was changed", name)
		}
	}
	// One copy of the ring is enough, whichever is damaged or gone.
	for name, spoil := range map[string]func(name string){
		"cut":  func(name string) { putRaw(t, disk, name, ring[:len(ring)/2]) },
		"gone": func(name string) { _ = disk.Remove(name) },
		"changed": func(name string) {
			putRaw(t, disk, name, bytes.Replace(ring, []byte(`"plain": false`), []byte(`"plain": true`), 1))
		},
	} {
		for _, file := range []string{RingName, ringCopy} {
			spoil("data/" + file)
			f, err := keyed(t, disk, key)
			if err != nil {
				t.Fatalf("%s %s: %v", file, name, err)
			}
			if got, err := readAll(t, f, "data/node.json"); string(got) != "it is me" || err != nil {
				t.Errorf("%s %s: %q, %v", file, name, got, err)
			}
			if f.ring.takesPlain() || !f.ring.bothThere() {
				t.Errorf("%s %s: the ring was not mended", file, name)
			}
		}
	}
	_ = disk.Remove("data/" + RingName)
	_ = disk.Remove("data/" + ringCopy)
	if _, err := keyed(t, disk, key); !errors.Is(err, ErrRing) || Exists(disk, "data") {
		t.Errorf("without a ring: %v", err)
	}
	putRaw(t, disk, "data/"+ringCopy, spare)
	if _, err := keyed(t, disk, key); err != nil {
		t.Errorf("with a copy of the ring brought back: %v", err)
	}
}

// A folder that was not encrypted is from then on; once all of it is, nothing
// that is not encrypted is believed any more.
func TestPlainFolder(t *testing.T) {
	disk, key := vfs.NewMem(), NewMaster()
	if err := disk.MkdirAll("data/store", 0o755); err != nil {
		t.Fatal(err)
	}
	putRaw(t, disk, "data/node.json", []byte("it is me"))
	putRaw(t, disk, "data/store/old", []byte("from before"))
	putRaw(t, disk, "data/admin-key", []byte("not ours"))
	for range 2 {
		f, err := keyed(t, disk, key)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"data/node.json": "it is me", "data/store/old": "from before"} {
			if got, err := readAll(t, f, name); string(got) != want || err != nil {
				t.Fatalf("%s: %q, %v", name, got, err)
			}
		}
		if bytes.Contains(rawFile(t, disk, "data/node.json"), []byte("it is me")) {
			t.Fatal("the small file is not encrypted")
		}
		if s, err := f.Status(); err != nil || s.PlainFiles != 1 || s.Plain != int64(len("from before")) {
			t.Fatalf("status %+v, %v", s, err)
		}
	}
	f, err := keyed(t, disk, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Remove("data/store/old"); err != nil {
		t.Fatal(err)
	}
	if err := f.Prune(); err != nil {
		t.Fatal(err)
	}
	putRaw(t, disk, "data/store/new", []byte("planted by somebody"))
	if _, err := readAll(t, f, "data/store/new"); !errors.Is(err, ErrPlain) {
		t.Fatalf("a planted file: %v", err)
	}
}

// New files get the newest key of their owner; a key goes with its last file, and
// then no copy of such a file can be read.
func TestOwnersAndRotation(t *testing.T) {
	disk, key := vfs.NewMem(), NewMaster()
	text := key
	cfg := testConfig(t, disk)
	cfg.Keys = func() (*Masters, error) { return ParseMasters([]byte(text), "the key file") }
	f := mustOpen(t, cfg)
	write := func(name, owner string) {
		t.Helper()
		category := unspec
		if owner != "" {
			category = vfs.DiskWriteCategory("owner:" + owner)
		}
		file, err := f.Create(name, category)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write([]byte("of " + owner)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	old := func(name string) bool {
		t.Helper()
		is, err := f.IsOld(name)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	write("data/node.json", "")
	write("data/a", "shop")
	write("data/b", "bank")
	if owner, err := f.Owner("data/a"); owner != "shop" || err != nil {
		t.Fatalf("owner %q, %v", owner, err)
	}
	text = key + NewMaster()
	if err := f.Ring().Rotate(); err != nil {
		t.Fatal(err)
	}
	write("data/c", "shop")
	if !old("data/a") || !old("data/node.json") || old("data/c") {
		t.Fatal("it is not known what is old")
	}
	if s, err := f.Status(); err != nil || len(s.Keys) != 6 || s.OldFiles != 3 || s.Master != strings.Fields(text)[4] {
		t.Fatalf("status %+v, %v", s, err)
	}
	text = strings.TrimPrefix(text, key) // the old master key is not needed any more
	f = mustOpen(t, cfg)                 // writes node.json anew, and forgets bank's second key
	for _, name := range []string{"data/a", "data/b", "data/c", "data/node.json"} {
		if _, err := readAll(t, f, name); err != nil {
			t.Errorf("%s after the rotation: %v", name, err)
		}
	}
	text = NewMaster()
	if err := f.Ring().Rotate(); !errors.Is(err, ErrWrongKey) {
		t.Errorf("rotation without the key that is in use: %v", err)
	}
	copied := rawFile(t, disk, "data/a")
	for _, name := range []string{"data/a", "data/c"} {
		if err := f.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	text = ""
	if err := f.Prune(); err != nil {
		t.Fatal(err)
	}
	putRaw(t, disk, "data/a", copied)
	if _, err := readAll(t, f, "data/a"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a copy of what was removed: %v", err)
	}
	if got, err := readAll(t, f, "data/b"); string(got) != "of bank" || err != nil {
		t.Errorf("what belongs to another: %q, %v", got, err)
	}
	if bytes.Contains(rawFile(t, disk, "data/"+RingName), []byte("shop")) {
		t.Error("the ring still names the owner of nothing")
	}
}

// A rotation may be killed before any change of the disk: afterwards everything is
// there, and the rotation can be done again.
func TestRotationIsKilled(t *testing.T) {
	key, next := NewMaster(), NewMaster()
	kills := 0
	for at := 0; ; at++ {
		rng := rand.New(rand.NewPCG(uint64(at), 5))
		disk := vfs.NewCrashableMem()
		var after *vfs.MemFS
		left := -1
		watched := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left >= 0 {
				if left--; left < 0 {
					after = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng})
				}
			}
			return nil
		}))
		text := key
		cfg := testConfig(t, watched)
		cfg.Keys = func() (*Masters, error) { return ParseMasters([]byte(text), "the key file") }
		f := mustOpen(t, cfg)
		closedFile(t, f, "data/node.json", []byte("it is me"))
		closedFile(t, f, "data/other", []byte("another"))
		text, left = key+next, at
		err := f.Ring().Rotate()
		closedFile(t, f, "data/late", []byte("written with the new key"))
		if err := errors.Join(err, f.Remove("data/other"), f.Prune()); err != nil {
			t.Fatal(err)
		}
		if after == nil {
			break // it did not come so far
		}
		kills++
		cfg.FS = after
		for range 2 {
			f = mustOpen(t, cfg)
			if got, err := readAll(t, f, "data/node.json"); string(got) != "it is me" || err != nil {
				t.Fatalf("kill %d: %q, %v", at, got, err)
			}
			for _, name := range []string{"data/other", "data/late"} {
				if _, err := readAll(t, f, name); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatalf("kill %d: %s: %v", at, name, err)
				}
			}
			if err := f.Ring().Rotate(); err != nil {
				t.Fatalf("kill %d: %v", at, err)
			}
		}
	}
	if kills < 10 {
		t.Fatalf("only %d kills", kills)
	}
}

// A key that is in use is never forgotten while files are created, renamed and
// linked.
func TestPruneAmongChanges(t *testing.T) {
	disk := vfs.NewMem()
	f := mustOpen(t, testConfig(t, disk))
	for i := range 40 {
		done := make(chan error)
		go func() {
			var err error
			for n := range 5 {
				name := fmt.Sprintf("data/%d-%d", i, n)
				err = errors.Join(err, engine.WriteFile(f, name+".tmp", []byte("x")), f.Rename(name+".tmp", name))
			}
			done <- err
		}()
		if err := errors.Join(f.Ring().Rotate(), f.Prune()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			name := fmt.Sprintf("data/%d-%d", i, n)
			if got, err := readAll(t, f, name); string(got) != "x" || err != nil {
				t.Fatalf("%s: %q, %v", name, got, err)
			}
			if err := f.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Whatever a ring's file is, it is refused or has what was written.
func FuzzRing(f *testing.F) {
	disk := vfs.NewMem()
	masters := mustMasters(f, NewMaster())
	cfg := testConfig(f, disk)
	cfg.Keys = func() (*Masters, error) { return masters, nil }
	mustOpen(f, cfg)
	text, err := engine.ReadFile(disk, "data/"+RingName, ringMax)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := decodeRing(text, masters); err == nil && (len(r.keys) != 1 || r.plain) {
			t.Fatalf("a ring with %d keys is believed", len(r.keys))
		}
	})
}

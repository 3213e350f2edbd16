package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/storage/engine"
)

// encrypted returns what makes encrypted file systems of file systems with the
// same folder.
func encrypted(t *testing.T) func(vfs.FS) vfs.FS {
	t.Helper()
	masters, err := encryption.ParseMasters([]byte(encryption.NewMaster()), "test")
	if err != nil {
		t.Fatal(err)
	}
	return func(fs vfs.FS) vfs.FS {
		err := engine.MakeDir(fs, "/data")
		var f vfs.FS
		if err == nil {
			f, err = encryption.Open(encryption.Config{FS: fs, Dir: "/data", Files: []string{"none"},
				Keys: func() (*encryption.Masters, error) { return masters, nil }})
		}
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

// What TestPowerCuts shows holds with encryption under the log.
func TestEncryptedPowerCuts(t *testing.T) {
	wrap := encrypted(t)
	for seed := range uint64(25) {
		if err := crashRounds(t, seed, wrap); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	for seed := range uint64(10) {
		if crashRounds(t, seed, func(fs vfs.FS) vfs.FS { return noSync{wrap(fs)} }) != nil {
			return
		}
	}
	t.Fatal("no loss was found without syncs")
}

// What TestBitFlips shows holds with encryption under the log, where a flip takes
// a page.
func TestEncryptedBitFlips(t *testing.T) {
	fs, wrap := vfs.NewMem(), encrypted(t)
	cfg := testConfig(wrap(fs))
	cfg.Lanes = 1
	s := newScript(3)
	w := mustOpen(t, cfg)
	for range 60 {
		if err := s.step(w); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, w)
	rng := rand.New(rand.NewPCG(7, 7))
	found, opened, lost := 0, 0, 0
	for _, name := range walFiles(t, fs, "/data/wal/lane-00") {
		good := readFile(t, fs, name)
		for at := 0; at < len(good); at += 1 + rng.IntN(600) {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << rng.IntN(8)
			damaged := copyFS(t, fs)
			writeFile(t, damaged, name, bad)
			for start := range 2 {
				cfg.FS = wrap(damaged)
				w, err := Open(cfg)
				if c := (*CorruptError)(nil); err != nil && (!errors.As(err, &c) || start > 0) {
					t.Fatalf("%s byte %d start %d: %v, want a CorruptError", name, at, start, err)
				} else if err != nil {
					found++
					break
				}
				opened++
				lost += len(w.Lost())
				if err := s.but(w.Lost()).diff(w); err != nil {
					t.Fatalf("%s byte %d: silent difference: %v, lost are %v", name, at, err, w.Lost())
				}
				mustClose(t, w)
			}
		}
	}
	t.Logf("%d flips refused, %d opened with %d lost groups", found, opened, lost)
	if opened == 0 || lost == 0 {
		t.Fatalf("%d flips refused, %d opened, %d groups lost", found, opened, lost)
	}
}

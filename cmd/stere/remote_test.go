package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeyStaysOnThisMachine checks that a node elsewhere is not sent the key
// of the data folder that happens to be here.
func TestKeyStaysOnThisMachine(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "admin-key"), []byte("stere_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &program{ctx: t.Context(), environ: []string{"STERE_DATA=" + dir}}
	for _, test := range []struct {
		flags remoteFlags
		key   string
	}{
		{remoteFlags{}, "stere_secret"},
		{remoteFlags{URL: "localhost:7100"}, "stere_secret"},
		{remoteFlags{URL: "http://[::1]:7100"}, "stere_secret"},
		{remoteFlags{URL: "http://logs.example.com:7100"}, ""},
		{remoteFlags{URL: "10.0.0.1:7100"}, ""},
		{remoteFlags{URL: "http://logs.example.com:7100", Data: dir}, "stere_secret"},
	} {
		_, cfg, err := p.connect(test.flags, 1)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.APIKey != test.key {
			t.Errorf("%+v: the key is %q, want %q", test.flags, cfg.APIKey, test.key)
		}
	}
}

// TestPatience: a long wait is told of, once for all calls that wait for the same.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		w := &patience{out: &out}
		w.tell(time.Second, errors.New("busy"))
		w.tell(time.Hour, errors.New("quota\x1b[2J"))
		w.tell(59*time.Minute, errors.New("quota\x1b[2J"))
		w.tell(time.Minute, errors.New("rate"))
		time.Sleep(2 * time.Minute)
		w.tell(time.Minute, errors.New("rate"))
		want := "waits 1h0m0s: quota·[2J\nwaits 1m0s: rate\nwaits 1m0s: rate\n"
		if out.String() != want {
			t.Errorf("said %q, want %q", out.String(), want)
		}
	})
}

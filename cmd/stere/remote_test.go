package main

import (
	"os"
	"path/filepath"
	"testing"
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

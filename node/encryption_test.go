package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/storage/engine"
)

// A node that was not encrypted is encrypted, rotates its keys and shreds what was
// removed of a tenant; with a wrong key, or none, it does not start and harms nothing.
func TestEncryptionOfANode(t *testing.T) {
	fs := vfs.NewMem()
	text := encryption.NewMaster()
	cfg := node.Config{FS: fs, DataDir: "data", EraseInterval: 50 * time.Millisecond}
	first := nodetest.Start(t, cfg)
	send := func(url, word string) {
		t.Helper()
		var lines strings.Builder
		for i := range 200 {
			fmt.Fprintf(&lines, `{"message":"%s %d"}`+"\n", word, i)
		}
		ask[any](t, "POST", url+"/logs", lines.String(), 200)
		ask[any](t, "POST", url+"/admin/flush", "", 200)
	}
	send(first.URL, "plainwords")
	ask[any](t, "POST", first.URL+"/admin/encryption/rotate", "", 503)
	if state := ask[v1.Encryption](t, "GET", first.URL+"/admin/encryption", "", 200); state.Enabled {
		t.Errorf("encrypted without a key: %+v", state)
	}
	first.Stop()

	cfg.TenantKeys = true
	cfg.EncryptionKeys = func() (*encryption.Masters, error) { return encryption.ParseMasters([]byte(text), "the key file") }
	second := nodetest.Start(t, cfg)
	send(second.URL, "secretwords")
	nodetest.Eventually(t, "every table is encrypted", func() bool { return len(tables(t, fs, false)) == 0 })
	if n := strings.Count(everything(t, second.URL), "\n"); n != 400 {
		t.Errorf("%d records after the tables were written anew", n)
	}
	before := tables(t, fs, true)
	text += encryption.NewMaster()
	state := ask[v1.Encryption](t, "POST", second.URL+"/admin/encryption/rotate", "", 200)
	if want := strings.Fields(text)[4]; state.MasterKey != want || !state.TenantKeys {
		t.Errorf("rotated to %+v, want the master key %s", state, want)
	}
	nodetest.Eventually(t, "every table is written anew", func() bool {
		now := tables(t, fs, true)
		for name := range before {
			if now[name] != "" {
				return false
			}
		}
		return true
	})
	if n := strings.Count(everything(t, second.URL), "\n"); n != 400 {
		t.Errorf("%d records after the rotation", n)
	}
	copies := map[string]string{} // a backup of somebody, with what belongs to a tenant
	for name, content := range tables(t, fs, true) {
		copies[name] = content
	}
	ofTenant := func() (keys int) {
		for _, key := range ask[v1.Encryption](t, "GET", second.URL+"/admin/encryption", "", 200).Keys {
			if key.Tenant != "" && key.Files > 0 {
				keys++
			}
		}
		return keys
	}
	if ofTenant() == 0 {
		t.Error("no key of a tenant is in use")
	}
	ask[any](t, "POST", second.URL+"/admin/deletions", `{"all":true,"reason":"test"}`, 202)
	nodetest.Eventually(t, "nothing of the tenant is left", func() bool { return ofTenant() == 0 })
	ask[any](t, "POST", second.URL+"/admin/encryption/rotate", "", 200) // looks at once
	nodetest.Eventually(t, "the tenant's keys are gone", func() bool {
		for _, key := range ask[v1.Encryption](t, "GET", second.URL+"/admin/encryption", "", 200).Keys {
			if key.Tenant != "" {
				return false
			}
		}
		return true
	})
	second.Stop()

	without := cfg
	without.EncryptionKeys = nil
	if _, err := node.New(t.Context(), without); !errors.Is(err, encryption.ErrNoKey) || !strings.Contains(err.Error(), "encryption-key-file") {
		t.Errorf("a start without a key: %v", err)
	}
	right := text
	text = encryption.NewMaster()
	if _, err := node.New(t.Context(), cfg); !errors.Is(err, encryption.ErrWrongKey) {
		t.Errorf("a start with another key: %v", err)
	}
	text = right
	third := nodetest.Start(t, cfg)
	if n := strings.Count(everything(t, third.URL), "\n"); n != 0 {
		t.Errorf("%d records after all were deleted", n)
	}
	third.Stop()
	opened, err := encryption.Open(encryption.Config{FS: fs, Dir: "data", Files: []string{"node.json"}, Keys: cfg.EncryptionKeys})
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for name, content := range copies {
		if err := engine.WriteFile(fs, name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if _, err := opened.Open(name); errors.Is(err, encryption.ErrUnknownKey) {
			lost++
		}
	}
	if lost == 0 {
		t.Error("every copy of a table of the tenant can be read")
	}
}

// tables returns the tables of the store that are encrypted, or are not, with
// their bytes.
func tables(t *testing.T, fs vfs.FS, encrypted bool) map[string]string {
	found := map[string]string{}
	names, err := fs.List("data/store/keys")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := "data/store/keys/" + name
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		content, err := engine.ReadFile(fs, path, 1<<30)
		if err == nil && bytes.HasPrefix(content, []byte("stereENC")) == encrypted {
			found[path] = string(content)
		}
	}
	return found
}

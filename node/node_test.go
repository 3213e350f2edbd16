package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/engine"
)

func write(n *node.Node, tenant model.TenantID, key string, lines ...string) (ingest.Result, error) {
	records := make([]model.Record, len(lines))
	for i, line := range lines {
		records[i] = model.Record{Time: int64(i+1) * 1e9, Fields: []model.Field{{Name: "message", Kind: model.String, Text: line}}}
	}
	return n.Writer().Write(context.Background(), ingest.Request{Tenant: tenant, Key: key, BodyHash: [16]byte{1}, Records: records})
}

func search(t *testing.T, n *node.Node, tenant model.TenantID, text string) []string {
	t.Helper()
	result, err := n.Engine().Search(t.Context(), query.Request{Audience: query.Audience{Tenant: tenant}, Text: text, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if !result.Complete {
		t.Errorf("the answer to %q is not complete: %s", text, result.Reason)
	}
	var lines []string
	for _, hit := range result.Hits {
		message, _ := hit.Record.Get("message")
		lines = append(lines, message.Text)
	}
	return lines
}

func TestWrittenIsFoundBeforeAndAfterFlushAndRestart(t *testing.T) {
	fs := vfs.NewMem()
	running := nodetest.Start(t, node.Config{FS: fs, Shards: 3})
	for i := range 30 {
		if _, err := write(running.Node, "default", "", fmt.Sprintf("payment %d accepted", i), "something else"); err != nil {
			t.Fatal(err)
		}
		if got := len(search(t, running.Node, "default", "payment")); got != i+1 {
			t.Fatalf("%d records found after %d writes", got, i+1)
		}
	}
	result, err := write(running.Node, "default", "key-1", "once")
	if err != nil {
		t.Fatal(err)
	}
	if err := running.Node.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		if got := len(search(t, running.Node, "default", "payment")); got != 30 {
			t.Errorf("%d records found, want 30", got)
		}
		again, err := write(running.Node, "default", "key-1", "once")
		if err != nil || !again.Duplicate || again.ID(0) != result.ID(0) {
			t.Errorf("repeat gives %+v, %v; want a duplicate of %s", again, err, result.ID(0))
		}
		if _, err := running.Node.Writer().Write(t.Context(), ingest.Request{Tenant: "default", Key: "key-1", BodyHash: [16]byte{2},
			Records: []model.Record{{}}}); !errors.Is(err, ingest.ErrConflict) {
			t.Errorf("other body under the key: %v, want ErrConflict", err)
		}
		if hit, err := running.Node.Engine().Get(t.Context(), query.Audience{Tenant: "default"}, result.ID(0)); err != nil || hit.Record.Fields[0].Text != "once" {
			t.Errorf("get %s: %+v, %v", result.ID(0), hit, err)
		}
	}
	check()
	running.Stop()
	running = nodetest.Start(t, node.Config{FS: fs, Shards: 8}) // the folder keeps its number
	check()
	if shards := running.Node.ShardsOf("default"); len(shards) != 3 {
		t.Errorf("%d shards after a restart, want the 3 of the first start", len(shards))
	}
}

func TestTenantsAreApart(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	for _, tenant := range []model.TenantID{"a", "b"} {
		if _, err := write(running.Node, tenant, "", "of "+string(tenant)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for _, tenant := range []model.TenantID{"a", "b"} {
			if got := search(t, running.Node, tenant, "*"); len(got) != 1 || got[0] != "of "+string(tenant) {
				t.Errorf("tenant %s finds %q", tenant, got)
			}
		}
		if err := running.Node.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTwoNodesInOneProcess(t *testing.T) {
	first, second := nodetest.Start(t, node.Config{}), nodetest.Start(t, node.Config{})
	if _, err := write(first.Node, "default", "", "only here"); err != nil {
		t.Fatal(err)
	}
	if got := search(t, second.Node, "default", "*"); len(got) != 0 {
		t.Errorf("the other node finds %q", got)
	}
	first.Stop()
	if _, err := write(second.Node, "default", "", "still there"); err != nil {
		t.Error(err)
	}
}

func TestSecondNodeOnTheFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	running := nodetest.Start(t, node.Config{FS: engine.DiskFS(), DataDir: dir})
	_, err := node.New(t.Context(), node.Config{DataDir: dir, Listen: "127.0.0.1:0"})
	if !errors.Is(err, engine.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second node: %v, want ErrLocked with the folder", err)
	}
	if _, err := write(running.Node, "default", "", "alive"); err != nil {
		t.Error(err)
	}
}

func TestNearlyFullDiskRefusesRecordsAndRecovers(t *testing.T) {
	fs := vfs.NewMem()
	usage := func(free uint64) {
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: 1 << 30})
	}
	usage(1 << 29)
	running := nodetest.Start(t, node.Config{FS: fs, ReserveBytes: 1 << 20})
	if _, err := write(running.Node, "default", "", "before"); err != nil {
		t.Fatal(err)
	}
	usage(1<<20 - 1)
	refused := func() bool {
		_, err := write(running.Node, "default", "", "attempt")
		if err != nil && !errors.Is(err, ingest.ErrNoSpace) {
			t.Fatalf("write on a full disk: %v, want ErrNoSpace", err)
		}
		return err != nil
	}
	nodetest.Eventually(t, "records are refused", refused)
	if st := running.Node.Status(); st.State != "degraded" || !st.Ready {
		t.Errorf("status %+v, want degraded and ready", st)
	}
	if got := search(t, running.Node, "default", "before"); len(got) != 1 {
		t.Errorf("found %q on a full disk", got)
	}
	usage(1 << 29)
	nodetest.Eventually(t, "records are taken again", func() bool { return !refused() })
}

func TestHealthAndMetricsOverHTTP(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	for path, want := range map[string]string{
		"/health/ready":               "ready",
		"/health":                     "healthy",
		"/metrics?format=prometheus":  `stere_storage_head_records{shard="0"}`,
		"/metrics?format=prometheus#": "stere_node_ready 1",
	} {
		response, err := http.Get(running.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("GET %s: %d, without %q:\n%.2000s", path, response.StatusCode, want, body)
		}
	}
}

func TestConfigFaultsAreListedTogether(t *testing.T) {
	err := node.Config{Shards: -1, ReserveBytes: -1, Listen: "0.0.0.0:1"}.Validate()
	for _, want := range []string{"DataDir", "Shards", "ReserveBytes", "authentication"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if err := (node.Config{DataDir: "x"}).Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
}

func TestForeignFolderIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"newer":   `{"format":2,"node":"x","shards":4}`,
		"damaged": `{"format":`,
		"empty":   `{"format":1}`,
	} {
		fs := vfs.NewMem()
		if err := engine.MakeDir(fs, "data"); err != nil {
			t.Fatal(err)
		}
		if err := engine.WriteFile(fs, "data/node.json", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := node.New(t.Context(), node.Config{FS: fs, DataDir: "data", Listen: "127.0.0.1:0"}); !errors.Is(err, node.ErrFolder) {
			t.Errorf("%s: %v, want ErrFolder", name, err)
		}
	}
	fs := vfs.NewMem()
	if err := engine.MakeDir(fs, "data/store"); err != nil {
		t.Fatal(err)
	}
	if _, err := node.New(t.Context(), node.Config{FS: fs, DataDir: "data", Listen: "127.0.0.1:0"}); !errors.Is(err, node.ErrFolder) {
		t.Errorf("a store without identity: %v, want ErrFolder", err)
	}
}

func TestFolderOfAStartThatDiedOutlivesAPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	if err := fs.MkdirAll("data", 0o755); err != nil { // and died before its parent was synced
		t.Fatal(err)
	}
	running := nodetest.Start(t, node.Config{FS: fs})
	if _, err := write(running.Node, "default", "", "here to stay"); err != nil {
		t.Fatal(err)
	}
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	running.Stop()
	running = nodetest.Start(t, node.Config{FS: after})
	if got := search(t, running.Node, "default", "*"); len(got) != 1 {
		t.Errorf("%q is there after a power cut, want one line", got)
	}
}

func TestAnswersWithoutWhatCannotBeReadSaySo(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	if _, err := write(running.Node, "a", "", "sound"); err != nil {
		t.Fatal(err)
	}
	if _, err := running.Node.Append(t.Context(), 0, ingest.Append{Tenant: "a", Block: []byte("not a block"), Batches: []ingest.Batch{{Rows: 1}}}); err != nil {
		t.Fatal(err)
	}
	if err := running.Node.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	result, err := running.Node.Engine().Search(t.Context(), query.Request{Audience: query.Audience{Tenant: "a"}})
	if err != nil || result.Complete || len(result.Hits) != 1 {
		t.Errorf("%+v, %v, want the sound record and that the answer is not complete", result, err)
	}
}

func TestIdentityIsReadable(t *testing.T) {
	fs := vfs.NewMem()
	running := nodetest.Start(t, node.Config{FS: fs, DataDir: "d", Shards: 2})
	text, err := engine.ReadFile(fs, "d/node.json", 1000)
	var id struct{ Format, Shards int }
	if err != nil || json.Unmarshal(text, &id) != nil || id.Format != 1 || id.Shards != 2 {
		t.Errorf("identity %s, %v", text, err)
	}
	running.Stop()
}

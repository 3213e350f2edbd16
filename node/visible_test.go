package node_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage"
)

// observer is one client that looks, after every acknowledgement, for exactly
// what has been acknowledged to it.
type observer struct {
	t       *testing.T
	running *nodetest.Running
	number  int
	rows    int  // of a request
	keyed   bool // requests have an idempotency key and are sent twice
	plain   bool // lines without a level, over HTTP
	shared  *totals
	acked   int
	levels  map[string]int
}

// totals are of all observers.
type totals struct{ sent, acked atomic.Int64 }

func (o *observer) token() string { return fmt.Sprintf("tok%dend", o.number) }

// send writes one request and returns the id of one of its records, if known.
func (o *observer) send(round int) (id model.RecordID, known bool) {
	o.t.Helper()
	o.shared.sent.Add(int64(o.rows))
	lines := make([]string, o.rows)
	for i := range lines {
		lines[i] = fmt.Sprintf("%s round %d line %d done", o.token(), round, i)
	}
	if o.plain {
		o.post("/logs", "text/plain", strings.Join(lines, "\n"), nil)
		o.count("", o.rows)
		return model.RecordID{}, false
	}
	req := ingest.Request{Tenant: model.DefaultTenant}
	if o.keyed {
		req.Key = fmt.Sprintf("%d-%d", o.number, round)
		req.BodyHash = [16]byte{byte(round), byte(o.number)}
	}
	level := []string{"info", "error"}[round%2]
	for i, line := range lines {
		req.Records = append(req.Records, model.Record{Time: int64(round*1000+i) * 1e9, Fields: []model.Field{
			{Name: "message", Kind: model.String, Text: line}, {Name: "level", Kind: model.String, Text: level}}})
	}
	result, err := o.running.Node.Writer().Write(o.t.Context(), req)
	if err != nil {
		o.t.Fatal(err)
	}
	id = result.ID(o.rows / 2)
	o.count(level, o.rows)
	if o.keyed {
		again, err := o.running.Node.Writer().Write(o.t.Context(), req)
		if err != nil || !again.Duplicate || again.ID(o.rows/2) != id {
			o.t.Errorf("repeat: %+v, %v; want a duplicate with %s", again, err, id)
		}
	}
	return id, true
}

func (o *observer) count(level string, n int) {
	o.acked += n
	o.levels[level] += n
	o.shared.acked.Add(int64(n))
}

func (o *observer) post(path, kind, body string, into any) {
	o.t.Helper()
	response, err := http.Post(o.running.URL+path, kind, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		o.t.Fatalf("POST %s: %d, %v: %.300s", path, response.StatusCode, err, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			o.t.Fatal(err)
		}
	}
}

// byLevel counts the records that a query finds by their level.
func (o *observer) byLevel(text string) (levels map[string]int, total int64) {
	o.t.Helper()
	result, err := o.running.Node.Engine().Search(o.t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text + " | stats count() by (level)"})
	if err != nil {
		o.t.Fatal(err)
	}
	if !result.Complete {
		o.t.Errorf("%s: %s", text, result.Reason)
	}
	levels = map[string]int{}
	for _, row := range result.Rows {
		name, _ := row[0].(string)
		levels[name] += int(row[1].(int64))
		total += row[1].(int64)
	}
	return levels, total
}

// look checks everything that can be seen of what was acknowledged.
func (o *observer) look(id model.RecordID, known bool) {
	o.t.Helper()
	levels, total := o.byLevel(o.token())
	if total != int64(o.acked) || fmt.Sprint(levels) != fmt.Sprint(o.levels) {
		o.t.Errorf("observer %d sees %v after acknowledgements of %v", o.number, levels, o.levels)
	}
	least := o.shared.acked.Load()
	if _, total := o.byLevel("*"); total < least || total > o.shared.sent.Load() {
		o.t.Errorf("everything by level sums up to %d, want %d at least and what was sent at most", total, least)
	}
	result, err := o.running.Node.Engine().Search(o.t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: o.token(), Limit: 1})
	if err != nil || len(result.Hits) != 1 || result.Total > uint64(o.acked) || result.TotalExact && result.Total != uint64(o.acked) {
		o.t.Errorf("search: %+v, %v, want a total of %d", result, err, o.acked)
		return
	}
	if !known {
		id = result.Hits[0].ID
	}
	hit, err := o.running.Node.Engine().Get(o.t.Context(), query.Audience{Tenant: model.DefaultTenant}, id)
	if err != nil {
		o.t.Errorf("get %s: %v", id, err)
		return
	}
	if message, _ := hit.Record.Get("message"); !strings.HasPrefix(message.Text, o.token()+" ") {
		o.t.Errorf("get %s: %q is not of %s", id, message.Text, o.token())
	}
}

func TestAcknowledgedIsVisibleAtOnceWhileSealsAndMergesRun(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	running := nodetest.Start(t, node.Config{Shards: 2, Replica: replica.Config{
		SealRows: 150, SealBlocks: 5, Storage: storage.Config{MergeFan: 2, DayCutRows: 64, DedupMax: 1 << 10}}})
	shared := &totals{}
	var observers sync.WaitGroup
	all := make([]*observer, 8)
	for i := range all {
		o := &observer{t: t, running: running, number: i, rows: []int{1, 100, 7, 400}[i/2%4], plain: i%2 == 0, keyed: i%4 == 1, shared: shared, levels: map[string]int{}}
		all[i] = o
		observers.Go(func() {
			for round := range rounds {
				o.look(o.send(round))
				if t.Failed() {
					return
				}
			}
		})
	}
	observers.Wait()
	if _, total := all[0].byLevel("*"); total != shared.acked.Load() {
		t.Errorf("%d records at the end, want %d", total, shared.acked.Load())
	}
	if err := running.Node.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if _, total := o.byLevel(o.token()); total != int64(o.acked) {
			t.Errorf("observer %d sees %d after the flush, want %d", o.number, total, o.acked)
		}
	}
}

package query_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// TestExplain checks what is said of an answer: how each condition is answered and
// where each pipe works, and that the counts are the same wherever shards are read
// and grow as more is read.
func TestExplain(t *testing.T) {
	random := rand.New(rand.NewPCG(91, 1))
	records := randomRecords(random, 3000)
	shards := deal(t, random, records, 4, 2)
	for i := range shards {
		shards[i] = append([]part.Part{segmenttest.Seal(t, model.ShardID(i), shards[i][:1])}, shards[i][1:]...)
	}
	now := func() time.Time { return time.Unix(0, day).Add(time.Hour) }
	apart, _ := scatter(random, shards, 2, query.Config{Now: now})
	local, far := query.New(shards, query.Config{Now: now}), query.New(apart, query.Config{Now: now})

	text := `reset level:error duration>5 message:/re.et/ | where n > 3 | sort by duration | limit 20 | eval x = n + 1`
	result := search(t, local, query.Request{Text: text, From: day, Explain: true})
	var steps []string
	for _, step := range result.Explain.Steps {
		steps = append(steps, fmt.Sprintf("%s %s: %s", step.Step, step.By, step.What))
	}
	if want := []string{
		"time index: from 2024-01-31T10:00:00Z", "filter index and text: any field: word reset", "filter index: level: is error", "filter index: level: word error", "filter index: duration: 5 to +Inf",
		"filter scan: message: /re.et/", "filter scan: n: condition n > 3", "order scan: duration", "where records: where n > 3", "sort records: sort by duration", "limit records: limit 20", "eval records: eval x = n + 1",
	}; !reflect.DeepEqual(steps, want) {
		t.Errorf("steps\n%q, want\n%q", steps, want)
	}
	if search(t, local, query.Request{Text: text}).Explain != nil {
		t.Error("it is explained without being asked for")
	}
	for _, text := range []string{"reset level:error", "* | stats count() by (level)", "level:warn | sort by n | limit 3 | union (level:error)", "n in (level:error | fields n) | top 3 component"} {
		request := query.Request{Text: text, Explain: true}
		a, b := search(t, local, request).Explain.Usage, search(t, far, request).Explain.Usage
		if a.Segments.Load() != b.Segments.Load() || a.Blocks.Load() != b.Blocks.Load() || a.Rows.Load() != b.Rows.Load() || a.Segments.Load() == 0 || b.Nodes.Load() == 0 || a.Nodes.Load() != 0 {
			t.Errorf("%s: local %d segments, %d blocks, %d rows; far %d, %d, %d of %d nodes", text,
				a.Segments.Load(), a.Blocks.Load(), a.Rows.Load(), b.Segments.Load(), b.Blocks.Load(), b.Rows.Load(), b.Nodes.Load())
		}
		if here, there := float64(a.EstimatedBytes.Load()), float64(b.EstimatedBytes.Load()); here == 0 || there < 0.9*here || there > 1.1*here {
			t.Errorf("%s: %d bytes are estimated here, %d far", text, a.EstimatedBytes.Load(), b.EstimatedBytes.Load())
		}
		if b.Hits.Load()+b.Misses.Load() == 0 {
			t.Errorf("%s: the cache is not looked into", text)
		}
	}
	for i := range shards {
		shards[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), shards[i])} // nothing of it was read
	}
	first := search(t, query.New(shards, query.Config{Now: now}), query.Request{Text: "peer | stats count() by (component)", Explain: true}).Explain.Usage
	second := search(t, query.New(shards, query.Config{Now: now}), query.Request{Text: "peer | stats count() by (component)", Explain: true}).Explain.Usage
	if first.Reads.Load() == 0 || first.Bytes.Load() == 0 || first.Remembered.Load() != 0 || second.Reads.Load() != 0 || second.Remembered.Load() != 4 {
		t.Errorf("first %d reads, %d bytes, %d remembered; then %d reads, %d remembered, want 0 and 4",
			first.Reads.Load(), first.Bytes.Load(), first.Remembered.Load(), second.Reads.Load(), second.Remembered.Load())
	}
	outside := search(t, local, query.Request{Text: "*", From: day + int64(1000*time.Hour), Explain: true}).Explain.Usage
	if outside.Segments.Load()+outside.Blocks.Load() != 0 || outside.Left.Load() == 0 || outside.EstimatedBytes.Load() != 0 {
		t.Errorf("outside of all time: %d segments, %d left out, %d bytes estimated", outside.Segments.Load(), outside.Left.Load(), outside.EstimatedBytes.Load())
	}
}

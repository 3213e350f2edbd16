package query_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/learned"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// taughtShards are shards of which people have taught what they mean.
type taughtShards struct {
	query.Shards
	model *classifier.Model
}

// Model implements query.Models.
func (s taughtShards) Model(model.TenantID) *classifier.Model { return s.model }

// TestLabels asks for the labels of a model in every way and compares with what the model
// says of each message: in blocks, sealed and on several nodes of which only the root has
// the model. Some records have no label, some no message.
func TestLabels(t *testing.T) {
	random := rand.New(rand.NewPCG(61, 62))
	var examples []classifier.Example
	for _, where := range []string{"here", "there", "everywhere", "nowhere", "somewhere"} {
		examples = append(examples, classifier.Example{Outline: "card declined " + where, Label: "payment"}, classifier.Example{Outline: "volume full " + where, Label: "disk"})
	}
	m, _, err := classifier.Train(examples)
	if err != nil {
		t.Fatal(err)
	}
	records := make([]model.Record, 600)
	counts := map[string]int64{}
	for i := range records {
		texts := []string{"card declined of %d", "volume full since %d", "hello %d", "card of %d"}
		message := fmt.Sprintf(texts[random.IntN(len(texts))], i)
		records[i] = model.Record{Time: day + int64(i), Fields: []model.Field{field("message", message), field("n", fmt.Sprint(i))}}
		label, _ := m.Label(classifier.Outline(message))
		if i%50 == 0 {
			records[i].Fields, label = records[i].Fields[1:], ""
		}
		counts[label]++
	}
	if len(counts) != 3 || counts[""] < 50 {
		t.Fatalf("labels %v: the test is broken", counts)
	}
	heads := deal(t, random, records, 3, 4)
	sealed := make(shardSet, len(heads))
	for i, parts := range heads {
		sealed[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
	}
	apart, _ := scatter(random, sealed, 2, query.Config{})
	for name, shards := range map[string]query.Shards{"head": heads, "sealed": sealed, "scattered": apart} {
		engine := query.New(taughtShards{shards, m}, query.Config{})
		all := int64(len(records))
		for text, want := range map[string]any{
			"model_label:payment | stats count()":                                   counts["payment"],
			"-model_label:payment | stats count()":                                  all - counts["payment"],
			"model_label:* | stats count()":                                         counts["payment"] + counts["disk"],
			"model_confidence>=0.6 model_label:disk | stats count()":                counts["disk"],
			"model_confidence>1 | stats count()":                                    int64(0),
			`* | where model_label == "disk" | stats count()`:                       counts["disk"],
			"* | stats count_if(model_label:disk)":                                  counts["disk"],
			"* | stats count_distinct(model_label)":                                 int64(2),
			"* | eval p = model_label | where p == \"payment\" | stats count()":     counts["payment"],
			"model_label:payment OR model_label:disk OR n:=nothing | stats count()": counts["payment"] + counts["disk"],
		} {
			if rows := search(t, engine, query.Request{Text: text}).Rows; len(rows) != 1 || rows[0][0] != want {
				t.Errorf("%s: %s: %v, want %v", name, text, rows, want)
			}
		}
		for _, row := range search(t, engine, query.Request{Text: "* | stats count() by (model_label)"}).Rows {
			label, _ := row[0].(string)
			if row[1] != counts[label] {
				t.Errorf("%s: %v, want %d", name, row, counts[label])
			}
		}
		for _, hit := range search(t, engine, query.Request{Text: "* | fields n, message, model_label, model_confidence | limit 100"}).Hits {
			message, there := hit.Record.Get("message")
			label, sure := m.Label(classifier.Outline(message.Text))
			got, _ := hit.Record.Get(learned.FieldLabel)
			confidence, _ := hit.Record.Get(learned.FieldConfidence)
			if want := fmt.Sprintf("%.3f", sure); there && (got.Text != label || label != "" && (confidence.Text != want || confidence.Kind != model.Number)) || !there && got.Text != "" {
				t.Errorf("%s: %q has %q %v, want %q %s", name, message.Text, got.Text, confidence, label, want)
			}
		}
		without := query.New(shards, query.Config{})
		if rows := search(t, without, query.Request{Text: "model_label:* | stats count()"}).Rows; rows[0][0] != int64(0) {
			t.Errorf("%s: without a model %v records have a label", name, rows)
		}
	}
}

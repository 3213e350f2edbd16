package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
)

// TestPageSaysWhatTheReportSays wants the tables of docs/insights.md to be those of the
// report.
//
//	go run ./bench/detect -json docs/results/detect.json
func TestPageSaysWhatTheReportSays(t *testing.T) {
	page, err := os.ReadFile("../../docs/insights.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/results/detect.json")
	if err != nil {
		t.Fatal(err)
	}
	var report Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	for table := range strings.SplitSeq(strings.TrimSpace(report.Markdown()), "\n\n") {
		if !strings.Contains(string(page), table) {
			t.Errorf("docs/insights.md has not\n%s", table)
		}
	}
}

// TestChunks cuts random records and puts them together again: nothing is lost, no chunk
// is over a day, and those of the last day are over an hour at most.
func TestChunks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var records []model.Record
	for at := begin().UnixNano(); at < lastDay().Add(2*day).UnixNano(); at += random.Int64N(int64(time.Hour)) {
		records = append(records, model.Record{Time: at})
	}
	names, next := map[string]bool{}, 0
	for name, chunk := range chunks(records) {
		if names[name] || !same(chunk, records[next:next+len(chunk)]) {
			t.Fatalf("chunk %q of %d records at %d", name, len(chunk), next)
		}
		names[name] = true
		next += len(chunk)
		most := day
		if first := time.Unix(0, chunk[0].Time).UTC(); first.Truncate(day).Equal(lastDay()) {
			most = time.Hour
		}
		if chunk[len(chunk)-1].Time/int64(most) != chunk[0].Time/int64(most) {
			t.Errorf("chunk %q is longer than %s", name, most)
		}
	}
	if next != len(records) {
		t.Errorf("%d of %d records", next, len(records))
	}
}

// TestSummed adds up what seeds have shown.
func TestSummed(t *testing.T) {
	got := summed([]uint64{2, 3}, []map[string]*Quality{
		{"spike": {Kind: "spike", Planted: 4, Found: 3}, "drop": {Kind: "drop"}},
		{"spike": {Kind: "spike", Planted: 4, Found: 3, Wrong: 2}},
	})
	if len(got.Kinds) != 1 || got.Kinds[0] != (Quality{"spike", 8, 6, 2, 0.75, 0.75}) {
		t.Errorf("%+v", got)
	}
}

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestReportCompares has medians compared over turns, and each turn in a row.
func TestReportCompares(t *testing.T) {
	at := AtRate{Rate: 100}
	for _, cpu := range [][2]float64{{10, 11}, {20, 30}, {30, 33}} {
		at.Turns = append(at.Turns, Turn{Records: 1e6, Seconds: 100, NotWatched: Node{CPUSeconds: cpu[0], PeakRSSBytes: 4e8}, Watched: Node{CPUSeconds: cpu[1], PeakRSSBytes: 7e8}})
	}
	at.MorePercent = at.more()
	var out strings.Builder
	if err := (&Report{Rates: []AtRate{at}, AllowedPercent: allowed}).WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 10000 | 10.00 | 11.00 | 10.0, 11.0 | 400, 700 | 0 | 10.0 % |\n", "| 10000 | 20.00 | 30.00 | 20.0, 30.0 | 400, 700 | 0 | 50.0 % |\n", "| medians | | | | | | 50.0 % |\n", "At most 15 %",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// TestPageSaysWhatTheReportsSay wants the rows of docs/insights.md to be those of the reports.
//
//	go run ./bench/watched -file mix.ndjson -rate 10000 -json docs/results/watched.json
func TestPageSaysWhatTheReportsSay(t *testing.T) {
	page, err := os.ReadFile("../../docs/insights.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"watched.json", "watched-most.json"} {
		text, err := os.ReadFile("../../docs/results/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var report Report
		if err := json.Unmarshal(text, &report); err != nil {
			t.Fatal(err)
		}
		var table strings.Builder
		if err := report.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		rows := 0
		for line := range strings.Lines(table.String()) {
			if strings.HasPrefix(line, "| ") {
				if rows++; !strings.Contains(string(page), strings.TrimSpace(line)) {
					t.Errorf("%s: docs/insights.md has not %s", name, line)
				}
			}
		}
		if rows < 2 {
			t.Errorf("%s has no rows", name)
		}
	}
}

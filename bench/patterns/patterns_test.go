package main

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

const (
	root = "../.."
	data = "../../../shared/data"
)

// goals of accuracy by the labels as published.
const (
	goalMean  = 0.95
	goalLeast = 0.80
	leastMade = 0.80
	goalMade  = 0.94
)

// TestAccuracy measures labelled lines, where they are.
func TestAccuracy(t *testing.T) {
	if _, err := os.Stat(data); err != nil {
		t.Skipf("no labelled lines: %v", err)
	}
	found, err := systems(data)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, s := range found {
		sum += s.Published.GA
		if s.Published.GA < goalLeast || s.Corrected.GA < goalLeast {
			t.Errorf("%s: grouping accuracy %.3f, corrected %.3f", s.Name, s.Published.GA, s.Corrected.GA)
		}
	}
	if mean := sum / float64(len(found)); mean < goalMean {
		t.Errorf("grouping accuracy of %d systems is %.3f", len(found), mean)
	}
}

// TestAccuracyOfMadeLines measures lines that were made, in each way.
func TestAccuracyOfMadeLines(t *testing.T) {
	for name, all := range map[string]map[string][]string{"made": made(), "fresh": fresh(), "later": later(), "unseen": unseen()} {
		t.Run(name, func(t *testing.T) { testMadeLines(t, madeSystems(all)) })
	}
}

func testMadeLines(t *testing.T, found []Made) {
	sum := 0.0
	for _, m := range found {
		sum += m.GA
		if m.GA < leastMade {
			t.Errorf("%s: grouping accuracy %.3f", m.Name, m.GA)
		}
	}
	if mean := sum / float64(len(found)); mean < goalMade {
		t.Errorf("grouping accuracy of %d systems is %.3f", len(found), mean)
	}
}

// TestAccuracyOfKnownLines measures lines of which the figures are known.
func TestAccuracyOfKnownLines(t *testing.T) {
	lines := []line{
		{"took 1 ms", "E1", "took <*> ms"},
		{"took 2 ms", "E1", "took <*> ms"},
		{"disk full on 7", "E2", "disk full on <*>"},
		{"door opened", "E3", "door <*>"},
		{"door closed", "E3", "door <*>"},
	}
	got := accuracy(lines)
	want := Accuracy{Statements: 3, Patterns: 4, GA: 3.0 / 5, FGA: 4.0 / 7, PA: 3.0 / 5}
	got.FGA, want.FGA = math.Round(got.FGA*1e9), math.Round(want.FGA*1e9)
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSameTemplate(t *testing.T) {
	for _, c := range []struct {
		text, template string
		want           bool
	}{
		{"from * port *", "from <*>:<*> port  <*>", true},
		{"size *", "size <*>, <*>", true},
		{"size *", "length <*>", false},
		{"user * gone", "user root gone", false},
	} {
		if sameTemplate(c.text, c.template) != c.want {
			t.Errorf("%q and %q: got %v", c.text, c.template, !c.want)
		}
	}
}

// TestPageSaysWhatTheReportSays wants the tables of docs/patterns.md to be those of
// the report.
//
//	go run ./bench/patterns -json docs/results/patterns.json
func TestPageSaysWhatTheReportSays(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/patterns.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(root + "/docs/results/patterns.json")
	if err != nil {
		t.Fatal(err)
	}
	var report Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	for table := range strings.SplitSeq(strings.TrimSpace(report.Markdown()), "\n\n") {
		if !strings.Contains(string(page), table) {
			t.Errorf("docs/patterns.md has not\n%s", table)
		}
	}
}

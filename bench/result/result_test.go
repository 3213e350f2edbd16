package result_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/bench/machine"
	"github.com/stere-log/stere/bench/result"
)

func target(name string, factor float64) result.Target {
	t := result.Target{
		Name: name, Program: name + " 1",
		Ingest: result.Ingest{Lines: 1000, Bytes: 1e6, LinesPerSec: 100 * factor, CPUSeconds: factor, CPUPerMillion: 5 * factor, DiskBytes: int64(1e5 * factor), DiskPerLine: 100 * factor},
		Answers: []result.Question{
			{Number: 1, Name: "unique id", FirstMS: 8 * factor, P50MS: 1 * factor, VariedMS: 2 * factor, ColdMS: 9 * factor},
			{Number: 2, Name: "rare | phrase", FirstMS: 2 * factor, P50MS: 100, VariedMS: 3, ColdMS: 9 * factor},
		},
	}
	t.Sum()
	return t
}

func runOf(name string) result.Run {
	return result.Run{
		Corpus:  result.Corpus{Name: name, Lines: 1_234_567, Bytes: 1e6},
		Limits:  machine.Limits{MemcpyGBPerSec: 10, JSONMBPerSec: 2, ZstdBytes: 25_000},
		Targets: []result.Target{target("a", 0.5), target("b", 2)},
	}
}

func report(runs ...result.Run) *result.Report {
	return &result.Report{
		Time: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Commit: "0123456789abcdef", Machine: machine.Machine{CPU: "Z", Cores: 2, MemoryBytes: 8 << 30, OS: "linux", Kernel: "6", Go: "go1"},
		Baseline: "b", Runs: runs,
	}
}

func TestSum(t *testing.T) {
	a := target("a", 1)
	if a.QuestionsAsked != 2 || a.RightAnswers != 2 || a.WarmGeoMeanMS < 9.99 || a.WarmGeoMeanMS > 10.01 || a.FirstGeoMeanMS < 3.99 || a.FirstGeoMeanMS > 4.01 {
		t.Errorf("have %+v", a)
	}
	a.Answers[1].Wrong = "no"
	a.Answers[0].Skipped = "no such field"
	a.Sum()
	if a.QuestionsAsked != 1 || a.RightAnswers != 0 || a.WarmGeoMeanMS < 99.9 {
		t.Errorf("have %+v", a)
	}
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %q in\n%s", line, text)
		}
	}
}

func TestMarkdownOfOneRun(t *testing.T) {
	text := report(runOf("web")).Markdown(result.Full)
	wantLines(t, text,
		"2 cores of Z, 8 GiB, linux 6, go1, commit 0123456789ab, 2 January 2026.",
		"| | web, 1,234,567 lines, a | / b | web, 1,234,567 lines, b |\n|---|---:|---:|---:|",
		"| lines/s | 50 | 0.25x | 200 |",
		"| CPU / parsing the JSON once | 1.0 |  | 4.0 |",
		"| disk / zstd -19 --long=27 | 2.00 |  | 8.00 |",
		`| 2 rare \| phrase, p50 ms | 100.00 | 1.00x | 100.00 |`,
		"| worst question, p50 |  | 1.00x (2) |  |",
		"- a: a 1.\n")
	if short := report(runOf("web")).Markdown(result.Short); strings.Contains(short, "request") || !strings.Contains(short, "1 unique id, p50 ms") {
		t.Errorf("the short view is\n%s", short)
	}
}

// TestMarkdownOfSeveralRuns has a corpus without the first question, and a
// wrong answer.
func TestMarkdownOfSeveralRuns(t *testing.T) {
	web, auth := runOf("web"), runOf("auth")
	for i := range auth.Targets {
		auth.Targets[i].Answers[0].Skipped = "no metadata.trace_id"
	}
	auth.Targets[0].Answers[1].Wrong = "answer is 3"
	r := report(web, auth)
	text := r.Markdown(result.Full)
	wantLines(t, text,
		"| | web, 1,234,567 lines, a | / b | auth, 1,234,567 lines, a | / b |",
		"- auth: question 1 (unique id) not asked: no metadata.trace_id.\n",
		"- auth: a, question 2: WRONG: answer is 3.\n")
	if strings.Count(text, "not asked") != 1 {
		t.Error("a question that is left out is named more than once")
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	wantLines(t, table.String(), "web: 1234567 lines", "auth: 1234567 lines", "WRONG: answer is 3", "not asked: no metadata.trace_id", "limits: memcpy 10.0 GB/s")
}

func TestFailed(t *testing.T) {
	r := report(runOf("web"))
	if r.Failed() {
		t.Error("a right report is failed")
	}
	r.Runs[0].Targets[1].Error = "start"
	if !r.Failed() {
		t.Error("a target with an error is no failure")
	}
}

func TestBlocks(t *testing.T) {
	root := t.TempDir()
	text, err := json.Marshal(report(runOf("web")))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "r.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	page := "# Page\n<!-- bench: r.json short -->\nold\n<!-- /bench -->\nbetween\n<!-- bench: r.json full -->\n<!-- /bench -->\nend\n"
	updated, err := result.Update(root, page)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, updated, "# Page\n", "\nbetween\n", "\nend\n", report(runOf("web")).Markdown(result.Full))
	if strings.Contains(updated, "\nold\n") {
		t.Error("the old table is there")
	}
	if again, err := result.Update(root, updated); err != nil || again != updated {
		t.Errorf("an updated page is not itself: %v", err)
	}
	for name, bad := range map[string]string{
		"no end":     "<!-- bench: r.json short -->\nold\n",
		"no view":    "<!-- bench: r.json -->\n<!-- /bench -->\n",
		"other view": "<!-- bench: r.json long -->\n<!-- /bench -->\n",
		"no report":  "<!-- bench: none.json short -->\n<!-- /bench -->\n",
		"nested":     "<!-- bench: r.json short -->\n<!-- bench: r.json short -->\n<!-- /bench -->\n",
	} {
		if _, err := result.Update(root, bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReadRefusesOtherVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	for _, text := range []string{"", "{}", `{"runs":[{}],"figures":1}`, `{"runs":1}`} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := result.Read(path); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func TestChartIsOfACorpusThatGrows(t *testing.T) {
	first, second := runOf("web"), runOf("web")
	if _, err := report(first, second).Chart(); err == nil {
		t.Error("two corpora have a chart of growth")
	}
	second.Growing = true
	second.Corpus.Lines *= 3
	c, err := report(first, second).Chart()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Panels {
		if p.Title == "disk bytes per line" {
			if s := p.Series[1]; s.Name != "b" || len(s.Points) != 2 || s.Points[1].X != 3*1_234_567 || s.Points[1].Y != 200 {
				t.Errorf("have %+v", s)
			}
			return
		}
	}
	t.Error("there is no panel of the disk")
}

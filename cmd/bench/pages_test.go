package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/result"
)

const root = "../.."

// pages are those that may state figures.
func pages(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.ToSlash(name)] = string(text)
		}
	}
	if texts["README.md"] == "" || texts["docs/benchmark.md"] == "" {
		t.Fatalf("found %d pages: the search is broken", len(texts))
	}
	return texts
}

// TestPagesSayWhatTheReportsSay wants every table of figures in a page to be
// what its report says, and every report to stand in a page.
//
//	go run ./cmd/bench --into PAGE.md
func TestPagesSayWhatTheReportsSay(t *testing.T) {
	shown := map[string]bool{}
	for name, text := range pages(t) {
		blocks, err := result.Blocks(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, b := range blocks {
			shown[b.Report] = true
		}
		updated, err := result.Update(root, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if updated != text {
			t.Errorf("%s: a table is not what its report says; go run ./cmd/bench --into %s", name, name)
		}
	}
	reports, err := filepath.Glob(filepath.Join(root, "docs/results/*.json"))
	if err != nil || len(reports) == 0 {
		t.Fatalf("there are no reports: %v", err)
	}
	everything := strings.Join(values(pages(t)), "\n")
	for _, path := range reports {
		if name := "docs/results/" + filepath.Base(path); !shown[name] && !strings.Contains(everything, filepath.Base(path)+")") {
			t.Errorf("no page has a table of %s or links to it", name)
		}
	}
	if len(shown) == 0 {
		t.Error("no page has a table: nothing was checked")
	}
}

func values(m map[string]string) []string {
	var all []string
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// figurePattern is a number that states size, speed or a comparison.
const figurePattern = `\b\d[\d.,]*\s?(?:%|x\b|×|times\b|ms\b|µs\b|[kMG]i?B\b|lines/s|lines a second|bytes a line)`

// withoutFigures is what the first page says while it has no table.
const withoutFigures = "This page states no figure of speed or size"

// TestREADMEStatesFiguresInTablesOnly: a figure outside a table is one that no
// report stands behind.
func TestREADMEStatesFiguresInTablesOnly(t *testing.T) {
	text := pages(t)["README.md"]
	blocks, err := result.Blocks(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		text = strings.Replace(text, b.Text, "", 1)
	}
	for _, figure := range regexp.MustCompile(figurePattern).FindAllString(text, -1) {
		t.Errorf("README.md states %q outside a table", figure)
	}
	if says := strings.Contains(text, withoutFigures); says == (len(blocks) > 0) {
		t.Errorf("README.md has %d tables and says that it has no figures: %v", len(blocks), says)
	}
}

func TestFigurePatternFindsFigures(t *testing.T) {
	pattern := regexp.MustCompile(figurePattern)
	for text, want := range map[string]bool{
		"0.49x the disk": true, "half, 0.5 times": true, "in 1.5 ms": true, "12 MB": true, "1,000 lines/s": true, "50 %": true, "3 GiB": true,
		"port 7100": false, "127.0.0.1:7100": false, "top 10 components": false, `"order":4711`: false,
	} {
		if pattern.MatchString(text) != want {
			t.Errorf("%q: found %v, want %v", text, !want, want)
		}
	}
}

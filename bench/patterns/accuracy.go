package main

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/pattern"
)

// line is a message whose statement is known.
type line struct{ message, statement, template string }

// labelled reads labelled lines.
func labelled(path string) ([]line, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read labelled lines: %w", err)
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	reader := csv.NewReader(text)
	reader.LazyQuotes = true
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("read %s: it is empty", path)
	}
	content, id, template := slices.Index(rows[0], "Content"), slices.Index(rows[0], "EventId"), slices.Index(rows[0], "EventTemplate")
	if content < 0 || id < 0 || template < 0 {
		return nil, fmt.Errorf("read %s: no columns Content, EventId and EventTemplate", path)
	}
	lines := make([]line, 0, len(rows)-1)
	for _, row := range rows[1:] {
		lines = append(lines, line{row[content], row[id], row[template]})
	}
	return lines, nil
}

// systems measures how well the statements of each system are found.
func systems(data string) ([]System, error) {
	const suffix = "_2k.log_structured.csv.gz"
	paths, err := filepath.Glob(filepath.Join(data, "loghub", "*"+suffix))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no labelled lines in %s: %w", data, os.ErrNotExist)
	}
	var found []System
	for _, path := range paths {
		system := System{Name: strings.TrimSuffix(filepath.Base(path), suffix)}
		lines, err := labelled(path)
		if err != nil {
			return nil, err
		}
		system.Lines = len(lines)
		system.Published = accuracy(lines)
		corrected := strings.TrimSuffix(path, ".csv.gz") + "_corrected.csv.gz"
		if lines, err = labelled(corrected); err != nil {
			return nil, err
		}
		system.Corrected = accuracy(lines)
		found = append(found, system)
	}
	return found, nil
}

// accuracy learns patterns of lines and compares them with the statements.
func accuracy(lines []line) Accuracy {
	texts := make([]string, len(lines))
	for i := range lines {
		texts[i] = shape.MessageOutline(lines[i].message)
	}
	var none *pattern.Set
	mapper := none.Learn(pattern.Outlines(texts)).Mapper()
	statements, patterns := map[string][]int{}, map[string][]int{}
	of := make([]*pattern.Pattern, len(lines))
	right := 0
	for i := range lines {
		of[i] = mapper.Of(texts[i])
		statements[lines[i].statement] = append(statements[lines[i].statement], i)
		patterns[of[i].ID] = append(patterns[of[i].ID], i)
		if sameTemplate(of[i].Text, lines[i].template) {
			right++
		}
	}
	a := Accuracy{Statements: len(statements), Patterns: len(patterns), PA: float64(right) / float64(len(lines))}
	grouped, groups := 0, 0
	for _, rows := range statements {
		if slices.Equal(rows, patterns[of[rows[0]].ID]) {
			grouped += len(rows)
			groups++
		}
	}
	a.GA = float64(grouped) / float64(len(lines))
	precision, recall := float64(groups)/float64(len(patterns)), float64(groups)/float64(len(statements))
	if groups > 0 {
		a.FGA = 2 * precision * recall / (precision + recall)
	}
	return a
}

// sameTemplate reports whether a pattern and a labelled template have the same words
// and vary at the same places, whatever the punctuation between two such places and
// the spaces.
func sameTemplate(text, template string) bool {
	return plainTemplate(text) == plainTemplate(strings.ReplaceAll(template, "<*>", "*"))
}

func plainTemplate(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return regexp.MustCompile(`\*([ .,:/_+@#-]*\*)+`).ReplaceAllString(text, "*")
}

package main

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stere-log/stere/meaning/classifier"
)

// folds is how many models are made, each judged by what it was not given.
const folds = 4

// text is a message with what people said of it.
type text struct{ system, message, statement, level string }

// models prints how well models tell labels of LogHub: the system that a message is of,
// and its level. What is kept back are outlines that the model was not given, or, which is
// harder, all of statements that it was not given; each is kept back once.
func models(data string, out io.Writer) error {
	files, err := filepath.Glob(filepath.Join(data, "loghub", "*_2k.log_structured.csv.gz"))
	if err != nil {
		return fmt.Errorf("look for lines: %w", err)
	}
	var all []text
	for _, file := range files {
		some, err := textsOf(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, some...)
	}
	fmt.Fprint(out, "| texts of | label | kept back | labels | texts | right | unsure | right of what is said | right if the most frequent label were said |\n|---|---|---|---:|---:|---:|---:|---:|---:|\n")
	if len(all) == 0 {
		return nil
	}
	row := func(of, label string, texts []text, labelOf func(t text) string) error {
		if err := judged(out, of, label, "outlines", texts, labelOf, func(_ text, outline string) string { return outline }); err != nil {
			return err
		}
		return judged(out, of, label, "statements", texts, labelOf, func(t text, _ string) string { return t.system + t.statement })
	}
	if err := row("all systems", "system", all, func(t text) string { return t.system }); err != nil {
		return err
	}
	return row("all systems", "level", all, func(t text) string { return t.level })
}

// textsOf reads the labelled lines of a system.
func textsOf(file string) (texts []text, err error) {
	var rows [][]string
	err = unpacked(file, func(r io.Reader) (err error) {
		rows, err = csv.NewReader(r).ReadAll()
		return err
	})
	if err != nil {
		return nil, err
	}
	at := func(row []string, name string) string {
		if i := slices.Index(rows[0], name); i >= 0 {
			return row[i]
		}
		return ""
	}
	system, _, _ := strings.Cut(filepath.Base(file), "_2k")
	for _, row := range rows[1:] {
		texts = append(texts, text{system, at(row, "Content"), at(row, "EventId"), at(row, "Level")})
	}
	return texts, nil
}

// judged prints how well models tell labels that they were not given: those of texts whose
// group is kept back. Of texts with one outline one counts.
func judged(out io.Writer, of, label, kept string, texts []text, labelOf func(text) string, group func(t text, outline string) string) error {
	var all []classifier.Example
	var fold []uint32
	seen := map[string]bool{}
	for _, t := range texts {
		e := classifier.Example{Outline: classifier.Outline(t.message), Label: strings.ToLower(labelOf(t))}
		if seen[e.Outline] || !classifier.ValidLabel(e.Label) || !classifier.Teaches(e.Outline) || len(all) == classifier.ExamplesMax {
			continue
		}
		seen[e.Outline] = true
		h := fnv.New32a()
		fmt.Fprint(h, group(t, e.Outline))
		all, fold = append(all, e), append(fold, h.Sum32()%folds)
	}
	labels := map[string]int{}
	var n, right, unsure, usual int
	for f := range uint32(folds) {
		var learn, judge []classifier.Example
		for i, e := range all {
			if fold[i] == f {
				judge = append(judge, e)
			} else {
				learn = append(learn, e)
			}
		}
		m, report, err := classifier.Train(learn)
		if err != nil {
			return fmt.Errorf("learn the %s of %s: %w", label, of, err)
		}
		// Nothing can be said of labels of which there were too few examples.
		judge = slices.DeleteFunc(judge, func(e classifier.Example) bool { return report.Labels[e.Label] == 0 })
		most := slices.MaxFunc(slices.Sorted(maps.Keys(report.Labels)), func(a, b string) int { return cmp.Compare(report.Labels[a], report.Labels[b]) })
		for _, e := range judge {
			labels[e.Label]++
			if e.Label == most {
				usual++
			}
		}
		v := m.Evaluate(judge)
		n, right, unsure = n+v.Examples, right+v.Right, unsure+v.Unsure
	}
	share := func(part, of int) float64 { return 100 * float64(part) / float64(max(1, of)) }
	fmt.Fprintf(out, "| %s | %s | %s | %d | %d | %.1f %% | %.1f %% | %.1f %% | %.1f %% |\n", of, label, kept, len(labels), n, share(right, n), share(unsure, n), share(right, n-unsure), share(usual, n))
	return nil
}

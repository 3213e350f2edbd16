package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/machine"
)

// Report is what was measured.
type Report struct {
	Time    time.Time       `json:"time"`
	Commit  string          `json:"commit,omitempty"`
	Machine machine.Machine `json:"machine"`
	Systems []System        `json:"systems"`
	Made    []Made          `json:"made"`
	Fresh   []Made          `json:"fresh"`
	Later   []Made          `json:"later"`
	Unseen  []Made          `json:"unseen"`
	Costs   []Cost          `json:"costs"`
	Memory  Memory          `json:"memory"`
}

// System is how well the statements of a system were found.
type System struct {
	Name      string   `json:"name"`
	Lines     int      `json:"lines"`
	Published Accuracy `json:"published"` // by the labels as published
	Corrected Accuracy `json:"corrected"` // by those corrected by hand
}

// Made is how well the statements of lines that were made were found.
type Made struct {
	Name  string `json:"name"`
	Lines int    `json:"lines"`
	Accuracy
}

// Accuracy is how well statements were found: the share of lines whose pattern has
// just the lines of one statement, the same of patterns and statements (F1), and the
// share of lines whose pattern has the words of the template.
type Accuracy struct {
	Statements int     `json:"statements"`
	Patterns   int     `json:"patterns"`
	GA         float64 `json:"groupingAccuracy"`
	FGA        float64 `json:"f1OfGroups"`
	PA         float64 `json:"parsingAccuracy"`
}

// Cost is what learning costs besides shapes.
type Cost struct {
	Name          string  `json:"name"`
	Lines         int     `json:"lines"`
	Shapes        int     `json:"shapes"`
	Patterns      int     `json:"patterns"`
	CPUSeconds    float64 `json:"cpuSeconds"`
	CPUPerMillion float64 `json:"cpuSecondsPerMillionLines"`
}

// Memory is what many shapes take.
type Memory struct {
	Shapes     int     `json:"shapes"`
	Patterns   int     `json:"patterns"`
	LearningMB float64 `json:"learningMb"`
	AtRestMB   float64 `json:"atRestMb"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	if _, err := io.WriteString(w, r.Markdown()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// Markdown renders the report for a page.
func (r *Report) Markdown() string {
	var out strings.Builder
	out.WriteString("| system | lines | statements | patterns | GA | FGA | PA | GA, corrected | FGA, corrected | PA, corrected |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	var sum [6]float64
	for _, s := range r.Systems {
		figures := [6]float64{s.Published.GA, s.Published.FGA, s.Published.PA, s.Corrected.GA, s.Corrected.FGA, s.Corrected.PA}
		fmt.Fprintf(&out, "| %s | %d | %d | %d |", s.Name, s.Lines, s.Published.Statements, s.Published.Patterns)
		for i, f := range figures {
			fmt.Fprintf(&out, " %.3f |", f)
			sum[i] += f / float64(len(r.Systems))
		}
		out.WriteString("\n")
	}
	out.WriteString("| **mean** | | | |")
	for _, f := range sum {
		fmt.Fprintf(&out, " **%.3f** |", f)
	}
	out.WriteString("\n\n")
	writeMade(&out, "made lines of", r.Made)
	writeMade(&out, "looked at while the rules were changed", r.Fresh)
	writeMade(&out, "made after that", r.Later)
	writeMade(&out, "made last", r.Unseen)
	out.WriteString("| source | lines | shapes | patterns | CPU s | CPU s per million lines |\n|---|---:|---:|---:|---:|---:|\n")
	for _, c := range r.Costs {
		fmt.Fprintf(&out, "| %s | %d | %d | %d | %.3f | %.3f |\n", c.Name, c.Lines, c.Shapes, c.Patterns, c.CPUSeconds, c.CPUPerMillion)
	}
	m := r.Memory
	fmt.Fprintf(&out, "\n| shapes | patterns | CPU s | MB while learning | MB at rest |\n|---:|---:|---:|---:|---:|\n| %d | %d | %.2f | %.1f | %.1f |\n", m.Shapes, m.Patterns, m.CPUSeconds, m.LearningMB, m.AtRestMB)
	return out.String()
}

// writeMade writes the table of lines that were made.
func writeMade(out *strings.Builder, title string, made []Made) {
	fmt.Fprintf(out, "| %s | lines | statements | patterns | GA | FGA |\n|---|---:|---:|---:|---:|---:|\n", title)
	var ga, fga float64
	for _, m := range made {
		fmt.Fprintf(out, "| %s | %d | %d | %d | %.3f | %.3f |\n", m.Name, m.Lines, m.Statements, m.Patterns, m.GA, m.FGA)
		ga, fga = ga+m.GA/float64(len(made)), fga+m.FGA/float64(len(made))
	}
	fmt.Fprintf(out, "| **mean** | | | | **%.3f** | **%.3f** |\n\n", ga, fga)
}

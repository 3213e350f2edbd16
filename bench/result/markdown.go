package result

import (
	"fmt"
	"slices"
	"strings"
)

// View says which lines a Markdown table has.
type View string

// The views.
const (
	Short View = "short" // what sums up
	Full  View = "full"  // every figure
)

// ParseView reads the name of a view.
func ParseView(name string) (View, error) {
	if v := View(name); v == Short || v == Full {
		return v, nil
	}
	return "", fmt.Errorf("unknown view %q, want %s or %s", name, Short, Full)
}

// Markdown renders the report for a page: one line a figure, and a pair of
// columns a run, the first target and its ratio to the baseline. A report of
// one run shows all targets.
func (r *Report) Markdown(view View) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s.\n\n", r.where(), r.Time.Format("2 January 2006"))
	columns := r.columns()
	b.WriteString("| |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", cell(c.title))
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, line := range r.lines(view) {
		cells, any := make([]string, len(columns)), false
		for i, c := range columns {
			cells[i] = c.value(line)
			any = any || cells[i] != "" && cells[i] != "-"
		}
		if any {
			fmt.Fprintf(&b, "| %s | %s |\n", cell(line.name), strings.Join(cells, " | "))
		}
	}
	r.markdownNotes(&b)
	return b.String()
}

func (r *Report) where() string {
	m := r.Machine
	text := fmt.Sprintf("%d cores of %s, %.0f GiB, %s %s, %s", m.Cores, orText(m.CPU, m.Arch), float64(m.MemoryBytes)/(1<<30), m.OS, m.Kernel, m.Go)
	if r.Commit != "" {
		hash, dirty, _ := strings.Cut(r.Commit, "-")
		text += ", commit " + hash[:min(len(hash), 12)]
		if dirty != "" {
			text += " with changes"
		}
	}
	if r.Note != "" {
		text += "; " + r.Note
	}
	return text
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// cell makes text safe inside a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

type column struct {
	title string
	value func(line row) string
}

func (r *Report) columns() []column {
	var columns []column
	for i := range r.Runs {
		run := &r.Runs[i]
		base := r.base(run)
		for k := range run.Targets {
			t := &run.Targets[k]
			if len(r.Runs) > 1 && base != nil && t == base {
				continue // its figures would double the width; the ratios say them
			}
			columns = append(columns, column{run.title() + t.Name, func(line row) string { return line.figure(run, t) }})
			if base != nil && t != base {
				columns = append(columns, column{"/ " + base.Name, func(line row) string { return line.ratioTo(run, t, base) }})
			}
		}
	}
	return columns
}

func (run *Run) title() string {
	return fmt.Sprintf("%s, %s lines, ", run.Corpus.Name, thousands(run.Corpus.Lines))
}

// thousands writes a number with a comma between each three digits.
func thousands(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// lines are those of any run: a question that one corpus does not have is a
// gap in its column.
func (r *Report) lines(view View) []row {
	var questions []Question
	for i := range r.Runs {
		for _, t := range r.Runs[i].Targets {
			for _, q := range t.Answers {
				known := slices.ContainsFunc(questions, func(k Question) bool { return k.Number == q.Number })
				if q.Skipped == "" && !known {
					questions = append(questions, q)
				}
			}
		}
	}
	slices.SortFunc(questions, func(a, b Question) int { return a.Number - b.Number })
	lines := ingestRows()
	for _, q := range questions {
		lines = append(lines, rowsOf(q)...)
	}
	lines = append(lines, meanRows()...)
	return slices.DeleteFunc(lines, func(l row) bool { return view == Short && !l.short })
}

// markdownNotes adds limits, programs and faults below the table.
func (r *Report) markdownNotes(b *strings.Builder) {
	var notes []string
	for i := range r.Runs {
		run := &r.Runs[i]
		notes = append(notes, fmt.Sprintf("%s: %.1f MB raw; %s.", strings.TrimSuffix(run.title(), ", "), float64(run.Corpus.Bytes)/megabyte, run.limits()))
		for _, fault := range run.faults() {
			notes = append(notes, run.Corpus.Name+": "+fault+".")
		}
		for _, t := range run.Targets {
			if t.Program != "" && i == 0 {
				notes = append(notes, t.Name+": "+t.Program+".")
			}
		}
	}
	b.WriteString("\n")
	for _, note := range notes {
		b.WriteString("- " + note + "\n")
	}
}

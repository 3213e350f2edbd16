package result

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/bench/chart"
)

// Chart shows how the figures change with the size of the corpus: a panel a
// figure, a line a target. A report of several corpora has no such chart.
func (r *Report) Chart() (chart.Chart, error) {
	if !r.growing() {
		return chart.Chart{}, fmt.Errorf("a chart needs a corpus that grows: the report has %d sizes of one", min(len(r.Runs), 1))
	}
	c := chart.Chart{Title: r.Runs[0].Corpus.Name + ", " + r.Time.Format("2 January 2006"), XLabel: "lines held"}
	drawn := []string{"lines/s", "CPU s per million lines", "seconds to settle", "disk bytes per line", "written / disk", "peak RSS MB", "RSS at rest MB"}
	for _, line := range ingestRows() {
		if slices.Contains(drawn, line.name) {
			c.Panels = append(c.Panels, r.panel(line, false))
		}
	}
	for _, line := range append(meanRows(), r.Runs[0].questionRows()...) {
		// Four panels a question are more than anyone looks at.
		if line.ratio && (strings.HasPrefix(line.name, "geometric mean") || strings.HasSuffix(line.name, ", p50 ms") || strings.HasSuffix(line.name, ", cold ms")) {
			c.Panels = append(c.Panels, r.panel(line, true))
		}
	}
	return c, nil
}

func (r *Report) panel(line row, log bool) chart.Panel {
	p := chart.Panel{Title: line.name, Log: log}
	for i := range r.Runs[0].Targets {
		s := chart.Series{Name: r.Runs[0].Targets[i].Name}
		for k := range r.Runs {
			run := &r.Runs[k]
			if i < len(run.Targets) {
				s.Points = append(s.Points, chart.Point{X: float64(run.Corpus.Lines), Y: line.value(run, &run.Targets[i])})
			}
		}
		p.Series = append(p.Series, s)
	}
	return p
}

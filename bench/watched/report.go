package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report is what was measured.
type Report struct {
	Commit         string   `json:"commit,omitempty"`
	Before         int      `json:"recordsBefore"`
	WarmSeconds    float64  `json:"warmSeconds"`
	Seconds        float64  `json:"seconds"`
	AllowedPercent int      `json:"allowedPercent"`
	Rates          []AtRate `json:"rates"`
}

// AtRate is what was measured at one rate.
type AtRate struct {
	Rate        int     `json:"rate"` // 0: as many as both nodes took
	Turns       []Turn  `json:"turns"`
	MorePercent float64 `json:"morePercent"` // of the medians
}

// Turn is what both nodes took for the same records.
type Turn struct {
	Records    int     `json:"records"` // sent to each
	Seconds    float64 `json:"seconds"`
	Deliveries int64   `json:"deliveries"` // that a webhook got of the watched one
	NotWatched Node    `json:"notWatched"`
	Watched    Node    `json:"watched"`
}

// Node is what one of them took.
type Node struct {
	CPUSeconds   float64 `json:"cpuSeconds"`
	PeakRSSBytes int64   `json:"peakRSSBytes"`
}

// more returns by how much percent a watched node took more, of the medians.
func (a *AtRate) more() float64 {
	var less, more []float64
	for _, t := range a.Turns {
		less, more = append(less, t.NotWatched.CPUSeconds), append(more, t.Watched.CPUSeconds)
	}
	return 100 * (middle(more)/middle(less) - 1)
}

func middle(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// WriteTable implements tool.Report.
func (r *Report) WriteTable(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%.0f s each, after %d records of the hour before and %.0f s\n\n", r.Seconds, r.Before, r.WarmSeconds)
	out.WriteString("| records in a second | processor s, not watched | watched | µs for a record | peak RSS MB | deliveries | more |\n|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, at := range r.Rates {
		for i := range at.Turns {
			t := &at.Turns[i]
			one := AtRate{Turns: at.Turns[i : i+1]}
			each := 1e6 / float64(max(t.Records, 1))
			fmt.Fprintf(&out, "| %.0f | %.2f | %.2f | %.1f, %.1f | %.0f, %.0f | %d | %.1f %% |\n", float64(t.Records)/t.Seconds, t.NotWatched.CPUSeconds, t.Watched.CPUSeconds,
				t.NotWatched.CPUSeconds*each, t.Watched.CPUSeconds*each, float64(t.NotWatched.PeakRSSBytes)/1e6, float64(t.Watched.PeakRSSBytes)/1e6, t.Deliveries, one.more())
		}
		if len(at.Turns) > 1 {
			fmt.Fprintf(&out, "| medians | | | | | | %.1f %% |\n", at.MorePercent)
		}
	}
	fmt.Fprintf(&out, "\nAt most %d %% are allowed.\n", r.AllowedPercent)
	_, err := io.WriteString(w, out.String())
	return err
}

package faults

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stere-log/stere/bench/faults/ledger"
)

// Report is the result of a run.
type Report struct {
	Time   time.Time     `json:"time"`
	Seed   uint64        `json:"seed"`
	Faults []FaultReport `json:"faults"`
}

// FaultReport is the result of one kind of fault.
type FaultReport struct {
	Fault      Kind              `json:"fault"`
	Planned    int               `json:"planned"`
	Done       int               `json:"done"`
	Restarts   int               `json:"restarts"`
	Acked      int64             `json:"ackedRecords"`
	Acks       int64             `json:"ackedRequests"`
	Unknown    int64             `json:"unknownRecords"` // never acknowledged, allowed to be there or not
	Refusals   int64             `json:"refusedRequests"`
	Read       int64             `json:"recordsReadBack"`
	LoadSec    float64           `json:"loadSeconds"`
	RowsPerSec float64           `json:"ackedRecordsPerSecond"`
	ReadyP50MS float64           `json:"readyP50Ms"`
	ReadyMaxMS float64           `json:"readyMaxMs"`
	ResumeMS   float64           `json:"resumeMaxMs,omitempty"` // longest from space freed to the next acknowledgement
	Violations ledger.Violations `json:"violations"`
	Skipped    string            `json:"skipped,omitempty"` // why nothing was done
	Void       string            `json:"void,omitempty"`    // why the run shows nothing
	Error      string            `json:"error,omitempty"`   // why it ended early
}

// Verdict is "ok", "skipped", "void" or "VIOLATED".
func (f *FaultReport) Verdict() string {
	switch {
	case f.Violations.Sum() > 0 || f.Error != "":
		return "VIOLATED"
	case f.Skipped != "":
		return "skipped"
	case f.Void != "":
		return "void"
	}
	return "ok"
}

// OK reports whether nothing was violated and at least one kind of fault was
// done, none of them void.
func (r *Report) OK() bool {
	done := 0
	for i := range r.Faults {
		switch r.Faults[i].Verdict() {
		case "ok":
			done++
		case "skipped":
		default:
			return false
		}
	}
	return done > 0
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "fault\tdone\tplanned\tacked\tread back\trows/s\tlost\tdup\taltered\tphantom\tother\tready p50 ms\tmax\tverdict\t")
	for i := range r.Faults {
		f := &r.Faults[i]
		v := &f.Violations
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%.0f\t%d\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t%s\t\n", f.Fault, f.Done, f.Planned, f.Acked, f.Read, f.RowsPerSec,
			v.Lost, v.Duplicated, v.Altered, v.Phantom, v.Other(), f.ReadyP50MS, f.ReadyMaxMS, f.Verdict())
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for i := range r.Faults {
		f := &r.Faults[i]
		for _, reason := range append([]string{f.Skipped, f.Void, f.Error}, f.Violations.Examples...) {
			if reason != "" {
				fmt.Fprintf(w, "%s: %s\n", f.Fault, strings.TrimSpace(reason))
			}
		}
	}
	return nil
}

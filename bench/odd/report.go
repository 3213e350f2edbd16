package odd

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/stere-log/stere/bench"
	"github.com/stere-log/stere/bench/machine"
)

// Report is the result of a run.
type Report struct {
	Time     time.Time       `json:"time"`
	Commit   string          `json:"commit,omitempty"`
	Machine  machine.Machine `json:"machine"`
	Seed     uint64          `json:"seed"`
	Scale    float64         `json:"scale"`
	Outcomes []Outcome       `json:"outcomes"`
}

// Outcome is what one target made of one case.
type Outcome struct {
	Case   string `json:"case"`
	Says   string `json:"says"`
	Target string `json:"target"`
	// Sent is the lines and bytes of all requests; Accepted and Rejected are
	// what the answers say, Reason the last refusal.
	Sent      int64  `json:"sent"`
	SentBytes int64  `json:"sentBytes"`
	Accepted  int64  `json:"accepted"`
	Rejected  int64  `json:"rejected"`
	Reason    string `json:"reason,omitempty"`
	// Counted is what a question finds, Expected what it should: what was
	// accepted, or, of many tenants, all lines of those that are asked for.
	Counted        int64   `json:"counted"`
	Expected       int64   `json:"expected"`
	CountMS        float64 `json:"countMs"` // of one question, the last time
	SendSeconds    float64 `json:"sendSeconds"`
	SettleSeconds  float64 `json:"settleSeconds"`
	RestartSeconds float64 `json:"restartSeconds"`
	CPUSeconds     float64 `json:"cpuSeconds"`
	PeakRSSMB      float64 `json:"peakRssMb"`
	DiskBytes      int64   `json:"diskBytes"`
	// Faults are what the server did wrong; refusing lines is none.
	Faults []string `json:"faults,omitempty"`

	failed int // requests
}

// faultsMax is how many faults an outcome names.
const faultsMax = 5

func (o *Outcome) fault(err error) {
	if len(o.Faults) < faultsMax {
		o.Faults = append(o.Faults, err.Error())
	}
}

// add counts what became of a request. One that was refused as a whole counts
// as refused lines.
func (o *Outcome) add(b bench.Batch, r bench.Receipt, err error) {
	o.Sent += int64(b.Lines)
	o.SentBytes += int64(len(b.Text))
	if err != nil {
		o.failed++
		r = bench.Receipt{Rejected: b.Lines, Reason: err.Error()}
	}
	o.Accepted += int64(r.Accepted)
	o.Rejected += int64(r.Rejected)
	if r.Reason != "" {
		o.Reason = r.Reason
	}
}

// Right reports whether the server lived and has what it said it took.
func (o *Outcome) Right() bool {
	return len(o.Faults) == 0 && o.Counted == o.Expected && o.Accepted+o.Rejected == o.Sent
}

func (o *Outcome) verdict() string {
	if o.Right() {
		return "right"
	}
	return fmt.Sprintf("WRONG: %d of %d expected are there, %d accepted, %d rejected, faults %q", o.Counted, o.Expected, o.Accepted, o.Rejected, o.Faults)
}

// Failed reports whether a target failed in a case.
func (r *Report) Failed() bool {
	for i := range r.Outcomes {
		if !r.Outcomes[i].Right() {
			return true
		}
	}
	return false
}

// WriteTable writes the report for people: a line for each case and target.
func (r *Report) WriteTable(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "case\ttarget\tsent\taccepted\trejected\tcounted\texpected\tsend s\tsettle s\trestart s\tCPU s\tpeak RSS MB\tdisk MB\tdisk / raw\tcount ms\t\t")
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		verdict := "right"
		if !o.Right() {
			verdict = "WRONG"
		}
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.0f\t%.2f\t%.3f\t%.1f\t%s\t\n", o.Case, o.Target, o.Sent, o.Accepted, o.Rejected, o.Counted, o.Expected,
			o.SendSeconds, o.SettleSeconds, o.RestartSeconds, o.CPUSeconds, o.PeakRSSMB, float64(o.DiskBytes)/1e6, float64(o.DiskBytes)/float64(max(o.SentBytes, 1)), o.CountMS, verdict)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if o.Reason != "" {
			fmt.Fprintf(w, "\n%s, %s: refused: %.300s\n", o.Case, o.Target, o.Reason)
		}
		for _, fault := range o.Faults {
			fmt.Fprintf(w, "\n%s, %s: FAULT: %s\n", o.Case, o.Target, fault)
		}
	}
	return nil
}

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
	Time     time.Time       `json:"time"`
	Commit   string          `json:"commit,omitempty"`
	Machine  machine.Machine `json:"machine"`
	Tuned    Planted         `json:"tuned"`   // with the seed with which thresholds were chosen
	HeldOut  Planted         `json:"heldOut"` // with others
	Sources  []Calm          `json:"sources"`
	Missing  []string        `json:"missing,omitempty"` // what was not measured: there was no time
	CPUPerMs float64         `json:"cpuMillisecondsPerEvaluation"`
}

// Planted is how well what some seeds put there was found.
type Planted struct {
	Seeds []uint64  `json:"seeds"`
	Kinds []Quality `json:"kinds"`
}

// Quality is how well what was planted was found.
type Quality struct {
	Kind      string  `json:"kind"`
	Planted   int     `json:"planted"`
	Found     int     `json:"found"`
	Wrong     int     `json:"wrong"` // findings that are neither planted nor there without what is planted
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// plus adds what was found of the same kind elsewhere.
func (q *Quality) plus(other *Quality) *Quality {
	sum := Quality{Kind: q.Kind, Planted: q.Planted, Found: q.Found, Wrong: q.Wrong}
	if other != nil {
		sum.Planted, sum.Found, sum.Wrong = sum.Planted+other.Planted, sum.Found+other.Found, sum.Wrong+other.Wrong
	}
	return &sum
}

// Calm is what was found in a log as it is.
type Calm struct {
	Source    string         `json:"source"`
	Stretched bool           `json:"stretched"` // to nine days
	Records   int            `json:"records"`
	Days      int            `json:"tenantDays"`
	Anomalies int            `json:"anomalies"`
	Attacks   int            `json:"attacks"`
	PerDay    float64        `json:"anomaliesPerTenantDay"`
	Kinds     map[string]int `json:"kinds,omitempty"`
}

// summed adds up what seeds have shown, in the order of the kinds.
func summed(seeds []uint64, sums []map[string]*Quality) Planted {
	found := Planted{Seeds: seeds, Kinds: []Quality{}}
	for _, p := range planters() {
		var q *Quality
		for _, one := range sums {
			if one[p.kind] != nil {
				q = one[p.kind].plus(q)
			}
		}
		if q == nil || q.Planted == 0 {
			continue
		}
		q.Recall = float64(q.Found) / float64(q.Planted)
		q.Precision = float64(q.Found) / float64(max(1, q.Found+q.Wrong))
		found.Kinds = append(found.Kinds, *q)
	}
	return found
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	if _, err := io.WriteString(w, r.Markdown()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// Markdown returns the report as tables.
func (r *Report) Markdown() string {
	var b strings.Builder
	for _, planted := range []Planted{r.Tuned, r.HeldOut} {
		if len(planted.Seeds) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| put there, seeds %s | times | found | wrong | precision | recall |\n|---|---:|---:|---:|---:|---:|\n", strings.Trim(fmt.Sprint(planted.Seeds), "[]"))
		var all Quality
		for i := range planted.Kinds {
			q := &planted.Kinds[i]
			all = *q.plus(&all)
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %.2f | %.2f |\n", q.Kind, q.Planted, q.Found, q.Wrong, q.Precision, q.Recall)
		}
		fmt.Fprintf(&b, "| **all** | %d | %d | %d | %.2f | %.2f |\n\n", all.Planted, all.Found, all.Wrong, float64(all.Found)/float64(max(1, all.Found+all.Wrong)), float64(all.Found)/float64(max(1, all.Planted)))
	}
	b.WriteString("| log as it is | records | stretched | tenant-days | anomalies | per day | attacks |\n|---|---:|---|---:|---:|---:|---:|\n")
	var days, anomalies, attacks int
	for _, c := range r.Sources {
		fmt.Fprintf(&b, "| %s | %d | %t | %d | %d | %.2f | %d |\n", c.Source, c.Records, c.Stretched, c.Days, c.Anomalies, c.PerDay, c.Attacks)
		days, anomalies, attacks = days+c.Days, anomalies+c.Anomalies, attacks+c.Attacks
	}
	fmt.Fprintf(&b, "| **all** | | | %d | %d | %.2f | %d |\n", days, anomalies, float64(anomalies)/float64(max(1, days)), attacks)
	if len(r.Missing) > 0 {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", strings.Join(r.Missing, ", "))
	}
	return b.String()
}

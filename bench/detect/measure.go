package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stere-log/stere/anomaly"
	"github.com/stere-log/stere/bench/machine"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
)

// options are what is measured.
type options struct {
	data, commit, only, kind string
	seed                     uint64
	rounds, days             int
	verbose                  bool
}

// Report is what was measured.
type Report struct {
	Time     time.Time       `json:"time"`
	Commit   string          `json:"commit,omitempty"`
	Machine  machine.Machine `json:"machine"`
	Seed     uint64          `json:"seed"`
	Kinds    []Quality       `json:"kinds"`
	Sources  []Calm          `json:"sources"`
	CPUPerMs float64         `json:"cpuMillisecondsPerEvaluation"`
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

// Calm is what was found in logs as they are.
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

// measure measures everything.
func measure(o options) (*Report, error) {
	paths, err := filepath.Glob(filepath.Join(o.data, "ndjson", "*.ndjson.zst"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no logs in %s: %w", o.data, os.ErrNotExist)
	}
	report := &Report{Seed: o.seed}
	quality := map[string]*Quality{}
	before, runs := cpu(), 0
	for _, path := range paths {
		if !strings.Contains(path, o.only) {
			continue
		}
		s, err := load(path)
		if err != nil {
			return nil, err
		}
		calm, err := o.calm(s, &runs)
		if err != nil {
			return nil, err
		}
		report.Sources = append(report.Sources, calm)
		for _, p := range planters() {
			if o.kind != "" && o.kind != p.kind {
				continue
			}
			q := quality[p.kind]
			if q == nil {
				q = &Quality{Kind: p.kind}
				quality[p.kind] = q
			}
			for round := range o.rounds * p.times {
				if err := o.plant(s, p, round, q, &runs); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, p := range planters() {
		if q := quality[p.kind]; q != nil && q.Planted > 0 {
			q.Recall = float64(q.Found) / float64(q.Planted)
			q.Precision = float64(q.Found) / float64(max(1, q.Found+q.Wrong))
			report.Kinds = append(report.Kinds, *q)
		}
	}
	report.CPUPerMs = 1000 * (cpu() - before) / float64(max(1, runs))
	return report, nil
}

// isAttack reports whether a finding is of what somebody does, not of counts.
func isAttack(f *insight.Finding) bool { return f.Subject.Dimension == anomaly.Entity }

// calm counts what is found in a log as it is, day by day.
func (o *options) calm(s *source, runs *int) (Calm, error) {
	c := Calm{Source: s.name, Stretched: s.stretched, Records: len(s.records), Kinds: map[string]int{}}
	service, err := store(s.records, s.set)
	if err != nil {
		return c, err
	}
	first := time.Unix(0, s.records[0].Time).UTC()
	for d := max(1, s.days-o.days); d < s.days; d++ {
		window := first.Add(time.Duration(d) * day)
		found, err := service.Findings(context.Background(), scope(window))
		if err != nil {
			return c, fmt.Errorf("judge %s: %w", s.name, err)
		}
		*runs++
		c.Days++
		for i := range found.Findings {
			f := &found.Findings[i]
			c.Kinds[f.Type]++
			if isAttack(f) {
				c.Attacks++
				continue
			}
			if f.Severity != insight.Info && f.Severity != insight.Low {
				c.Anomalies++
			}
			if o.verbose {
				fmt.Printf("  %s, day %d: %s %s: %s\n", s.name, d, f.Severity, f.Type, f.Explanation)
			}
		}
	}
	c.PerDay = float64(c.Anomalies) / float64(max(1, c.Days))
	return c, nil
}

// plant puts something into the last day of a log that was stretched, and looks whether
// it is found.
func (o *options) plant(s *source, p planter, round int, q *Quality, runs *int) error {
	if !s.stretched {
		return nil
	}
	h := fnv.New64a()
	fmt.Fprint(h, s.name, p.kind, round)
	random := rand.New(rand.NewPCG(o.seed, h.Sum64()))
	window := begin().Add((spanDays - 1) * day)
	put, ok := p.plant(s, random, window)
	if !ok {
		return nil
	}
	put.kind = p.kind
	if s.calm == nil {
		if err := s.findCalm(window); err != nil {
			return err
		}
	}
	service, err := store(ordered(put.records), s.set)
	if err != nil {
		return err
	}
	found, err := service.Findings(context.Background(), scope(window))
	if err != nil {
		return fmt.Errorf("judge %s: %w", s.name, err)
	}
	*runs++
	q.Planted++
	hit := false
	for i := range found.Findings {
		f := &found.Findings[i]
		switch {
		case put.found(f):
			hit = true
		case s.calm[f.ID] || isAttack(f) && put.about(f): // counted with the log as it is; another side of the same attack
		case isAttack(f) != attacks(p.kind) || f.Severity == insight.Info || f.Severity == insight.Low:
		default:
			q.Wrong++
			if o.verbose {
				fmt.Printf("  %s, %s %d: wrong: %s: %s\n", p.kind, s.name, round, f.Type, f.Explanation)
			}
		}
	}
	if hit {
		q.Found++
	} else if o.verbose {
		fmt.Printf("  %s, %s %d: missed, at %s to %s, of %q\n", p.kind, s.name, round, put.from, put.to, put.subject)
	}
	return nil
}

// findCalm remembers what is found in the log as it is.
func (s *source) findCalm(window time.Time) error {
	service, err := store(s.records, s.set)
	if err != nil {
		return err
	}
	found, err := service.Findings(context.Background(), scope(window))
	if err != nil {
		return fmt.Errorf("judge %s: %w", s.name, err)
	}
	s.calm = map[string]bool{}
	for i := range found.Findings {
		s.calm[found.Findings[i].ID] = true
	}
	return nil
}

// attacks reports whether a kind is what somebody does.
func attacks(kind string) bool {
	return strings.Contains(kind, "brute") || strings.Contains(kind, "spray") || strings.Contains(kind, "takeover") || strings.Contains(kind, "scan")
}

// ordered returns records in the order of time.
func ordered(records []model.Record) []model.Record {
	sortRecords(records)
	return records
}

// cpu returns the processor time that the process has used.
func cpu() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
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
	b.WriteString("| planted | times | found | wrong | precision | recall |\n|---|---|---|---|---|---|\n")
	for _, q := range r.Kinds {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %.2f | %.2f |\n", q.Kind, q.Planted, q.Found, q.Wrong, q.Precision, q.Recall)
	}
	b.WriteString("\n| log as it is | records | stretched | tenant-days | anomalies | per day | attacks |\n|---|---|---|---|---|---|---|\n")
	var days, anomalies, attacks int
	for _, c := range r.Sources {
		fmt.Fprintf(&b, "| %s | %d | %t | %d | %d | %.2f | %d |\n", c.Source, c.Records, c.Stretched, c.Days, c.Anomalies, c.PerDay, c.Attacks)
		days, anomalies, attacks = days+c.Days, anomalies+c.Anomalies, attacks+c.Attacks
	}
	fmt.Fprintf(&b, "| all | | | %d | %d | %.2f | %d |\n\nOne evaluation: %.0f ms of CPU, making the records included.\n", days, anomalies, float64(anomalies)/float64(max(1, days)), attacks, r.CPUPerMs)
	return b.String()
}

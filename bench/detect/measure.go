package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stere-log/stere/anomaly"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
)

// options are what is measured.
type options struct {
	data, commit, only, kind, keep string
	seeds                          []uint64 // the first one is that with which thresholds were chosen
	rounds, days                   int
	most                           time.Duration // after which nothing more is begun; 0: no limit
	began                          time.Time
	verbose                        bool
}

// unit is what was measured of one log: as it is (seed 0), or with what a seed puts there.
type unit struct {
	Calm  *Calm               `json:"calm,omitempty"`
	Kinds map[string]*Quality `json:"kinds,omitempty"`
	Runs  int                 `json:"evaluations"`
	CPU   float64             `json:"cpuSeconds"`
}

// measure measures everything, log by log. What is kept in the folder is not measured
// again.
func measure(o options) (*Report, error) {
	paths, err := filepath.Glob(filepath.Join(o.data, "ndjson", "*.ndjson.zst"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no logs in %s: %w", o.data, os.ErrNotExist)
	}
	report := &Report{}
	sums := make([]map[string]*Quality, len(o.seeds))
	var runs int
	var spent float64
	for _, path := range paths {
		if !strings.Contains(path, o.only) {
			continue
		}
		l := &lazy{path: path}
		for i, seed := range append([]uint64{0}, o.seeds...) {
			u, err := o.unit(l, seed)
			if errors.Is(err, errLate) {
				report.Missing = append(report.Missing, fmt.Sprintf("%s with seed %d", l.name(), seed))
				continue
			}
			if err != nil {
				return nil, err
			}
			runs, spent = runs+u.Runs, spent+u.CPU
			if seed == 0 {
				report.Sources = append(report.Sources, *u.Calm)
				if !u.Calm.Stretched {
					break // nothing is put there
				}
				continue
			}
			if sums[i-1] == nil {
				sums[i-1] = map[string]*Quality{}
			}
			for kind, q := range u.Kinds {
				sums[i-1][kind] = q.plus(sums[i-1][kind])
			}
		}
	}
	report.Tuned = summed(o.seeds[:1], sums[:1])
	report.HeldOut = summed(o.seeds[1:], sums[1:])
	report.CPUPerMs = 1000 * spent / float64(max(1, runs))
	return report, nil
}

// errLate says that something was not begun.
var errLate = errors.New("no time left")

// lazy is a log that is read when it is needed.
type lazy struct {
	path   string
	source *source
}

func (l *lazy) name() string {
	return strings.TrimSuffix(filepath.Base(l.path), ".ndjson.zst")
}

func (l *lazy) get() (*source, error) {
	if l.source != nil {
		return l.source, nil
	}
	var err error
	l.source, err = load(l.path)
	return l.source, err
}

// unit measures a log with a seed, 0 for the log as it is, or reads what was kept.
func (o *options) unit(l *lazy, seed uint64) (*unit, error) {
	kept := ""
	if o.keep != "" {
		kept = filepath.Join(o.keep, fmt.Sprintf("%s-%d.json", l.name(), seed))
		if text, err := os.ReadFile(kept); err == nil {
			u := &unit{}
			return u, json.Unmarshal(text, u)
		}
	}
	if o.most > 0 && time.Since(o.began) > o.most {
		return nil, errLate
	}
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	u := &unit{Kinds: map[string]*Quality{}}
	before := cpu()
	if seed == 0 {
		err = o.calm(s, u)
	} else {
		err = o.plantAll(s, seed, u)
	}
	if u.CPU = cpu() - before; err != nil || kept == "" {
		return u, err
	}
	text, err := json.Marshal(u)
	if err != nil {
		return nil, fmt.Errorf("keep what was measured: %w", err)
	}
	if err := os.MkdirAll(o.keep, 0o750); err != nil {
		return nil, fmt.Errorf("keep what was measured: %w", err)
	}
	if err := os.WriteFile(kept, text, 0o600); err != nil {
		return nil, fmt.Errorf("keep what was measured: %w", err)
	}
	return u, nil
}

// plantAll puts everything that a seed says into a log.
func (o *options) plantAll(s *source, seed uint64, u *unit) error {
	for _, p := range planters() {
		if o.kind != "" && o.kind != p.kind {
			continue
		}
		q := &Quality{Kind: p.kind}
		u.Kinds[p.kind] = q
		for round := range o.rounds * p.times {
			if err := o.plant(s, p, seed, round, q, u); err != nil {
				return err
			}
		}
	}
	return nil
}

// isAttack reports whether a finding is of what somebody does, not of counts.
func isAttack(f *insight.Finding) bool { return f.Subject.Dimension == anomaly.Entity }

// calm counts what is found in a log as it is, day by day.
func (o *options) calm(s *source, u *unit) error {
	c := &Calm{Source: s.name, Stretched: s.stretched, Records: len(s.records), Kinds: map[string]int{}}
	service, err := s.store(s.records)
	if err != nil {
		return err
	}
	first := time.Unix(0, s.records[0].Time).UTC()
	for d := max(1, s.days-o.days); d < s.days; d++ {
		window := first.Add(time.Duration(d) * day)
		found, err := service.Findings(context.Background(), scope(window))
		if err != nil {
			return fmt.Errorf("judge %s: %w", s.name, err)
		}
		u.Runs++
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
	u.Calm = c
	return nil
}

// plant puts something into the last day of a log, and looks whether it is found.
func (o *options) plant(s *source, p planter, seed uint64, round int, q *Quality, u *unit) error {
	h := fnv.New64a()
	fmt.Fprint(h, s.name, p.kind, round)
	random := rand.New(rand.NewPCG(seed, h.Sum64()))
	window := lastDay()
	put, ok := p.plant(s, random, window)
	if !ok {
		return nil
	}
	if s.calm == nil {
		if err := s.findCalm(window); err != nil {
			return err
		}
	}
	service, err := s.store(ordered(put.records))
	if err != nil {
		return err
	}
	found, err := service.Findings(context.Background(), scope(window))
	if err != nil {
		return fmt.Errorf("judge %s: %w", s.name, err)
	}
	u.Runs++
	q.Planted++
	hit := false
	for i := range found.Findings {
		f := &found.Findings[i]
		switch {
		case put.found(f):
			hit = true
		case s.calm[f.ID] || isAttack(f) && put.about(f): // counted with the log as it is; another side of the same attack
		case isAttack(f) != p.attack || f.Severity == insight.Info || f.Severity == insight.Low:
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
	service, err := s.store(s.records)
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

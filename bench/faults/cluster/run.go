package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
	"github.com/stere-log/stere/bench/faults/ledger"
)

// spareHosts is how many hosts there are besides those of the first nodes.
const spareHosts = 2

// Run does the rounds of a plan, life after life. The report has violations; an
// error means that there is no report.
func Run(ctx context.Context, cfg Config) (report *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("faults config: %w", err)
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.WorkDir, 0o755); err != nil {
		return nil, fmt.Errorf("make work folder: %w", err)
	}
	l, removed, err := lab.Open(cfg.Journals)
	for _, thing := range removed {
		fmt.Fprintf(cfg.Progress, "left by an ended run and removed: %s\n", thing)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	network, why := lab.Loopback(cfg.Nodes+spareHosts), ""
	if !cfg.Loopback {
		if network, why, err = l.NewNetwork(cfg.Nodes+spareHosts, cfg.Linkd, cfg.Seed); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, network.Close()) }()
	report = &Report{Time: time.Now().UTC(), Seed: cfg.Seed, Nodes: cfg.Nodes, Replicas: cfg.Replicas, Network: network.Kind, NetworkWhy: why}
	r := &run{cfg: cfg, lab: l, net: network, report: report, began: time.Now()}
	r.plan = planOf(cfg)
	for life := 1; len(r.plan) > 0 && life <= cfg.Lives && r.timeLeft(); life++ {
		if err := r.live(ctx, life); err != nil {
			return nil, err
		}
	}
	report.Seconds = time.Since(r.began).Seconds()
	report.sum(cfg)
	report.judge(cfg)
	return report, nil
}

// run is a run under way.
type run struct {
	cfg    Config
	lab    *lab.Lab
	net    *lab.Network
	report *Report
	plan   []Kind // that remains
	began  time.Time
	rounds int // that were begun
}

func (r *run) timeLeft() bool { return time.Since(r.began) < r.cfg.Limit }

// planOf mixes the rounds of all kinds, those that end a life last.
func planOf(cfg Config) (plan []Kind) {
	for _, kind := range cfg.Faults {
		for range cfg.Rounds {
			plan = append(plan, kind)
		}
	}
	rng := rand.New(rand.NewPCG(cfg.Seed, 1))
	rng.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	slices.SortStableFunc(plan, func(a, b Kind) int { return order(a) - order(b) })
	return plan
}

func order(k Kind) int {
	if k == AddNode {
		return 1
	}
	return 0
}

// live is one life of a cluster. An error means that the run cannot go on.
func (r *run) live(ctx context.Context, number int) (err error) {
	report := LifeReport{Life: number}
	l := &life{run: r, number: number, report: &report, ledger: ledger.New(fmt.Sprintf("c%dx%dx%x", r.cfg.Seed, number, time.Now().UnixNano()))}
	l.crew, err = newCrew(ctx, r.cfg, r.lab, r.net, number)
	began := time.Now()
	if err == nil {
		l.load = startLoad(ctx, l.crew, l.ledger)
		l.rounds(ctx)
		l.load.end()
	} else {
		report.Error = err.Error()
		r.plan = nil // the next life would not begin either
	}
	l.finish(time.Since(began))
	failed := report.Violations.Sum() > 0 || report.Error != "" || l.violated
	keep := failed || r.cfg.Keep
	if keep {
		report.Kept = l.crew.dir
	}
	r.report.Lives = append(r.report.Lives, report)
	err = l.crew.end(keep)
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// life is one life of a cluster under way.
type life struct {
	*run
	number   int
	report   *LifeReport
	crew     *crew
	ledger   *ledger.Ledger
	load     *load
	status   status        // as it was last healthy
	held     time.Duration // of it without load, for checks
	border   []int64       // times at which the rounds began
	improper int64         // refusals that have been entered
	violated bool
}

// rounds does rounds until the plan is done or the life has to end.
func (l *life) rounds(ctx context.Context) {
	for len(l.plan) > 0 && ctx.Err() == nil && l.timeLeft() && !l.violated {
		kind := l.plan[0]
		l.plan = l.plan[1:]
		l.run.rounds++
		round := &round{life: l, kind: kind, rng: rand.New(rand.NewPCG(l.cfg.Seed, uint64(l.run.rounds)<<8)),
			report: &RoundReport{Round: l.run.rounds, Life: l.number, Time: time.Now().UTC(), Fault: kind}}
		err := round.do(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case errors.Is(err, lab.ErrSkip):
			round.report.Skipped = err.Error()
			l.plan = slices.DeleteFunc(l.plan, func(k Kind) bool { return k == kind })
		case err != nil:
			round.report.Error = err.Error()
		}
		l.report.Rounds++
		l.violated = round.report.violated()
		l.run.report.Rounds = append(l.run.report.Rounds, *round.report)
		fmt.Fprintln(l.cfg.Progress, round.line())
		if round.last {
			return
		}
	}
}

// line is the round for people who wait.
func (r *round) line() string {
	p := r.report
	if p.Skipped != "" {
		return fmt.Sprintf("round %d, %s: skipped: %s", p.Round, p.Fault, p.Skipped)
	}
	line := fmt.Sprintf("round %d, %s %s: gap %.0f ms, healthy after %.0f ms, %d records acknowledged, of %d questions to nodes with a quorum %d failed, %d incomplete", p.Round, p.Fault,
		strings.Join(p.Victims, " "), p.GapMS, p.HealthyMS, r.ledger.Tally().Acked, p.Answers.UpAsked, p.Answers.UpFailed, p.Answers.UpIncomplete)
	if len(p.Notes) > 0 {
		line += " (" + strings.Join(p.Notes, "; ") + ")"
	}
	if p.violated() {
		line += fmt.Sprintf("\n  VIOLATED (seed %d): %s", r.cfg.Seed, strings.Join(slices.Concat([]string{p.Error}, p.Violations.Examples), "\n    "))
	}
	return line
}

// finish fills in the figures of a life.
func (l *life) finish(took time.Duration) {
	sums, p := l.ledger.Tally(), l.report
	p.Acked, p.Acks, p.Unknown, p.Refusals = sums.Acked, sums.Acks, sums.Unknown, sums.Refusals
	p.RowsPerSec = float64(sums.Acked) / (took - l.held).Seconds()
	var ready []float64
	for _, n := range l.crew.all {
		for _, d := range n.ready {
			ready = append(ready, milliseconds(d))
		}
	}
	spread := spreadOf(ready)
	p.ReadyP50MS, p.ReadyMaxMS = spread.P50, spread.Max
}

// judge says whether the run as a whole shows anything.
func (r *Report) judge(cfg Config) {
	acked, rows := int64(0), 0.0
	for _, life := range r.Lives {
		acked += life.Acked
		rows += life.RowsPerSec / float64(len(r.Lives))
	}
	if rows < float64(cfg.MinRows) && acked > 0 {
		r.Void = fmt.Sprintf("%.0f records a second were acknowledged, want %d", rows, cfg.MinRows)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

package odd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stere-log/stere/bench"
	"github.com/stere-log/stere/bench/machine"
	"github.com/stere-log/stere/bench/proc"
)

// Limits of a run.
const (
	workers        = 4
	requestTimeout = 2 * time.Minute
	settleTimeout  = 10 * time.Minute
)

// Config says what to run.
type Config struct {
	// Targets are what bench.ParseTarget takes: programs, each started anew
	// for each case.
	Targets []string
	// Only are the names of the cases. Empty means all.
	Only []string
	// WorkDir receives data folders and logs of servers.
	WorkDir string
	// Scale makes the cases smaller, if it is below 1. 0 means 1.
	Scale float64
	// Seed makes the data.
	Seed uint64
	// Commit stands in the report.
	Commit string
	// Progress receives a line for each step. Nil discards them.
	Progress io.Writer
}

// Validate lists all faults.
func (c Config) Validate() error {
	var faults []error
	if len(c.Targets) == 0 {
		faults = append(faults, errors.New("no target"))
	}
	if c.WorkDir == "" {
		faults = append(faults, errors.New("no work folder"))
	}
	if c.Scale < 0 || c.Scale > 1 {
		faults = append(faults, fmt.Errorf("scale is %v, want it above 0 and at most 1", c.Scale))
	}
	names := map[string]bool{}
	for _, odd := range Cases(1) {
		names[odd.Name] = true
	}
	for _, name := range c.Only {
		if !names[name] {
			faults = append(faults, fmt.Errorf("there is no case %q", name))
		}
	}
	return errors.Join(faults...)
}

// Run sends every case to every target. An error means that there is no
// report; what a target does wrong stands in it.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("odd config: %w", err)
	}
	if cfg.Scale == 0 {
		cfg.Scale = 1
	}
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	report := &Report{Time: time.Now().UTC().Truncate(time.Second), Commit: cfg.Commit, Machine: machine.Describe(), Seed: cfg.Seed, Scale: cfg.Scale}
	for _, odd := range Cases(cfg.Scale) {
		if !wanted(cfg.Only, odd.Name) {
			continue
		}
		for _, spec := range cfg.Targets {
			t, err := bench.ParseTarget(spec, cfg.WorkDir, requestTimeout)
			if err != nil {
				return nil, err
			}
			if !t.Owned() {
				return nil, fmt.Errorf("target %q runs already and cannot be emptied", spec)
			}
			fmt.Fprintf(cfg.Progress, "%s: %s: %s\n", odd.Name, t.Name(), odd.Says)
			o := Outcome{Case: odd.Name, Says: odd.Says, Target: t.Name()}
			measure(ctx, t, odd, cfg.Seed, &o)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			fmt.Fprintf(cfg.Progress, "%s: %s: %s\n", odd.Name, t.Name(), o.verdict())
			report.Outcomes = append(report.Outcomes, o)
		}
	}
	return report, nil
}

func wanted(only []string, name string) bool {
	for _, n := range only {
		if n == name {
			return true
		}
	}
	return len(only) == 0
}

// measure runs one case with one target.
func measure(ctx context.Context, t bench.Target, odd Case, seed uint64, o *Outcome) {
	if err := t.Start(ctx); err != nil {
		o.fault(fmt.Errorf("start: %w", err))
		return
	}
	start := time.Now()
	if err := send(ctx, t, odd, seed, o); err != nil {
		o.fault(err)
	}
	o.SendSeconds = time.Since(start).Seconds()
	settleCtx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	settling := time.Now()
	if err := t.Settle(settleCtx); err != nil {
		o.fault(fmt.Errorf("settle: %w", err))
	}
	o.SettleSeconds = time.Since(settling).Seconds()
	count(ctx, t, odd, o)
	o.figures(t)
	if err := t.Stop(); err != nil {
		o.fault(err)
		return
	}
	// What is on disk must be enough to begin again.
	starting := time.Now()
	if err := t.Start(ctx); err != nil {
		o.fault(fmt.Errorf("start again: %w", err))
		return
	}
	o.RestartSeconds = time.Since(starting).Seconds()
	before := o.Counted
	if count(ctx, t, odd, o); o.Counted != before {
		o.fault(fmt.Errorf("%d lines are there after a restart, %d were before", o.Counted, before))
	}
	if err := t.Stop(); err != nil {
		o.fault(err)
	}
}

// send lets the workers send the lines of a case.
func send(ctx context.Context, t bench.Target, odd Case, seed uint64, o *Outcome) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan bench.Batch, workers)
	var group sync.WaitGroup
	var mu sync.Mutex
	group.Go(func() {
		defer close(batches)
		err := odd.Batches(rand.New(rand.NewPCG(seed, 0)), func(b bench.Batch) error {
			select {
			case batches <- b:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		if err != nil {
			cancel(err)
		}
	})
	for range workers {
		group.Go(func() {
			for b := range batches {
				receipt, _, err := bench.Send(ctx, t, b)
				mu.Lock()
				o.add(b, receipt, err)
				failed := o.failed >= failuresMax
				mu.Unlock()
				if failed {
					cancel(fmt.Errorf("%d requests failed, the last: %w", failuresMax, err))
				}
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// failuresMax is how many requests may fail before the case is given up.
const failuresMax = 20

// count asks how many lines there are. Of many tenants some are asked, and
// one that has none.
func count(ctx context.Context, t bench.Target, odd Case, o *Outcome) {
	started := time.Now()
	defer func() {
		questions := max(1, min(odd.Tenants, tenantsCounted))
		o.CountMS = float64(time.Since(started)) / float64(time.Millisecond) / float64(questions)
	}()
	ask := func(tenant int) int64 {
		q := bench.Question{Kind: bench.Count, Where: bench.Everything{}, Tenant: tenant}
		answer, err := t.Ask(ctx, q)
		if err != nil {
			o.fault(fmt.Errorf("count: %w", err))
		}
		return answer.Count
	}
	o.Counted = ask(0)
	if odd.Tenants == 0 {
		o.Expected = o.Accepted
		return
	}
	if o.Counted != 0 {
		o.fault(fmt.Errorf("the default tenant sees %d lines of others", o.Counted))
	}
	asked := min(odd.Tenants, tenantsCounted)
	o.Counted, o.Expected = 0, int64(asked*odd.PerTenant)
	for i := range asked {
		n := ask(1 + i*odd.Tenants/asked)
		o.Counted += n
		if n != int64(odd.PerTenant) && o.Rejected == 0 {
			o.fault(fmt.Errorf("tenant %d has %d lines, want %d", 1+i*odd.Tenants/asked, n, odd.PerTenant))
		}
	}
	if n := ask(odd.Tenants + 1); n != 0 {
		o.fault(fmt.Errorf("a tenant that sent nothing sees %d lines", n))
	}
}

// figures reads what the server used.
func (o *Outcome) figures(t bench.Target) {
	u, err := t.Usage()
	if err != nil && !errors.Is(err, proc.ErrUnsupported) {
		o.fault(err)
	}
	o.CPUSeconds, o.PeakRSSMB = u.CPUSeconds, float64(u.PeakRSSBytes)/1e6
	disk, err := t.Disk()
	if err != nil && !errors.Is(err, proc.ErrUnsupported) {
		o.fault(err)
	}
	o.DiskBytes = disk.Allocated
}

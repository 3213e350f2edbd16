package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
	"github.com/stere-log/stere/bench/faults/ledger"
)

// killAgainShare is the share of kills that are followed by one more while
// the process starts.
const killAgainShare = 0.2

// killAgainWithin bounds the time from the restart to that second kill.
const killAgainWithin = 300 * time.Millisecond

// Run does the faults one kind after the other. The report has violations; an
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
	report = &Report{Time: time.Now().UTC(), Seed: cfg.Seed}
	for _, kind := range cfg.Faults {
		result := FaultReport{Fault: kind, Planned: cfg.Rounds}
		err := runKind(ctx, cfg, l, kind, &result)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch {
		case errors.Is(err, lab.ErrSkip):
			result.Skipped = err.Error()
		case err != nil:
			result.Error = err.Error()
		}
		report.Faults = append(report.Faults, result)
		fmt.Fprintf(cfg.Progress, "%s: %s\n", kind, result.Verdict())
	}
	return report, nil
}

// kindRun is the run of one kind of fault under way.
type kindRun struct {
	cfg    Config
	kind   Kind
	api    *ledger.API
	ledger *ledger.Ledger
	node   *node
	load   *load
	disk   *lab.Disk // nil for Kill
	rng    *rand.Rand
	result *FaultReport
	began  time.Time     // of the load
	held   time.Duration // of it without load, for checks
	border []int64       // times at which the rounds began
}

func runKind(ctx context.Context, cfg Config, l *lab.Lab, kind Kind, result *FaultReport) (err error) {
	r := &kindRun{cfg: cfg, kind: kind, api: ledger.NewAPI(cfg.RequestTimeout, nil), rng: rand.New(rand.NewPCG(cfg.Seed, 77)), result: result}
	r.ledger = ledger.New(fmt.Sprintf("%s%dx%x", kind, cfg.Seed, time.Now().UnixNano()))
	dir := filepath.Join(cfg.WorkDir, string(kind)+"-data")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty data folder: %w", err)
	}
	if kind != Kill {
		if r.disk, err = l.NewDisk(cfg.WorkDir, string(kind), cfg.ImageMB); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.disk.Remove(false)) }()
		dir = filepath.Join(r.disk.Mount, "data")
	}
	r.node = newNode(cfg, l, r.api, kind, dir)
	defer func() { err = errors.Join(err, r.node.kill()) }()
	if err := r.node.start(ctx); err != nil {
		return err
	}
	r.load, r.began = startLoad(ctx, cfg, r.api, r.ledger), time.Now()
	defer r.load.end()
	err = r.rounds(ctx)
	r.load.end()
	r.finish()
	return err
}

func (r *kindRun) rounds(ctx context.Context) error {
	for round := range r.cfg.Rounds {
		r.border = append(r.border, time.Now().UnixNano())
		pause(ctx, r.uptime())
		if err := r.fault(ctx); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		r.result.Done++
		last := round == r.cfg.Rounds-1
		if err := r.check(ctx, last || (round+1)%r.cfg.FullEvery == 0); err != nil {
			return fmt.Errorf("check after round %d: %w", round+1, err)
		}
		sums := r.ledger.Tally()
		fmt.Fprintf(r.cfg.Progress, "%s %d/%d: %d records acknowledged, %d violations\n", r.kind, round+1, r.cfg.Rounds, sums.Acked, r.result.Violations.Sum())
	}
	return nil
}

func (r *kindRun) uptime() time.Duration {
	return r.cfg.UptimeMin + time.Duration(r.rng.Int64N(int64(r.cfg.UptimeMax-r.cfg.UptimeMin)+1))
}

func (r *kindRun) fault(ctx context.Context) error {
	switch r.kind {
	case Kill:
		return r.killRound(ctx)
	case PowerLoss:
		return r.powerLossRound(ctx)
	case DiskFull:
		return r.diskFullRound(ctx)
	}
	return r.diskDeadRound(ctx)
}

func (r *kindRun) killRound(ctx context.Context) error {
	if err := r.node.kill(); err != nil {
		return err
	}
	if r.rng.Float64() < killAgainShare {
		if err := r.node.launch(); err != nil {
			return err
		}
		pause(ctx, time.Duration(r.rng.Int64N(int64(killAgainWithin))))
		if err := r.node.kill(); err != nil {
			return err
		}
	}
	return r.node.start(ctx)
}

func (r *kindRun) powerLossRound(ctx context.Context) error {
	r.ledger.SetCut(true)
	if err := r.disk.Cut(); err != nil {
		return err
	}
	return r.comeBack(ctx)
}

// comeBack ends the process on the dead disk and starts it on the disk as it
// is after the cut.
func (r *kindRun) comeBack(ctx context.Context) error {
	if err := r.node.kill(); err != nil {
		return err
	}
	r.ledger.SetCut(false)
	if err := r.disk.Remount(); err != nil {
		return err
	}
	return r.node.start(ctx)
}

// deadTime is how long a node is left on a dead disk.
const deadTime = 2 * time.Second

func (r *kindRun) diskDeadRound(ctx context.Context) error {
	r.ledger.SetCut(true)
	if err := r.disk.Cut(); err != nil {
		return err
	}
	r.ledger.SetDead(time.Now())
	pause(ctx, deadTime)
	if err := r.node.kill(); err != nil {
		return err
	}
	r.ledger.SetDead(time.Time{})
	return r.comeBack(ctx)
}

// check reads records back while the writers wait: all of them, or those of
// the last two rounds and the count of all.
func (r *kindRun) check(ctx context.Context, full bool) error {
	v := &r.result.Violations
	began := time.Now()
	defer func() { r.held += time.Since(began) }()
	if !r.load.hold(ctx, r.cfg.ResumeTimeout) {
		v.Note(&v.NotResumed, 1, "writes do not resume: no acknowledgement within %v", r.cfg.ResumeTimeout)
		return fmt.Errorf("writes do not resume within %v", r.cfg.ResumeTimeout)
	}
	defer r.load.release()
	from := int64(0)
	if !full {
		from = r.border[max(len(r.border)-2, 0)]
		ok, err := r.ledger.CheckCount(ctx, r.api)
		if err != nil {
			return err
		}
		if !ok {
			from = 0 // the full check finds out what is wrong
		}
	}
	read, err := r.ledger.Check(ctx, r.api, from, v)
	r.result.Read += read
	if err == nil && v.Sum() > 0 {
		return errors.New("violated, the rounds end here")
	}
	return err
}

// finish fills in the figures and judges whether the run shows anything.
func (r *kindRun) finish() {
	sums, f := r.ledger.Tally(), r.result
	f.Acked, f.Acks, f.Unknown, f.Refusals = sums.Acked, sums.Acks, sums.Unknown, sums.Refusals
	if sums.AckedDead > 0 {
		f.Violations.Note(&f.Violations.AckedDead, sums.AckedDead, "%d requests acknowledged after the disk died", sums.AckedDead)
	}
	if sums.Improper > 0 {
		f.Violations.Note(&f.Violations.Improper, sums.Improper, "%d writes refused in a way that makes a client drop them, the last with %v", sums.Improper, sums.ImproperLast)
	}
	f.LoadSec = (time.Since(r.began) - r.held).Seconds()
	f.RowsPerSec = float64(sums.Acked) / f.LoadSec
	f.Restarts = len(r.node.readies) - 1
	slices.Sort(r.node.readies)
	f.ReadyP50MS = milliseconds(r.node.readies[len(r.node.readies)/2])
	f.ReadyMaxMS = milliseconds(r.node.readies[len(r.node.readies)-1])
	switch {
	case float64(f.Done) < enoughFaults*float64(f.Planned):
		f.Void = fmt.Sprintf("%d of %d planned faults were done", f.Done, f.Planned)
	case f.RowsPerSec < float64(r.cfg.MinRows):
		f.Void = fmt.Sprintf("%.0f records a second were acknowledged, want %d", f.RowsPerSec, r.cfg.MinRows)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

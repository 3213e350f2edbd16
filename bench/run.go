package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/bench/proc"
)

// repeatsMin is how often a question is asked whatever its budget.
const repeatsMin = 3

// run is one run under way.
type run struct {
	cfg       Config
	corpus    *Corpus
	questions []Question
	truths    map[int]*Truth // by question number
}

// Run measures the targets one after the other. The report names faults of
// targets; an error means that there is no report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("bench config: %w", err)
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.WorkDir, 0o755); err != nil {
		return nil, fmt.Errorf("make work folder: %w", err)
	}
	targets := make([]Target, len(cfg.Targets))
	for i, spec := range cfg.Targets {
		var err error
		if targets[i], err = ParseTarget(spec, cfg.WorkDir, cfg.RequestTimeout); err != nil {
			return nil, err
		}
	}
	r := &run{cfg: cfg, truths: map[int]*Truth{}}
	report, err := r.prepare(ctx)
	if err != nil {
		return nil, err
	}
	report.Baseline = orDefault(cfg.Baseline, targets[len(targets)-1].Name())
	for _, t := range targets {
		figures := TargetReport{Name: t.Name()}
		if err := r.measure(ctx, t, &figures); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			figures.Error = err.Error()
			r.say("%s: %v", t.Name(), err)
		}
		report.Targets = append(report.Targets, figures)
	}
	return report, nil
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.cfg.Progress, format+"\n", args...) }

// prepare makes corpus, questions and right answers ready.
func (r *run) prepare(ctx context.Context) (*Report, error) {
	r.say("corpus %s", r.cfg.Corpus)
	var err error
	if r.corpus, err = OpenCorpus(ctx, r.cfg.Corpus, r.cfg.WorkDir); err != nil {
		return nil, err
	}
	r.say("choosing the words of the questions from %d lines", r.corpus.Lines)
	survey, err := TakeSurvey(ctx, r.corpus)
	if err != nil {
		return nil, fmt.Errorf("survey corpus: %w", err)
	}
	r.questions = Questions(survey)
	r.say("answering them by a scan")
	truths, err := Scan(ctx, r.corpus, r.questions)
	if err != nil {
		return nil, fmt.Errorf("scan corpus: %w", err)
	}
	for _, t := range truths {
		r.truths[t.Question.Number] = t
	}
	return &Report{
		Time:    time.Now().UTC(),
		Machine: Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()},
		Corpus: CorpusReport{
			Name: r.corpus.Name, Lines: r.corpus.Lines, Bytes: r.corpus.Bytes,
			First: time.Unix(0, survey.First).UTC(), Last: time.Unix(0, survey.Last).UTC(),
		},
		Workers: r.cfg.Workers, Batch: r.cfg.BatchLines, Repeats: r.cfg.Repeats,
	}, nil
}

func (r *run) measure(ctx context.Context, t Target, figures *TargetReport) (err error) {
	r.say("%s: starting", t.Name())
	if err := t.Start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() { err = errors.Join(err, t.Stop()) }()
	if err := r.ingest(ctx, t, &figures.Ingest); err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	for _, q := range r.questions {
		answer := QuestionReport{Number: q.Number, Name: q.Name, Detail: q.Detail, Skipped: q.Missing}
		if q.Missing == "" {
			if err := r.warm(ctx, t, q, &answer); err != nil {
				return fmt.Errorf("question %d: %w", q.Number, err)
			}
		}
		figures.Answers = append(figures.Answers, answer)
	}
	if t.Owned() && !r.cfg.SkipCold {
		if err := r.cold(ctx, t, figures); err != nil {
			return fmt.Errorf("cold runs: %w", err)
		}
	}
	figures.sum()
	return nil
}

// sum fills in the figures over all questions.
func (t *TargetReport) sum() {
	var warm, cold []float64
	for _, a := range t.Answers {
		if a.Skipped != "" {
			continue
		}
		t.QuestionsAsked++
		if a.Wrong == "" {
			t.RightAnswers++
		}
		warm, cold = append(warm, a.P50MS), append(cold, a.ColdMS)
	}
	t.WarmGeoMeanMS, t.ColdGeoMeanMS = geoMean(warm), geoMean(cold)
}

// ingest sends the corpus and measures until it is settled.
func (r *run) ingest(ctx context.Context, t Target, figures *IngestReport) error {
	before, err := usage(t)
	if err != nil {
		return err
	}
	r.say("%s: sending %d lines", t.Name(), r.corpus.Lines)
	start := time.Now()
	times, err := r.send(ctx, t, &figures.Retries)
	if err != nil {
		return err
	}
	took := time.Since(start)
	r.say("%s: settling", t.Name())
	settleCtx, cancel := context.WithTimeout(ctx, r.cfg.SettleTimeout)
	defer cancel()
	settling := time.Now()
	if err := t.Settle(settleCtx); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	figures.SettleSeconds = time.Since(settling).Seconds()
	after, err := usage(t)
	if err != nil {
		return err
	}
	lines, raw := float64(r.corpus.Lines), float64(r.corpus.Bytes)
	figures.Lines = r.corpus.Lines
	figures.Seconds = took.Seconds()
	figures.LinesPerSec = lines / took.Seconds()
	figures.MBPerSec = raw / megabyte / took.Seconds()
	figures.RequestP50MS, figures.RequestP99MS = quantiles(times)
	figures.CPUSeconds = after.CPUSeconds - before.CPUSeconds
	figures.CPUPerMillion = figures.CPUSeconds / lines * 1e6
	figures.PeakRSSMB = float64(after.PeakRSSBytes) / megabyte
	figures.RestRSSMB = float64(after.RSSBytes) / megabyte
	figures.WrittenBytes = after.BytesWritten - before.BytesWritten
	figures.WrittenPerRaw = float64(figures.WrittenBytes) / raw
	disk, err := t.Disk()
	if err != nil && !errors.Is(err, ErrNotMeasured) && !errors.Is(err, proc.ErrUnsupported) {
		return err
	}
	figures.DiskBytes, figures.DiskApparent, figures.DiskFiles = disk.Allocated, disk.Apparent, disk.Files
	figures.DiskParts = disk.Parts
	figures.DiskPerRaw = float64(disk.Allocated) / raw
	return nil
}

// usage is the usage of the server, zero where it cannot be read.
func usage(t Target) (proc.Usage, error) {
	u, err := t.Usage()
	if errors.Is(err, ErrNotMeasured) || errors.Is(err, proc.ErrUnsupported) {
		return proc.Usage{}, nil
	}
	return u, err
}

// send lets the workers send the corpus and returns the times of all requests.
func (r *run) send(ctx context.Context, t Target, retries *int64) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan Batch, r.cfg.Workers)
	var workers sync.WaitGroup
	var retried atomic.Int64
	times := make([][]time.Duration, r.cfg.Workers)
	workers.Go(func() {
		if err := r.corpus.Batches(ctx, r.cfg.BatchLines, batches); err != nil {
			cancel(err)
		}
	})
	for i := range times {
		workers.Go(func() {
			for b := range batches {
				start := time.Now()
				n, err := ingest(ctx, t, b)
				times[i] = append(times[i], time.Since(start))
				retried.Add(n)
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	*retries = retried.Load()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return slices.Concat(times...), nil
}

// ingest sends one batch, again and again while the server is overloaded. The
// time of a request includes that.
func ingest(ctx context.Context, t Target, b Batch) (retries int64, err error) {
	for {
		err := t.Ingest(ctx, b)
		var status *statusError
		if err == nil || !errors.As(err, &status) || !status.overloaded() || retries == retriesMax {
			return retries, err
		}
		retries++
		timer := time.NewTimer(min(status.retryAfter, retryPauseMax))
		select {
		case <-ctx.Done():
			timer.Stop()
			return retries, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// warm asks a question several times and checks the first answer.
func (r *run) warm(ctx context.Context, t Target, q Question, report *QuestionReport) error {
	answer, err := t.Ask(ctx, q)
	if errors.Is(err, ErrNotAsked) {
		report.Skipped = err.Error()
		return nil
	}
	truth := r.truths[q.Number]
	report.Size = truth.Size()
	if err != nil {
		report.Wrong = err.Error()
		r.say("%s: question %d: %v", t.Name(), q.Number, err)
		return ctx.Err()
	}
	if err := truth.Check(answer); err != nil {
		report.Wrong = err.Error()
	}
	var times []time.Duration
	began := time.Now()
	for i := 0; i < r.cfg.Repeats && (i < repeatsMin || time.Since(began) < r.cfg.QuestionBudget); i++ {
		if answer, err = t.Ask(ctx, q); err != nil {
			return err
		}
		times = append(times, answer.Elapsed)
	}
	report.P50MS, report.P99MS = quantiles(times)
	r.say("%s: question %d %s: %.2f ms, %d, %s", t.Name(), q.Number, q.Name, report.P50MS, report.Size, orDefault(report.Wrong, "right"))
	return nil
}

// cold asks each question once after a restart with an empty page cache.
func (r *run) cold(ctx context.Context, t Target, figures *TargetReport) error {
	for i := range figures.Answers {
		a := &figures.Answers[i]
		if a.Skipped != "" || a.P50MS == 0 {
			continue
		}
		if err := t.Stop(); err != nil {
			return err
		}
		if err := proc.DropCaches(); err != nil {
			r.say("%s: no cold runs: %v", t.Name(), err)
			return t.Start(ctx)
		}
		if err := t.Start(ctx); err != nil {
			return fmt.Errorf("restart: %w", err)
		}
		answer, err := t.Ask(ctx, r.questions[i])
		if err != nil {
			return fmt.Errorf("question %d: %w", a.Number, err)
		}
		if err := r.truths[a.Number].Check(answer); err != nil && a.Wrong == "" {
			a.Wrong = "after a restart: " + err.Error()
		}
		a.ColdMS = milliseconds(answer.Elapsed)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantiles returns the median and the 99th percentile (nearest rank) in ms.
func quantiles(times []time.Duration) (p50, p99 float64) {
	if len(times) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(percent int) float64 {
		return milliseconds(sorted[(len(sorted)*percent+99)/100-1])
	}
	return at(50), at(99)
}

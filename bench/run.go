package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/stere-log/stere/bench/machine"
	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/bench/result"
)

// repeatsMin is how often a question is asked whatever its budget.
const repeatsMin = 3

// How many variants of a question are compared with the scan. Those that need
// the memory of every value are fewer.
const (
	variantsChecked      = 3
	variantsCheckedHeavy = 1
)

// run is one run under way: one corpus, all targets.
type run struct {
	cfg       Config
	corpus    *Corpus
	steps     []step
	questions []Question
	variants  map[int][]Question // by question number
}

// step is what is sent and asked at once: the whole corpus, or, where it
// grows, the next part of it.
type step struct {
	part     *Corpus
	truths   map[int]*Truth   // by question number
	variants map[int][]*Truth // of the first variants
	figures  *result.Run
}

// Run measures the targets one after the other with each corpus. The report
// names faults of targets. With an error it has the corpora that were done by
// then, so that hours are not lost; it is nil if there is none.
func Run(ctx context.Context, cfg Config) (*result.Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("bench config: %w", err)
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.WorkDir, 0o755); err != nil {
		return nil, fmt.Errorf("make work folder: %w", err)
	}
	report := &result.Report{
		Time: time.Now().UTC().Truncate(time.Second), Commit: cfg.Commit, Note: cfg.Note, Machine: machine.Describe(),
		Settings: result.Settings{
			Workers: cfg.Workers, BatchLines: cfg.BatchLines, Repeats: cfg.Repeats, Variants: cfg.variants(), Seed: cfg.Seed,
			IdleSeconds: cfg.Idle.Seconds(),
		},
	}
	memcpy := machine.MemcpyRate()
	for _, spec := range cfg.Corpora {
		runs, baseline, err := measureCorpus(ctx, cfg, spec)
		for i := range runs {
			runs[i].Limits.MemcpyGBPerSec = memcpy
		}
		if err == nil {
			report.Baseline = baseline
			report.Runs = append(report.Runs, runs...)
			continue
		}
		if len(report.Runs) == 0 {
			return nil, err
		}
		return report, err
	}
	return report, nil
}

// measureCorpus measures all targets with one corpus.
func measureCorpus(ctx context.Context, cfg Config, spec string) (runs []result.Run, baseline string, err error) {
	// A target made anew has an empty folder.
	targets, err := parseTargets(cfg)
	if err != nil {
		return nil, "", err
	}
	r := &run{cfg: cfg}
	if err := r.prepare(ctx, spec); err != nil {
		return nil, "", err
	}
	for _, t := range targets {
		if err := r.measure(ctx, t); err != nil {
			return nil, "", err
		}
	}
	for _, s := range r.steps {
		runs = append(runs, *s.figures)
	}
	return runs, cmp.Or(cfg.Baseline, targets[len(targets)-1].Name()), nil
}

func parseTargets(cfg Config) ([]Target, error) {
	targets := make([]Target, len(cfg.Targets))
	for i, spec := range cfg.Targets {
		var err error
		if targets[i], err = ParseTarget(spec, cfg.WorkDir, cfg.RequestTimeout); err != nil {
			return nil, err
		}
	}
	return targets, nil
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.cfg.Progress, format+"\n", args...) }

// prepare makes a corpus, its questions and their right answers ready.
func (r *run) prepare(ctx context.Context, spec string) error {
	r.say("corpus %s", spec)
	var err error
	if r.corpus, err = OpenCorpus(ctx, spec, r.cfg.WorkDir); err != nil {
		return err
	}
	parts := []*Corpus{r.corpus}
	if len(r.cfg.Grow) > 0 {
		if parts, err = r.corpus.Parts(ctx, r.cfg.Grow); err != nil {
			return err
		}
	}
	// The words come from the first part, so that every size has them.
	r.say("choosing the words of the questions from %d lines", parts[0].Lines)
	survey, err := TakeSurvey(ctx, parts[0], parts[1:], r.cfg.variants(), r.cfg.Seed)
	if err != nil {
		return fmt.Errorf("survey corpus: %w", err)
	}
	r.questions = Questions(survey)
	r.variants = Variants(survey, r.cfg.variants(), r.cfg.Seed)
	limits, err := r.limits(ctx)
	if err != nil {
		return err
	}
	r.say("answering them by a scan")
	asked, checked := r.checked()
	all, err := scan(ctx, parts, asked)
	if err != nil {
		return fmt.Errorf("scan corpus: %w", err)
	}
	lines, bytes := int64(0), int64(0)
	for i, part := range parts {
		lines, bytes = lines+part.Lines, bytes+part.Bytes
		s := step{part: part, truths: map[int]*Truth{}, variants: map[int][]*Truth{}, figures: &result.Run{
			Corpus: result.Corpus{
				Name: r.corpus.Name, Lines: lines, Bytes: bytes,
				First: time.Unix(0, survey.First).UTC(), Last: time.Unix(0, survey.Last).UTC(),
			},
			Growing: i > 0, Limits: limits,
		}}
		for k, t := range all[i] {
			if n := t.Question.Number; k < checked {
				s.truths[n] = t
			} else {
				s.variants[n] = append(s.variants[n], t)
			}
		}
		r.steps = append(r.steps, s)
	}
	return nil
}

// checked returns the questions that the scan answers: first so many that are
// asked, then the first variants of each.
func (r *run) checked() (questions []Question, own int) {
	for _, q := range r.questions {
		if q.Missing == "" {
			questions = append(questions, q)
		}
	}
	own = len(questions)
	for _, q := range questions[:own] {
		n := variantsChecked
		if q.Kind == Distinct || q.Kind == P99By {
			n = variantsCheckedHeavy
		}
		variants := r.variants[q.Number]
		questions = append(questions, variants[:min(len(variants), n)]...)
	}
	return questions, own
}

// limits measures what this machine can do at most with the corpus.
func (r *run) limits(ctx context.Context) (machine.Limits, error) {
	var l machine.Limits
	var err error
	if l.JSONMBPerSec, err = machine.JSONRate(r.corpus.Path); err != nil || !r.cfg.Limits {
		return l, err
	}
	r.say("compressing it with %s", machine.ZstdCommand)
	file, err := os.Open(r.corpus.Path)
	if err != nil {
		return l, fmt.Errorf("open corpus: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return l, fmt.Errorf("open corpus: %w", err)
	}
	bytes, took, err := machine.Zstd(ctx, file, info.Size(), func(percent int) { r.say("%s: %d %%", machine.ZstdCommand, percent) })
	if errors.Is(err, machine.ErrNoZstd) {
		r.say("%v", err)
		return l, nil
	}
	l.ZstdBytes, l.ZstdSeconds = bytes, took.Seconds()
	return l, err
}

// measure measures one target. Its faults stand in the figures; an error is
// the end of the run.
func (r *run) measure(ctx context.Context, t Target) error {
	r.say("%s: starting", t.Name())
	fault := t.Start(ctx)
	if fault != nil {
		fault = fmt.Errorf("start: %w", fault)
	}
	program := t.Program(ctx)
	var before *result.Target
	for _, s := range r.steps {
		figures := result.Target{Name: t.Name(), Program: program}
		if fault == nil {
			fault = r.step(ctx, t, s, &figures, before)
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), t.Stop())
		}
		if fault != nil {
			figures.Error = fault.Error()
			r.say("%s: %v", t.Name(), fault)
		}
		s.figures.Targets = append(s.figures.Targets, figures)
		before = &s.figures.Targets[len(s.figures.Targets)-1]
	}
	if err := t.Stop(); err != nil && before.Error == "" {
		before.Error = err.Error()
	}
	return nil
}

// step sends one part of the corpus and asks all questions about all that the
// target has by then.
func (r *run) step(ctx context.Context, t Target, s step, figures, before *result.Target) error {
	if err := r.ingest(ctx, t, s, &figures.Ingest, before); err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	for _, q := range r.questions {
		answer := result.Question{Number: q.Number, Name: q.Name, Detail: q.Detail, Skipped: q.Missing}
		if q.Missing == "" {
			r.first(ctx, t, q, s.truths[q.Number], &answer)
		}
		figures.Answers = append(figures.Answers, answer)
	}
	for i, q := range r.questions {
		a := &figures.Answers[i]
		if a.Skipped != "" || a.FirstMS == 0 {
			continue
		}
		if err := r.warm(ctx, t, q, a); err != nil {
			return fmt.Errorf("question %d: %w", q.Number, err)
		}
		r.varied(ctx, t, r.variants[q.Number], s.variants[q.Number], a)
		r.say("%s: question %d %s: %.2f ms, varied %.2f ms, first %.2f ms, %d, %s", t.Name(), q.Number, q.Name,
			a.P50MS, a.VariedMS, a.FirstMS, a.Size, cmp.Or(a.Wrong, "right"))
	}
	u, err := usage(t)
	if err != nil {
		return err
	}
	figures.PeakRSSMB = float64(u.PeakRSSBytes) / megabyte
	if t.Owned() && !r.cfg.SkipCold {
		if err := r.cold(ctx, t, s, figures); err != nil {
			return fmt.Errorf("cold runs: %w", err)
		}
	}
	figures.Sum()
	return ctx.Err()
}

// first asks a question for the first time since the target has the records,
// and checks the answer.
func (r *run) first(ctx context.Context, t Target, q Question, truth *Truth, figures *result.Question) {
	answer, err := t.Ask(ctx, q)
	if errors.Is(err, ErrNotAsked) {
		figures.Skipped = err.Error()
		return
	}
	figures.Size = truth.Size()
	if err == nil {
		figures.FirstMS = milliseconds(answer.Elapsed)
		err = truth.Check(answer)
	}
	if err != nil {
		figures.Wrong = err.Error()
		r.say("%s: question %d: %v", t.Name(), q.Number, err)
	}
}

// warm asks a question several times.
func (r *run) warm(ctx context.Context, t Target, q Question, figures *result.Question) error {
	var times []time.Duration
	began := time.Now()
	for i := 0; i < r.cfg.Repeats && (i < repeatsMin || time.Since(began) < r.cfg.QuestionBudget); i++ {
		answer, err := t.Ask(ctx, q)
		if err != nil {
			return err
		}
		times = append(times, answer.Elapsed)
	}
	figures.P50MS, figures.P99MS = quantiles(times)
	return nil
}

// varied asks each variant of a question once and checks the first of them.
func (r *run) varied(ctx context.Context, t Target, variants []Question, truths []*Truth, figures *result.Question) {
	var times []time.Duration
	began := time.Now()
	for i, q := range variants {
		if i >= repeatsMin && time.Since(began) >= r.cfg.QuestionBudget {
			break
		}
		answer, err := t.Ask(ctx, q)
		if err == nil {
			times = append(times, answer.Elapsed)
			if i < len(truths) {
				figures.Checked++
				err = truths[i].Check(answer)
			}
		}
		if err != nil && figures.Wrong == "" {
			figures.Wrong = fmt.Sprintf("variant %d (%s): %v", i+1, q.Detail, err)
		}
	}
	figures.Variants = len(times)
	figures.VariedMS, _ = quantiles(times)
}

// cold asks each question once after a restart with an empty page cache.
func (r *run) cold(ctx context.Context, t Target, s step, figures *result.Target) error {
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
		if err := s.truths[a.Number].Check(answer); err != nil && a.Wrong == "" {
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

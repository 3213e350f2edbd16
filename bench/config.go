package bench

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Defaults of Config.
const (
	DefaultWorkers        = 4
	DefaultBatchLines     = 1_000
	DefaultRepeats        = 20
	DefaultRequestTimeout = 2 * time.Minute
	DefaultSettleTimeout  = 30 * time.Minute
	DefaultQuestionBudget = time.Minute
)

// workersMax bounds the concurrent requests of a run.
const workersMax = connectionsMax

// variantsMax bounds the variants of a question.
const variantsMax = 1_000

// Config says what to measure. Zero values mean the defaults.
type Config struct {
	// Corpora are what OpenCorpus takes: a file, or generate:LINES[:SEED],
	// with NAME= before it. Each is measured with fresh targets.
	Corpora []string
	// Grow cuts each corpus at these numbers of lines, which rise: a target
	// takes in the first part and is asked, then the next, and so on. Empty
	// means the whole corpus at once.
	Grow []int64
	// Targets are what ParseTarget takes, measured one after the other.
	Targets []string
	// Baseline is the name of the target that ratios refer to. Empty means
	// the last one.
	Baseline string
	// WorkDir receives the corpus, the data folders and the logs of servers.
	WorkDir string
	// Workers is the number of concurrent writers. 0 means DefaultWorkers.
	Workers int
	// BatchLines is the number of lines in a request. 0 means
	// DefaultBatchLines.
	BatchLines int
	// Repeats is how often each question is asked warm. 0 means
	// DefaultRepeats.
	Repeats int
	// Variants is how many other subjects each question is asked about, each
	// once. 0 means as many as Repeats.
	Variants int
	// SkipVaried leaves them out.
	SkipVaried bool
	// Seed draws them.
	Seed uint64
	// Idle is how long a settled target is left alone before its memory at
	// rest is read. 0 means not at all.
	Idle time.Duration
	// Limits compresses each corpus with an external program, which is slow.
	Limits bool
	// Commit and Note stand in the report.
	Commit, Note string
	// SkipCold leaves out the cold runs, which need root.
	SkipCold bool
	// RequestTimeout bounds a request and a start. 0 means
	// DefaultRequestTimeout.
	RequestTimeout time.Duration
	// SettleTimeout bounds settling. 0 means DefaultSettleTimeout.
	SettleTimeout time.Duration
	// QuestionBudget ends the repeats of a slow question early, after at
	// least three. 0 means DefaultQuestionBudget.
	QuestionBudget time.Duration
	// Progress receives a line for each step. Nil discards them.
	Progress io.Writer
}

// Validate lists all faults.
func (c Config) Validate() error {
	var faults []error
	if len(c.Corpora) == 0 || slices.Contains(c.Corpora, "") {
		faults = append(faults, errors.New("no corpus"))
	}
	for _, spec := range c.Corpora { // found missing after hours of the first, it would cost them
		if _, where := cutName(spec); where != "" && !strings.HasPrefix(where, generatePrefix) {
			if _, err := os.Stat(where); err != nil {
				faults = append(faults, fmt.Errorf("corpus %s: %w", spec, err))
			}
		}
	}
	for i, lines := range c.Grow {
		if lines <= 0 || i > 0 && lines <= c.Grow[i-1] {
			faults = append(faults, fmt.Errorf("sizes to grow to are %d, want them above 0 and rising", c.Grow))
			break
		}
	}
	if c.Variants < 0 || c.Variants > variantsMax {
		faults = append(faults, fmt.Errorf("variants is %d, want 1 to %d", c.Variants, variantsMax))
	}
	if len(c.Corpora) > 1 && slices.ContainsFunc(c.Targets, func(spec string) bool { return strings.Contains(spec, "=http") }) {
		faults = append(faults, errors.New("a target that runs already cannot be emptied: want one corpus"))
	}
	if len(c.Targets) == 0 {
		faults = append(faults, errors.New("no target"))
	}
	kinds := map[string]bool{}
	for _, spec := range c.Targets {
		kind, _, _ := strings.Cut(spec, "=")
		if kinds[kind] {
			faults = append(faults, fmt.Errorf("two targets are called %s: they would have the same folder and figures", kind))
		}
		kinds[kind] = true
	}
	if c.WorkDir == "" {
		faults = append(faults, errors.New("no work folder"))
	}
	if c.Workers < 0 || c.Workers > workersMax {
		faults = append(faults, fmt.Errorf("workers is %d, want 1 to %d", c.Workers, workersMax))
	}
	if c.BatchLines < 0 {
		faults = append(faults, fmt.Errorf("lines of a request is %d, want 1 or more", c.BatchLines))
	}
	if c.Repeats < 0 {
		faults = append(faults, fmt.Errorf("repeats is %d, want 1 or more", c.Repeats))
	}
	if c.RequestTimeout < 0 || c.SettleTimeout < 0 || c.QuestionBudget < 0 || c.Idle < 0 {
		faults = append(faults, errors.New("a time limit is negative"))
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	c.Workers = cmp.Or(c.Workers, DefaultWorkers)
	c.BatchLines = cmp.Or(c.BatchLines, DefaultBatchLines)
	c.Repeats = cmp.Or(c.Repeats, DefaultRepeats)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, DefaultRequestTimeout)
	c.SettleTimeout = cmp.Or(c.SettleTimeout, DefaultSettleTimeout)
	c.QuestionBudget = cmp.Or(c.QuestionBudget, DefaultQuestionBudget)
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

// variants is how many variants of each question there are.
func (c Config) variants() int {
	if c.SkipVaried {
		return 0
	}
	return cmp.Or(c.Variants, c.Repeats)
}

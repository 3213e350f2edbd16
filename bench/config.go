package bench

import (
	"errors"
	"fmt"
	"io"
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

// Config says what to measure. Zero values mean the defaults.
type Config struct {
	// Corpus is what OpenCorpus takes: a file, or generate:LINES[:SEED].
	Corpus string
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
	if c.Corpus == "" {
		faults = append(faults, errors.New("no corpus"))
	}
	if len(c.Targets) == 0 {
		faults = append(faults, errors.New("no target"))
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
	if c.RequestTimeout < 0 || c.SettleTimeout < 0 || c.QuestionBudget < 0 {
		faults = append(faults, errors.New("a time limit is negative"))
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	c.Workers = orDefault(c.Workers, DefaultWorkers)
	c.BatchLines = orDefault(c.BatchLines, DefaultBatchLines)
	c.Repeats = orDefault(c.Repeats, DefaultRepeats)
	c.RequestTimeout = orDefault(c.RequestTimeout, DefaultRequestTimeout)
	c.SettleTimeout = orDefault(c.SettleTimeout, DefaultSettleTimeout)
	c.QuestionBudget = orDefault(c.QuestionBudget, DefaultQuestionBudget)
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

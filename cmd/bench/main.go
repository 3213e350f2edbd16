// Command bench measures log stores with the same corpus and the same thirteen
// questions. See docs/benchmark.md.
//
//	go run ./cmd/bench --target stere
//	go run ./cmd/bench --corpus generate:2000000 --target stere --target victorialogs=/usr/local/bin/victoria-logs
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/stere-log/stere/bench"
	"github.com/stere-log/stere/bench/tool"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // a target failed or gave a wrong answer
	exitUsage  = 2
)

type flags struct {
	Corpus   string        `default:"generate:200000" help:"NDJSON file (plain, gzip or zstd), or generate:LINES[:SEED]." placeholder:"FILE|generate:N"`
	Target   []string      `required:"" help:"What to measure, repeatable: stere (built from this folder), stere=PATH|URL, victorialogs=PATH|URL, bulk=URL. STERE_API_KEY is sent to URLs." placeholder:"KIND[=WHERE]"`
	Baseline string        `help:"Target that ratios refer to. Default: the last one."`
	Work     string        `help:"Folder for corpus, data and logs. Default: a temporary one, removed at the end." type:"path"`
	Workers  int           `default:"4" help:"Concurrent writers."`
	Lines    int           `default:"1000" help:"Lines in a request."`
	Repeats  int           `default:"20" help:"How often each question is asked warm."`
	NoCold   bool          `help:"Leave out the cold runs (they need root)."`
	Settle   time.Duration `default:"30m" help:"Longest wait for a target to settle."`
	Timeout  time.Duration `default:"2m" help:"Longest wait for a request or a start."`
	JSON     string        `help:"File for the result as JSON; - for the output, instead of the table." placeholder:"FILE|-"`
	Quiet    bool          `short:"q" help:"No progress."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var f flags
	done := -1
	parser, err := kong.New(&f, kong.Name("bench"), kong.Description("Measures log stores with the same corpus and the same thirteen questions."),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { done = code }))
	if err == nil {
		_, err = parser.Parse(args)
	}
	if done >= 0 {
		return done
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	code, err := measure(ctx, f, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return code
}

func measure(ctx context.Context, f flags, stdout, stderr io.Writer) (code int, err error) {
	if f.Work == "" {
		if f.Work, err = os.MkdirTemp("", "stere-bench-"); err != nil {
			return exitUsage, fmt.Errorf("make work folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(f.Work)) }()
	} else if err := os.MkdirAll(f.Work, 0o755); err != nil {
		return exitUsage, fmt.Errorf("make work folder: %w", err)
	}
	cfg := bench.Config{
		Corpus: f.Corpus, Targets: f.Target, Baseline: f.Baseline, WorkDir: f.Work, Workers: f.Workers, BatchLines: f.Lines,
		Repeats: f.Repeats, SkipCold: f.NoCold, RequestTimeout: f.Timeout, SettleTimeout: f.Settle,
	}
	if !f.Quiet {
		cfg.Progress = stderr
	}
	for i, target := range cfg.Targets {
		if target == bench.KindStere {
			path, err := tool.BuildStere(ctx, f.Work)
			if err != nil {
				return exitUsage, err
			}
			cfg.Targets[i] = bench.KindStere + "=" + path
		}
	}
	report, err := bench.Run(ctx, cfg)
	if err != nil {
		return exitUsage, err
	}
	if err := tool.WriteReport(report, f.JSON, stdout); err != nil {
		return exitFailed, err
	}
	if report.Failed() {
		return exitFailed, nil
	}
	return exitOK, nil
}

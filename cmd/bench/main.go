// Command bench measures log stores with the same corpus and the same thirteen
// questions. See docs/benchmark.md.
//
//	go run ./cmd/bench --target stere
//	go run ./cmd/bench --placement
//	go run ./cmd/bench --cluster-cost FILE.ndjson
//	go run ./cmd/bench --corpus generate:2000000 --target stere --target victorialogs=/usr/local/bin/victoria-logs
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/stere-log/stere/bench"
	"github.com/stere-log/stere/bench/chart"
	"github.com/stere-log/stere/bench/cost"
	"github.com/stere-log/stere/bench/odd"
	"github.com/stere-log/stere/bench/result"
	"github.com/stere-log/stere/bench/scale"
	"github.com/stere-log/stere/bench/tool"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // a target failed or gave a wrong answer
	exitUsage  = tool.ExitUsage
)

type flags struct {
	Target   []string      `xor:"what" required:"" help:"What to measure, repeatable: stere (built from this folder), stere=PATH|URL, victorialogs=PATH|URL, bulk=URL. STERE_API_KEY is sent to URLs." placeholder:"KIND[=WHERE]"`
	Table    string        `xor:"what" required:"" help:"Measure nothing; print a report that is there as Markdown." placeholder:"FILE.json"`
	Into     []string      `xor:"what" required:"" help:"Measure nothing; write the reports that a page names into it, repeatable." placeholder:"PAGE.md" type:"existingfile"`
	Corpus   []string      `default:"generate:200000" sep:"none" help:"NDJSON file (plain, gzip or zstd), or generate:LINES[:SEED]; repeatable, each measured with fresh targets." placeholder:"[NAME=]FILE|generate:N"`
	Grow     []int64       `help:"Sizes to which a target grows, in lines, measured at each." placeholder:"N,N,..."`
	Odd      bool          `help:"Send odd data instead of the corpora, ask no questions but how many lines there are."`
	Case     []string      `help:"Which odd data, repeatable: fields, long line, unique, constant, disorder, tenants. Default: all."`
	Plans    bool          `name:"placement" xor:"what" required:"" help:"Measure no store; plan for clusters of up to a thousand nodes that are lists in memory, and carry the plans out."`
	Nodes    []int         `help:"Sizes of these clusters. Default: 10, 30, 100, 300 and 1000." placeholder:"N,N,..."`
	Cost     string        `name:"cluster-cost" xor:"what" required:"" help:"Measure no store; send lines of an NDJSON file to clusters of three nodes with one and with three replicas, and leave one with many shards alone." placeholder:"FILE" type:"existingfile"`
	Rest     bool          `name:"cluster-idle" xor:"what" required:"" help:"Only that cluster of many shards that is left alone, and how long it takes to get all replicas."`
	CostOf   int           `name:"cluster-lines" help:"How many lines of it. Default: 300,000." placeholder:"N"`
	Program  string        `name:"stere" help:"The stere program, with --cluster-cost. Default: built from this folder." type:"existingfile"`
	Scale    float64       `default:"1" help:"Share of the full size of odd data."`
	Baseline string        `help:"Target that ratios refer to. Default: the last one."`
	Work     string        `help:"Folder for corpus, data and logs. Default: a temporary one, removed at the end." type:"path"`
	Workers  int           `default:"4" help:"Concurrent writers."`
	Lines    int           `default:"1000" help:"Lines in a request."`
	Repeats  int           `default:"20" help:"How often each question is asked warm."`
	Variants int           `help:"About how many other subjects each question is asked. Default: as many as repeats."`
	NoVaried bool          `help:"Leave them out."`
	Seed     uint64        `default:"1" help:"Draws the other subjects."`
	NoCold   bool          `help:"Leave out the cold runs (they need root)."`
	Idle     time.Duration `default:"20s" help:"How long a settled target is left alone before its memory at rest is read."`
	Limits   bool          `help:"Compress each corpus with zstd -19 --long=27 (slow), as a limit for the disk."`
	Settle   time.Duration `default:"30m" help:"Longest wait for a target to settle."`
	Timeout  time.Duration `default:"2m" help:"Longest wait for a request or a start."`
	Note     string        `help:"Stands in the report." placeholder:"TEXT"`
	JSON     string        `help:"File for the result as JSON; - for the output, instead of the table." placeholder:"FILE|-"`
	View     string        `enum:"short,full" default:"full" help:"Which lines the Markdown of --table has: short or full."`
	Chart    string        `help:"File for a chart of a corpus that grows, with --table too, or of plans." placeholder:"FILE.svg" type:"path"`
	Quiet    bool          `short:"q" help:"No progress."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	return tool.Run("bench", "Measures log stores with the same corpus and the same thirteen questions.", args, stdout, stderr, act)
}

func act(ctx context.Context, f flags, stdout, stderr io.Writer) (code int, err error) {
	switch {
	case f.Table != "":
		return table(f, stdout)
	case len(f.Into) > 0:
		return into(f.Into)
	case f.Plans:
		return plans(ctx, f, stdout, stderr)
	case f.Cost != "", f.Rest:
		return costs(ctx, f, stdout, stderr)
	}
	return measure(ctx, f, stdout, stderr)
}

func measure(ctx context.Context, f flags, stdout, stderr io.Writer) (code int, err error) {
	temporary := f.Work == ""
	if f.Work, err = tool.WorkFolder(f.Work, "bench"); err != nil {
		return exitUsage, err
	}
	if temporary {
		defer func() { err = errors.Join(err, os.RemoveAll(f.Work)) }()
	}
	commit, err := tool.Commit(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "bench: the report has no commit:", err)
	}
	cfg := bench.Config{
		Corpora: f.Corpus, Grow: f.Grow, Targets: f.Target, Baseline: f.Baseline, WorkDir: f.Work, Workers: f.Workers, BatchLines: f.Lines,
		Repeats: f.Repeats, Variants: f.Variants, SkipVaried: f.NoVaried, Seed: f.Seed, Idle: f.Idle, Limits: f.Limits,
		SkipCold: f.NoCold, RequestTimeout: f.Timeout, SettleTimeout: f.Settle, Commit: commit, Note: f.Note,
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
	if f.Odd {
		report, err := odd.Run(ctx, odd.Config{
			Targets: cfg.Targets, Only: f.Case, WorkDir: f.Work, Scale: f.Scale, Seed: f.Seed, Commit: commit, Progress: cfg.Progress,
		})
		if err != nil {
			return exitUsage, err
		}
		return write(report, f, stdout)
	}
	report, err := bench.Run(ctx, cfg)
	if err != nil {
		if report != nil {
			_, writeErr := write(report, f, stdout)
			err = errors.Join(err, writeErr)
		}
		return exitUsage, err
	}
	// The figures first: a chart that cannot be drawn must not cost them.
	code, err = write(report, f, stdout)
	return code, errors.Join(err, draw(report, f.Chart))
}

// plans measures plans for large clusters.
func plans(ctx context.Context, f flags, stdout, stderr io.Writer) (code int, err error) {
	cfg := scale.Config{Nodes: f.Nodes, Seed: f.Seed}
	if cfg.Commit, err = tool.Commit(ctx); err != nil {
		fmt.Fprintln(stderr, "bench: the report has no commit:", err)
	}
	if !f.Quiet {
		cfg.Progress = stderr
	}
	report, err := scale.Run(ctx, cfg)
	if err != nil {
		return exitUsage, err
	}
	code, err = write(report, f, stdout)
	if f.Chart != "" {
		err = errors.Join(err, writeChart(report.Chart(), f.Chart))
	}
	return code, err
}

// costs measures what a cluster costs.
func costs(ctx context.Context, f flags, stdout, stderr io.Writer) (code int, err error) {
	temporary := f.Work == ""
	if f.Work, err = tool.WorkFolder(f.Work, "bench"); err != nil {
		return exitUsage, err
	}
	if temporary {
		defer func() { err = errors.Join(err, os.RemoveAll(f.Work)) }()
	}
	cfg := cost.Config{Path: f.Program, Corpus: f.Cost, WorkDir: f.Work, Lines: f.CostOf, Note: f.Note, Idle: max(f.Idle, time.Minute)}
	if cfg.Path == "" {
		if cfg.Path, err = tool.BuildStere(ctx, f.Work); err != nil {
			return exitUsage, err
		}
	}
	if cfg.Commit, err = tool.Commit(ctx); err != nil {
		fmt.Fprintln(stderr, "bench: the report has no commit:", err)
	}
	if !f.Quiet {
		cfg.Progress = stderr
	}
	report, err := cost.Run(ctx, cfg)
	if err != nil {
		return exitFailed, err
	}
	return write(report, f, stdout)
}

// write writes a report, and says what its figures mean for the exit code.
func write(report interface {
	tool.Report
	Failed() bool
}, f flags, stdout io.Writer) (code int, err error) {
	if err := tool.WriteReport(report, f.JSON, stdout); err != nil {
		return exitFailed, err
	}
	if report.Failed() {
		return exitFailed, nil
	}
	return exitOK, nil
}

// draw writes the chart, if one is asked for.
func draw(report *result.Report, path string) error {
	if path == "" {
		return nil
	}
	c, err := report.Chart()
	if err != nil {
		return err
	}
	return writeChart(c, path)
}

func writeChart(c chart.Chart, path string) error {
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write chart: %w", err)
	}
	return nil
}

// table prints a report that is there.
func table(f flags, stdout io.Writer) (code int, err error) {
	report, err := result.Read(f.Table)
	if err != nil {
		return exitUsage, err
	}
	if _, err := io.WriteString(stdout, report.Markdown(result.View(f.View))); err != nil {
		return exitFailed, fmt.Errorf("write table: %w", err)
	}
	if err := draw(report, f.Chart); err != nil {
		return exitFailed, err
	}
	return exitOK, nil
}

// into writes the reports that the pages name into them. Paths of reports are
// relative to the current folder, the root of the module.
func into(pages []string) (code int, err error) {
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return exitUsage, fmt.Errorf("read page: %w", err)
		}
		updated, err := result.Update(".", string(text))
		if err != nil {
			return exitUsage, fmt.Errorf("page %s: %w", page, err)
		}
		if err := os.WriteFile(page, []byte(updated), 0o644); err != nil {
			return exitFailed, fmt.Errorf("write page: %w", err)
		}
	}
	return exitOK, nil
}

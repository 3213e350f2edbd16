// Command faults runs a real Stere process under load, kills it, cuts its
// power, fills or breaks its disk, and checks that every acknowledged record
// is there exactly once and unaltered. See docs/benchmark.md.
//
//	go run ./cmd/faults --fault kill --rounds 300
//	sudo go run ./cmd/faults --fault powerloss --rounds 100
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/stere-log/stere/bench/faults"
	"github.com/stere-log/stere/bench/tool"
)

// Exit codes.
const (
	exitOK       = 0
	exitViolated = 1 // or void
	exitUsage    = tool.ExitUsage
)

type flags struct {
	Stere     string        `help:"The stere program. Default: built from this folder." type:"path"`
	Fault     []faults.Kind `help:"kill, powerloss, diskfull or diskdead, repeatable. Default: all." placeholder:"KIND"`
	Rounds    int           `default:"20" help:"Faults of each kind."`
	Seed      uint64        `default:"1" help:"Decides the moments and the contents."`
	Writers   int           `default:"3" help:"Concurrent writers."`
	Rows      int           `default:"4000" help:"Most records a second that are sent."`
	MinRows   int           `default:"200" help:"A run with fewer acknowledged records a second is void."`
	UptimeMin time.Duration `default:"100ms" help:"Least time from ready to the fault."`
	UptimeMax time.Duration `default:"2s" help:"Most time from ready to the fault."`
	FullEvery int           `default:"25" help:"Read every record back after so many rounds, and at the end."`
	Image     int           `default:"512" help:"Size of the disk image for faults of disks, MiB."`
	Work      string        `help:"Folder for data, images and logs. Default: a temporary one, removed if nothing is violated." type:"path"`
	JSON      string        `help:"File for the result as JSON; - for the output, instead of the table." placeholder:"FILE|-"`
	Quiet     bool          `short:"q" help:"No progress."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	const description = "Kills a real Stere under load, cuts its power, fills and breaks its disk, and checks that nothing acknowledged is lost."
	return tool.Run("faults", description, args, stdout, stderr, inject)
}

func inject(ctx context.Context, f flags, stdout, stderr io.Writer) (code int, err error) {
	temporary := f.Work == ""
	if f.Work, err = tool.WorkFolder(f.Work, "faults"); err != nil {
		return exitUsage, err
	}
	defer func() {
		switch {
		case temporary && code != exitViolated:
			err = errors.Join(err, os.RemoveAll(f.Work))
		case temporary:
			fmt.Fprintln(stderr, "data and logs are kept in", f.Work)
		}
	}()
	if f.Stere == "" {
		if f.Stere, err = tool.BuildStere(ctx, f.Work); err != nil {
			return exitUsage, err
		}
	}
	cfg := faults.Config{
		Path: f.Stere, WorkDir: f.Work, Faults: f.Fault, Rounds: f.Rounds, Seed: f.Seed, Writers: f.Writers, RowsPerSecond: f.Rows, MinRows: f.MinRows,
		UptimeMin: f.UptimeMin, UptimeMax: f.UptimeMax, FullEvery: f.FullEvery, ImageMB: f.Image,
	}
	if !f.Quiet {
		cfg.Progress = stderr
	}
	report, err := faults.Run(ctx, cfg)
	if err != nil {
		return exitUsage, err
	}
	if err := tool.WriteReport(report, f.JSON, stdout); err != nil {
		return exitUsage, err
	}
	if !report.OK() {
		return exitViolated, nil
	}
	return exitOK, nil
}

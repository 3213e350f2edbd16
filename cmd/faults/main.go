// Command faults runs a real Stere process, or a cluster of them, under load,
// kills, cuts power and links, fills or breaks disks, and checks that every
// acknowledged record is there exactly once and unaltered. See
// docs/benchmark.md.
//
//	go run ./cmd/faults --fault kill --rounds 300
//	sudo go run ./cmd/faults --fault powerloss --rounds 100
//	sudo go run ./cmd/faults --nodes 3 --fault kill,partition,slow --linkd ./linkd
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/stere-log/stere/bench/faults"
	"github.com/stere-log/stere/bench/faults/cluster"
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
	Old       string        `name:"stere-old" help:"An older stere program, which nodes of a cluster begin with; the fault upgrade restarts them one by one with the present one." type:"existingfile" placeholder:"PATH"`
	Nodes     int           `default:"1" help:"1, or the nodes of a cluster: 3 or more."`
	Fault     []string      `help:"Kinds of faults, with commas or repeated, see docs/benchmark.md. Default: all." placeholder:"KIND"`
	Rounds    int           `placeholder:"N" help:"Faults of each kind. Default: 20, of a cluster 3."`
	Seed      uint64        `default:"1" help:"Decides the plan, the moments and the contents."`
	Writers   int           `placeholder:"N" help:"Concurrent writers. Default: 3, of a cluster 6."`
	Rows      int           `placeholder:"N" help:"Most records a second that are sent. Default: 4000, to a cluster 1000."`
	MinRows   int           `placeholder:"N" help:"A run with fewer acknowledged records a second is void. Default: 200, of a cluster 50."`
	UptimeMin time.Duration `placeholder:"TIME" help:"Least time from ready to the fault. Default: 100ms, of a cluster 500ms."`
	UptimeMax time.Duration `placeholder:"TIME" help:"Most time from ready to the fault. Default: 2s, of a cluster 3s."`
	FullEvery int           `placeholder:"N" help:"Read every record back after so many rounds, and at the end. Default: 25, of a cluster 5."`
	Image     int           `placeholder:"N" help:"Size of a disk image for faults of disks, MiB. Default: 512, of a cluster 1024 for each node."`
	Work      string        `help:"Folder for data, images and logs. Default: a temporary one, removed if nothing is violated." type:"path"`
	JSON      string        `help:"File for the result as JSON; - for the output, instead of the table." placeholder:"FILE|-"`
	Quiet     bool          `short:"q" help:"No progress."`
	Cluster   clusterFlags  `embed:"" group:"Flags of a cluster"`
}

// clusterFlags are those that one node has no use for.
type clusterFlags struct {
	Replicas int           `default:"3" help:"Replicas of a shard."`
	Linkd    string        `help:"A program that forwards between network namespaces, with delays and losses; without it, and without one in PATH, links can only be cut." type:"path" placeholder:"PATH"`
	Loopback bool          `help:"No network namespaces: all nodes on loopback addresses."`
	FaultMin time.Duration `default:"3s" help:"Least time that a fault lasts."`
	FaultMax time.Duration `default:"9s" help:"Most time that a fault lasts."`
	Grace    time.Duration `default:"6s" help:"From a change until answers must be complete again."`
	Heal     time.Duration `default:"90s" help:"From the end of a fault until everything must be healthy."`
	Lives    int           `default:"8" help:"Most clusters that are made: a new one after each violation."`
	Limit    time.Duration `default:"12h" help:"No round begins after this time."`
	Set      []string      `help:"More arguments for each node, as --set=memory=256MiB." placeholder:"KEY=VALUE" sep:"none"`
	Keep     bool          `help:"Keep data and logs of all clusters."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	const description = "Kills a real Stere under load, or a cluster of them, cuts power and links, fills and breaks disks, and checks that nothing acknowledged is lost."
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
	progress := stderr
	if f.Quiet {
		progress = io.Discard
	}
	report, err := f.run(ctx, progress)
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

// report is the result for one node or for a cluster.
type report interface {
	tool.Report
	OK() bool
}

func (f *flags) run(ctx context.Context, progress io.Writer) (report, error) {
	if f.Nodes != 1 {
		return f.runCluster(ctx, progress)
	}
	return faults.Run(ctx, faults.Config{
		Path: f.Stere, WorkDir: f.Work, Faults: kinds[faults.Kind](f.Fault), Rounds: f.Rounds, Seed: f.Seed, Writers: f.Writers, RowsPerSecond: f.Rows,
		MinRows: f.MinRows, UptimeMin: f.UptimeMin, UptimeMax: f.UptimeMax, FullEvery: f.FullEvery, ImageMB: f.Image, Progress: progress,
	})
}

func (f *flags) runCluster(ctx context.Context, progress io.Writer) (report, error) {
	c := f.Cluster
	if c.Linkd == "" {
		c.Linkd, _ = exec.LookPath("linkd") // it is not needed
	}
	var args []string
	for _, set := range c.Set {
		args = append(args, "--set", set)
	}
	return cluster.Run(ctx, cluster.Config{
		Path: f.Stere, OldPath: f.Old, Args: args, WorkDir: f.Work, Linkd: c.Linkd, Loopback: c.Loopback, Nodes: f.Nodes, Replicas: c.Replicas,
		Faults: kinds[cluster.Kind](f.Fault), Rounds: f.Rounds, Seed: f.Seed, Writers: f.Writers, RowsPerSecond: f.Rows, MinRows: f.MinRows,
		UptimeMin: f.UptimeMin, UptimeMax: f.UptimeMax, FaultMin: c.FaultMin, FaultMax: c.FaultMax, Grace: c.Grace, FullEvery: f.FullEvery,
		ImageMB: f.Image, HealTimeout: c.Heal, Lives: c.Lives, Limit: c.Limit, Keep: c.Keep, Progress: progress,
	})
}

func kinds[K ~string](names []string) (kinds []K) {
	for _, name := range names {
		kinds = append(kinds, K(name))
	}
	return kinds
}

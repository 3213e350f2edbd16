// Command patterns measures how well patterns are learned: over log lines whose
// statements are known, and over others what it costs.
//
//	go run ./bench/patterns -data ../shared/data -json docs/results/patterns.json
//
// The folder has loghub/NAME_2k.log_structured.csv.gz and, corrected by hand,
// loghub/NAME_2k.log_structured_corrected.csv.gz, and ndjson/*.ndjson.zst. There is
// one way to learn and no setting: what is measured is what a node does. docs/patterns.md
// says what the figures mean.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/stere-log/stere/bench/machine"
	"github.com/stere-log/stere/bench/tool"
)

func main() {
	var data, to, commit string
	flag.StringVar(&data, "data", "../shared/data", "the folder of labelled lines and others")
	flag.StringVar(&to, "json", "", "file for the report as JSON")
	flag.StringVar(&commit, "commit", "", "what was measured, for the report")
	flag.Parse()
	if err := run(data, to, commit, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "patterns:", err)
		os.Exit(1)
	}
}

// run measures, prints tables and writes the report.
func run(data, to, commit string, stdout io.Writer) error {
	report := Report{Time: time.Now().UTC().Truncate(time.Second), Commit: commit, Machine: machine.Describe()}
	var err error
	if report.Systems, err = systems(data); err != nil {
		return err
	}
	report.Made, report.Fresh, report.Later, report.Unseen = madeSystems(made()), madeSystems(fresh()), madeSystems(later()), madeSystems(unseen())
	var shapes []string
	if report.Costs, shapes, err = costs(data); err != nil {
		return err
	}
	report.Memory = memory(shapes)
	return tool.WriteReport(&report, to, stdout)
}

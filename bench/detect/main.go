// Command detect measures how well anomalies and attacks are found: in real logs into
// which they are put from a seed, and how often something is found in the logs as they
// are.
//
//	go run ./bench/detect -data ../shared/data -json docs/results/detect.json
//
// The folder has ndjson/*.ndjson.zst; each file is the log of a tenant. There is no
// setting: what is measured is what GET /analytics/insights does. docs/insights.md says
// what the figures mean.
//
// It takes minutes. With -keep FOLDER each log and seed is kept when it has been measured,
// and not measured again; -for ends it earlier.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/machine"
	"github.com/stere-log/stere/bench/tool"
)

func main() {
	var o options
	var to, seeds string
	flag.StringVar(&o.data, "data", "../shared/data", "the folder of real logs")
	flag.StringVar(&to, "json", "", "file for the report as JSON")
	flag.StringVar(&o.commit, "commit", "", "what was measured, for the report")
	flag.StringVar(&o.only, "source", "", "only sources whose name contains this")
	flag.StringVar(&o.kind, "kind", "", "only what is planted of this kind; none for the logs as they are alone")
	flag.StringVar(&seeds, "seeds", "1,2,3", "the seeds; thresholds were chosen with the first one")
	flag.StringVar(&o.keep, "keep", "", "a folder for what was measured of each log: what is there is not measured again")
	flag.DurationVar(&o.most, "for", 0, "nothing more is begun after so long: the report says what is missing; 0: no limit")
	flag.IntVar(&o.rounds, "rounds", 1, "how often each kind is put into each log")
	flag.IntVar(&o.days, "days", 30, "how many days of a log as it is are judged")
	flag.BoolVar(&o.verbose, "v", false, "print what is missed and what is wrong")
	flag.Parse()
	o.began = time.Now()
	err := o.parseSeeds(seeds)
	if err == nil {
		err = run(o, to, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "detect:", err)
		os.Exit(1)
	}
}

// parseSeeds reads the seeds.
func (o *options) parseSeeds(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		seed, err := strconv.ParseUint(one, 10, 64)
		if err != nil || seed == 0 {
			return fmt.Errorf("seed %q: want a number above 0", one)
		}
		o.seeds = append(o.seeds, seed)
	}
	return nil
}

// run measures, prints tables and writes the report.
func run(o options, to string, stdout io.Writer) error {
	report, err := measure(o)
	if err != nil {
		return err
	}
	report.Time, report.Commit, report.Machine = time.Now().UTC().Truncate(time.Second), o.commit, machine.Describe()
	return tool.WriteReport(report, to, stdout)
}

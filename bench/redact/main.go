package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/stere-log/stere/ingest/ndjson"
	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/redact"
	"github.com/stere-log/stere/redact/labelled"
)

// options are what the command line says.
type options struct {
	data            string
	seed            uint64
	lines, examples int
}

func main() {
	var o options
	flag.StringVar(&o.data, "data", "", "a folder with logs")
	flag.Uint64Var(&o.seed, "seed", 1, "of the labelled lines")
	flag.IntVar(&o.lines, "lines", 200_000, "labelled lines")
	flag.IntVar(&o.examples, "examples", 3, "to show of each detector and file")
	flag.Parse()
	if err := o.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "redact:", err)
		os.Exit(1)
	}
}

func (o *options) run(out io.Writer) error {
	if err := o.labelled(out); err != nil || o.data == "" {
		return err
	}
	return o.folder(out)
}

// labelled reports precision and recall on labelled lines.
func (o *options) labelled(out io.Writer) error {
	tally, err := labelled.Measure(o.seed, o.lines)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d labelled lines, seed %d\n\n", o.lines, o.seed)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "detector\tsecrets\tcovered\trecall\tfindings\tright\tprecision")
	row := func(name string, s labelled.Score) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.4f\t%d\t%d\t%.4f\n", name, s.Labelled, s.Covered, s.Recall(), s.Found, s.Right, s.Precision())
	}
	for _, d := range labelled.Kinds() {
		row(redact.BuiltIn()[d], *tally.Of[d])
	}
	row("all", tally.All())
	return w.Flush()
}

// source is what was found in one file.
type source struct {
	name        string
	lines       int
	bytes       int64 // of values
	cpu         time.Duration
	off, on     time.Duration // to decode it twice without redaction and with it
	found       map[redact.Detector]int
	examples    map[redact.Detector][]string
	recordsWith int // lines in which the detectors that are on by default found something
}

// folder reports what is found in the files of a folder.
func (o *options) folder(out io.Writer) error {
	standard, err := redact.New(redact.Config{})
	if err != nil {
		return err
	}
	all := map[string]redact.Action{}
	for _, name := range redact.BuiltIn() {
		all[name] = redact.Mask
	}
	everything, err := redact.New(redact.Config{Actions: all})
	if err != nil {
		return err
	}
	var paths []string
	err = filepath.WalkDir(o.data, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && isLog(entry.Name()) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	m := measurer{off: ndjson.NewDecoder(pipeline.Config{}), on: ndjson.NewDecoder(pipeline.Config{Redact: standard}), standard: standard.Scanner(), everything: everything.Scanner(), names: map[string]names{}, examples: o.examples}
	var total source
	for _, path := range paths {
		s, err := m.file(path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		s.name, _ = filepath.Rel(o.data, path)
		m.report(out, s)
		total.lines += s.lines
		total.bytes += s.bytes
		total.cpu += s.cpu
		total.off += s.off
		total.on += s.on
		total.recordsWith += s.recordsWith
	}
	perMillion := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(max(total.lines, 1)) }
	fmt.Fprintf(out, "\nall files: %d lines, %d MB of values, %d lines redacted by default; the standard set takes %.3f CPU s per million lines, %.0f MB/s\n",
		total.lines, total.bytes/1e6, total.recordsWith, perMillion(total.cpu), float64(total.bytes)/1e6/max(total.cpu.Seconds(), 1e-9))
	fmt.Fprintf(out, "decoding takes %.3f CPU s per million lines without redaction, %.3f with it\n", perMillion(total.off)/2, perMillion(total.on)/2)
	return nil
}

// report prints what was found in a file.
func (m *measurer) report(out io.Writer, s source) {
	perLine := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(max(s.lines, 1)) }
	fmt.Fprintf(out, "\n%s: %d lines, %d redacted by default, %.0f ns CPU a line, %.0f MB/s; decoded in %.0f ns, with redaction in %.0f ns\n", s.name, s.lines, s.recordsWith,
		perLine(s.cpu), float64(s.bytes)/1e6/max(s.cpu.Seconds(), 1e-9), perLine(s.off)/2, perLine(s.on)/2)
	for _, d := range slices.SortedFunc(maps.Keys(s.found), func(a, b redact.Detector) int { return cmp.Compare(s.found[b], s.found[a]) }) {
		state := ""
		if m.standard.Action(d) == redact.Off {
			state = " (off by default)"
		}
		fmt.Fprintf(out, "  %-14s %d%s\n", m.everything.Name(d), s.found[d], state)
		for _, example := range s.examples[d] {
			fmt.Fprintf(out, "      %s\n", example)
		}
	}
}

// cpuTime returns what the process has used.
func cpuTime() time.Duration {
	var use syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// isLog reports whether a file of this name has logs, by its endings.
func isLog(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	switch filepath.Ext(name) {
	case ".ndjson", ".json", ".log", ".jsonl":
		return true
	}
	return false
}

package result

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// WriteTable writes the report for people: for each run one column per target,
// and its ratio to the baseline.
func (r *Report) WriteTable(w io.Writer) error {
	for i := range r.Runs {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := r.writeRun(w, &r.Runs[i]); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

func (r *Report) writeRun(w io.Writer, run *Run) error {
	s := r.Settings
	fmt.Fprintf(w, "%s: %d lines, %.1f MB, %d workers x %d lines, %d repeats, %d cores\n", run.Corpus.Name, run.Corpus.Lines,
		float64(run.Corpus.Bytes)/megabyte, s.Workers, s.BatchLines, s.Repeats, r.Machine.Cores)
	fmt.Fprintf(w, "limits: %s\n\n", run.limits())
	base := r.base(run)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(out, "\t")
	for _, t := range run.Targets {
		fmt.Fprint(out, t.Name, "\t")
		if base != nil && t.Name != base.Name {
			fmt.Fprint(out, "/ ", base.Name, "\t")
		}
	}
	fmt.Fprintln(out)
	for _, line := range run.rows() {
		if line.worst != nil && base == nil {
			continue
		}
		fmt.Fprint(out, line.name, "\t")
		for i := range run.Targets {
			t := &run.Targets[i]
			fmt.Fprint(out, line.figure(run, t), "\t")
			if base != nil && t.Name != base.Name {
				fmt.Fprint(out, line.ratioTo(run, t, base), "\t")
			}
		}
		fmt.Fprintln(out)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	run.writeDisks(w)
	for _, fault := range run.faults() {
		fmt.Fprintf(w, "\n%s\n", fault)
	}
	return nil
}

// limits says what the machine can do at most, and what was not measured.
func (run *Run) limits() string {
	l := run.Limits
	text := fmt.Sprintf("memcpy %.1f GB/s, parsing the JSON %.0f MB/s on one core", l.MemcpyGBPerSec, l.JSONMBPerSec)
	if l.ZstdBytes == 0 {
		return text + ", zstd -19 not measured"
	}
	return text + fmt.Sprintf(", zstd -19 --long=27 %.2f MB in %.0f s", float64(l.ZstdBytes)/megabyte, l.ZstdSeconds)
}

// diskPartsMax is how many parts of a data folder the table names.
const diskPartsMax = 6

// writeDisks says where the bytes on disk are, so that logs and reserved space
// can be told from data.
func (run *Run) writeDisks(w io.Writer) {
	for _, t := range run.Targets {
		parts := t.Ingest.DiskParts
		names := slices.SortedFunc(maps.Keys(parts), func(a, b string) int {
			return cmp.Or(cmp.Compare(parts[b], parts[a]), cmp.Compare(a, b))
		})
		if len(names) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s, disk MB:", t.Name)
		for _, name := range names[:min(len(names), diskPartsMax)] {
			fmt.Fprintf(w, "  %s %.2f", name, float64(parts[name])/megabyte)
		}
		fmt.Fprintln(w)
	}
}

// faults names what went wrong and what was not asked, so that no figure
// stands without it.
func (run *Run) faults() []string {
	var lines, skipped []string
	for _, t := range run.Targets {
		if t.Error != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", t.Name, t.Error))
		}
		for _, q := range t.Answers {
			if q.Wrong != "" {
				lines = append(lines, fmt.Sprintf("%s, question %d: WRONG: %s", t.Name, q.Number, q.Wrong))
			}
			if q.Skipped != "" {
				skipped = append(skipped, fmt.Sprintf("question %d (%s) not asked: %s", q.Number, q.Name, q.Skipped))
			}
		}
	}
	slices.Sort(skipped)
	return append(lines, slices.Compact(skipped)...)
}

package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// Report is the result of a run. docs/benchmark.md defines every figure.
type Report struct {
	Time     time.Time      `json:"time"`
	Machine  Machine        `json:"machine"`
	Corpus   CorpusReport   `json:"corpus"`
	Workers  int            `json:"workers"`
	Batch    int            `json:"batchLines"`
	Repeats  int            `json:"repeats"`
	Targets  []TargetReport `json:"targets"`
	Baseline string         `json:"baseline"`
}

// Machine is where a run took place.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
}

// CorpusReport is what was measured with.
type CorpusReport struct {
	Name  string    `json:"name"`
	Lines int64     `json:"lines"`
	Bytes int64     `json:"bytes"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// TargetReport is the figures of one target. A figure that could not be taken
// is 0.
type TargetReport struct {
	Name           string           `json:"name"`
	Error          string           `json:"error,omitempty"`
	Ingest         IngestReport     `json:"ingest"`
	Answers        []QuestionReport `json:"answers"`
	WarmGeoMeanMS  float64          `json:"warmGeoMeanMs"`
	ColdGeoMeanMS  float64          `json:"coldGeoMeanMs"`
	RightAnswers   int              `json:"rightAnswers"`
	QuestionsAsked int              `json:"questionsAsked"`
}

// IngestReport is the figures of the way in.
type IngestReport struct {
	Lines         int64            `json:"lines"`
	Seconds       float64          `json:"seconds"`
	SettleSeconds float64          `json:"settleSeconds"`
	LinesPerSec   float64          `json:"linesPerSecond"`
	MBPerSec      float64          `json:"mbPerSecond"`
	RequestP50MS  float64          `json:"requestP50Ms"`
	RequestP99MS  float64          `json:"requestP99Ms"`
	Retries       int64            `json:"retries"`
	CPUSeconds    float64          `json:"cpuSeconds"`
	CPUPerMillion float64          `json:"cpuSecondsPerMillionLines"`
	PeakRSSMB     float64          `json:"peakRssMb"`
	RestRSSMB     float64          `json:"restRssMb"`
	DiskBytes     int64            `json:"diskBytes"`
	DiskApparent  int64            `json:"diskApparentBytes"`
	DiskFiles     int64            `json:"diskFiles"`
	DiskParts     map[string]int64 `json:"diskParts,omitempty"` // bytes by folder, two levels deep
	DiskPerRaw    float64          `json:"diskPerRaw"`
	WrittenBytes  int64            `json:"writtenBytes"`
	WrittenPerRaw float64          `json:"writtenPerRaw"`
}

// QuestionReport is the figures of one question.
type QuestionReport struct {
	Number  int     `json:"number"`
	Name    string  `json:"name"`
	Detail  string  `json:"detail,omitempty"`
	Size    int64   `json:"size"` // of the right answer
	Skipped string  `json:"skipped,omitempty"`
	Wrong   string  `json:"wrong,omitempty"` // why the answer is wrong
	P50MS   float64 `json:"p50Ms"`
	P99MS   float64 `json:"p99Ms"`
	ColdMS  float64 `json:"coldMs,omitempty"`
}

const megabyte = 1e6

// row is one line of the table: a figure of every target.
type row struct {
	name   string
	value  func(t *TargetReport) float64
	format string
	ratio  bool
}

func ingestRows() []row {
	in := func(value func(i *IngestReport) float64) func(*TargetReport) float64 {
		return func(t *TargetReport) float64 { return value(&t.Ingest) }
	}
	return []row{
		{"lines/s", in(func(i *IngestReport) float64 { return i.LinesPerSec }), "%.0f", true},
		{"MB/s", in(func(i *IngestReport) float64 { return i.MBPerSec }), "%.1f", true},
		{"request p50 ms", in(func(i *IngestReport) float64 { return i.RequestP50MS }), "%.1f", true},
		{"request p99 ms", in(func(i *IngestReport) float64 { return i.RequestP99MS }), "%.1f", true},
		{"seconds to settle", in(func(i *IngestReport) float64 { return i.SettleSeconds }), "%.1f", true},
		{"CPU s per million lines", in(func(i *IngestReport) float64 { return i.CPUPerMillion }), "%.2f", true},
		{"peak RSS MB", in(func(i *IngestReport) float64 { return i.PeakRSSMB }), "%.0f", true},
		{"RSS at rest MB", in(func(i *IngestReport) float64 { return i.RestRSSMB }), "%.0f", true},
		{"disk MB", in(func(i *IngestReport) float64 { return float64(i.DiskBytes) / megabyte }), "%.2f", true},
		{"disk / raw", in(func(i *IngestReport) float64 { return i.DiskPerRaw }), "%.4f", false},
		{"written / raw", in(func(i *IngestReport) float64 { return i.WrittenPerRaw }), "%.4f", true},
		{"retried requests", in(func(i *IngestReport) float64 { return float64(i.Retries) }), "%.0f", false},
	}
}

func (r *Report) rows() []row {
	rows := ingestRows()
	if len(r.Targets) == 0 {
		return rows
	}
	for i, q := range r.Targets[0].Answers {
		if q.Skipped != "" {
			continue
		}
		name := fmt.Sprintf("%d %s", q.Number, q.Name)
		rows = append(rows,
			row{name + ", p50 ms", func(t *TargetReport) float64 { return t.answer(i).P50MS }, "%.2f", true},
			row{"   cold ms", func(t *TargetReport) float64 { return t.answer(i).ColdMS }, "%.1f", true})
	}
	return append(rows,
		row{"geometric mean, p50 ms", func(t *TargetReport) float64 { return t.WarmGeoMeanMS }, "%.2f", true},
		row{"geometric mean, cold ms", func(t *TargetReport) float64 { return t.ColdGeoMeanMS }, "%.1f", true},
		row{"right answers", func(t *TargetReport) float64 { return float64(t.RightAnswers) }, "%.0f", false})
}

func (t *TargetReport) answer(i int) QuestionReport {
	if i < len(t.Answers) {
		return t.Answers[i]
	}
	return QuestionReport{}
}

// WriteTable writes the report for people: one column per target, and its
// ratio to the baseline.
func (r *Report) WriteTable(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s: %d lines, %.1f MB, %d workers x %d lines, %d repeats, %d cores\n\n",
		r.Corpus.Name, r.Corpus.Lines, float64(r.Corpus.Bytes)/megabyte, r.Workers, r.Batch, r.Repeats, r.Machine.Cores)
	var base *TargetReport
	for i := range r.Targets {
		if r.Targets[i].Name == r.Baseline && len(r.Targets) > 1 {
			base = &r.Targets[i]
		}
	}
	fmt.Fprint(out, "\t")
	for _, t := range r.Targets {
		fmt.Fprint(out, t.Name, "\t")
		if base != nil && t.Name != base.Name {
			fmt.Fprint(out, "/ ", base.Name, "\t")
		}
	}
	fmt.Fprintln(out)
	for _, line := range r.rows() {
		fmt.Fprint(out, line.name, "\t")
		for i := range r.Targets {
			t := &r.Targets[i]
			fmt.Fprint(out, figure(line.format, line.value(t)), "\t")
			if base != nil && t.Name != base.Name {
				fmt.Fprint(out, ratio(line, t, base), "\t")
			}
		}
		fmt.Fprintln(out)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	r.writeDisks(w)
	r.writeFaults(w)
	return nil
}

// diskPartsMax is how many parts of a data folder the table names.
const diskPartsMax = 6

// writeDisks says where the bytes on disk are, so that logs and reserved space
// can be told from data.
func (r *Report) writeDisks(w io.Writer) {
	for _, t := range r.Targets {
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

// writeFaults names what went wrong, so that no figure stands without it.
func (r *Report) writeFaults(w io.Writer) {
	for _, t := range r.Targets {
		if t.Error != "" {
			fmt.Fprintf(w, "\n%s: %s\n", t.Name, t.Error)
		}
		for _, q := range t.Answers {
			if q.Wrong != "" {
				fmt.Fprintf(w, "\n%s, question %d: WRONG: %s\n", t.Name, q.Number, q.Wrong)
			}
			if q.Skipped != "" {
				fmt.Fprintf(w, "\n%s, question %d not asked: %s\n", t.Name, q.Number, q.Skipped)
			}
		}
	}
}

// Failed reports whether a target failed or gave a wrong answer.
func (r *Report) Failed() bool {
	for _, t := range r.Targets {
		if t.Error != "" || t.RightAnswers != t.QuestionsAsked {
			return true
		}
	}
	return false
}

func figure(format string, value float64) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf(format, value)
}

func ratio(line row, t, base *TargetReport) string {
	value, standard := line.value(t), line.value(base)
	if !line.ratio || value == 0 || standard == 0 {
		return ""
	}
	return fmt.Sprintf("%.2fx", value/standard)
}

// geoMean is the geometric mean of the values above 0.
func geoMean(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		if v > 0 {
			sum += math.Log(v)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return math.Exp(sum / float64(n))
}

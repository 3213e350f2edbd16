package result

import "fmt"

const megabyte = 1e6

// row is one line of a table: a figure of every target.
type row struct {
	name   string
	value  func(run *Run, t *Target) float64
	format string
	ratio  bool // a ratio to the baseline says something
	short  bool // stands in the short view too
	// worst is set where the line is the worst ratio of a single question.
	worst func(q Question) float64
}

func in(value func(i *Ingest) float64) func(*Run, *Target) float64 {
	return func(_ *Run, t *Target) float64 { return value(&t.Ingest) }
}

func of(value func(t *Target) float64) func(*Run, *Target) float64 {
	return func(_ *Run, t *Target) float64 { return value(t) }
}

func ingestRows() []row {
	return []row{
		{name: "lines/s", value: in(func(i *Ingest) float64 { return i.LinesPerSec }), format: "%.0f", ratio: true, short: true},
		{name: "MB/s", value: in(func(i *Ingest) float64 { return i.MBPerSec }), format: "%.1f", ratio: true},
		{name: "request p50 ms", value: in(func(i *Ingest) float64 { return i.RequestP50MS }), format: "%.1f", ratio: true},
		{name: "request p99 ms", value: in(func(i *Ingest) float64 { return i.RequestP99MS }), format: "%.1f", ratio: true},
		{name: "seconds to settle", value: in(func(i *Ingest) float64 { return i.SettleSeconds }), format: "%.1f", ratio: true},
		{name: "CPU s per million lines", value: in(func(i *Ingest) float64 { return i.CPUPerMillion }), format: "%.2f", ratio: true, short: true},
		{name: "CPU / parsing the JSON once", value: cpuPerParse, format: "%.1f"},
		{name: "CPU s while idle", value: in(func(i *Ingest) float64 { return i.IdleCPUSeconds }), format: "%.2f"},
		{name: "peak RSS MB", value: in(func(i *Ingest) float64 { return i.PeakRSSMB }), format: "%.0f", ratio: true, short: true},
		{name: "peak RSS with questions MB", value: of(func(t *Target) float64 { return t.PeakRSSMB }), format: "%.0f", ratio: true},
		{name: "RSS at rest MB", value: in(func(i *Ingest) float64 { return i.RestRSSMB }), format: "%.0f", ratio: true, short: true},
		{name: "disk MB", value: in(func(i *Ingest) float64 { return float64(i.DiskBytes) / megabyte }), format: "%.2f", ratio: true, short: true},
		{name: "disk bytes per line", value: in(func(i *Ingest) float64 { return i.DiskPerLine }), format: "%.1f", short: true},
		{name: "disk / raw", value: in(func(i *Ingest) float64 { return i.DiskPerRaw }), format: "%.4f"},
		{name: "disk / zstd -19 --long=27", value: diskPerZstd, format: "%.2f"},
		{name: "written / raw", value: in(func(i *Ingest) float64 { return i.WrittenPerRaw }), format: "%.4f", ratio: true},
		{name: "written / disk", value: in(func(i *Ingest) float64 { return i.WriteAmp }), format: "%.1f", short: true},
		{name: "retried requests", value: in(func(i *Ingest) float64 { return float64(i.Retries) }), format: "%.0f"},
	}
}

// cpuPerParse is the CPU time of the way in by that of parsing the JSON.
func cpuPerParse(run *Run, t *Target) float64 {
	if run.Limits.JSONMBPerSec == 0 || t.Ingest.Bytes == 0 {
		return 0
	}
	return t.Ingest.CPUSeconds / (float64(t.Ingest.Bytes) / megabyte / run.Limits.JSONMBPerSec)
}

func diskPerZstd(run *Run, t *Target) float64 {
	if run.Limits.ZstdBytes == 0 {
		return 0
	}
	return float64(t.Ingest.DiskBytes) / float64(run.Limits.ZstdBytes)
}

// uniqueID is the number of the question that stands in the short view.
const uniqueID = 1

// questionRows are the lines of the questions that were asked in this run.
func (run *Run) questionRows() []row {
	var rows []row
	if len(run.Targets) == 0 {
		return nil
	}
	for _, q := range run.Targets[0].Answers {
		if q.Skipped == "" {
			rows = append(rows, rowsOf(q)...)
		}
	}
	return rows
}

func rowsOf(q Question) []row {
	at := func(value func(q Question) float64) func(*Run, *Target) float64 {
		return func(_ *Run, t *Target) float64 { return value(t.answer(q.Number)) }
	}
	name := fmt.Sprintf("%d %s", q.Number, q.Name)
	return []row{
		{name: name + ", p50 ms", value: at(func(q Question) float64 { return q.P50MS }), format: "%.2f", ratio: true, short: q.Number == uniqueID},
		{name: name + ", varied p50 ms", value: at(func(q Question) float64 { return q.VariedMS }), format: "%.2f", ratio: true},
		{name: name + ", first ms", value: at(func(q Question) float64 { return q.FirstMS }), format: "%.1f", ratio: true},
		{name: name + ", cold ms", value: at(func(q Question) float64 { return q.ColdMS }), format: "%.1f", ratio: true},
	}
}

func meanRows() []row {
	return []row{
		{name: "geometric mean, p50 ms", value: of(func(t *Target) float64 { return t.WarmGeoMeanMS }), format: "%.2f", ratio: true, short: true},
		{name: "geometric mean, varied p50 ms", value: of(func(t *Target) float64 { return t.VariedGeoMeanMS }), format: "%.2f", ratio: true, short: true},
		{name: "geometric mean, first ms", value: of(func(t *Target) float64 { return t.FirstGeoMeanMS }), format: "%.1f", ratio: true, short: true},
		{name: "geometric mean, cold ms", value: of(func(t *Target) float64 { return t.ColdGeoMeanMS }), format: "%.1f", ratio: true, short: true},
		{name: "worst question, p50", worst: func(q Question) float64 { return q.P50MS }, short: true},
		{name: "worst question, varied p50", worst: func(q Question) float64 { return q.VariedMS }, short: true},
		{name: "worst question, cold", worst: func(q Question) float64 { return q.ColdMS }, short: true},
		{name: "questions asked", value: of(func(t *Target) float64 { return float64(t.QuestionsAsked) }), format: "%.0f", short: true},
		{name: "right answers", value: of(func(t *Target) float64 { return float64(t.RightAnswers) }), format: "%.0f", short: true},
	}
}

func (run *Run) rows() []row {
	return append(append(ingestRows(), run.questionRows()...), meanRows()...)
}

// figure is the value of the line, "-" if there is none.
func (l row) figure(run *Run, t *Target) string {
	if l.value == nil {
		return ""
	}
	value := l.value(run, t)
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf(l.format, value)
}

// ratioTo is the target's figure by that of the baseline, "" if there is none.
func (l row) ratioTo(run *Run, t, base *Target) string {
	if l.worst != nil {
		return worstRatio(l.worst, t, base)
	}
	value, standard := l.value(run, t), l.value(run, base)
	if !l.ratio || value == 0 || standard == 0 {
		return ""
	}
	return fmt.Sprintf("%.2fx", value/standard)
}

// worstRatio is the highest ratio of a single question, with its number.
func worstRatio(value func(q Question) float64, t, base *Target) string {
	worst, number := 0.0, 0
	for _, q := range t.Answers {
		standard := value(base.answer(q.Number))
		if have := value(q); have > 0 && standard > 0 && have/standard > worst {
			worst, number = have/standard, q.Number
		}
	}
	if number == 0 {
		return ""
	}
	return fmt.Sprintf("%.2fx (%d)", worst, number)
}

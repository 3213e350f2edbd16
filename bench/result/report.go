package result

import (
	"math"
	"time"

	"github.com/stere-log/stere/bench/machine"
)

// Report is the result of a measurement.
type Report struct {
	Time     time.Time       `json:"time"`
	Commit   string          `json:"commit,omitempty"` // of the program that measured
	Note     string          `json:"note,omitempty"`
	Machine  machine.Machine `json:"machine"`
	Settings Settings        `json:"settings"`
	Baseline string          `json:"baseline"` // the target that ratios refer to
	// Runs has one element for each corpus, or for each size of a growing one.
	Runs []Run `json:"runs"`
}

// Settings is how the measurement was set up.
type Settings struct {
	Workers     int     `json:"workers"`
	BatchLines  int     `json:"batchLines"`
	Repeats     int     `json:"repeats"`
	Variants    int     `json:"variants"`
	Seed        uint64  `json:"seed"`
	IdleSeconds float64 `json:"idleSeconds"`
}

// Run is the figures of all targets with one corpus.
type Run struct {
	Corpus Corpus `json:"corpus"`
	// Growing says that the targets held the corpus of the run before already.
	// The corpus is then all that they hold, the way in what was added.
	Growing bool           `json:"growing,omitempty"`
	Limits  machine.Limits `json:"limits"`
	Targets []Target       `json:"targets"`
}

// Corpus is what was measured with.
type Corpus struct {
	Name  string    `json:"name"`
	Lines int64     `json:"lines"`
	Bytes int64     `json:"bytes"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Target is the figures of one target.
type Target struct {
	Name    string     `json:"name"`
	Program string     `json:"program,omitempty"` // what it says of its version, and a hash of it
	Error   string     `json:"error,omitempty"`
	Ingest  Ingest     `json:"ingest"`
	Answers []Question `json:"answers"`
	// The geometric means over the questions.
	FirstGeoMeanMS  float64 `json:"firstGeoMeanMs"`
	WarmGeoMeanMS   float64 `json:"warmGeoMeanMs"`
	VariedGeoMeanMS float64 `json:"variedGeoMeanMs"`
	ColdGeoMeanMS   float64 `json:"coldGeoMeanMs"`
	PeakRSSMB       float64 `json:"peakRssMb"` // questions included, cold runs not
	RightAnswers    int     `json:"rightAnswers"`
	QuestionsAsked  int     `json:"questionsAsked"`
}

// Ingest is the figures of the way in.
type Ingest struct {
	Lines          int64            `json:"lines"`
	Bytes          int64            `json:"bytes"`
	Seconds        float64          `json:"seconds"`
	SettleSeconds  float64          `json:"settleSeconds"`
	LinesPerSec    float64          `json:"linesPerSecond"`
	MBPerSec       float64          `json:"mbPerSecond"`
	RequestP50MS   float64          `json:"requestP50Ms"`
	RequestP99MS   float64          `json:"requestP99Ms"`
	Retries        int64            `json:"retries"`
	CPUSeconds     float64          `json:"cpuSeconds"`
	CPUPerMillion  float64          `json:"cpuSecondsPerMillionLines"`
	IdleCPUSeconds float64          `json:"idleCpuSeconds"` // during the wait before RestRSSMB
	PeakRSSMB      float64          `json:"peakRssMb"`
	RestRSSMB      float64          `json:"restRssMb"`
	DiskBytes      int64            `json:"diskBytes"`
	DiskApparent   int64            `json:"diskApparentBytes"`
	DiskFiles      int64            `json:"diskFiles"`
	DiskParts      map[string]int64 `json:"diskParts,omitempty"` // bytes by folder, two levels deep
	DiskPerLine    float64          `json:"diskBytesPerLine"`
	DiskPerRaw     float64          `json:"diskPerRaw"`
	// WrittenBytes is of this way in, or, of a growing corpus, of all until now.
	WrittenBytes  int64   `json:"writtenBytes"`
	WrittenPerRaw float64 `json:"writtenPerRaw"`
	WriteAmp      float64 `json:"writeAmplification"` // WrittenBytes by DiskBytes
}

// Question is the figures of one question.
type Question struct {
	Number   int     `json:"number"`
	Name     string  `json:"name"`
	Detail   string  `json:"detail,omitempty"`
	Size     int64   `json:"size"` // of the right answer
	Skipped  string  `json:"skipped,omitempty"`
	Wrong    string  `json:"wrong,omitempty"` // why an answer is wrong
	FirstMS  float64 `json:"firstMs"`
	P50MS    float64 `json:"p50Ms"`
	P99MS    float64 `json:"p99Ms"`
	VariedMS float64 `json:"variedP50Ms"`
	Variants int     `json:"variants"` // asked once each
	Checked  int     `json:"checked"`  // of them, compared with the scan
	ColdMS   float64 `json:"coldMs,omitempty"`
}

// Sum fills in the figures over all questions.
func (t *Target) Sum() {
	var first, warm, varied, cold []float64
	t.QuestionsAsked, t.RightAnswers = 0, 0
	for _, a := range t.Answers {
		if a.Skipped != "" {
			continue
		}
		t.QuestionsAsked++
		if a.Wrong == "" {
			t.RightAnswers++
		}
		first, warm = append(first, a.FirstMS), append(warm, a.P50MS)
		varied, cold = append(varied, a.VariedMS), append(cold, a.ColdMS)
	}
	t.FirstGeoMeanMS, t.WarmGeoMeanMS = geoMean(first), geoMean(warm)
	t.VariedGeoMeanMS, t.ColdGeoMeanMS = geoMean(varied), geoMean(cold)
}

func (t *Target) answer(number int) Question {
	for _, a := range t.Answers {
		if a.Number == number {
			return a
		}
	}
	return Question{}
}

// Failed reports whether a target failed or gave a wrong answer.
func (r *Report) Failed() bool {
	for _, run := range r.Runs {
		for _, t := range run.Targets {
			if t.Error != "" || t.RightAnswers != t.QuestionsAsked {
				return true
			}
		}
	}
	return false
}

// base is the target that ratios refer to; nil if there is nothing to compare.
func (r *Report) base(run *Run) *Target {
	for i := range run.Targets {
		if run.Targets[i].Name == r.Baseline && len(run.Targets) > 1 {
			return &run.Targets[i]
		}
	}
	return nil
}

// growing reports whether the runs are sizes of one corpus.
func (r *Report) growing() bool { return len(r.Runs) > 1 && r.Runs[1].Growing }

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

package anomaly

import (
	"time"
)

// LearnBuckets is how many buckets of history there must be before anything is said.
const LearnBuckets = 48

// Dimension is what a series is counted over.
type Dimension string

// The dimensions, from the coarsest.
const (
	All       Dimension = "all"
	Component Dimension = "component"
	Endpoint  Dimension = "endpoint"
	Pattern   Dimension = "pattern"
	Entity    Dimension = "entity" // an address or a user; of findings that are not of counts
)

// Subject is what a finding is about.
type Subject struct {
	Dimension Dimension `json:"dimension"`
	Name      string    `json:"name"`         // of the component, the text of the pattern
	ID        string    `json:"id,omitempty"` // of the pattern
}

// Series are the counts of a subject in each bucket, history first.
type Series struct {
	Subject
	Counts []float64
}

// Share are the counts of a part, such as errors, of a whole.
type Share struct {
	Subject
	Part, Whole []float64
}

// Latency are durations of a subject: how many, and a percentile of each bucket.
type Latency struct {
	Subject
	Count, Value []float64
	Percentile   string // p50, p95
}

// Known is a pattern with the bucket of its first record within the whole input.
type Known struct {
	Subject
	First, Last int
	Before, Now float64 // records in the history, and in the window
	Level       string  // error or critical, if most of its records are that bad
}

// Deploy marks that something was put into service.
type Deploy struct {
	Bucket int       `json:"-"`
	Time   time.Time `json:"time"`
	What   string    `json:"what"`
}

// Input is everything that is looked at. All slices of counts have Buckets values.
type Input struct {
	Start     time.Time     // of the first bucket
	Width     time.Duration // of a bucket
	Buckets   int
	First     int  // the first bucket that could have records: the tenant has begun there
	Judge     int  // the first bucket of the window that is judged
	Partial   bool // the last bucket is not over: only too many can be seen in it
	Series    []Series
	Shares    []Share
	Latencies []Latency
	Patterns  []Known
	Complete  bool // Patterns has all that there were, so that what is not there was not
	Deploys   []Deploy
	Budget    float64 // false alarms per day that are aimed at; 0 for the default
}

// Kind is the kind of a finding.
type Kind string

// The kinds.
const (
	New      Kind = "new"
	Rare     Kind = "rare"
	Spike    Kind = "spike"
	Drop     Kind = "drop"
	Silence  Kind = "silence"
	Seasonal Kind = "seasonal_deviation"
	Change   Kind = "change_point"
	Drift    Kind = "drift"
	Mix      Kind = "level_mix_shift"
	Slow     Kind = "latency_shift"
)

// Kinds returns them.
func Kinds() []Kind {
	return []Kind{New, Rare, Spike, Drop, Silence, Seasonal, Change, Drift, Mix, Slow}
}

// Finding is something that is not as it was.
type Finding struct {
	Kind
	Subject
	Unit               string    // records, percent, milliseconds
	Level              string    // of a pattern
	Up                 bool      // more than expected, not less
	From, To           int       // buckets, half open
	Ongoing            bool      // reaches the end
	Observed, Expected float64   // over From to To
	Low, High          float64   // what is usual, 98 of 100 times
	LogP               float64   // ln of how probable that is
	Basis              string    // of what is expected, in words
	Deploy             *Deploy   // shortly before
	Related            []Subject // explained by the same cause
	sparse             bool      // there is hardly a history that it could be compared with
	ease               float64   // by how much LogP may be over the limit, as there are fewer comparisons of the kind
	profile            []float64 // excess over what is expected, by bucket from Input.Judge
}

// Report is what was found.
type Report struct {
	Findings []Finding // the least probable first
	Tests    int       // comparisons that were made
	Limit    float64   // ln of the probability below which a comparison is a finding
	Learning bool      // there is too little history: nothing was judged
	Judged   int       // the first bucket that was judged
}

// at returns when a bucket begins.
func (in *Input) at(bucket int) time.Time { return in.Start.Add(time.Duration(bucket) * in.Width) }

// full is the number of buckets that are over.
func (in *Input) full() int {
	if in.Partial {
		return in.Buckets - 1
	}
	return in.Buckets
}

// per returns how many buckets a length of time has.
func (in *Input) per(d time.Duration) int { return int(d / in.Width) }

package cluster

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stere-log/stere/bench/faults/ledger"
)

// Report is the result of a run.
type Report struct {
	Time     time.Time `json:"time"`
	Seed     uint64    `json:"seed"`
	Nodes    int       `json:"nodes"`
	Replicas int       `json:"replicas"`
	// Network is "linkd", "bridge" or "loopback"; NetworkWhy says why not the
	// best.
	Network    string        `json:"network"`
	NetworkWhy string        `json:"networkWhy,omitempty"`
	Seconds    float64       `json:"seconds"`
	Kinds      []KindReport  `json:"kinds"`
	Rounds     []RoundReport `json:"rounds"`
	Lives      []LifeReport  `json:"lives"`
	Void       string        `json:"void,omitempty"` // why the run shows nothing
}

// LifeReport is the result of one life of a cluster.
type LifeReport struct {
	Life       int               `json:"life"`
	Rounds     int               `json:"rounds"`
	Acked      int64             `json:"ackedRecords"`
	Acks       int64             `json:"ackedRequests"`
	Unknown    int64             `json:"unknownRecords"` // never acknowledged, allowed to be there or not
	Refusals   int64             `json:"refusedRequests"`
	Read       int64             `json:"recordsReadBack"`
	RowsPerSec float64           `json:"ackedRecordsPerSecond"` // of load, faults included
	ReadyP50MS float64           `json:"readyP50Ms"`
	ReadyMaxMS float64           `json:"readyMaxMs"`
	Violations ledger.Violations `json:"violations"` // outside of rounds
	Error      string            `json:"error,omitempty"`
	Kept       string            `json:"kept,omitempty"` // where its data and logs are
}

// RoundReport is the result of one round.
type RoundReport struct {
	Round   int       `json:"round"`
	Life    int       `json:"life"`
	Time    time.Time `json:"time"`
	Fault   Kind      `json:"fault"`
	Victims []string  `json:"victims,omitempty"`
	Led     int       `json:"led"` // shards that victims led
	FaultMS float64   `json:"faultMs"`
	// GapMS is the longest time without an acknowledgement from the fault until
	// everything was healthy; HealthyMS that from the end of the fault.
	GapMS     float64 `json:"gapMs"`
	HealthyMS float64 `json:"healthyMs"`
	// WaitMS is the longest time that one of the single records that are sent at
	// even intervals waited for its acknowledgement.
	WaitMS float64 `json:"waitMs"`
	// ReplicatedMS is the time from the start of a new node until every shard was
	// replicated in full.
	ReplicatedMS float64 `json:"replicatedMs,omitempty"`
	// Refused is 1 if the victim found its data damaged, did not start with it, and
	// was replaced by an empty node.
	Refused int `json:"refusedStarts,omitempty"`
	// RateBefore and RateDuring are acknowledged records a second, RateWorst those
	// of the worst second from the fault until healthy.
	RateBefore float64           `json:"rateBefore"`
	RateDuring float64           `json:"rateDuring"`
	RateWorst  int64             `json:"rateWorst"`
	Answers    Answers           `json:"answers"` // from the fault until healthy
	Notes      []string          `json:"notes,omitempty"`
	Violations ledger.Violations `json:"violations"`
	Skipped    string            `json:"skipped,omitempty"`
	Error      string            `json:"error,omitempty"`
}

func (r *RoundReport) violated() bool { return r.Violations.Sum() > 0 || r.Error != "" }

// Spread is percentiles of a figure over rounds, in milliseconds.
type Spread struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	values = slices.Sorted(slices.Values(values))
	rank := func(share float64) float64 { return values[int(math.Ceil(share*float64(len(values))))-1] } // nearest rank
	return Spread{P50: rank(0.5), P99: rank(0.99), Max: values[len(values)-1]}
}

// KindReport sums the rounds of one kind up.
type KindReport struct {
	Fault     Kind   `json:"fault"`
	Planned   int    `json:"planned"`
	Done      int    `json:"done"`
	GapMS     Spread `json:"gapMs"`
	LeaderGap Spread `json:"leaderGapMs"` // of the rounds whose victims led a shard
	WaitMS    Spread `json:"waitMs"`
	// HandOver is the wait in rounds whose victims led a shard: how long it takes,
	// for a writer, until another node leads and has acknowledged.
	HandOver   Spread  `json:"handOverMs"`
	HealthyMS  Spread  `json:"healthyMs"`
	Replicated Spread  `json:"replicatedMs"`
	Answers    Answers `json:"answers"`
	// Dip is the acknowledged records of the worst second, by those of a second
	// before; of the worst round.
	Dip        float64 `json:"dip"`
	Refused    int     `json:"refusedStarts"` // rounds whose victim did not start again with what it had
	Violations int64   `json:"violations"`
	Errors     int     `json:"errors"`
	Skipped    string  `json:"skipped,omitempty"`
}

// Verdict is "ok", "skipped", "void" or "VIOLATED".
func (k *KindReport) Verdict() string {
	switch {
	case k.Violations > 0 || k.Errors > 0:
		return "VIOLATED"
	case k.Skipped != "":
		return "skipped"
	case float64(k.Done) < enoughFaults*float64(k.Planned):
		return "void"
	}
	return "ok"
}

// sum fills Kinds in.
func (r *Report) sum(cfg Config) {
	for _, kind := range cfg.Faults {
		k := KindReport{Fault: kind, Planned: cfg.Rounds, Dip: 1}
		var gaps, leaderGaps, waits, leaderWaits, healthy, replicated []float64
		for i := range r.Rounds {
			round := &r.Rounds[i]
			if round.Fault != kind {
				continue
			}
			k.Violations += round.Violations.Sum()
			k.Answers.add(round.Answers)
			k.Refused += round.Refused
			switch {
			case round.Error != "" && round.HealthyMS == 0:
				k.Errors++
				continue // it did not come so far that it has figures
			case round.Error != "":
				k.Errors++
			case round.Skipped != "":
				k.Skipped = round.Skipped
				continue
			}
			if round.Error == "" {
				k.Done++
			}
			gaps = append(gaps, round.GapMS)
			if round.Led > 0 {
				leaderGaps = append(leaderGaps, round.GapMS)
				leaderWaits = append(leaderWaits, round.WaitMS)
			}
			waits = append(waits, round.WaitMS)
			healthy = append(healthy, round.HealthyMS)
			if round.ReplicatedMS > 0 {
				replicated = append(replicated, round.ReplicatedMS)
			}
			if round.RateBefore > 0 && round.RateWorst >= 0 {
				k.Dip = min(k.Dip, float64(round.RateWorst)/round.RateBefore)
			}
		}
		k.GapMS, k.LeaderGap, k.WaitMS, k.HandOver = spreadOf(gaps), spreadOf(leaderGaps), spreadOf(waits), spreadOf(leaderWaits)
		k.HealthyMS, k.Replicated = spreadOf(healthy), spreadOf(replicated)
		r.Kinds = append(r.Kinds, k)
	}
}

// OK reports whether nothing was violated and at least one kind of fault was
// done, none of them void.
func (r *Report) OK() bool {
	done := 0
	for i := range r.Kinds {
		switch r.Kinds[i].Verdict() {
		case "ok":
			done++
		case "skipped":
		default:
			return false
		}
	}
	for _, life := range r.Lives {
		if life.Violations.Sum() > 0 || life.Error != "" {
			return false
		}
	}
	return done > 0 && r.Void == ""
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%d nodes, %d replicas, seed %d, network: %s\n", r.Nodes, r.Replicas, r.Seed, r.Network)
	if r.NetworkWhy != "" {
		fmt.Fprintln(w, r.NetworkWhy)
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "fault\tdone\tplanned\tgap p50 ms\tp99\tmax\tleader lost: p50\tmax\twait p50 ms\tmax\thand-over p50 ms\tmax\thealthy p50 ms\tmax\tfull again ms\tworst second\tasked\tfailed\tincomplete\tjudged\tviolations\tverdict\t")
	for i := range r.Kinds {
		k := &r.Kinds[i]
		fmt.Fprintf(out, "%s\t%d\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f %%\t%d\t%d\t%d\t%d\t%d\t%s\t\n", k.Fault, k.Done, k.Planned, k.GapMS.P50, k.GapMS.P99, k.GapMS.Max,
			k.LeaderGap.P50, k.LeaderGap.Max, k.WaitMS.P50, k.WaitMS.Max, k.HandOver.P50, k.HandOver.Max, k.HealthyMS.P50, k.HealthyMS.Max, k.Replicated.Max, 100*k.Dip, k.Answers.UpAsked, k.Answers.UpFailed, k.Answers.UpIncomplete, k.Answers.Judged,
			k.Violations, k.Verdict())
	}
	fmt.Fprintln(out)
	fmt.Fprintln(out, "life\trounds\tacked\tread back\trows/s\tlost\tdup\taltered\tphantom\twrong\tunmarked\tother\tready p50 ms\tmax\t")
	for i := range r.Lives {
		life := &r.Lives[i]
		v := life.Violations
		for _, round := range r.Rounds {
			if round.Life == life.Life {
				v = sumOf(v, round.Violations)
			}
		}
		fmt.Fprintf(out, "%d\t%d\t%d\t%d\t%.0f\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t\n", life.Life, life.Rounds, life.Acked, life.Read, life.RowsPerSec,
			v.Lost, v.Duplicated, v.Altered, v.Phantom, v.Wrong, v.Unmarked, v.Other()-v.Wrong-v.Unmarked, life.ReadyP50MS, life.ReadyMaxMS)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	r.writeReasons(w)
	return nil
}

// writeReasons writes what was skipped, void or violated, and why.
func (r *Report) writeReasons(w io.Writer) {
	for i := range r.Kinds {
		k := &r.Kinds[i]
		if k.Skipped != "" {
			fmt.Fprintf(w, "%s: %s\n", k.Fault, k.Skipped)
		}
		if k.Refused > 0 {
			fmt.Fprintf(w, "%s: in %d of %d rounds the node did not start with damaged data and was replaced by an empty one\n", k.Fault, k.Refused, k.Done)
		}
	}
	if r.Void != "" {
		fmt.Fprintln(w, "void:", r.Void)
	}
	for i := range r.Rounds {
		round := &r.Rounds[i]
		if !round.violated() {
			continue
		}
		fmt.Fprintf(w, "VIOLATED: seed %d, round %d (%s of %s, life %d)\n", r.Seed, round.Round, round.Fault, strings.Join(round.Victims, " "), round.Life)
		for _, text := range slices.Concat([]string{round.Error}, round.Violations.Examples, round.Notes) {
			if text != "" {
				fmt.Fprintln(w, "  ", strings.TrimSpace(text))
			}
		}
	}
	for _, life := range r.Lives {
		for _, text := range slices.Concat([]string{life.Error}, life.Violations.Examples) {
			if text != "" {
				fmt.Fprintf(w, "life %d: %s\n", life.Life, strings.TrimSpace(text))
			}
		}
		if life.Kept != "" {
			fmt.Fprintf(w, "life %d: data and logs are in %s\n", life.Life, life.Kept)
		}
	}
}

// sumOf adds the counts of two violations; the examples are the first's.
func sumOf(a, b ledger.Violations) ledger.Violations {
	a.Add(b)
	return a
}

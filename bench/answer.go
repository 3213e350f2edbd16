package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Quantile answers may come from a sample; they are right if their rank among
// all values is within this of 0.99 (or within one value).
const quantileRankTolerance = 0.006

// percentile is the rank that P99By asks for.
const percentile = 0.99

// Hit is one record of an answer.
type Hit struct {
	Time    int64
	Message string
}

// Answer is what a target answered.
type Answer struct {
	Hits   []Hit              // Newest
	Count  int64              // Count and Distinct
	Groups map[string]float64 // all else: value of the group (PerStep: its start in Unix seconds) to number
	// Elapsed is the time from sending the question to the last byte of the
	// answer.
	Elapsed time.Duration
}

// found is a matching record of the scan.
type found struct {
	time    int64
	message uint64 // hash
}

// Truth is the right answer to one question.
type Truth struct {
	Question Question
	matches  int64
	found    []found // Newest: those that may be in the answer, newest first
	groups   map[string]float64
	values   map[string]between // P99By
	distinct int64
}

// between is the numbers that are right for one percentile.
type between struct{ lowest, highest float64 }

// tally gathers the answer to a question from a scan.
type tally struct {
	question Question
	matches  int64
	found    []found
	prune    int // length of found at which those that are too old leave it
	groups   map[string]float64
	values   map[string][]float64 // P99By
	distinct map[uint64]struct{}
}

// pruneMin is how many matches of a Newest question are kept at least before
// the oldest are thrown away.
const pruneMin = 4096

func newTally(q Question) *tally {
	return &tally{question: q, prune: pruneMin, groups: map[string]float64{}, values: map[string][]float64{}, distinct: map[uint64]struct{}{}}
}

func (t *tally) observe(r *Record) {
	q := &t.question
	if q.To != 0 && (r.Time < q.From || r.Time >= q.To) || !q.Where.Matches(r) {
		return
	}
	t.matches++
	switch q.Kind {
	case Newest:
		t.found = append(t.found, found{time: r.Time, message: xxhash.Sum64String(r.Message)})
		if len(t.found) >= t.prune {
			t.newest()
			t.prune = 2*len(t.found) + pruneMin
		}
	case CountBy, Top:
		t.groups[r.Text(q.GroupBy)]++
	case PerStep:
		t.groups[stepKey(r.Time, q.Step)]++
	case Distinct:
		if v := r.Text(q.Field); v != "" {
			t.distinct[xxhash.Sum64String(v)] = struct{}{}
		}
	case P99By:
		if v, ok := r.Number(q.Field); ok {
			group := r.Text(q.GroupBy)
			t.values[group] = append(t.values[group], v)
		}
	}
}

// newest sorts the matches and leaves those that may be among the newest: up
// to the limit, and all that share the time of the last one.
func (t *tally) newest() {
	slices.SortFunc(t.found, func(a, b found) int {
		return cmp.Or(cmp.Compare(b.time, a.time), cmp.Compare(a.message, b.message))
	})
	end := min(len(t.found), t.question.Limit)
	for end > 0 && end < len(t.found) && t.found[end].time == t.found[end-1].time {
		end++
	}
	t.found = t.found[:end]
}

// stepKey is the start of the step in Unix seconds.
func stepKey(ns int64, step time.Duration) string {
	size := int64(step)
	return strconv.FormatInt((ns-((ns%size)+size)%size)/int64(time.Second), 10)
}

// truth is the answer as of now; the tally may go on.
func (t *tally) truth() *Truth {
	t.newest()
	truth := &Truth{
		Question: t.question, matches: t.matches, found: slices.Clone(t.found), groups: maps.Clone(t.groups),
		values: map[string]between{}, distinct: int64(len(t.distinct)),
	}
	for group, values := range t.values {
		slices.Sort(values)
		truth.values[group] = percentilesOf(values)
	}
	return truth
}

// percentilesOf returns between which of the sorted values an answer may lie:
// those whose rank is near enough.
func percentilesOf(values []float64) between {
	n := float64(len(values))
	slack := max(quantileRankTolerance, 1/n)
	lowest := max(int(math.Ceil(n*(percentile-slack)))-1, 0)
	highest := min(int(math.Floor(n*(percentile+slack))), len(values)-1)
	return between{values[lowest], values[highest]}
}

// scan answers the questions by looking at every record of the parts of a
// corpus: the answers after each part are those to all parts until then.
// Questions that the corpus does not have must not be among them.
func scan(ctx context.Context, parts []*Corpus, questions []Question) ([][]*Truth, error) {
	tallies := make([]*tally, len(questions))
	for i, q := range questions {
		tallies[i] = newTally(q)
	}
	var all [][]*Truth
	for _, part := range parts {
		err := part.Records(ctx, func(_ int64, r *Record) error {
			for _, t := range tallies {
				t.observe(r)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		truths := make([]*Truth, len(tallies))
		for i, t := range tallies {
			truths[i] = t.truth()
		}
		all = append(all, truths)
	}
	return all, nil
}

// Scan answers the questions by looking at every record of the corpus.
// Questions that the corpus does not have are left out.
func Scan(ctx context.Context, c *Corpus, questions []Question) ([]*Truth, error) {
	questions = slices.DeleteFunc(slices.Clone(questions), func(q Question) bool { return q.Missing != "" })
	all, err := scan(ctx, []*Corpus{c}, questions)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Size is the size of the right answer: matching records, or groups.
func (t *Truth) Size() int64 {
	switch t.Question.Kind {
	case Newest, Count:
		return t.matches
	case Distinct:
		return t.distinct
	case P99By:
		return int64(len(t.values))
	}
	return int64(len(t.groups))
}

// Check returns nil if the answer is right, else what is wrong with it.
func (t *Truth) Check(a Answer) error {
	switch t.Question.Kind {
	case Newest:
		return t.checkNewest(a.Hits)
	case Count, Distinct:
		if a.Count != t.Size() {
			return fmt.Errorf("answer is %d, the scan finds %d", a.Count, t.Size())
		}
		return nil
	case Top:
		return t.checkTop(a.Groups)
	case P99By:
		return t.checkPercentiles(a.Groups)
	}
	return sameGroups(a.Groups, t.groups)
}

// checkNewest wants exactly the newest records. Where several share the time
// of the oldest one wanted, any of them will do.
func (t *Truth) checkNewest(hits []Hit) error {
	want := t.found[:min(len(t.found), t.Question.Limit)]
	if len(hits) != len(want) {
		return fmt.Errorf("answer has %d records, the scan finds %d", len(hits), len(want))
	}
	if len(want) == 0 {
		return nil
	}
	oldest := want[len(want)-1].time
	allowed := map[found]int{}
	for _, f := range t.found {
		if f.time < oldest {
			break
		}
		allowed[f]++
	}
	newer := 0
	for _, h := range hits {
		f := found{time: h.Time, message: xxhash.Sum64String(h.Message)}
		if allowed[f] == 0 {
			return fmt.Errorf("record of %s is not among the newest: %.80q", formatTime(h.Time), h.Message)
		}
		allowed[f]--
		if f.time > oldest {
			newer++
		}
	}
	for _, f := range want {
		if f.time > oldest {
			newer--
		}
	}
	if newer != 0 {
		return errors.New("answer lacks newer records")
	}
	return nil
}

// checkTop wants the most frequent values; which of several equally frequent
// ones come last is open. The empty value may be counted or not.
func (t *Truth) checkTop(groups map[string]float64) error {
	counts := slices.Sorted(maps.Values(without(t.groups, "")))
	slices.Reverse(counts)
	got := without(groups, "")
	if len(got) < min(len(counts), t.Question.Limit-1) || len(got) > t.Question.Limit {
		return fmt.Errorf("answer has %d values, want %d of %d", len(got), t.Question.Limit, len(counts))
	}
	for i, n := range slices.Backward(slices.Sorted(maps.Values(got))) {
		if want := counts[len(got)-1-i]; n != want {
			return fmt.Errorf("place %d has the count %v, the scan finds %v", len(got)-i, n, want)
		}
	}
	for value, n := range got {
		if t.groups[value] != n {
			return fmt.Errorf("count of %q is %v, the scan finds %v", value, n, t.groups[value])
		}
	}
	return nil
}

func (t *Truth) checkPercentiles(groups map[string]float64) error {
	if len(groups) != len(t.values) {
		return fmt.Errorf("answer has %d groups, the scan finds %d", len(groups), len(t.values))
	}
	for group, right := range t.values {
		got, ok := groups[group]
		if !ok {
			return fmt.Errorf("answer lacks the group %q", group)
		}
		if got < right.lowest || got > right.highest {
			return fmt.Errorf("p99 of %q is %v, the scan finds %v to %v", group, got, right.lowest, right.highest)
		}
	}
	return nil
}

func sameGroups(got, want map[string]float64) error {
	for group, n := range want {
		if got[group] != n {
			return fmt.Errorf("count of %q is %v, the scan finds %v", group, got[group], n)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("answer has %d groups, the scan finds %d", len(got), len(want))
	}
	return nil
}

func without(groups map[string]float64, key string) map[string]float64 {
	groups = maps.Clone(groups)
	delete(groups, key)
	return groups
}

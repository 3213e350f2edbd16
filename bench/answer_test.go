package bench

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func truthOf(q Question, records ...Record) *Truth {
	if q.Where == nil {
		q.Where = Everything{}
	}
	t := newTally(q)
	for i := range records {
		t.observe(&records[i])
	}
	return t.truth()
}

func TestCheckNewest(t *testing.T) {
	// Two records share the time at the border: either may be the second.
	truth := truthOf(Question{Kind: Newest, Limit: 2},
		Record{Time: 3, Message: "c"}, Record{Time: 2, Message: "b"}, Record{Time: 2, Message: "B"}, Record{Time: 1, Message: "a"})
	for _, tc := range []struct {
		name  string
		hits  []Hit
		right bool
	}{
		{"first of equals", []Hit{{3, "c"}, {2, "b"}}, true},
		{"other of equals, other order", []Hit{{2, "B"}, {3, "c"}}, true},
		{"too few", []Hit{{3, "c"}}, false},
		{"too many", []Hit{{3, "c"}, {2, "b"}, {2, "B"}}, false},
		{"newest is missing", []Hit{{2, "b"}, {2, "B"}}, false},
		{"too old", []Hit{{3, "c"}, {1, "a"}}, false},
		{"twice", []Hit{{3, "c"}, {3, "c"}}, false},
		{"other message", []Hit{{3, "c"}, {2, "x"}}, false},
	} {
		if err := truth.Check(Answer{Hits: tc.hits}); (err == nil) != tc.right {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestCheckCountsAndGroups(t *testing.T) {
	records := []Record{{Level: "info", Component: "a"}, {Level: "info", Component: "b"}, {Level: "", Component: "a"}, {Level: "error", Component: "c"}}
	if truth := truthOf(Question{Kind: Count}, records...); truth.Check(Answer{Count: 4}) != nil || truth.Check(Answer{Count: 3}) == nil {
		t.Error("count is not checked")
	}
	by := truthOf(Question{Kind: CountBy, GroupBy: FieldLevel}, records...)
	right := map[string]float64{"info": 2, "": 1, "error": 1}
	if err := by.Check(Answer{Groups: right}); err != nil {
		t.Error(err)
	}
	for _, change := range []func(map[string]float64){
		func(m map[string]float64) { m["info"] = 3 },
		func(m map[string]float64) { delete(m, "error") },
		func(m map[string]float64) { m["warn"] = 1 },
	} {
		wrong := maps.Clone(right)
		change(wrong)
		if by.Check(Answer{Groups: wrong}) == nil {
			t.Errorf("wrong groups %v accepted", wrong)
		}
	}
	top := truthOf(Question{Kind: Top, GroupBy: FieldComponent, Limit: 2}, records...)
	for _, groups := range []map[string]float64{{"a": 2, "b": 1}, {"a": 2, "c": 1}} {
		if err := top.Check(Answer{Groups: groups}); err != nil {
			t.Error(err)
		}
	}
	for _, groups := range []map[string]float64{{}, {"b": 1, "c": 1}, {"a": 1, "b": 1}, {"a": 2, "x": 1}, {"a": 2, "b": 1, "c": 1}} {
		if top.Check(Answer{Groups: groups}) == nil {
			t.Errorf("wrong top %v accepted", groups)
		}
	}
}

func TestCheckPercentiles(t *testing.T) {
	tally := newTally(Question{Kind: P99By, GroupBy: FieldComponent})
	for i := range 10_000 {
		tally.values["a"] = append(tally.values["a"], float64(i))
	}
	truth := tally.truth()
	for value, right := range map[float64]bool{9_899: true, 9_900: true, 9_930: true, 9_990: false, 9_800: false, 0: false} {
		if err := truth.Check(Answer{Groups: map[string]float64{"a": value}}); (err == nil) != right {
			t.Errorf("p99 %v: %v", value, err)
		}
	}
	if truth.Check(Answer{Groups: map[string]float64{"b": 9_900}}) == nil {
		t.Error("other group accepted")
	}
}

// The languages say the same; a look at the text shows it.
func TestRendering(t *testing.T) {
	s := &Survey{TraceID: "ab", Phrase: "two words", Frequent: "often", ErrorLevel: "error", ErrorComponent: "shop \"x\"", Either: "one", Or: "two", Not: "three",
		Prefix: "pre", WindowWord: "now", WindowFrom: 0, WindowTo: 1_000_000_000, TextField: "metadata.ip", NumberField: "metadata.ms", Component: "shop", Step: time.Minute}
	var stere, victoria []string
	for _, q := range Questions(s) {
		if q.Missing == "" {
			stere, victoria = append(stere, stereQuery(q)), append(victoria, victoriaQuery(q))
		}
	}
	wantStere := []string{
		`metadata.trace_id:="ab"`,
		`message:"two words"`,
		`message:often`,
		`(level:="error" AND component:="shop \"x\"")`,
		`(level:="error" AND (message:one OR message:two) AND NOT message:three) | stats count()`,
		`* | stats count() by (level)`,
		`level:="error" | stats count() by (_time:1m)`,
		`* | top 10 component`,
		`message:pre* | stats count()`,
		`message:now`,
		`* | stats count_distinct(metadata.ip)`,
		`* | stats p99(metadata.ms) by (component)`,
	}
	wantVictoria := []string{
		`"metadata.trace_id":="ab"`,
		`"two words"`,
		`"often"`,
		`{level="error",component="shop \"x\""}`,
		`({level="error"} and ("one" or "two") and !"three") | stats count() n`,
		`* | stats by (level) count() n`,
		`{level="error"} | stats by (_time:1m) count() n`,
		`* | stats by (component) count() n | sort by (n desc) limit 10`,
		`"pre"* | stats count() n`,
		`_time:[1970-01-01T00:00:00.000000000Z, 1970-01-01T00:00:01.000000000Z) "now"`,
		`* | stats count_uniq("metadata.ip") n`,
		`* | stats by (component) quantile(0.99, "metadata.ms") n`,
	}
	if !slices.Equal(stere, wantStere) {
		t.Errorf("Stere's language:\n%s", strings.Join(stere, "\n"))
	}
	if !slices.Equal(victoria, wantVictoria) {
		t.Errorf("LogsQL:\n%s", strings.Join(victoria, "\n"))
	}
}

func TestQuantiles(t *testing.T) {
	if p50, p99 := quantiles(nil); p50 != 0 || p99 != 0 {
		t.Error("quantiles of nothing are not 0")
	}
	if p50, p99 := quantiles([]time.Duration{3e6, 1e6, 2e6}); p50 != 2 || p99 != 3 {
		t.Errorf("quantiles are %v and %v, want 2 and 3", p50, p99)
	}
}

// TestTallyForgetsOnlyWhatIsTooOld compares a tally that threw matches away,
// and went on after an answer, with one that saw all at once.
func TestTallyForgetsOnlyWhatIsTooOld(t *testing.T) {
	q := Question{Kind: Newest, Limit: 10, Where: Everything{}}
	pruned, all := newTally(q), newTally(q)
	all.prune = 1 << 30
	for i := range 5 * pruneMin {
		r := Record{Time: int64(i * 7919 % 5003), Message: strconv.Itoa(i)}
		pruned.observe(&r)
		all.observe(&r)
		if i == pruneMin/2 {
			pruned.truth()
		}
	}
	if len(pruned.found) >= len(all.found) {
		t.Error("nothing was thrown away")
	}
	if a, b := pruned.truth(), all.truth(); !slices.Equal(a.found, b.found) || a.matches != b.matches {
		t.Errorf("have %d of %d, want %d of %d", len(a.found), a.matches, len(b.found), b.matches)
	}
}

func TestStepFollowsTheTime(t *testing.T) {
	for span, want := range map[time.Duration]string{time.Hour: "1m", 3 * day: "1m", 90 * day: "1h", 3000 * day: "1d"} {
		if got := stepText(stepFor(span)); got != want {
			t.Errorf("step of %v is %s, want %s", span, got, want)
		}
	}
}

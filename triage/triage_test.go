package triage_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/triage"
)

const second = int64(time.Second)

func parse(t testing.TB, text string) *triage.Rule {
	t.Helper()
	r, err := triage.ParseRule([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestParseRule: what is written in YAML and in JSON is the same, and comes back as it is
// shown.
func TestParseRule(t *testing.T) {
	yaml := parse(t, "id: a\nseverity: high\nevery: 30s\nfor: 2m\nwhen:\n  query: 'level:error'\n  over: 5m\n  by: [host]\n  atLeast: 3\nactions:\n  - notify: true\n  - escalate: {after: 1h, webhook: boss}\n  - suppress: 1d\n")
	written := parse(t, `{"id":"a","severity":"high","every":"30s","for":"2m","when":{"query":"level:error","over":"5m","by":["host"],"atLeast":3},"actions":[{"notify":true},{"escalate":{"after":"60m","webhook":"boss"}},{"suppress":"24h"}]}`)
	if !reflect.DeepEqual(yaml, written) {
		t.Errorf("%+v\n%+v", yaml, written)
	}
	shown, err := json.Marshal(yaml)
	if err != nil || !reflect.DeepEqual(parse(t, string(shown)), yaml) {
		t.Errorf("%s, %v", shown, err)
	}
	for says, text := range map[string]string{
		"the rule is empty":                "",
		"qery: is not known, want some":    "id: a\nqery: x",
		"more than one document":           "id: a\nwhen: {query: x}\n---\nid: b",
		"id: \"A b\"":                      "id: A b\nwhen: {query: x}",
		"when: has 0 of query":             "id: a",
		"when: has 2 of query":             "id: a\nwhen: {query: x, storage: {usedAtLeast: 5}}",
		"5 minutes":                        "id: a\nevery: 5 minutes\nwhen: {query: x}",
		"over: 10s is less than every, 1m": "id: a\nwhen: {query: x, over: 10s}",
		"severity: \"bad\", want one of":   "id: a\nseverity: bad\nwhen: {query: x}",
		"event: \"x\", want one of":        "id: a\nevent: x\nwhen: {query: x}",
		"want atLeast or atMost":           "id: a\nwhen: {query: x, measure: p95(d)}",
		"when.absent: stands alone":        "id: a\nwhen: {query: x, absent: true, atLeast: 3}",
		"a sequence needs the fields":      "id: a\nwhen: {query: x, after: {query: y, within: 1m}}",
		"actions[0]: has 2 of":             "id: a\nwhen: {query: x}\nactions: [{notify: true, webhook: b}]",
		"equal: \"h\" is not one of":       "id: a\nwhen: {query: x}\ninhibits: [b]\nequal: [h]",
		"inhibits: \"a\" is no id":         "id: a\nwhen: {query: x}\ninhibits: [a]",
		"want whole milliseconds":          "id: a\nwhen: {query: x, over: 1m0.0001s}",
		"usedAtLeast: 0, want":             "id: a\nwhen: {storage: {usedAtLeast: 0}}",
	} {
		if _, err := triage.ParseRule([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	if _, err := triage.ParseRule(make([]byte, triage.RuleBytesMax+1)); err == nil {
		t.Error("too long")
	}
}

// TestFaultsOfRules: all faults are told, each with the field, where it stands and what was
// perhaps meant.
func TestFaultsOfRules(t *testing.T) {
	for _, c := range []struct {
		text string
		want []triage.Fault // without messages
	}{
		{"id: a\nquery: x", []triage.Fault{{Field: "query", Line: 2, Column: 1, Suggestion: "when.query"}}},
		{"id: a\nwhen:\n  query: x\n  ovr: 5m\nactions:\n- notfy: true", []triage.Fault{{Field: "when.ovr", Line: 4, Column: 3, Suggestion: "over"}, {Field: "actions[0].notfy", Line: 6, Column: 3, Suggestion: "notify"}}},
		{"id: a\nevery: 5x\nwhen:\n  query: x\n  over: [1]\n  by: host", []triage.Fault{{Field: "every", Line: 2, Column: 1}, {Field: "when.over", Line: 5, Column: 3}, {Field: "when.by", Line: 6, Column: 3}}},
		{`{"id":"a","when":{"query":"x","atLeast":"many"},"actions":[{"escalate":{"afer":"1h"}}]}`, []triage.Fault{{Field: "when.atLeast", Line: 1, Column: 31}, {Field: "actions[0].escalate.afer", Line: 1, Column: 73, Suggestion: "after"}}},
		{"id: A\nseverity: hihg\nwhen:\n  query: x\n  by: [a,b,c,d,e]\nactions:\n- tag: [x]\n- {}", []triage.Fault{{Field: "id", Line: 1, Column: 1}, {Field: "severity", Line: 2, Column: 1, Suggestion: "high"}, {Field: "when.by", Line: 5, Column: 3}, {Field: "actions[1]", Line: 8, Column: 3}}},
		{"[1]", []triage.Fault{{Line: 1, Column: 1}}},
		{"id: a\n  when: b", []triage.Fault{{Line: 2, Column: 1}}},
		{"id: a\nid: b", []triage.Fault{{Line: 2, Column: 1}}},
	} {
		_, err := triage.ParseRule([]byte(c.text))
		var got []triage.Fault
		for _, f := range triage.Faults(err) {
			if f.Message == "" {
				t.Errorf("%q: %+v says nothing", c.text, f)
			}
			got = append(got, triage.Fault{Field: f.Field, Line: f.Line, Column: f.Column, Suggestion: f.Suggestion})
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, want %+v: %v", c.text, got, c.want, err)
		}
	}
}

// TestSays: what an alert means is said in words, whatever its rule looks for.
func TestSays(t *testing.T) {
	for when, want := range map[string]string{
		"{query: 'level:error', over: 5m, atLeast: 3}":                               "12 records in 5m satisfy level:error (told from 3 on)",
		"{query: 'level:error', over: 5m, atMost: 20}":                               "12 records in 5m satisfy level:error (told up to 20)",
		"{query: 'level:error', over: 5m, rate: true, atLeast: 1, atMost: 20}":       "12 records a second satisfied level:error over 5m (told from 1 to 20)",
		"{query: '*', over: 5m, share: 'level>=error', atLeast: 5}":                  "12 % of the records in 5m that satisfy * are level>=error (told from 5 on)",
		"{query: 'a b', over: 5m, measure: p95(duration), atLeast: 5}":               "p95(duration) was 12 over 5m, of records that satisfy a b (told from 5 on)",
		"{query: 'a', over: 5m, absent: true}":                                       "nothing that satisfies a came in 5m",
		"{query: 'a', over: 5m, by: [h], after: {query: b, within: 1h}, atLeast: 2}": "12 of a in 5m, found within 1h (told from 2 on)",
		"{anomaly: {types: [error_spike]}}":                                          "found",
	} {
		r := parse(t, "id: a\nwhen: "+when)
		if got := r.When.Says(12, "found"); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
}

// TestDefaults: all are right, and none has another's id.
func TestDefaults(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range triage.Defaults() {
		if err := r.Check(); err != nil || seen[r.ID] {
			t.Errorf("%s: %v", r.ID, err)
		}
		seen[r.ID] = true
	}
	if len(seen) != 17 {
		t.Errorf("%d rules", len(seen))
	}
}

// TestQuotaAround: a quota of which about the limit is used, now more, now less, is told of
// once, and that it is over once.
func TestQuotaAround(t *testing.T) {
	for _, r := range triage.Defaults() {
		if r.When.Quota == nil {
			continue
		}
		var state triage.State
		told := map[string]int{}
		for minute := range int64(24 * 60) {
			sample := triage.Sample{End: (minute + 1) * int64(time.Minute)}
			if minute < 20*60 && minute%2 == 0 {
				sample.Findings = []triage.Finding{{Group: triage.Group{"maxStorageBytes"}, Value: r.When.Quota.UsedAtLeast}}
			}
			transitions, err := state.Step(r, sample, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range transitions {
				told[one.Kind]++
			}
		}
		if len(told) != 2 || told[triage.Fires] != 1 || told[triage.Resolves] != 1 {
			t.Errorf("%s: told %v", r.ID, told)
		}
	}
}

// steps takes a rule through windows: of each which groups are found.
func steps(t *testing.T, r *triage.Rule, windows ...string) (told []string, s *triage.State) {
	t.Helper()
	s = &triage.State{}
	for i, groups := range windows {
		sample := triage.Sample{End: int64(i+1) * int64(r.Every)}
		for _, g := range groups {
			sample.Findings = append(sample.Findings, triage.Finding{Group: triage.Group{string(g)}, Value: 1})
		}
		transitions, err := s.Step(r, sample, nil)
		if err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, one := range transitions {
			line += one.Alert.Group[0] + ":" + one.Kind + " "
		}
		told = append(told, strings.TrimSpace(line))
	}
	return told, s
}

// TestStates: pending, firing, repeated, escalated, resolved, suppressed.
func TestStates(t *testing.T) {
	base := "id: a\nevery: 1m\nwhen: {query: x, by: [g]}\n"
	for name, one := range map[string]struct {
		more    string
		windows []string
		want    []string
	}{
		"at once":      {"", []string{"", "a", "ab", "b", ""}, []string{"", "a:firing", "b:firing", "a:resolved", "b:resolved"}},
		"after a time": {"for: 2m", []string{"a", "a", "", "a", "a", "a", ""}, []string{"", "", "", "", "", "a:firing", "a:resolved"}},
		"kept":         {"keep: 2m", []string{"a", "", "a", "", ""}, []string{"a:firing", "", "", "", "a:resolved"}},
		"repeated":     {"repeat: 2m", []string{"a", "a", "a", "a", "a"}, []string{"a:firing", "", "a:repeated", "", "a:repeated"}},
		"escalated":    {"actions: [{escalate: {after: 1m}}, {escalate: {after: 3m}}]", []string{"a", "a", "a", "a", "a"}, []string{"a:firing", "a:escalated", "", "a:escalated", ""}},
		"suppressed":   {"actions: [{suppress: 3m}]", []string{"a", "", "a", "a", "a"}, []string{"a:firing", "a:resolved", "", "a:firing", ""}},
	} {
		if told, _ := steps(t, parse(t, base+one.more), one.windows...); !slices.Equal(told, one.want) {
			t.Errorf("%s: %q, want %q", name, told, one.want)
		}
	}
}

// TestHeld: of what is silenced nothing is told until the silence ends, and nothing of its
// end if nothing was told of its begin.
func TestHeld(t *testing.T) {
	r := parse(t, "id: a\nevery: 1m\nwhen: {query: x, by: [g]}")
	silence := triage.Silence{Rule: "a", Group: map[string]string{"g": "q"}, From: 0, Until: 150 * second}
	s := &triage.State{}
	var told []string
	for i, found := range []string{"q", "q", "q", ""} {
		now := int64(i+1) * 60 * second
		sample := triage.Sample{End: now}
		if found != "" {
			sample.Findings = []triage.Finding{{Group: triage.Group{found}}}
		}
		transitions, err := s.Step(r, sample, func(a *triage.Alert) bool { return silence.Covers(r, a, now) })
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range transitions {
			told = append(told, one.Kind)
		}
		if i == 1 && (len(told) != 0 || s.Fired != 1) {
			t.Errorf("while it is silenced: %v, %+v", told, s)
		}
	}
	if !slices.Equal(told, []string{"firing", "resolved"}) {
		t.Errorf("told %v", told)
	}
	other := parse(t, "id: b\nwhen: {query: x, by: [g]}\ninhibits: [a]\nequal: [g]")
	_, state := steps(t, other, "q")
	for group, want := range map[string]bool{"q": true, "z": false} {
		if got := triage.Inhibited(r, &triage.Alert{Group: triage.Group{group}}, other, state); got != want {
			t.Errorf("inhibited %s: %v", group, got)
		}
	}
}

// TestWindowsFollow: whatever the clock does, windows follow without a gap and none comes
// twice, but for those that are too old.
func TestWindowsFollow(t *testing.T) {
	r := parse(t, "id: a\nevery: 30s\nlate: 10s\nwhen: {query: x}")
	random := rand.New(rand.NewPCG(1, 2))
	s, now, last := &triage.State{}, int64(1_000_000)*second, int64(0)
	for range 3000 {
		now += int64(random.IntN(200)-40) * second
		ends, skipped := s.Windows(r, now, 1+random.IntN(5))
		if skipped != 0 {
			break
		}
		for _, end := range ends {
			if last != 0 && end != last+30*second || end > now-10*second {
				t.Fatalf("window to %d after %d at %d", end, last, now)
			}
			if _, err := s.Step(r, triage.Sample{End: end}, nil); err != nil {
				t.Fatal(err)
			}
			last = end
			if random.IntN(50) == 0 {
				if _, err := s.Step(r, triage.Sample{End: end}, nil); err != triage.ErrBehind {
					t.Fatalf("the same window again: %v", err)
				}
			}
		}
	}
	s.Through = now - 3*3600*second
	ends, skipped := s.Windows(r, now, 1)
	if first := ends[0]; now-first > int64(triage.CatchUpMax)+40*second || skipped < 3600*second {
		t.Errorf("after three hours the first window ends %v ago, %v are left out", time.Duration(now-first), time.Duration(skipped))
	}
}

// TestAlertsAreBounded, and the worst are kept.
func TestAlertsAreBounded(t *testing.T) {
	r := parse(t, "id: a\nwhen: {query: x, by: [g]}\nactions: [{suppress: 7d}]")
	sample := triage.Sample{End: 60 * second}
	for i := range 1000 {
		sample.Findings = append(sample.Findings, triage.Finding{Group: triage.Group{time.Duration(i).String(), strings.Repeat("\x01", 300), strings.Repeat("\"", 300), strings.Repeat("\xff<", 300)}, Text: strings.Repeat("\u2028", 300), Value: float64(i)})
	}
	s := &triage.State{}
	if told, err := s.Step(r, sample, nil); err != nil || len(told) != triage.AlertsMax || s.Alerts[sample.Findings[999].Group.Short().Key()] == nil {
		t.Errorf("%d told, %v", len(told), err)
	}
	text, err := json.Marshal(s)
	if err != nil || len(text) > 64<<10 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// TestIncident changes states, and bounds what it keeps.
func TestIncident(t *testing.T) {
	i := triage.Incident{State: triage.Open, Severity: triage.High}
	text := func(s string) *string { return &s }
	if err := i.Change(triage.IncidentChange{State: text(triage.Closed), Owner: text("me"), Note: "done"}, "me", 5); err != nil || i.Closed != 5 || len(i.Timeline) != 3 {
		t.Errorf("%+v, %v", i, err)
	}
	for says, c := range map[string]triage.IncidentChange{
		"cannot follow closed": {State: text(triage.Mitigated)}, "changes nothing": {}, "severity": {Severity: text("x")}, "title": {Title: text("")},
	} {
		if err := i.Change(c, "me", 6); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if err := i.Change(triage.IncidentChange{State: text(triage.Open)}, "me", 7); err != nil || i.Closed != 0 {
		t.Errorf("%+v, %v", i, err)
	}
	for n := range 300 {
		i.Note(triage.Entry{At: int64(n), Text: strings.Repeat("x", 9000)})
		i.Attach(triage.Evidence{Record: time.Duration(n / 2).String(), Text: strings.Repeat("y", 9000)})
	}
	if len(i.Timeline) != triage.TimelineMax || len(i.Evidence) != triage.EvidenceMax || i.Timeline[0].Kind != "state" {
		t.Errorf("%d entries, %d records", len(i.Timeline), len(i.Evidence))
	}
}

// TestHealth counts days and response times.
func TestHealth(t *testing.T) {
	var h triage.Health
	day := int64(24 * time.Hour)
	for n := range int64(40) {
		for look := range int64(10) {
			h.Note(n*day+look+1, look > 0, 200, "", time.Duration(look)*time.Millisecond)
		}
	}
	if uptime, looks := h.Uptime(); uptime != 90 || looks != 300 || h.Percentile(50) != 5 || h.Percentile(95) != 9 || h.Down() {
		t.Errorf("%v of %d, p50 %v, p95 %v", uptime, looks, h.Percentile(50), h.Percentile(95))
	}
	if !h.Note(41*day, false, 0, "no", 0) || !h.Down() || h.Note(41*day+1, false, 0, "no", 0) {
		t.Error("down is a change, once")
	}
}

// FuzzParseRule: what is taken is shown so that it is taken again.
func FuzzParseRule(f *testing.F) {
	for _, r := range triage.Defaults() {
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(strings.Replace(string(text), `,"builtin":true`, "", 1)))
	}
	f.Add([]byte("id: a\nwhen: {query: x}\nevery: 1m30s"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := triage.ParseRule(text)
		if err != nil {
			return
		}
		shown, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(shown) > triage.RuleBytesMax {
			return
		}
		again, err := triage.ParseRule(shown)
		if err != nil {
			t.Fatalf("%s: %v", shown, err)
		}
		if second, err := json.Marshal(again); err != nil || string(second) != string(shown) {
			t.Fatalf("%s became %s, %v", shown, second, err)
		}
	})
}

package node_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/alert"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/triage"
)

// line is a record of a trial.
type line struct {
	at   int64
	host string
	bad  bool
}

// naive returns the values that a rule finds in a window by host, "" for all: the lines are
// looked at one by one.
func naive(lines []line, c *triage.Condition, end int64) map[string]float64 {
	hosts := func(from, to int64) map[string][]line {
		found := map[string][]line{}
		for _, l := range lines {
			if l.at >= from && l.at < to {
				host := ""
				if len(c.By) > 0 {
					host = l.host
				}
				found[host] = append(found[host], l)
			}
		}
		return found
	}
	from := end - int64(c.Over)
	now, out := hosts(from, end), map[string]float64{}
	switch {
	case c.Absent && len(c.By) > 0:
		for host := range hosts(from-int64(c.Known), from) {
			if len(now[host]) == 0 {
				out[host] = 0
			}
		}
		return out
	case c.Absent:
		if len(now) == 0 {
			out[""] = 0
		}
		return out
	case len(c.By) == 0 && c.Share == "" && len(now) == 0:
		now[""] = nil
	}
	for host, all := range now {
		value := float64(len(all))
		switch {
		case c.Share != "":
			value = 0
			for _, l := range all {
				if l.bad {
					value += 100 / float64(len(all))
				}
			}
		case c.Rate:
			value /= time.Duration(c.Over).Seconds()
		}
		if c.Holds(value) {
			out[host] = value
		}
	}
	return out
}

// TestTrialsLookAtEveryWindow: a trial fires when a rule would have fired that looks at
// every window, one after the other, whatever it looks for and however long it goes back.
func TestTrialsLookAtEveryWindow(t *testing.T) {
	n := nodetest.Start(t, node.Config{Alerts: alert.Settings{Interval: -1}})
	random := rand.New(rand.NewPCG(8, 9))
	to := time.Now().Truncate(time.Minute)
	from := to.Add(-30 * 24 * time.Hour)
	var lines []line
	var body strings.Builder
	for at := from; at.Before(to); at = at.Add(time.Duration(random.IntN(6*3600)) * time.Second) {
		for range random.IntN(12) { // some come together
			l := line{at.Add(time.Duration(random.IntN(300_000)) * time.Millisecond).UnixNano(), string(rune('a' + random.IntN(3))), random.IntN(3) == 0}
			level := "info"
			if l.bad {
				level = "error"
			}
			lines = append(lines, l)
			fmt.Fprintf(&body, "{\"message\":\"m\",\"host\":%q,\"level\":%q,\"timestamp\":%q}\n", l.host, level, time.Unix(0, l.at).UTC().Format(time.RFC3339Nano))
		}
	}
	request(t, n, "POST", "/logs", body.String(), 200, nil)
	for _, when := range []string{
		"{query: '*', over: 5m, atLeast: 4}",
		"{query: '*', over: 5m, by: [host], atLeast: 2}",
		"{query: '*', over: 1m, rate: true, by: [host], atLeast: 0.02}",
		"{query: '*', over: 70s, atLeast: 2}",
		"{query: '*', over: 10m, share: 'level:error', atLeast: 60}",
		"{query: '*', over: 3d, by: [host], atMost: 5}",
		"{query: '*', over: 5h, absent: true}",
		"{query: '*', over: 1h, by: [host], absent: true, known: 5h}",
	} {
		text := "id: r\nevery: 10s\nkeep: 20s\nwhen: " + when
		r, err := triage.ParseRule([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		// Windows in which nothing changes are all alike: those that are near a line, or the
		// end of a stretch that begins with one, are enough for a rule that looks every 10s.
		var ends []int64
		every := int64(r.Every)
		for _, l := range lines {
			for _, d := range []int64{0, int64(r.When.Over), int64(r.When.Over + r.When.Known)} {
				for k := range int64(7) {
					if end := l.at + d - (l.at+d)%every + k*every; end > from.UnixNano() && end <= to.UnixNano() {
						ends = append(ends, end)
					}
				}
			}
		}
		first := from.UnixNano() - from.UnixNano()%every + every
		ends = append(ends, first)
		slices.Sort(ends)
		ends = slices.Compact(ends)
		want, err := triage.Replay(r, ends, func(end int64) (out []triage.Finding, _ error) {
			found := naive(lines, &r.When, end)
			for host, value := range found {
				group := triage.Group{host}
				if len(r.When.By) == 0 {
					group = triage.Group{}
				}
				out = append(out, triage.Finding{Group: group, Value: value})
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Fired, Windows int
			Partial, Every string
			Firings        []struct {
				Labels map[string]string
				From   time.Time
			}
		}
		request(t, n, "POST", fmt.Sprintf("/triage/test?from=%s&to=%s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339)), text, 200, &got)
		if got.Fired != want.Fired || want.Fired < 3 || got.Partial != "" || got.Every != "10s" || got.Windows < 250_000 {
			t.Errorf("%s: fired %d times of %d windows (%s), want %d", when, got.Fired, got.Windows, got.Partial, want.Fired)
		}
		for i, f := range got.Firings {
			w := want.Alerts[min(i, len(want.Alerts)-1)]
			if f.From.UnixNano() != w.From || f.Labels["host"] != strings.Join(w.Group, "") {
				labels, _ := json.Marshal(f)
				t.Errorf("%s: %d: %s, want %v at %v", when, i, labels, w.Group, time.Unix(0, w.From).UTC())
				break
			}
		}
	}
	// What is measured of windows one after the other, and windows with which a sequence ends.
	type answer struct {
		Fired          int
		Partial, Every string
	}
	var measured, sequence answer
	request(t, n, "POST", "/triage/test?over=30d", "id: r\nevery: 10s\nwhen: {query: '*', over: 6h, measure: count_distinct(host), atLeast: 3}", 200, &measured)
	if measured.Fired < 10 || measured.Every != "6h" || !strings.Contains(measured.Partial, "one after the other") {
		t.Errorf("measured: %+v", measured)
	}
	request(t, n, "POST", "/triage/test?over=30d", "id: r\nevery: 10m\nwhen: {query: 'level:error', over: 10m, by: [host], after: {query: 'level:info', within: 5m, atLeast: 2}}", 200, &sequence)
	if sequence.Fired < 3 || sequence.Every != "10m" || sequence.Partial != "" {
		t.Errorf("a sequence: %+v", sequence)
	}
}

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/api/render"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// shelf keeps what trails write.
type shelf struct {
	mu      sync.Mutex
	records []model.Record
	keys    map[string]bool
	random  *rand.Rand // nil: nothing fails
}

func (s *shelf) write(_ context.Context, request ingest.Request) (ingest.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.random != nil && s.random.IntN(3) == 0 {
		return ingest.Result{}, ingest.ErrUnavailable
	}
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	if !s.keys[request.Key] {
		s.records = append(s.records, request.Records...)
		s.keys[request.Key] = true
	}
	if s.random != nil && s.random.IntN(3) == 0 { // it was stored, but nobody is told
		return ingest.Result{}, ingest.ErrUnavailable
	}
	return ingest.Result{}, nil
}

// export returns lines as GET /logs/export writes them, in the order of time.
func (s *shelf) export(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	var encoder render.Encoder
	for i := range s.records {
		lines = append(lines, string(encoder.Append(nil, model.RecordID{Index: uint64(i)}, &s.records[i])))
	}
	for i := range lines { // records of several nodes come as they come
		for j := i; j > 0 && stamp(lines[j]) < stamp(lines[j-1]); j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return lines
}

func verify(t *testing.T, lines []string, options Options) *Report {
	t.Helper()
	report, err := Verify(strings.NewReader(strings.Join(lines, "\n")), options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// heads of the shelf, as a trail's search has them.
func (s *shelf) heads(t *testing.T) []Head {
	return verify(t, s.export(t), Options{Partial: true}).Heads
}

// story makes a trail of three nodes, one of which starts again, with writes that fail.
func story(t *testing.T, seed uint64) (lines []string, heads []Head) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	s := &shelf{random: rand.New(rand.NewPCG(seed, 2))}
	for round := range 2 {
		var running sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		var trails []*Trail
		for node := range 3 {
			one := New(Config{Node: fmt.Sprint("node", node), Write: s.write, Settings: map[string]string{"round": fmt.Sprint(round)}})
			one.anchors = s.heads(t)
			trails = append(trails, one)
			running.Go(func() {
				if err := one.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range 20 {
			one := trails[random.IntN(3)]
			one.Record(t.Context(), Entry{Actor: Actor{Name: "eve \"\\ \x1b[31m\n é", Tenant: "t"}, From: "10.0.0.1", Action: "POST /admin/keys", Target: fmt.Sprint(i),
				Tenant: "shop", Outcome: []string{Done, Failed}[random.IntN(2)], Status: 200, Before: State(map[string]any{"a": i, "b": "<x>"}), After: State([]int{1, i})})
			if random.IntN(4) == 0 {
				anchor := one.own("audit.anchor", Done)
				anchor.Heads = s.heads(t)
				one.Record(t.Context(), anchor)
			}
			time.Sleep(time.Second)
		}
		for _, one := range trails {
			one.Close(t.Context())
		}
		cancel()
		running.Wait()
	}
	// Somebody has the last word: all chains are named but one.
	last := New(Config{Node: "last", Write: s.write})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := last.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	end := last.own("audit.anchor", Done)
	end.Heads = s.heads(t)
	last.Record(t.Context(), end)
	cancel()
	running.Wait()
	return s.export(t), s.heads(t)
}

// TestEveryChangeIsFound flips bits, cuts and reorders an export: nothing goes
// unnoticed, and what is whole is said to be.
func TestEveryChangeIsFound(t *testing.T) {
	seeds, changes := uint64(4), 150
	if testing.Short() {
		seeds = 1
	}
	tried := map[string]int{}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			lines, heads := story(t, seed)
			if report := verify(t, lines, Options{Heads: heads}); len(report.Faults) > 0 || report.Chains != 7 {
				t.Fatalf("seed %d: a whole trail of %d chains has faults: %v", seed, report.Chains, report.Faults)
			}
			backward := make([]string, len(lines))
			for i := range lines {
				backward[len(lines)-1-i] = lines[i]
			}
			if report := verify(t, backward, Options{Heads: heads}); len(report.Faults) > 0 {
				t.Fatalf("seed %d: newest first: %v", seed, report.Faults)
			}
			random := rand.New(rand.NewPCG(seed, 3))
			for range changes {
				what, changed := change(random, lines)
				if what == "" {
					continue
				}
				tried[what]++
				options := Options{Heads: heads}
				report, err := Verify(strings.NewReader(strings.Join(changed, "\n")), options)
				if err == nil && len(report.Faults) == 0 {
					t.Fatalf("seed %d: %s was not found; the first difference is\n%s", seed, what, difference(lines, changed))
				}
			}
		})
	}
	for _, what := range []string{"flip", "cut", "cut of the end", "cut of the beginning", "chain cut", "swap", "repeat", "edit"} {
		if tried[what] < changes/15*int(seeds)/4 {
			t.Errorf("%s was tried only %d times", what, tried[what])
		}
	}
	t.Log(tried)
}

// change changes an export in one way.
func change(random *rand.Rand, lines []string) (what string, changed []string) {
	changed = append([]string(nil), lines...)
	i, j := random.IntN(len(lines)), random.IntN(len(lines))
	switch random.IntN(8) {
	case 0:
		text := []byte(changed[i])
		end := bytes.Index(text, []byte(`,"_id":`)) // ids say where a record is, not what
		begin := bytes.Index(text, []byte(`"timestamp"`))
		at := begin + random.IntN(end-begin)
		text[at] ^= 1 << random.IntN(7)
		if text[at] == '\n' || bytes.EqualFold(text[:end], []byte(lines[i])[:end]) {
			return "", nil // a key in another case would be the same key
		}
		changed[i] = string(text)
		return "flip", changed
	case 1:
		return "cut", append(changed[:i], changed[i+1:]...)
	case 2:
		return "cut of the end", changed[:len(changed)-1-random.IntN(5)]
	case 3:
		return "cut of the beginning", changed[1+random.IntN(5):]
	case 4:
		chain := between(lines[i], `"chain":"`, `"`)
		var rest []string
		for _, line := range lines {
			if between(line, `"chain":"`, `"`) != chain {
				rest = append(rest, line)
			}
		}
		return "chain cut", rest
	case 5:
		if stamp(lines[i]) == stamp(lines[j]) {
			return "", nil // of two at the same time no one is the first
		}
		changed[i], changed[j] = changed[j], changed[i]
		return "swap", changed
	case 6:
		return "repeat", append(changed[:i], append([]string{lines[i]}, changed[i:]...)...)
	}
	// Who edits an entry knows how to make its hash.
	text := lines[i]
	entry := between(text, `"entry":"`, `"},"severity"`)
	plain := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(entry)
	e, err := Parse(plain)
	if err != nil {
		return "", nil
	}
	e.Outcome, e.Actor.Name = "done", "mallory"
	again, hash := e.Text()
	r := e.record(again, hash)
	var encoder render.Encoder
	changed[i] = string(encoder.Append(nil, model.RecordID{}, &r))
	return "edit", changed
}

func stamp(line string) string { return between(line, `"timestamp":"`, `"`) }

func difference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] + "\n" + b[i]
		}
	}
	return "in their length"
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	inner, _, _ := strings.Cut(rest, to)
	return inner
}

// TestPartial takes an export that begins in the middle, and still finds gaps.
func TestPartial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines, _ := story(t, 1)
		half := lines[len(lines)/2:]
		if report := verify(t, half, Options{Partial: true}); len(report.Faults) > 0 {
			t.Errorf("%v", report.Faults)
		}
		if report := verify(t, half, Options{}); len(report.Faults) == 0 {
			t.Error("the beginning is missing")
		}
		found := 0
		for i := 1; i < len(half)-1; i++ {
			if report := verify(t, append(append([]string(nil), half[:i]...), half[i+1:]...), Options{Partial: true}); len(report.Faults) > 0 {
				found++
			}
		}
		if found < len(half)/2 {
			t.Errorf("of %d gaps %d were found", len(half)-2, found)
		}
	})
}

// TestFlood refuses a hundred thousand requests: few entries have all of them.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		trail := New(Config{Node: "n", Write: s.write})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = trail.Run(ctx) })
		const all = 100_000
		for i := range all {
			from := "10.0.0.1"
			if i%2 == 0 {
				from = fmt.Sprintf("10.%d.%d.1", i>>8, i&0xff)
			}
			trail.Deny(Entry{Action: "login", From: from, Outcome: Denied, Reason: "UNAUTHORIZED"})
			if i%1000 == 0 {
				time.Sleep(time.Second)
			}
		}
		trail.Close(t.Context())
		cancel()
		running.Wait()
		count := int64(0)
		for _, line := range s.export(t) {
			if e, err := Parse(strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(between(line, `"entry":"`, `"},"severity"`))); err == nil && e.Action != "audit.begin" && e.Action != "audit.end" {
				count += max(e.Count, 1)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if report := verify(t, s.export(t), Options{}); len(report.Faults) > 0 || report.Entries > 3*(deniedMax+10) {
			t.Errorf("%d entries, %v", report.Entries, report.Faults)
		}
		if count != all {
			t.Errorf("%d refusals are counted, want %d", count, all)
		}
	})
}

// TestTailThatIsGone starts a node whose newest entries are not in the trail any more.
func TestTailThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fault := range []error{nil, errors.New("unreadable")} {
			s := &shelf{}
			trail := New(Config{Node: "n", Write: s.write, Kept: func() (Head, error) { return Head{"n-1", 7, "x"}, fault }})
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = trail.Run(ctx) })
			synctest.Wait()
			cancel()
			running.Wait()
			line := s.export(t)[0]
			if fault == nil && (!strings.Contains(line, "is not there") || !strings.Contains(line, `\"seq\":7`)) || fault != nil && !strings.Contains(line, "unreadable") {
				t.Errorf("%s", line)
			}
		}
	})
}

// TestTailThatCannotBeSeen starts a node that cannot read all of the trail, or whose
// chain before is one of many or of long ago: nobody is accused, and the end that the
// node knows is named where it was not seen.
func TestTailThatCannotBeSeen(t *testing.T) {
	kept := Head{"n-1", 7, "x"}
	many := func(more ...[]any) (rows [][]any) {
		for i := range headsMax + 10 {
			rows = append(rows, []any{fmt.Sprint("other-", i), int64(1), "y", nil})
		}
		return append(rows, more...)
	}
	for name, test := range map[string]struct {
		search func(text string) (*query.Result, error)
		failed bool
		named  bool
	}{
		"down":       {func(string) (*query.Result, error) { return nil, query.ErrIncomplete }, false, true},
		"incomplete": {func(string) (*query.Result, error) { return &query.Result{Rows: many()}, nil }, false, true},
		"stale": {func(string) (*query.Result, error) {
			return &query.Result{Rows: many([]any{"n-1", int64(6), "w", nil})}, nil
		}, false, true},
		"many": {func(string) (*query.Result, error) {
			return &query.Result{Rows: many([]any{"n-1", int64(7), "x", nil}), Complete: true}, nil
		}, false, false},
		"goes on": {func(string) (*query.Result, error) {
			return &query.Result{Rows: many([]any{"n-1", int64(8), "z", nil}), Complete: true}, nil
		}, false, false},
		"long ago": {func(text string) (*query.Result, error) {
			if strings.HasPrefix(text, "*") {
				return &query.Result{Rows: many(), Complete: true}, nil
			}
			return &query.Result{Rows: [][]any{{"n-1", int64(7), "x", nil}}, Complete: true}, nil
		}, false, false},
		"gone": {func(string) (*query.Result, error) { return &query.Result{Rows: many(), Complete: true}, nil }, true, true},
		"cut": {func(string) (*query.Result, error) {
			return &query.Result{Rows: many([]any{"n-1", int64(6), "w", nil}), Complete: true}, nil
		}, true, true},
		"forged": {func(string) (*query.Result, error) {
			return &query.Result{Rows: many([]any{"n-1", int64(7), "w", nil}), Complete: true}, nil
		}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{}
				search := func(_ context.Context, request query.Request) (*query.Result, error) {
					return test.search(request.Text)
				}
				trail := New(Config{Node: "n", Write: s.write, Search: search, Kept: func() (Head, error) { return kept, nil }})
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { _ = trail.Run(ctx) })
				synctest.Wait()
				cancel()
				running.Wait()
				text, _ := s.records[0].Get(FieldEntry)
				entry, err := Parse(text.Text)
				if err != nil {
					t.Fatal(err)
				}
				if (entry.Outcome == Failed) != test.failed || slices.Contains(entry.Heads, kept) != test.named || len(entry.Heads) > headsMax {
					t.Errorf("%s %q, %d heads, first %v", entry.Outcome, entry.Reason, len(entry.Heads), entry.Heads[0])
				}
			})
		})
	}
}

// TestStateThatIsNoText keeps what an administrator sent as the text that records have.
func TestStateThatIsNoText(t *testing.T) {
	entry := Entry{Action: "a", Outcome: Done, After: []byte("{\"a\":\"\xff\"}")}.bounded()
	entry.Chain, entry.Seq, entry.Time = "n-1", 1, 1
	text, hash := entry.Text()
	record := entry.record(text, hash)
	var encoder render.Encoder
	line := string(encoder.Append(nil, model.RecordID{}, &record))
	if report := verify(t, []string{line}, Options{}); len(report.Faults) > 0 || report.Entries != 1 {
		t.Errorf("%+v", report)
	}
}

// TestForgedNames shows whoever verifies a forged export nothing that the forger wants
// to have on the screen.
func TestForgedNames(t *testing.T) {
	for _, chain := range []string{"", "n\n12 entries in 1 chains, 0 faults", "n\x1b[2J", strings.Repeat("n", TextMax+1)} {
		entry := Entry{V: version, Chain: chain, Seq: 1, Time: 1, Action: "a", Outcome: Done}
		text, hash := entry.Text()
		record := entry.record(text, hash)
		var encoder render.Encoder
		report := verify(t, []string{string(encoder.Append(nil, model.RecordID{}, &record))}, Options{Heads: []Head{{"m\n\x1b[2J", 1, ""}}})
		if len(report.Faults) != 2 || len(report.Heads) > 0 || len(report.Open) > 0 {
			t.Errorf("%+v", report)
		}
		for _, f := range report.Faults {
			if strings.ContainsAny(f.What, "\n\x1b") || len(f.What) > TextMax {
				t.Errorf("%q", f.What)
			}
		}
	}
}

// FuzzVerify reads whatever comes.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"timestamp":"2026-01-01T00:00:00Z","audit":{"entry":"{\"v\":1}","hash":"x"}}`))
	f.Add([]byte("{\"audit\":{\"entry\":1}}\n{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		report, err := Verify(bytes.NewReader(text), Options{Partial: len(text)%2 == 0})
		if err == nil && report.Entries == 0 && report.Chains != 0 {
			t.Error("chains without entries")
		}
	})
}

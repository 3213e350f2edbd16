package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

// at makes requests that were let through at seconds, each within half a second.
func at(seconds ...float64) (through []pass) {
	for _, s := range seconds {
		sent := time.Duration(s * float64(time.Second))
		through = append(through, pass{sent: sent, answered: sent + time.Second/2})
	}
	return through
}

// TestJudge: the fullest stretch is found wherever it begins, and has what was let
// through in it for sure.
func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name          string
		through       []pass
		whole, window float64
	}{
		{"nothing", nil, 0, 0},
		{"as agreed", at(0, 1, 2, 3, 10, 11, 12, 13), 100, 100},
		{"double at the border", at(6, 7, 8, 9, 10, 11, 12, 13), 100, 200},
		{"too few", at(0, 1, 10, 11), 50, 50},
		{"not in order", at(13, 12, 11, 10, 3, 2, 1, 0), 100, 100},
		{"answered behind the end", at(0, 9.6), 25, 25},
	} {
		if got := judge(test.through, 4, 10*time.Second, 2); math.Abs(got.whole-test.whole)+math.Abs(got.window-test.window) > 1e-9 {
			t.Errorf("%s: %+v, want %v and %v", test.name, got, test.whole, test.window)
		}
	}
}

// TestRow: the farthest client counts, whichever way it is off.
func TestRow(t *testing.T) {
	for want, results := range map[float64][]result{
		3: {{whole: 97, window: 100}, {whole: 101, window: 100}},
		2: {{whole: 102, window: 99}, {whole: 99, window: 99}},
		7: {{whole: 100, window: 107, failed: 2}, {whole: 100, window: 1}},
	} {
		var out bytes.Buffer
		if got := row(&out, "w", results); math.Abs(got-want) > 1e-9 || !strings.HasPrefix(out.String(), "| w | ") {
			t.Errorf("%v off, want %v: %s", got, want, out.String())
		}
	}
}

package redact_test

import (
	"testing"

	"github.com/stere-log/stere/redact"
	"github.com/stere-log/stere/redact/labelled"
)

// TestPrecisionAndRecall measures the detectors on labelled lines that were made
// for it.
func TestPrecisionAndRecall(t *testing.T) {
	const precisionMin, recallMin = 0.98, 0.99
	for _, seed := range []uint64{1, 2, 20261128} {
		tally, err := labelled.Measure(seed, 40_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range labelled.Kinds() {
			got := tally.Of[d]
			if got.Precision() < precisionMin || got.Recall() < recallMin {
				t.Errorf("seed %d: %s: %d labelled, %d covered, %d found, %d right: precision %.4f, recall %.4f; wrong: %q, missed: %q",
					seed, redact.BuiltIn()[d], got.Labelled, got.Covered, got.Found, got.Right, got.Precision(), got.Recall(), got.Wrong, got.Missed)
			}
			if got.Labelled == 0 {
				t.Errorf("seed %d: nothing of %s was labelled", seed, redact.BuiltIn()[d])
			}
		}
		all := tally.All()
		if all.Precision() < precisionMin || all.Recall() < recallMin {
			t.Errorf("seed %d: precision %.4f, recall %.4f", seed, all.Precision(), all.Recall())
		}
		t.Logf("seed %d: %d labelled, precision %.4f, recall %.4f", seed, all.Labelled, all.Precision(), all.Recall())
	}
}

// TestTwiceIsOnce checks that what was redacted is left alone the next time.
func TestTwiceIsOnce(t *testing.T) {
	r, err := redact.New(redact.Config{Set: redact.Personal})
	if err != nil {
		t.Fatal(err)
	}
	s := r.Scanner()
	changed := 0
	for _, line := range labelled.Make(3, 20_000) {
		once, did := s.Text(line.Text)
		if did {
			changed++
		}
		if twice, _ := s.Text(once); twice != once {
			t.Fatalf("%q\n once %q\ntwice %q", line.Text, once, twice)
		}
	}
	if changed < 9_000 {
		t.Errorf("%d lines changed: there was little to check", changed)
	}
}

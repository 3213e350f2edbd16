package labelled

import (
	"github.com/stere-log/stere/redact"
)

// examplesMax is how many faults of each kind are kept to be shown.
const examplesMax = 5

// Score is how well one detector did.
type Score struct {
	Labelled int // secrets of its kind in the lines
	Covered  int // of them, those of which nothing was left, whoever found them
	Found    int // its findings
	Right    int // of them, those that are in a secret
	// Examples of findings that are none, and of lines with missed secrets.
	Wrong, Missed []string
}

// Precision returns which share of the findings are right.
func (s Score) Precision() float64 { return share(s.Right, s.Found) }

// Recall returns which share of the secrets was found.
func (s Score) Recall() float64 { return share(s.Covered, s.Labelled) }

func share(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// Tally is the scores of all detectors.
type Tally struct{ Of map[redact.Detector]*Score }

// All returns the sum of the scores.
func (t Tally) All() Score {
	var sum Score
	for _, s := range t.Of {
		sum.Labelled += s.Labelled
		sum.Covered += s.Covered
		sum.Found += s.Found
		sum.Right += s.Right
	}
	return sum
}

// Measure makes lines and has all detectors look for what is in them.
func Measure(seed uint64, lines int) (Tally, error) {
	all := map[string]redact.Action{}
	for _, name := range redact.BuiltIn() {
		all[name] = redact.Mask
	}
	r, err := redact.New(redact.Config{Actions: all})
	if err != nil {
		return Tally{}, err
	}
	scanner := r.Scanner()
	t := Tally{Of: map[redact.Detector]*Score{}}
	for _, d := range Kinds() {
		t.Of[d] = &Score{}
	}
	var found []redact.Finding
	for _, line := range Make(seed, lines) {
		found = scanner.Find(found[:0], line.Text)
		t.add(line, found)
	}
	return t, nil
}

func (t Tally) add(line Line, found []redact.Finding) {
	for _, span := range line.Spans {
		s := t.Of[span.Detector]
		s.Labelled++
		covered := false
		for _, f := range found {
			covered = covered || f.Start <= span.Start && f.End >= span.End
		}
		if covered {
			s.Covered++
		} else if len(s.Missed) < examplesMax {
			s.Missed = append(s.Missed, line.Text)
		}
	}
	for _, f := range found {
		s := t.Of[f.Detector]
		s.Found++
		right := false
		for _, span := range line.Spans {
			right = right || f.Start < span.End && f.End > span.Start
		}
		// An address of the Internet in a line that is about something else is
		// one all the same.
		if right || f.Detector == redact.IP {
			s.Right++
		} else if len(s.Wrong) < examplesMax {
			s.Wrong = append(s.Wrong, line.Text[f.Start:f.End]+" in "+line.Text)
		}
	}
}

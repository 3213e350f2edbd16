package faults_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/bench/faults"
	"github.com/stere-log/stere/bench/faults/ledger"
)

func config(t *testing.T, bug string, kind faults.Kind) faults.Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return faults.Config{
		Path: self, Env: []string{fakeEnv + "=" + bug}, WorkDir: t.TempDir(), Journals: t.TempDir(), Faults: []faults.Kind{kind}, Rounds: 4, Seed: 1, FullEvery: 3,
		MinRows: 1, UptimeMin: 150 * time.Millisecond, UptimeMax: 200 * time.Millisecond, ImageMB: 32,
	}
}

func run(t *testing.T, cfg faults.Config) (*faults.Report, *faults.FaultReport) {
	t.Helper()
	report, err := faults.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := &report.Faults[0]
	var table bytes.Buffer
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	return report, f
}

func TestSoundNodeSurvivesKills(t *testing.T) {
	report, f := run(t, config(t, soundNode, faults.Kill))
	if !report.OK() || f.Verdict() != "ok" {
		t.Fatalf("verdict on a sound node is %s", f.Verdict())
	}
	if f.Done != 4 || f.Acked == 0 || f.Read < f.Acked || f.Restarts < 4 {
		t.Errorf("%d faults, %d records acknowledged, %d read back, %d restarts", f.Done, f.Acked, f.Read, f.Restarts)
	}
}

// Every bug must be caught, and be called what it is.
func TestBugsAreCaught(t *testing.T) {
	for bug, count := range map[string]func(v ledger.Violations) int64{
		forgetfulNode: func(v ledger.Violations) int64 { return v.Lost },
		doublingNode:  func(v ledger.Violations) int64 { return v.Duplicated },
		garblingNode:  func(v ledger.Violations) int64 { return v.Altered },
		inventingNode: func(v ledger.Violations) int64 { return v.Phantom },
		rudeNode:      func(v ledger.Violations) int64 { return v.Improper },
	} {
		t.Run(bug, func(t *testing.T) {
			report, f := run(t, config(t, bug, faults.Kill))
			if report.OK() || count(f.Violations) == 0 || len(f.Violations.Examples) == 0 {
				t.Errorf("bug is not caught: %+v", f)
			}
		})
	}
}

func TestNodeThatDoesNotStartAgain(t *testing.T) {
	report, f := run(t, config(t, deadNode, faults.Kill))
	if report.OK() || f.Verdict() != "VIOLATED" || f.Error == "" {
		t.Errorf("a node that does not start again is reported as %s: %+v", f.Verdict(), f)
	}
}

func TestTooFewAcknowledgementsAreVoid(t *testing.T) {
	cfg := config(t, soundNode, faults.Kill)
	cfg.Rounds, cfg.MinRows = 1, 1<<30
	report, f := run(t, cfg)
	if report.OK() || f.Verdict() != "void" {
		t.Errorf("verdict is %s, want void", f.Verdict())
	}
}

func TestPowerLoss(t *testing.T) {
	_, f := run(t, config(t, soundNode, faults.PowerLoss))
	skipped(t, f)
	if f.Verdict() != "ok" || f.Acked == 0 {
		t.Errorf("verdict on a node that syncs is %s", f.Verdict())
	}
	_, f = run(t, config(t, lazyNode, faults.PowerLoss))
	if f.Violations.Lost == 0 {
		t.Errorf("a node that does not sync is reported as %s", f.Verdict())
	}
}

// What a node answers while its disk goes is no promise.
func TestAnswersDuringACutAreNoPromises(t *testing.T) {
	cfg := config(t, lateNode, faults.PowerLoss)
	cfg.Writers = 8
	_, f := run(t, cfg)
	skipped(t, f)
	if f.Verdict() != "ok" || f.Acked == 0 {
		t.Errorf("verdict on a node that answers during the cut is %s", f.Verdict())
	}
}

func TestDiskFull(t *testing.T) {
	cfg := config(t, soundNode, faults.DiskFull)
	cfg.Rounds = 1
	_, f := run(t, cfg)
	skipped(t, f)
	if f.Verdict() != "ok" || f.Refusals == 0 || f.ResumeMS == 0 {
		t.Errorf("verdict on a node that survives a full disk is %s, %d refusals", f.Verdict(), f.Refusals)
	}
}

func TestDiskDead(t *testing.T) {
	cfg := config(t, soundNode, faults.DiskDead)
	cfg.Rounds = 1
	_, f := run(t, cfg)
	skipped(t, f)
	if f.Verdict() != "ok" {
		t.Errorf("verdict on a node that stops acknowledging is %s", f.Verdict())
	}
	cfg = config(t, forgetfulNode, faults.DiskDead)
	cfg.Rounds = 1
	_, f = run(t, cfg)
	if f.Violations.AckedDead == 0 {
		t.Errorf("a node that acknowledges on a dead disk is reported as %s", f.Verdict())
	}
}

func skipped(t *testing.T, f *faults.FaultReport) {
	t.Helper()
	if f.Skipped != "" {
		t.Skip(f.Skipped)
	}
}

func TestValidateListsAllFaults(t *testing.T) {
	err := faults.Config{Faults: []faults.Kind{"flood"}, Rounds: -1, UptimeMin: 2, UptimeMax: 1}.Validate()
	for _, word := range []string{"program", "work folder", "flood", "rounds", "uptime"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error does not name %s: %v", word, err)
		}
	}
}

package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/bench/faults/cluster"
	"github.com/stere-log/stere/bench/faults/ledger"
)

var linkd = flag.String("linkd", "", "a program that forwards between namespaces")

func config(t *testing.T, bug string, kinds ...cluster.Kind) cluster.Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return cluster.Config{
		Path: self, Env: []string{fakeEnv + "=" + bug}, WorkDir: t.TempDir(), Journals: t.TempDir(), Linkd: *linkd, Faults: kinds, Rounds: 1, Seed: 1,
		Writers: 3, BatchRows: 3, RowsPerSecond: 60, MinRows: 1, ImageMB: 16, Lives: 2,
		UptimeMin: 300 * time.Millisecond, UptimeMax: 400 * time.Millisecond, FaultMin: 400 * time.Millisecond, FaultMax: 500 * time.Millisecond, Grace: time.Millisecond,
		RequestTimeout: 4 * time.Second, HealTimeout: time.Minute, ResumeTimeout: time.Minute, LevelTimeout: time.Second,
	}
}

func run(t *testing.T, cfg cluster.Config) (report *cluster.Report, v ledger.Violations) {
	t.Helper()
	report, err := cluster.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	for i := range report.Rounds {
		v.Add(report.Rounds[i].Violations)
	}
	return report, v
}

// A cluster that keeps its promises passes every fault.
func TestSoundCluster(t *testing.T) {
	t.Parallel()
	kinds := []cluster.Kind{cluster.Kill, cluster.PowerLossAll, cluster.Partition, cluster.Replace}
	if *linkd != "" {
		kinds = slices.DeleteFunc(cluster.Kinds(), func(k cluster.Kind) bool {
			// The fake lives on when it cannot sync, and does not check what it reads.
			return k == cluster.BitRot || k == cluster.DiskFull || k == cluster.Freeze || k == cluster.DiskDead
		})
	}
	cfg := config(t, soundNode, kinds...)
	cfg.Grace = time.Hour // how quick it is depends on the machine; what it says must be right at any time
	report, _ := run(t, cfg)
	if !report.OK() {
		t.Fatal("a sound cluster is violated")
	}
	asked, done := int64(0), 0
	for i := range report.Kinds {
		asked += report.Kinds[i].Answers.Asked
		done += report.Kinds[i].Done
	}
	if acked := report.Lives[0].Acked; acked == 0 || report.Lives[0].Read < acked || asked == 0 || done == 0 {
		t.Errorf("%d records acknowledged, %d read back, %d questions, %d rounds", acked, report.Lives[0].Read, asked, done)
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	cfg := config(t, soundNode, cluster.Kill, cluster.Partition)
	cfg.Loopback, cfg.Grace = true, time.Hour
	report, _ := run(t, cfg)
	if !report.OK() || report.Kinds[0].Done != 1 || report.Kinds[1].Skipped == "" {
		t.Errorf("without namespaces a kill is %s and a partition is %s", report.Kinds[0].Verdict(), report.Kinds[1].Verdict())
	}
}

// Nodes of two programs take turns, and one that loses what the other has stored
// is caught.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for bug, ok := range map[string]bool{soundNode: true, losingNode: false} {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, bug, cluster.Upgrade)
			cfg.Loopback, cfg.Grace, cfg.OldPath = true, time.Hour, self
			report, v := run(t, cfg)
			if report.OK() != ok || ok && report.Kinds[0].Done != 1 {
				t.Errorf("an upgrade is %s: %+v", report.Kinds[0].Verdict(), v)
			}
		})
	}
	cfg := config(t, soundNode, cluster.Kill, cluster.Upgrade)
	cfg.Loopback, cfg.Grace = true, time.Hour
	if report, _ := run(t, cfg); report.Kinds[1].Skipped == "" {
		t.Error("without an older program there is an upgrade")
	}
}

// Every bug must be caught, and be called what it is.
func TestBugsAreCaught(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		bug   string
		kind  cluster.Kind
		count func(v ledger.Violations) int64
	}{
		{doublingNode, cluster.Kill, func(v ledger.Violations) int64 { return v.Duplicated + v.Wrong }},
		{garblingNode, cluster.Kill, func(v ledger.Violations) int64 { return v.Altered + v.Wrong }},
		{losingNode, cluster.Kill, func(v ledger.Violations) int64 { return v.Lost + v.Wrong }},
		{hastyNode, cluster.Replace, func(v ledger.Violations) int64 { return v.Lost }},
		{lazyNode, cluster.PowerLossAll, func(v ledger.Violations) int64 { return v.Lost + v.Wrong }},
		{boastingNode, cluster.Kill, func(v ledger.Violations) int64 { return v.Lost + v.Wrong }},
		{silentNode, cluster.Partition, func(v ledger.Violations) int64 { return v.Unmarked + v.Wrong }},
		{shyNode, cluster.Kill, func(v ledger.Violations) int64 { return v.Incomplete }},
		{mortalNode, cluster.Kill, func(v ledger.Violations) int64 { return v.NotHealed }},
		{crashingNode, cluster.Kill, func(v ledger.Violations) int64 { return v.NotAlive }},
	} {
		t.Run(tc.bug, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, tc.bug, tc.kind)
			if tc.kind == cluster.Partition {
				cfg.FaultMin, cfg.FaultMax = 4*time.Second, 4*time.Second // longer than an answer that waits for the other side
			} else {
				cfg.Loopback = true
			}
			report, v := run(t, cfg)
			if report.Kinds[0].Skipped != "" {
				t.Skip(report.Kinds[0].Skipped)
			}
			if report.OK() || report.Kinds[0].Verdict() != "VIOLATED" || tc.count(v) == 0 || len(v.Examples) == 0 {
				t.Errorf("bug is not caught: %+v", v)
			}
			if kept := report.Lives[0].Kept; kept == "" {
				t.Error("nothing is kept of a violated life")
			} else if logs, _ := filepath.Glob(filepath.Join(kept, "*.log")); len(logs) == 0 {
				t.Errorf("no logs are kept in %s", kept)
			}
		})
	}
}

// A node that does not start with damaged data is replaced, and that is said.
func TestDamagedNodeIsReplaced(t *testing.T) {
	t.Parallel()
	cfg := config(t, mortalNode, cluster.BitRot)
	cfg.Loopback, cfg.Grace = true, time.Hour
	report, _ := run(t, cfg)
	if kind := report.Kinds[0]; !report.OK() || kind.Refused != 1 {
		t.Errorf("verdict is %s, %d starts were refused", kind.Verdict(), kind.Refused)
	}
}

// An interrupted run takes everything away.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cfg := config(t, soundNode, cluster.Stop)
	cfg.FaultMin, cfg.FaultMax = time.Hour, time.Hour
	time.AfterFunc(3*time.Second, cancel)
	if report, err := cluster.Run(ctx, cfg); !errors.Is(err, context.Canceled) || report != nil {
		t.Errorf("an interrupted run returns %v, %v", report, err)
	}
	if left, _ := os.ReadDir(cfg.Journals); len(left) != 0 {
		t.Errorf("journals are left: %v", left)
	}
}

func TestValidateListsAllFaults(t *testing.T) {
	err := cluster.Config{Faults: []cluster.Kind{"flood"}, Nodes: 2, Rounds: -1, UptimeMin: 2, UptimeMax: 1, Grace: -1}.Validate()
	for _, word := range []string{"program", "work folder", "flood", "rounds", "uptime", "nodes", "grace"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error does not name %s: %v", word, err)
		}
	}
}

package scale_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/scale"
)

// TestRun plans for small clusters; what is no time must be the same twice.
func TestRun(t *testing.T) {
	cfg := scale.Config{Nodes: []int{10, 25}, Seed: 3}
	var first string
	for range 2 {
		report, err := scale.Run(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var table bytes.Buffer
		if err := report.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		if report.Failed() {
			t.Errorf("the run failed:\n%s", &table)
		}
		if len(report.Sizes) != 2 || len(report.Sizes[0].Steps) != 4 || !strings.Contains(table.String(), "a zone is lost") {
			t.Errorf("the report is\n%s", &table)
		}
		var text bytes.Buffer
		if err := report.Chart().Write(&text); err != nil || strings.Contains(text.String(), "NaN") || !strings.Contains(text.String(), "a zone is lost") {
			t.Errorf("the chart is %v\n%s", err, &text)
		}
		var moved []any
		for _, size := range report.Sizes {
			for _, s := range size.Steps {
				moved = append(moved, s.MovedBytes, s.BoundBytes, s.Copies, s.Transfers, s.Rounds)
			}
		}
		same, err := json.Marshal(moved)
		if err != nil {
			t.Fatal(err)
		}
		if first != "" && first != string(same) {
			t.Errorf("two runs moved\n%s\n%s", first, same)
		}
		first = string(same)
	}
}

func TestFailedSaysWhatIsWrong(t *testing.T) {
	for fault, step := range map[string]scale.Step{
		"a plan took 6000 ms":               {PlanMSMax: 6000},
		"1.200 of the bytes":                {MovedBytes: 12, BoundBytes: 10},
		"1 moves made the zones worse":      {ZonesWorse: 1},
		"2 left fewer healthy replicas":     {FewerHealthy: 2},
		"3 cannot begin":                    {Left: 3},
		"FAULT: 7 nodes, something happens": {Left: 1},
	} {
		step.Event = "something happens"
		report := scale.Report{Sizes: []scale.Size{{Nodes: 7, Steps: []scale.Step{{}, step}}}}
		var table bytes.Buffer
		if err := report.WriteTable(&table); err != nil || !report.Failed() || !strings.Contains(table.String(), fault) {
			t.Errorf("%q is not said: %v\n%s", fault, err, &table)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	if _, err := scale.Run(context.Background(), scale.Config{Nodes: []int{3}}); err == nil {
		t.Error("a cluster without two nodes in each zone is taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := scale.Run(ctx, scale.Config{Nodes: []int{10}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that is cancelled ends with %v", err)
	}
}

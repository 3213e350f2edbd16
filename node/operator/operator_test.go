package operator

import (
	"testing"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/cluster/catalogue"
)

// TestMoveOf: what a dry run answers names the shard and the nodes that it is about.
func TestMoveOf(t *testing.T) {
	for target, want := range map[string]v1.ClusterMove{
		"shard 3 from a to b":           {Shard: 3, From: "a", To: "b", Reason: "why"},
		"leader of shard 4 from a to b": {Shard: 4, From: "a", To: "b", Reason: "why"},
		"replica of shard 5 on c":       {Shard: 5, To: "c", Reason: "why"},
		"tenant big":                    {Reason: "tenant big: why"},
		"node a":                        {Reason: "node a: why"},
	} {
		want.Kind, want.State, want.Bytes, want.By = "x", v1.MovePlanned, 7, "ops"
		if have := moveOf(catalogue.Action{Name: "x", Target: target, Reason: "why", Bytes: 7, By: "ops"}); have != want {
			t.Errorf("%s is shown as %+v, want %+v", target, have, want)
		}
	}
}

package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/query"
)

// TestPatternsAreTheSameEverywhere learns in a cluster of three nodes: records that
// came before get the pattern, every node says the same of it, and the id that one of
// them had before still finds that one.
func TestPatternsAreTheSameEverywhere(t *testing.T) {
	all := startCluster(t, node.Config{LearnInterval: 20 * time.Millisecond})
	rows := func(n *node.Node, text string) (all [][]any) {
		t.Helper()
		nodetest.Eventually(t, "an answer is complete", func() bool { // on a busy machine a node may answer late
			found, err := n.Engine().Search(t.Context(), query.Request{Audience: query.Audience{Tenant: "default"}, Text: text})
			if err != nil || !found.Complete {
				return false
			}
			all = found.Rows
			return true
		})
		return all
	}
	if _, err := write(all[0].Node, "default", "", "user anna came from 10.0.0.1"); err != nil {
		t.Fatal(err)
	}
	first := rows(all[0].Node, "* | stats count() by (pattern_id)")[0][0].(string)
	for i, name := range []string{"bert", "claire", "dora", "emil", "franz"} {
		if _, err := write(all[i%3].Node, "default", "", fmt.Sprintf("user %s came from 10.0.0.%d", name, i)); err != nil {
			t.Fatal(err)
		}
	}
	id := ""
	for i, one := range all {
		nodetest.Eventually(t, "the pattern is learned", func() bool {
			found := rows(one.Node, "* | stats count() by (pattern_id, pattern)")
			if len(found) != 1 || found[0][2] != int64(6) || found[0][1] != "user * came from *" {
				return false
			}
			if i == 0 {
				id = found[0][0].(string)
			}
			return found[0][0] == id
		})
		for asked, want := range map[string]int64{id: 6, first: 1} {
			if found := rows(one.Node, "pattern_id:"+asked+" | stats count()"); len(found) != 1 || found[0][0] != want {
				t.Errorf("node %d: %v records have the id %s, want %d", i, found, asked, want)
			}
		}
	}
}

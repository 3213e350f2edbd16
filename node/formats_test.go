package node_test

import (
	"testing"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/storage/segment"
)

// TestOlderNodesReadWhatIsWritten checks that blocks and segments are written as a node of
// an earlier version reads them while there is one.
func TestOlderNodesReadWhatIsWritten(t *testing.T) {
	n := nodetest.Start(t, node.Config{}).Node
	if blocks, segments := n.Versions(); blocks != block.Version || segments != segment.Version {
		t.Errorf("alone: blocks of version %d, segments of version %d", blocks, segments)
	}
	older := catalogue.Node{ID: "00000000000000ab", Name: "older", Address: "127.0.0.1:1", State: catalogue.Active}
	for _, beside := range []struct {
		format           uint16
		blocks, segments byte
	}{
		{catalogue.FormatBlocks - 1, block.VersionPlain, segment.VersionPlain},
		{catalogue.FormatRareLevels - 1, block.Version, segment.VersionMinutes}, // which has been upgraded once
		{catalogue.FormatPieces - 1, block.Version, segment.VersionRare},        // and twice
	} {
		older.Formats = catalogue.Formats{Min: 1, Max: beside.format}
		if _, err := n.Cluster().Propose(t.Context(), catalogue.PutNode{Node: older}); err != nil {
			t.Fatal(err)
		}
		if blocks, segments := n.Versions(); blocks != beside.blocks || segments != beside.segments {
			t.Errorf("beside a node of format %d: blocks of version %d, segments of version %d", beside.format, blocks, segments)
		}
	}
	if _, err := n.Cluster().Propose(t.Context(), catalogue.SetNodeState{ID: older.ID, State: catalogue.Gone}); err != nil {
		t.Fatal(err)
	}
	if blocks, segments := n.Versions(); blocks != block.Version || segments != segment.Version {
		t.Errorf("after it has gone: blocks of version %d, segments of version %d", blocks, segments)
	}
}

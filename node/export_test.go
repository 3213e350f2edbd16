package node

import (
	"context"

	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/replicas"
)

// Healer is the node's controller.
func (n *Node) Healer() *heal.Controller { return n.healer }

// Replicas are the node's replicas.
func (n *Node) Replicas() []*replicas.One { return n.replicas.All() }

// Restart closes a replica of the node and opens it anew.
func (n *Node) Restart(ctx context.Context, shard model.ShardID) error {
	return n.replicas.Restart(ctx, shard)
}

// Lost are the replicas of the node that are set aside.
func (n *Node) Lost() map[model.ShardID]error { return n.replicas.Lost() }

// Versions are those that the node writes of blocks and segments.
func (n *Node) Versions() (blocks, segments byte) {
	return n.blockVersion(), n.segmentVersion()
}

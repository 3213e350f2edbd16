package node

import (
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/node/replicas"
)

// Healer is the node's controller.
func (n *Node) Healer() *heal.Controller { return n.healer }

// Replicas are the node's replicas.
func (n *Node) Replicas() []*replicas.One { return n.replicas.All() }

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/stere-log/stere/bench/faults/ledger"
)

// status is what a node says of the cluster.
type status struct {
	Nodes  []member `json:"nodes"`
	Shards []shard  `json:"shards"`
}

// member is one node of the cluster.
type member struct {
	Name string `json:"name"`
}

// shard is one shard and its replicas.
type shard struct {
	ID       json.Number   `json:"id"`
	Leader   string        `json:"leader"` // name; empty: none is known
	Replicas []replicaCopy `json:"replicas"`
}

// replicaCopy is one node's copy of a shard.
type replicaCopy struct {
	Node     string `json:"node"` // name
	Complete bool   `json:"complete"`
}

func (s shard) has(name string) bool {
	for _, r := range s.Replicas {
		if r.Node == name {
			return true
		}
	}
	return false
}

// askStatus asks one node.
func askStatus(ctx context.Context, a *ledger.API) (status, error) {
	text, err := a.Do(ctx, http.MethodGet, "/admin/cluster", nil, "")
	if err != nil {
		return status{}, fmt.Errorf("ask for the cluster's status: %w", err)
	}
	var answer struct {
		Data status `json:"data"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return status{}, fmt.Errorf("read the cluster's status: %w", err)
	}
	return answer.Data, nil
}

// unhealthy says what keeps a cluster of these nodes from being healthy; "" if
// nothing does: every shard has a leader and as many complete replicas as
// wanted, all of them on these nodes.
func (s status) unhealthy(names map[string]bool, replicas int) string {
	known := map[string]bool{}
	for _, m := range s.Nodes {
		known[m.Name] = true
	}
	for name := range names {
		if !known[name] {
			return fmt.Sprintf("node %s is not known", name)
		}
	}
	if len(s.Shards) == 0 {
		return "there are no shards"
	}
	for _, shard := range s.Shards {
		if !names[shard.Leader] {
			return fmt.Sprintf("shard %s has no leader that lives (%q)", shard.ID, shard.Leader)
		}
		whole := 0
		for _, r := range shard.Replicas {
			switch {
			case !names[r.Node]:
				return fmt.Sprintf("shard %s has a replica on %s, which is no more", shard.ID, r.Node)
			case r.Complete:
				whole++
			default:
				return fmt.Sprintf("shard %s is not complete on %s", shard.ID, r.Node)
			}
		}
		if whole < min(replicas, len(names)) {
			return fmt.Sprintf("shard %s has %d complete replicas", shard.ID, whole)
		}
	}
	return ""
}

// leads counts the shards that each node leads.
func (s status) leads() map[string]int {
	of := map[string]int{}
	for _, shard := range s.Shards {
		of[shard.Leader]++
	}
	return of
}

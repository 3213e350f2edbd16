package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	v1 "github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/bench/faults/ledger"
)

// status is what a node says of the cluster, all nodes by their names.
type status struct {
	Nodes     []string
	Catalogue string // who leads it; "": nobody
	Shards    []shard
}

// shard is one shard and its replicas.
type shard struct {
	ID       uint32
	Leader   string // "": none is known
	Replicas []replicaCopy
}

// replicaCopy is one node's copy of a shard.
type replicaCopy struct {
	Node     string
	Complete bool // has everything, and stays
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
	answer, err := askCluster(ctx, a)
	if err != nil {
		return status{}, err
	}
	return statusOf(answer), nil
}

func askCluster(ctx context.Context, a *ledger.API) (v1.ClusterStatus, error) {
	text, err := a.Do(ctx, http.MethodGet, "/admin/cluster", nil, "")
	if err != nil {
		return v1.ClusterStatus{}, fmt.Errorf("ask for the cluster's status: %w", err)
	}
	var answer v1.Envelope[v1.ClusterStatus]
	if err := json.Unmarshal(text, &answer); err != nil {
		return v1.ClusterStatus{}, fmt.Errorf("read the cluster's status: %w", err)
	}
	return answer.Data, nil
}

// askSkew asks one node how far the clock of another is ahead.
func askSkew(ctx context.Context, a *ledger.API, of string) (time.Duration, error) {
	answer, err := askCluster(ctx, a)
	if err != nil {
		return 0, err
	}
	for _, n := range answer.Nodes {
		if n.Name == of && n.State != v1.NodeGone {
			return time.Duration(n.ClockSkew * float64(time.Millisecond)), nil
		}
	}
	return 0, fmt.Errorf("node %s is not known", of)
}

// statusOf names nodes as people do. Those that are gone are none.
func statusOf(answer v1.ClusterStatus) (s status) {
	names := map[string]string{}
	name := func(id string) string { return cmp.Or(names[id], id) }
	for _, n := range answer.Nodes {
		names[n.ID] = n.Name
		if n.State != v1.NodeGone {
			s.Nodes = append(s.Nodes, n.Name)
		}
	}
	s.Catalogue = name(answer.Catalogue.Leader)
	for _, from := range answer.Shards {
		to := shard{ID: from.Number, Leader: name(from.Leader)}
		for _, r := range from.Replicas {
			to.Replicas = append(to.Replicas, replicaCopy{Node: name(r.Node), Complete: r.Complete && r.Role == v1.RoleVoter && r.MissingSegments == 0 && r.Rotten == 0})
		}
		s.Shards = append(s.Shards, to)
	}
	return s
}

// unhealthy says what keeps a cluster of these nodes from being healthy; "" if
// nothing does: every shard has a leader and as many complete replicas as
// wanted, all of them on these nodes.
func (s status) unhealthy(names map[string]bool, replicas int) string {
	for name := range names {
		if !slices.Contains(s.Nodes, name) {
			return fmt.Sprintf("node %s is not known", name)
		}
	}
	if !names[s.Catalogue] {
		return fmt.Sprintf("the catalogue has no leader that lives (%q)", s.Catalogue)
	}
	if len(s.Shards) == 0 {
		return "there are no shards"
	}
	for _, shard := range s.Shards {
		if !names[shard.Leader] {
			return fmt.Sprintf("shard %d has no leader that lives (%q)", shard.ID, shard.Leader)
		}
		whole := 0
		for _, r := range shard.Replicas {
			switch {
			case !names[r.Node]:
				return fmt.Sprintf("shard %d has a replica on %s, which is no more", shard.ID, r.Node)
			case r.Complete:
				whole++
			default:
				return fmt.Sprintf("shard %d is not complete on %s", shard.ID, r.Node)
			}
		}
		if whole < min(replicas, len(names)) {
			return fmt.Sprintf("shard %d has %d complete replicas", shard.ID, whole)
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

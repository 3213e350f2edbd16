package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/node/membership"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/storage/engine"
)

// reportTimeout is how long a node may take for its report.
const reportTimeout = time.Second

// clusterView is the cluster as its healing sees it.
type clusterView struct {
	*membership.Membership
	n *Node
}

var _ heal.Cluster = clusterView{}

// Reports implements heal.Cluster.
func (c clusterView) Reports(ctx context.Context) map[string]heal.Report {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	reports := map[string]heal.Report{c.n.identity.Node: c.n.report()}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for id := range c.State().Nodes {
		if id == c.n.identity.Node || !c.Alive(id) {
			continue
		}
		asking.Go(func() {
			report, err := c.Peers().Report(ctx, id)
			if err != nil {
				c.n.logger.Debug("no report", "node", id, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			reports[id] = report
		})
	}
	asking.Wait()
	return reports
}

// Transfer implements heal.Cluster.
func (c clusterView) Transfer(ctx context.Context, shard uint32, to string) error {
	leader := c.n.leaderOf(shardID(shard), "")
	if leader == c.n.identity.Node {
		return calls{c.n}.Transfer(ctx, shardID(shard), to)
	}
	if leader == "" {
		return peer.NotLeaderError{}
	}
	err := c.Peers().Transfer(ctx, leader, shardID(shard), to)
	var elsewhere peer.NotLeaderError
	if errors.As(err, &elsewhere) {
		c.n.leaders.note(shardID(shard), elsewhere.Leader)
	}
	return err
}

// report says how this node and its replicas are.
func (n *Node) report() heal.Report {
	now := n.cfg.Now()
	_, total, _ := engine.Free(n.cfg.FS, n.cfg.DataDir)
	r := heal.Report{
		Node: n.identity.Node, Time: now.UnixNano(), Uptime: now.Sub(n.started),
		Disk: heal.Disk{Total: int64(total), Free: n.disk.free.Load(), Reserve: n.disk.floor.Load(), Full: n.disk.full.Load()},
	}
	if n.disk.full.Load() {
		r.Problems = append(r.Problems, "the disk is nearly full: records are refused")
	}
	for _, one := range n.replicas.All() {
		s := one.Status()
		stats := one.Group.Stats()
		report := heal.ReplicaReport{
			Shard: uint32(s.Shard), Leader: stats.Leader, Leads: stats.Leads, Term: stats.Term, Applied: s.Applied, Sealed: s.Sealed,
			Complete: one.Complete(), Bytes: s.SegmentBytes + s.LogBytes, Records: s.SegmentRows + int64(s.HeadRows+s.FrozenRows),
		}
		if stats.Leads {
			report.Members = membership.MembersOf(one.Group, now)
		}
		if s.SealError != nil {
			report.Problem = s.SealError.Error()
		}
		r.Replicas = append(r.Replicas, report)
	}
	return r
}

// load is what gossip tells of this node.
func (n *Node) load() gossip.Meta {
	var meta gossip.Meta
	free, total, _ := engine.Free(n.cfg.FS, n.cfg.DataDir)
	meta.DiskFree, meta.DiskTotal = uint64(free), uint64(total)
	if n.replicas == nil {
		return meta
	}
	for _, one := range n.replicas.All() {
		meta.Replicas++
		if _, leads := one.Group.Leader(); leads {
			meta.Leaders++
		}
	}
	return meta
}

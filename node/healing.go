package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/membership"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/node/replicas"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
)

// peers fetches segments from other replicas.
type peers struct{ n *Node }

var _ replica.Peers = peers{}

// Fetch implements replica.Peers: from the replica that was asked before, else
// from the one that the catalogue names as the source, else from any.
func (p peers) Fetch(ctx context.Context, shard model.ShardID, id storage.SegmentID, offset int64, prefer string) (io.ReadCloser, string, error) {
	nodes := p.n.holders(shard)
	if r, ok := p.n.members.State().Shards[uint32(shard)].On(p.n.identity.Node); ok && r.Source != "" {
		prefer = cmp.Or(prefer, r.Source)
	}
	if i := slices.Index(nodes, prefer); i > 0 {
		nodes[0], nodes[i] = nodes[i], nodes[0]
	}
	errs := []error{fmt.Errorf("fetch segment %s of shard %d: no other replica has it", id, shard)}
	for _, node := range nodes {
		if node == p.n.identity.Node {
			continue
		}
		stream, err := p.n.members.Peers().Segment(ctx, node, shard, id, offset)
		if err == nil {
			return stream, node, nil
		}
		errs = append(errs, err)
	}
	return nil, "", errors.Join(errs...)
}

// lagMax is how many log entries a replica may be behind and still counts as
// complete.
const lagMax = 256

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

// errNoClock means that a node's own clock is the only one that can be read.
var errNoClock = fmt.Errorf("%w: the clocks of the other nodes", query.ErrIncomplete)

// clusterTime returns the time that most of the nodes agree on: half of the clocks are
// not behind it, and with an even number of clocks the earlier one counts. So one clock
// that is ahead moves it by no more than the others differ.
func (n *Node) clusterTime(ctx context.Context) (time.Time, error) {
	nodes := 0
	for _, one := range n.members.State().Nodes {
		if one.State != catalogue.Gone {
			nodes++
		}
	}
	if nodes <= 1 {
		return n.cfg.Now(), nil
	}
	var clocks []int64
	for _, report := range n.Cluster().Reports(ctx) {
		clocks = append(clocks, report.Time)
	}
	if len(clocks) < 2 {
		return time.Time{}, errNoClock
	}
	return time.Unix(0, middle(clocks)), nil
}

// middle returns the median, of an even number the smaller one of the two.
func middle(numbers []int64) int64 {
	slices.Sort(numbers)
	return numbers[(len(numbers)-1)/2]
}

// Transfer implements heal.Cluster.
func (c clusterView) Transfer(ctx context.Context, shard uint32, to string) error {
	if shard == catalogue.Group {
		return c.TransferCatalogue(ctx, to)
	}
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

// Maintain implements heal.Cluster.
func (c clusterView) Maintain(ctx context.Context, node string, maintenance heal.Maintenance) (string, error) {
	if node == c.n.identity.Node {
		return c.n.maintain(ctx, maintenance)
	}
	return c.Peers().Maintain(ctx, node, maintenance)
}

// maintain does maintenance here.
func (n *Node) maintain(ctx context.Context, maintenance heal.Maintenance) (done string, err error) {
	switch maintenance.Name {
	case heal.FlushNode:
		before := n.unsealed()
		if err := n.Flush(ctx); err != nil {
			return "", err
		}
		return fmt.Sprintf("%d records of the shards that it leads were in no segment, and %d are", before, n.unsealed()), nil
	case heal.DropCache:
		before := n.CacheBytes()
		n.cache.Clear()
		n.heads.Clear()
		debug.FreeOSMemory()
		return fmt.Sprintf("caches had %d bytes and have %d", before, n.CacheBytes()), nil
	case heal.RestartComponent:
		return "the replica was closed and opened anew, and is complete", n.restart(ctx, shardID(maintenance.Shard))
	}
	return "", fmt.Errorf("%w: there is no maintenance %.40q", peer.ErrRefused, maintenance.Name)
}

// unsealed is how many records of the shards that are led here are in no segment.
func (n *Node) unsealed() (records int64) {
	for _, one := range n.replicas.All() {
		if _, leads := one.Group.Leader(); leads {
			s := one.Status()
			records += int64(s.HeadRows + s.FrozenRows)
		}
	}
	return records
}

// restart closes the replica of a shard and opens it anew. Another one leads first, if one
// can.
func (n *Node) restart(ctx context.Context, shard model.ShardID) error {
	one := n.replicas.Get(shard)
	if one == nil {
		return n.notHere(shard)
	}
	if _, leads := one.Group.Leader(); leads && len(one.Group.Members()) > 1 {
		if err := one.Group.Transfer(ctx, ""); err != nil {
			return fmt.Errorf("%w: shard %d: no other replica takes over: %w", peer.ErrUnavailable, shard, err)
		}
	}
	if err := n.replicas.Restart(ctx, shard); err != nil {
		return fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	return nil
}

// shardGroup is the group of a shard as its driver changes it.
type shardGroup struct {
	group *raft.Group
}

// Leads implements heal.Group.
func (g shardGroup) Leads() bool { _, leads := g.group.Leader(); return leads }

// Members implements heal.Group.
func (g shardGroup) Members() []heal.Member { return membership.MembersOf(g.group) }

// Confirm implements heal.Group.
func (g shardGroup) Confirm(ctx context.Context) error { return g.group.Barrier(ctx) }

// Change implements heal.Group.
func (g shardGroup) Change(ctx context.Context, change heal.Change, node string) error {
	return membership.ChangeMembers(ctx, g.group, change, node)
}

// Transfer implements heal.Group.
func (g shardGroup) Transfer(ctx context.Context, to string) error { return g.group.Transfer(ctx, to) }

// drive brings the members of a shard's group to what the catalogue says, while
// this node leads it.
func (n *Node) drive(ctx context.Context, one *replicas.One) {
	logger := n.logger.With("shard", one.Shard())
	heal.NewDriver(heal.DriverConfig{
		Self: n.identity.Node, Shard: uint32(one.Shard()), Group: shardGroup{one.Group},
		State: n.members.State, Propose: n.members.Propose,
		Complete: func(ctx context.Context, nodes []string) map[string]bool { return n.completeOn(ctx, one, nodes) },
		Took: func(step heal.Step, err error) {
			if err != nil {
				logger.Warn("a change of the shard's members is tried again", "step", step.Kind, "node", step.Node, "error", err)
				return
			}
			logger.Info("the shard's members have changed", "step", step.Kind, "node", step.Node, "reason", step.Reason)
		},
	}).Run(ctx)
}

// completeOn asks nodes whether their replicas of a shard are complete and as
// far as this leader's.
func (n *Node) completeOn(ctx context.Context, one *replicas.One, nodes []string) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	index := one.Group.Applied()
	complete := map[string]bool{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, node := range nodes {
		if node == n.identity.Node {
			mu.Lock()
			complete[node] = one.Completeness().Complete
			mu.Unlock()
			continue
		}
		asking.Go(func() {
			r, there, err := n.members.Peers().ReplicaReport(ctx, node, one.Shard())
			if err != nil || !there {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			complete[node] = r.Complete && r.Applied+lagMax >= index
		})
	}
	asking.Wait()
	return complete
}

// report says how this node and its replicas are: all, or those of some shards.
func (n *Node) report(only ...model.ShardID) heal.Report {
	now := n.cfg.Now()
	r := heal.Report{
		Node: n.identity.Node, Time: now.UnixNano(), Uptime: now.Sub(n.started),
		Catalogue: n.members.State().Index,
		Disk:      heal.Disk{Total: n.disk.total.Load(), Free: n.disk.free.Load(), Reserve: n.disk.floor.Load(), Full: n.disk.full.Load()},
	}
	if why := n.members.Damaged(); why != nil {
		r.Problems = append(r.Problems, "the catalogue of the node is damaged, and fetched again from the other nodes: "+why.Error())
	}
	if n.host.Hangs() {
		r.Problems = append(r.Problems, "the disk hangs: it leads nothing until a write of the log comes back")
	}
	for id := range n.replicas.Lost() {
		r.Replicas = append(r.Replicas, heal.ReplicaReport{Shard: uint32(id), LogLost: true, Problem: n.lost(id).Error()})
	}
	for _, one := range n.replicas.All() {
		if len(only) > 0 && !slices.Contains(only, one.Shard()) {
			continue
		}
		s := one.Status()
		stats, whole := one.Group.Stats(), one.Completeness()
		report := heal.ReplicaReport{
			Shard: uint32(s.Shard), Leader: stats.Leader, Leads: stats.Leads, Term: stats.Term, Applied: one.Group.Applied(), Sealed: s.Sealed,
			Complete: whole.Complete, Missing: whole.Segments, MissingBytes: whole.Bytes, Bytes: s.SegmentBytes + s.LogBytes, Records: s.SegmentRows + int64(s.HeadRows+s.FrozenRows),
		}
		in := one.Traffic()
		report.Written = in.Written
		if stats.Leads {
			report.Members = membership.MembersOf(one.Group)
			report.Tenants = make(map[string]int64, len(in.Tenants))
			for tenant, bytes := range in.Tenants {
				report.Tenants[string(tenant)] = bytes
			}
		}
		report.Rotten = s.Scrubbed.Damaged
		if s.SealError != nil {
			report.Problem = s.SealError.Error()
		}
		r.Replicas = append(r.Replicas, report)
	}
	return r
}

// lost says why the replica here of a shard is set aside, and what is to be done;
// nil if it is not.
func (n *Node) lost(id model.ShardID) error {
	why := n.replicas.Lost()[id]
	switch {
	case why == nil:
		return nil
	case n.alone(uint32(id)):
		return fmt.Errorf("shard %d is set aside on node %s, its only one, so that nothing is given up that was acknowledged: %w; "+
			"stop the node and bring its data folder back from a copy, or give up what the shard has by a new node in place of this one", id, n.identity.Node, why)
	}
	return fmt.Errorf("the replica of shard %d on node %s is set aside until it is made anew from the others: %w", id, n.identity.Node, why)
}

// notHere is the error for a shard that cannot be had here.
func (n *Node) notHere(id model.ShardID) error {
	if why := n.lost(id); why != nil {
		return fmt.Errorf("%w: %w", peer.ErrNotHere, why)
	}
	return fmt.Errorf("%w: shard %d", peer.ErrNotHere, id)
}

// load is what gossip tells of this node.
func (n *Node) load() gossip.Meta {
	var meta gossip.Meta
	meta.DiskFree, meta.DiskTotal = uint64(n.disk.free.Load()), uint64(n.disk.total.Load())
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

package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage"
)

const (
	// readPatience is how long a query waits for a shard without a leader.
	readPatience = 5 * time.Second
	// leafPatience is the same on a node that was asked for a leaf, so that
	// the root can ask another one.
	leafPatience = 3 * time.Second
	// askTimeout is how long a leader may take to say how far a shard is.
	askTimeout = time.Second
	// hedgeDelay is how long a leaf call goes without an answer before another
	// node is asked, too.
	hedgeDelay = time.Second
)

var (
	_ query.Shards   = (*Node)(nil)
	_ query.Patterns = (*Node)(nil)
	_ query.Models   = (*Node)(nil)
)

// Patterns implements query.Patterns: what the catalogue has, on any node.
func (n *Node) Patterns(tenant model.TenantID) *pattern.Set { return n.learner.Patterns(tenant) }

// Model implements query.Models: what the catalogue has, on any node.
func (n *Node) Model(tenant model.TenantID) *classifier.Model {
	m, _ := n.models.Labelling(tenant)
	return m
}

// Views implements query.Shards: what the tenant has in all its shards, with
// everything that was acknowledged before the call. A shard is read here if it
// has a complete replica here, else by a leaf on a node that has one.
func (n *Node) Views(ctx context.Context, tenant model.TenantID) ([]query.View, error) {
	if err := n.serving(); err != nil {
		return nil, err
	}
	var here, there []model.ShardID
	for _, id := range n.readShardsOf(tenant) {
		if n.readable(id) || n.replicas.Get(id) != nil && len(n.others(id)) == 0 {
			here = append(here, id)
		} else {
			there = append(there, id)
		}
	}
	stale := n.catchUp(ctx, here, readPatience)
	for id := range stale {
		if len(n.others(id)) > 0 { // it lags here; another node may be further
			here = slices.DeleteFunc(here, func(other model.ShardID) bool { return other == id })
			there = append(there, id)
		}
	}
	views := make([]query.View, 0, len(here)+len(there))
	leaves := map[string]*leaf{}
	for _, id := range here {
		err := ctx.Err()
		if err == nil {
			var view query.View
			if view, err = n.viewHere(tenant, id); err == nil && view.Missing != "" && stale[id] == nil && len(n.others(id)) > 0 {
				view.Release() // damage was met, or a manifest came, since the shard was looked at
				there = append(there, id)
				continue
			}
			if err == nil {
				if why := stale[id]; why != nil {
					view.Missing = fmt.Sprintf("what shard %d took last may be missing, since it cannot be asked for: %v", id, why)
				}
				views = append(views, view)
				continue
			}
		}
		if n.members.Clustered() && ctx.Err() == nil {
			there = append(there, id) // it has just left this node
			continue
		}
		releaseAll(views)
		return nil, err
	}
	for _, id := range there {
		views = append(views, n.viewThere(leaves, id))
	}
	return views, nil
}

// readable reports whether this node has a replica of a shard that may answer:
// one that is no newcomer and has all its segments.
func (n *Node) readable(id model.ShardID) bool {
	one := n.replicas.Get(id)
	if one == nil || !one.Completeness().Complete {
		return false
	}
	r, ok := n.members.State().Shards[uint32(id)].On(n.identity.Node)
	return ok && r.Role != catalogue.Joining
}

// others returns the other nodes that seem alive and have a replica of a shard
// that is no newcomer.
func (n *Node) others(id model.ShardID) []string {
	return slices.DeleteFunc(n.holders(id), func(node string) bool { return node == n.identity.Node })
}

func releaseAll(views []query.View) {
	for _, view := range views {
		if view.Release != nil {
			view.Release()
		}
	}
}

// viewHere returns the view of a replica of this node.
func (n *Node) viewHere(tenant model.TenantID, id model.ShardID) (query.View, error) {
	one := n.replicas.Get(id)
	if one == nil {
		return query.View{}, n.notHere(id)
	}
	view, err := one.View(tenant)
	if err != nil {
		return query.View{}, fmt.Errorf("view shard %d: %w", id, err)
	}
	return query.View{Shard: id, Parts: view.Parts, Release: view.Release, Missing: missing(id, view), Key: view.Key, Damaged: view.Damaged}, nil
}

// missing says what of a shard a view cannot give; "" if it gives everything.
func missing(id model.ShardID, view *storage.View) string {
	var parts []string
	if len(view.Missing) > 0 {
		rows := uint64(0)
		for i := range view.Missing {
			rows += uint64(view.Missing[i].Rows)
		}
		parts = append(parts, fmt.Sprintf("%d segments of shard %d with %d records are missing or damaged", len(view.Missing), id, rows))
	}
	if view.Quarantined > 0 {
		parts = append(parts, fmt.Sprintf("%d blocks of shard %d could not be read and were put aside", view.Quarantined, id))
	}
	return strings.Join(parts, "; ")
}

// viewThere returns a view that is read by other nodes: the leader first, if it
// is known.
func (n *Node) viewThere(leaves map[string]*leaf, id model.ShardID) query.View {
	nodes := n.others(id)
	if len(nodes) == 0 {
		if why := n.lost(id); why != nil {
			return query.View{Shard: id, Missing: why.Error()}
		}
		return query.View{Shard: id, Missing: fmt.Sprintf("no node that has shard %d can be reached", id)}
	}
	if i := slices.Index(nodes, n.leaders.get(id)); i > 0 {
		nodes[0], nodes[i] = nodes[i], nodes[0]
	}
	key := strings.Join(nodes, " ")
	if leaves[key] == nil {
		leaves[key] = &leaf{peers: n.members.Peers(), nodes: nodes}
	}
	return query.View{Shard: id, Leaf: leaves[key]}
}

// leaf reads shards on one of the nodes that have them.
type leaf struct {
	peers peer.Client
	nodes []string // in the order in which they are asked
}

// Ask implements query.Leaf: it asks the first node, and the next when that
// fails or is slow.
func (l *leaf) Ask(ctx context.Context, request []byte) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		answer []byte
		err    error
	}
	outcomes := make(chan outcome, len(l.nodes))
	hedge := time.NewTimer(hedgeDelay)
	defer hedge.Stop()
	var errs []error
	for asked, open := 0, 0; ; {
		if asked < len(l.nodes) && open <= len(errs) || asked == 0 {
			node := l.nodes[asked]
			go func() {
				answer, err := l.peers.Leaf(ctx, node, request)
				outcomes <- outcome{answer, err}
			}()
			asked, open = asked+1, open+1
		}
		select {
		case o := <-outcomes:
			if o.err == nil {
				return o.answer, nil
			}
			if errs = append(errs, o.err); len(errs) == len(l.nodes) {
				return nil, errors.Join(errs...)
			}
		case <-hedge.C:
			hedge.Reset(hedgeDelay)
			open = min(open, len(errs)) // ask one more beside those that are under way
		case <-ctx.Done():
			return nil, errors.Join(append(errs, ctx.Err())...)
		}
	}
}

// localViews is the query.Local of this node: views of shards that it has, for
// another node that reads them here.
func (n *Node) localViews(ctx context.Context, tenant model.TenantID, shards []model.ShardID) ([]query.View, error) {
	for _, id := range shards {
		if !n.readable(id) {
			return nil, n.notHere(id)
		}
	}
	for id, why := range n.catchUp(ctx, shards, leafPatience) {
		return nil, fmt.Errorf("%w: shard %d: %w", peer.ErrUnavailable, id, why)
	}
	views := make([]query.View, 0, len(shards))
	for _, id := range shards {
		view, err := n.viewHere(tenant, id)
		if err != nil {
			releaseAll(views)
			return nil, err
		}
		views = append(views, view)
	}
	return views, nil
}

// catchUp waits until the replicas here of some shards have everything that was
// acknowledged before the call, and returns those that did not come to it, with
// the reason.
func (n *Node) catchUp(ctx context.Context, shards []model.ShardID, patience time.Duration) map[model.ShardID]error {
	stale := map[model.ShardID]error{}
	if !n.members.Clustered() {
		return stale // nobody else can have acknowledged anything, and what is here has replayed its log
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, id := range shards {
		stale[id] = raft.ErrNotLeader
	}
	for delay := routeRetryMin; len(stale) > 0; delay = min(2*delay, routeRetryMax) {
		n.catchUpOnce(ctx, stale, delay > routeRetryMin)
		if len(stale) == 0 || pause.For(ctx, delay) != nil {
			break
		}
	}
	return stale
}

// catchUpOnce asks the leaders of shards once, and takes those out that have
// come up. A leader is asked for all its shards at once, or for each by itself,
// so that one without a leader does not spoil the answer for the others.
func (n *Node) catchUpOnce(ctx context.Context, stale map[model.ShardID]error, each bool) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	type question struct {
		leader string
		shard  model.ShardID // with each
	}
	asked := map[question][]uint32{}
	for id := range stale {
		q := question{leader: n.leaderOf(id, "")}
		if each {
			q.shard = id
		}
		asked[q] = append(asked[q], uint32(id))
	}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for q, groups := range asked {
		leader := q.leader
		asking.Go(func() {
			slices.Sort(groups)
			indexes, err := n.readIndexes(ctx, leader, groups)
			for i, number := range groups {
				id := shardID(number)
				failed := err
				if one := n.replicas.Get(id); one == nil {
					failed = peer.ErrNotHere
				} else if failed == nil {
					failed = one.Group.WaitApplied(ctx, indexes[i])
				}
				mu.Lock()
				if stale[id] = failed; failed == nil {
					delete(stale, id)
				} else {
					n.again(id, leader, failed)
				}
				mu.Unlock()
			}
		})
	}
	asking.Wait()
}

// readIndexes asks the leader of groups how far they have come.
func (n *Node) readIndexes(ctx context.Context, leader string, groups []uint32) ([]uint64, error) {
	switch leader {
	case "":
		return nil, peer.NotLeaderError{}
	case n.identity.Node:
		return n.readIndexesHere(ctx, groups)
	}
	return n.members.Peers().ReadIndexes(ctx, leader, groups)
}

// readIndexesHere answers for groups that this node leads.
func (n *Node) readIndexesHere(ctx context.Context, groups []uint32) ([]uint64, error) {
	indexes := make([]uint64, len(groups))
	errs := make([]error, len(groups))
	var asking sync.WaitGroup
	for i, number := range groups {
		asking.Go(func() { indexes[i], errs[i] = n.readIndexHere(ctx, number) })
	}
	asking.Wait()
	return indexes, errors.Join(errs...)
}

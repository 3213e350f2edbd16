package node

import (
	"context"
	"sync"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/replicas"
)

// shedding hands over what this node leads while its disk is full: a leader
// that can take nothing would keep writers waiting until its disk is relieved,
// and a replica with room can take them at once.
type shedding struct {
	mu sync.Mutex
	// stuck are the shards for which no replica with room was found.
	stuck map[model.ShardID]bool
}

// hopeless reports whether it was tried in vain to let another replica lead.
func (s *shedding) hopeless(id model.ShardID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stuck[id]
}

func (s *shedding) note(id model.ShardID, stuck bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck == nil {
		s.stuck = map[model.ShardID]bool{}
	}
	if stuck {
		s.stuck[id] = true
	} else {
		delete(s.stuck, id)
	}
}

// shed runs until the context ends. It tries again as long as the disk is full:
// this node may be elected, and others may get room.
func (n *Node) shed(ctx context.Context) error {
	ticker := time.NewTicker(diskInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.disk.filled:
		case <-ticker.C:
		}
		if n.disk.full.Load() && n.Failed() == nil {
			n.shedAll(ctx)
		}
	}
}

// shedAll hands over every shard that is led here to a voter that says that it
// has room.
func (n *Node) shedAll(ctx context.Context) {
	var led []*replicas.One
	for _, one := range n.replicas.All() {
		if _, leads := one.Group.Leader(); leads {
			led = append(led, one)
		}
	}
	if len(led) == 0 {
		return
	}
	room := map[string]bool{}
	if n.members.Clustered() {
		for id, report := range n.Cluster().Reports(ctx) {
			room[id] = id != n.identity.Node && !report.Disk.Full
		}
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTimeout)
	defer cancel()
	var shards sync.WaitGroup
	for _, one := range led {
		shards.Go(func() { n.shedding.note(one.Shard(), !n.shedOne(ctx, one, room)) })
	}
	shards.Wait()
}

// shedOne lets the first voter with room lead that can.
func (n *Node) shedOne(ctx context.Context, one *replicas.One, room map[string]bool) bool {
	for _, member := range one.Group.Members() {
		if !member.Voter || !room[member.ID] {
			continue
		}
		err := one.Group.Transfer(ctx, member.ID)
		if err == nil {
			n.leaders.note(one.Shard(), member.ID)
			n.logger.Info("the disk is full: another replica leads", "shard", one.Shard(), "node", member.ID)
			return true
		}
		n.logger.Debug("a shard was not handed over", "shard", one.Shard(), "node", member.ID, "error", err)
	}
	return false
}

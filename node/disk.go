package node

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/replicas"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage/engine"
)

// diskWatch knows how much of the disk is free.
type diskWatch struct {
	fs      engine.FS
	dir     string
	reserve int64 // configured; 0: default
	logger  *slog.Logger

	known atomic.Bool  // the file system can tell
	free  atomic.Int64 // bytes
	total atomic.Int64 // bytes of the file system
	floor atomic.Int64 // the reserve in effect, bytes
	full  atomic.Bool
	// refusals is for how many looks the disk counts as full, whatever the file system says.
	refusals atomic.Int32
	// filled has a value when the disk has become full and nobody has looked.
	filled chan struct{}
}

// look measures once.
func (d *diskWatch) look() {
	free, total, ok := engine.Free(d.fs, d.dir)
	d.known.Store(ok)
	floor, full := d.reserve, false
	if ok {
		if floor == 0 {
			floor = min(DefaultReserveBytes, int64(total/DefaultReserveShare))
		}
		d.free.Store(int64(free))
		d.total.Store(int64(total))
		d.floor.Store(floor)
		full = int64(free) < floor
	}
	if left := d.refusals.Load(); left > 0 {
		d.refusals.Store(left - 1)
		full = true
	}
	if d.full.Swap(full) != full {
		if full {
			d.logger.Error("the disk is nearly full: records are refused", "free_bytes", free, "reserve_bytes", floor)
			select {
			case d.filled <- struct{}{}:
			default:
			}
		} else {
			d.logger.Info("the disk has room again: records are taken", "free_bytes", free, "reserve_bytes", floor)
		}
	}
}

// refused notes that the log found no space: the disk has been filled since the last look, or
// a quota is used up, of which the file system does not tell. Then it is full at once, for a while.
func (d *diskWatch) refused() {
	if !d.full.Load() {
		d.refusals.Store(refusalLooks)
		d.look()
	}
}

// taken returns how much of the disk is taken, and at how much records are refused; ok is
// false where that is not known.
func (d *diskWatch) taken() (disk consumption.Disk, ok bool) {
	total := d.total.Load()
	return consumption.Disk{Used: total - d.free.Load(), Limit: total - d.floor.Load()}, d.known.Load() && total > 0
}

// watchDisk measures until the context ends.
func (n *Node) watchDisk(ctx context.Context) error {
	return every(ctx, diskInterval, func() {
		n.disk.look()
		n.store.LookForRoom()
	})
}

// room reports whether this many bytes can be written and a quarter of the
// reserve stays. Sealing may use the rest of the reserve, so that the log can
// be cut and space comes back.
func (d *diskWatch) room(bytes int64) bool {
	return !d.known.Load() || d.free.Load()-bytes >= d.floor.Load()/4
}

// shedding hands over what this node leads while its disk is full: a leader
// that can take nothing would keep writers waiting until its disk is relieved,
// and a replica with room can take them at once.
type shedding struct {
	mu sync.Mutex
	// stuck are the shards of which no other replica can have room.
	stuck map[model.ShardID]bool
}

// keep forgets what is known of shards for which it was not found out just now.
func (s *shedding) keep(led []*replicas.One) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.stuck, func(id model.ShardID, _ bool) bool {
		return !slices.ContainsFunc(led, func(one *replicas.One) bool { return one.Shard() == id })
	})
}

// hopeless reports whether no replica of a shard has room.
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
		switch {
		case !n.disk.full.Load():
			n.shedding.keep(nil) // when it is full again, others may have room
		case n.Failed() == nil:
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
	n.shedding.keep(led)
	if len(led) == 0 {
		return
	}
	room := map[string]bool{}
	if n.members.Clustered() {
		for id, report := range n.Cluster().Reports(ctx) {
			room[id] = id != n.identity.Node && !report.Disk.Full
		}
	}
	// A node that is alive and whose report has not come in time may have room, and one that
	// could not take over yet has it: records are not refused for their sake.
	hope := func(id string) bool {
		has, told := room[id]
		return has || !told && n.members.Alive(id)
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTimeout)
	defer cancel()
	var shards sync.WaitGroup
	for _, one := range led {
		shards.Go(func() {
			handed := n.shedOne(ctx, one, room)
			n.shedding.note(one.Shard(), !handed && !slices.ContainsFunc(one.Group.Members(), func(m raft.Member) bool { return m.Voter && hope(m.ID) }))
		})
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

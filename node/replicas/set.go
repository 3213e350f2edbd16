package replicas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/raft"
)

// readingMax is how long a replica that is not needed any more is kept for
// queries that read it.
const readingMax = 30 * time.Second

// Config of a Set. All but Logger must be given.
type Config struct {
	Self   string // id of this node
	Host   *raft.Host
	Logger *slog.Logger
	// Replica is the configuration of the replica of a shard.
	Replica func(shard uint32) replica.Config
	// Beside runs as long as a replica does, and ends with its context.
	Beside func(ctx context.Context, one *One)
	// Replayed returns when a replica that was opened anew while the set runs may be read:
	// what its log has is applied, or whoever reads it looks whether it is.
	Replayed func(ctx context.Context, group *raft.Group) error
	// Destroy deletes what the store has of a shard, for good, and Stored names
	// the shards that have anything there.
	Destroy func(ctx context.Context, shard model.ShardID) error
	Stored  func() ([]model.ShardID, error)
}

// One is a replica and its log.
type One struct {
	*replica.Replica
	Group *raft.Group

	stop context.CancelFunc // ends Run of the replica
	done chan struct{}      // closed when that has ended
}

// Set is the replicas of a node.
type Set struct {
	cfg Config

	mu struct {
		sync.RWMutex
		running context.Context // of Run; nil before
		closed  bool            // Run ends: nothing is opened anew
		all     map[uint32]*One
		lost    map[uint32]error // whose log is damaged, and how
	}
	// syncing has a value while replicas are opened or taken away. No mutex, since disks are
	// waited for meanwhile: who waits for a mutex stops the time of a simulation.
	syncing chan struct{}
	again   chan struct{} // has a value when what the catalogue gives is to be looked at again
}

// Open opens the replicas that are stored here.
func Open(ctx context.Context, cfg Config) (*Set, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Set{cfg: cfg, syncing: make(chan struct{}, 1), again: make(chan struct{}, 1)}
	s.mu.all, s.mu.lost = map[uint32]*One{}, map[uint32]error{}
	for _, number := range cfg.Host.Groups() {
		if number == catalogue.Group {
			continue
		}
		if why := cfg.Host.Lost()[number]; why != nil {
			s.lose(number, why)
			continue
		}
		err := s.open(ctx, number, nil)
		if errors.Is(err, raft.ErrLogLost) {
			s.lose(number, err)
			continue
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, s.checkLog()
}

// lose sets a replica aside whose log is damaged. It votes no more, since it has
// forgotten how it voted, and answers nothing, since what it acknowledged may be
// gone. What it has stays until the catalogue does not want it here any more.
func (s *Set) lose(number uint32, why error) {
	s.cfg.Logger.Error("the log of a replica is damaged: it is set aside, the others go on", "shard", number, "error", why)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.lost[number] = why
}

// Lost returns why replicas of this node are set aside, by shard.
func (s *Set) Lost() map[model.ShardID]error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	lost := make(map[model.ShardID]error, len(s.mu.lost))
	for number, why := range s.mu.lost {
		lost[model.ShardID(number)] = why
	}
	return lost
}

// errForgotten says that a voter has no log.
var errForgotten = fmt.Errorf("the catalogue has a replica here that votes, and nothing of it is in the log: %w", raft.ErrLogLost)

// forgotten reports whether a replica that is to be opened has been here, has
// voted, and has no log.
func (s *Set) forgotten(shard catalogue.Shard) bool {
	r, _ := shard.On(s.cfg.Self)
	return r.Role != catalogue.Joining && s.voters(shard) == nil && !slices.Contains(s.cfg.Host.Groups(), shard.Number)
}

// expect sets replicas aside of which damage to the log took everything.
func (s *Set) expect(wanted []uint32) error {
	if err := s.cfg.Host.Expect(wanted); err != nil {
		return err
	}
	known := s.Lost()
	for number, why := range s.cfg.Host.Lost() {
		if known[model.ShardID(number)] == nil && s.Get(model.ShardID(number)) == nil {
			s.lose(number, why)
		}
	}
	return nil
}

// discard deletes what is left of replicas that are set aside and not wanted any
// more: the others have removed them.
func (s *Set) discard(ctx context.Context, wanted []uint32) error {
	for id := range s.Lost() {
		number := uint32(id)
		if slices.Contains(wanted, number) {
			continue
		}
		s.cfg.Logger.Info("the others have removed the replica whose log is damaged: what is left of it is deleted", "shard", number)
		if err := errors.Join(s.cfg.Host.Destroy(number), s.cfg.Destroy(ctx, id)); err != nil {
			return err
		}
		s.mu.Lock()
		delete(s.mu.lost, number)
		s.mu.Unlock()
	}
	return nil
}

// checkLog refuses a store whose log is gone: a node that went on without it
// would have forgotten what it acknowledged and how it voted.
func (s *Set) checkLog() error {
	stored, err := s.cfg.Stored()
	if err != nil || len(stored) == 0 || len(s.cfg.Host.Groups()) > 0 {
		return err
	}
	return errors.Join(fmt.Errorf("%w: the store has shards and there is no log; is its disk mounted?", raft.ErrLogLost), s.Close())
}

// clear deletes what the store has of shards that are neither here nor wanted:
// they were being destroyed when the node died.
func (s *Set) clear(ctx context.Context, wanted []uint32) error {
	stored, err := s.cfg.Stored()
	if err != nil {
		return err
	}
	for _, shard := range stored {
		if s.Get(shard) == nil && !slices.Contains(wanted, uint32(shard)) {
			s.cfg.Logger.Info("what is left of a replica that was deleted goes", "shard", shard)
			if err := s.cfg.Destroy(ctx, shard); err != nil {
				return err
			}
		}
	}
	return nil
}

// open opens one replica and runs it if the set runs.
func (s *Set) open(ctx context.Context, number uint32, voters []string) error {
	known := slices.Contains(s.cfg.Host.Groups(), number)
	opened, err := replica.Open(ctx, s.cfg.Replica(number))
	if err != nil {
		return err
	}
	group, err := s.cfg.Host.StartWith(number, opened, voters)
	if err != nil {
		opened.Close()
		return fmt.Errorf("start log of shard %d: %w", number, err)
	}
	opened.Attach(group)
	one := &One{Replica: opened, Group: group}
	s.mu.Lock()
	running := s.mu.running
	if running != nil {
		s.run(one)
	}
	s.mu.Unlock()
	if running != nil && known {
		err = s.cfg.Replayed(running, group)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.all[number] = one
	return err
}

// run runs a replica. The caller holds mu.
func (s *Set) run(one *One) {
	ctx, cancel := context.WithCancel(s.mu.running)
	one.stop, one.done = cancel, make(chan struct{})
	go func() {
		defer close(one.done)
		var beside sync.WaitGroup
		beside.Go(func() { s.cfg.Beside(ctx, one) })
		defer beside.Wait()
		if err := one.Replica.Run(ctx); err != nil {
			s.cfg.Logger.Error("a replica does not run", "shard", one.Shard(), "error", err)
		}
	}()
}

// Get returns the replica of a shard, nil if there is none here.
func (s *Set) Get(shard model.ShardID) *One {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.all[uint32(shard)]
}

// All returns the replicas in the order of their shards.
func (s *Set) All() []*One {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*One, 0, len(s.mu.all))
	for _, one := range s.mu.all {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *One) int { return int(a.Shard()) - int(b.Shard()) })
	return all
}

// Run runs the replicas and follows the catalogue until the context ends; it
// returns when all replicas have ended. Fresh is closed when the state may be
// trusted in what it lacks, and first is closed after what the catalogue gives
// the node has been opened once.
func (s *Set) Run(ctx context.Context, state func() *catalogue.State, changed, fresh <-chan struct{}, first func()) error {
	s.mu.Lock()
	s.mu.running = ctx
	for _, one := range s.mu.all {
		s.run(one)
	}
	s.mu.Unlock()
	defer s.wait()
	trusted := false
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		if trusted {
			again.Stop()
			if !s.follow(ctx, state()) {
				again.Reset(followRetry)
			}
			if first != nil {
				first()
				first = nil
			}
		}
		select {
		case <-again.C:
		case <-s.again:
		case <-fresh:
			fresh, trusted = nil, true
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// wait waits for all replicas' ends, also for that of one that is opened anew.
func (s *Set) wait() {
	s.syncing <- struct{}{}
	defer func() { <-s.syncing }()
	s.mu.Lock()
	s.mu.closed = true
	s.mu.Unlock()
	for _, one := range s.All() {
		if one.done != nil {
			<-one.done
		}
	}
}

// followRetry is when what failed is tried again.
const followRetry = 5 * time.Second

// follow makes the set what the catalogue says and reports whether it is.
func (s *Set) follow(ctx context.Context, state *catalogue.State) (done bool) {
	s.syncing <- struct{}{}
	defer func() { <-s.syncing }()
	done = true
	wanted := state.ReplicasOn(s.cfg.Self)
	if err := s.expect(wanted); err != nil {
		if ctx.Err() == nil {
			s.cfg.Logger.Error("it is not known which replicas are lost", "error", err)
		}
		return false
	}
	if err := s.discard(ctx, wanted); err != nil && ctx.Err() == nil {
		done = false
		s.cfg.Logger.Error("what is left of a replica whose log is damaged stays", "error", err)
	}
	lost := s.Lost()
	for _, number := range wanted {
		if s.Get(model.ShardID(number)) != nil || lost[model.ShardID(number)] != nil || ctx.Err() != nil {
			continue
		}
		if s.forgotten(state.Shards[number]) {
			s.lose(number, errForgotten)
			continue
		}
		err := s.clearNew(ctx, state.Shards[number])
		if err == nil {
			err = s.open(ctx, number, s.voters(state.Shards[number]))
		}
		if errors.Is(err, raft.ErrLogLost) {
			s.lose(number, err)
			continue
		}
		if err != nil {
			done = false
			s.cfg.Logger.Error("a replica was not opened", "shard", number, "error", err)
		}
	}
	for _, one := range s.All() {
		number := uint32(one.Shard())
		if _, found := slices.BinarySearch(wanted, number); found || ctx.Err() != nil {
			continue
		}
		if err := s.destroy(ctx, one); err != nil {
			done = false
			s.cfg.Logger.Error("a replica that is not needed any more was not deleted", "shard", number, "error", err)
		}
	}
	if err := s.clear(ctx, wanted); err != nil && ctx.Err() == nil {
		done = false
		s.cfg.Logger.Error("what is left of deleted replicas stays", "error", err)
	}
	return done
}

// clearNew deletes what the store has of a shard whose replica here is new: an
// earlier one was being destroyed when the node died.
func (s *Set) clearNew(ctx context.Context, shard catalogue.Shard) error {
	r, _ := shard.On(s.cfg.Self)
	if r.Role != catalogue.Joining || slices.Contains(s.cfg.Host.Groups(), shard.Number) {
		return nil
	}
	return s.cfg.Destroy(ctx, model.ShardID(shard.Number))
}

// voters returns the first voters of a group that begins here: this node, if
// it has the only replica that the shard has had so far. A shard of several
// replicas has begun elsewhere, or here and its log is lost.
func (s *Set) voters(shard catalogue.Shard) []string {
	r, ok := shard.On(s.cfg.Self)
	if ok && len(shard.Replicas) == 1 && r.Role == catalogue.Voter && r.Since == shard.Created {
		return []string{s.cfg.Self}
	}
	return nil
}

// destroy takes a replica away, with all that it has.
func (s *Set) destroy(ctx context.Context, one *One) error {
	s.mu.Lock()
	delete(s.mu.all, uint32(one.Shard()))
	s.mu.Unlock()
	if one.stop != nil {
		one.stop()
		<-one.done
	}
	s.cfg.Logger.Info("the cluster does not want this replica any more: it is deleted", "shard", one.Shard())
	if err := s.cfg.Host.Destroy(uint32(one.Shard())); err != nil {
		s.mu.Lock()
		s.mu.all[uint32(one.Shard())] = one // to be tried again
		s.mu.Unlock()
		return err
	}
	one.Replica.Close()
	// Queries that read it have begun while it was theirs to read.
	reading, cancel := context.WithTimeout(ctx, readingMax)
	defer cancel()
	if err := one.AwaitViews(reading); err != nil {
		s.cfg.Logger.Warn("a replica is deleted while it is read", "shard", one.Shard(), "error", err)
	}
	return s.cfg.Destroy(ctx, one.Shard())
}

// Restart closes the replica of a shard and opens it anew from what is on disk. Those who
// read it must have ended before, or it stays as it is: what is opened may remove segments
// that they read. One that cannot be opened is tried again.
func (s *Set) Restart(ctx context.Context, shard model.ShardID) error {
	s.syncing <- struct{}{}
	defer func() { <-s.syncing }()
	if err := s.restart(ctx, shard); err != nil {
		return fmt.Errorf("restart the replica of shard %d: %w", shard, err)
	}
	return nil
}

func (s *Set) restart(ctx context.Context, shard model.ShardID) error {
	s.mu.Lock()
	running, closed, one := s.mu.running, s.mu.closed, s.mu.all[uint32(shard)]
	if running == nil || closed || one == nil {
		s.mu.Unlock()
		return errors.New("it is not here, or the node starts or ends")
	}
	delete(s.mu.all, uint32(shard)) // nobody begins to read it
	s.mu.Unlock()
	reading, cancel := context.WithTimeout(ctx, readingMax)
	defer cancel()
	defer context.AfterFunc(running, cancel)()
	if err := one.AwaitViews(reading); err != nil {
		s.mu.Lock()
		s.mu.all[uint32(shard)] = one
		s.mu.Unlock()
		return fmt.Errorf("it is read, and stays as it is: %w", err)
	}
	s.cfg.Logger.Info("a replica is closed and opened anew, as was asked for", "shard", shard)
	// Whatever becomes of the rest, what the catalogue gives the node is opened again.
	defer func() {
		select {
		case s.again <- struct{}{}:
		default:
		}
	}()
	one.stop()
	<-one.done
	err := one.Group.Close()
	one.Replica.Close()
	// Of whom had found it before, and began to read it after.
	if err = errors.Join(err, one.AwaitViews(running)); err != nil {
		return err
	}
	return s.open(ctx, uint32(shard), nil)
}

// Close closes the replicas, after Run has returned and the host is closed.
func (s *Set) Close() error {
	for _, one := range s.All() {
		one.Replica.Close()
	}
	return nil
}

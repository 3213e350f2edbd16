package catalogue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/raft"
)

const (
	// DefaultSaveBytes is how much log comes between two saves: replaying that
	// takes less than a second, also with a hundred thousand replicas, where a
	// save takes 50 ms.
	DefaultSaveBytes = 256 << 10

	entryBytes = 64               // what an entry takes apart from its command
	saveRetry  = 10 * time.Second // a save that failed is tried again
)

// Store keeps the saved state.
type Store interface {
	// Load returns what was saved last, nil if nothing was.
	Load() ([]byte, error)
	// Save replaces it, whole or not at all, and is durable when it returns
	// without an error. It must not keep data.
	Save(data []byte) error
}

// Config says how a Catalogue works. Store must be given.
type Config struct {
	Store Store
	// Logger receives what an operator should know. Default: none.
	Logger *slog.Logger
	// SaveBytes is how many bytes of log come before the state is saved and the
	// log cut. Default DefaultSaveBytes.
	SaveBytes int
	// Now is the clock for commands that are proposed here, Unix ns. Default:
	// that of the machine.
	Now func() int64
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var faults []error
	if c.Store == nil {
		faults = append(faults, errors.New("the catalogue needs a Store"))
	}
	if c.SaveBytes < 0 {
		faults = append(faults, fmt.Errorf("SaveBytes is %d, want at least 0", c.SaveBytes))
	}
	return errors.Join(faults...)
}

// Log is the group as the catalogue needs it. *raft.Group fits.
type Log interface {
	// ProposeReserved uses the space that is kept for what frees space: on a
	// full disk the catalogue is how to move things off it.
	ProposeReserved(ctx context.Context, command []byte) (index uint64, result any, err error)
	Leader() (nodeID string, self bool)
	Truncate(index uint64) error
	// Cut is Truncate that keeps nothing for members that are behind.
	Cut(sealedIndex uint64) error
}

// Catalogue is this node's copy of what the cluster agrees on.
type Catalogue struct {
	cfg   Config
	state atomic.Pointer[State]
	kick  chan struct{} // enough log has come

	// saving is held while the Store is used and until mu says what is in it;
	// it is taken before mu.
	saving turn

	mu struct {
		sync.Mutex
		log Log
		// pos is that of state. The members of pos are those as of its index;
		// newer ones wait in members for the next command.
		pos          raft.Position
		members      []byte
		membersIndex uint64
		unsaved      int           // bytes of log since the last save
		durable      raft.Position // what the Store has; its index is 0 if that is nothing
		watchers     map[chan struct{}]struct{}
	}
}

var (
	_ raft.StateMachine = (*Catalogue)(nil)
	_ Log               = (*raft.Group)(nil)
)

// Open reads what was saved. Damage to it is ErrCorrupt.
func Open(cfg Config) (*Catalogue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.SaveBytes == 0 {
		cfg.SaveBytes = DefaultSaveBytes
	}
	if cfg.Now == nil {
		cfg.Now = func() int64 { return time.Now().UnixNano() }
	}
	c := &Catalogue{cfg: cfg, kick: make(chan struct{}, 1), saving: make(turn, 1)}
	c.mu.watchers = map[chan struct{}]struct{}{}
	data, err := cfg.Store.Load()
	if err != nil {
		return nil, fmt.Errorf("load catalogue: %w", err)
	}
	if data == nil {
		c.state.Store(newState())
		return c, nil
	}
	state, pos, err := decodeSaved(data)
	if err != nil {
		return nil, fmt.Errorf("load catalogue: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take(state, pos)
	c.mu.durable = pos
	return c, nil
}

// take makes a state with its position the current one; mu is held.
func (c *Catalogue) take(state *State, pos raft.Position) {
	c.mu.pos, c.mu.members, c.mu.membersIndex = pos, pos.Configuration, pos.ConfigurationIndex
	c.mu.unsaved = 0
	c.state.Store(state)
}

// Forget empties this copy: the Store has nothing any more, and all comes anew from
// the other members of the group, to which it must not be attached yet.
func (c *Catalogue) Forget() {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take(newState(), raft.Position{})
	c.mu.durable = raft.Position{}
	c.notify()
}

// Attach connects the catalogue with its group, before Run and the first
// proposal.
func (c *Catalogue) Attach(log Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.log = log
}

func (c *Catalogue) attached() Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.log
}

// State returns what the cluster agrees on, as far as this node knows.
func (c *Catalogue) State() *State { return c.state.Load() }

// Watch returns a channel that gets a value when State may have changed since
// the last one; changes in quick succession are one. The caller stops it.
func (c *Catalogue) Watch() (changed <-chan struct{}, stop func()) {
	watcher := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.watchers[watcher] = struct{}{}
	return watcher, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.mu.watchers, watcher)
	}
}

// notify tells the watchers; mu is held.
func (c *Catalogue) notify() {
	for watcher := range c.mu.watchers {
		poke(watcher)
	}
}

func poke(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

// outcome is what Apply returns to Propose.
type outcome struct {
	state *State
	err   error
}

// Apply implements raft.StateMachine.
func (c *Catalogue) Apply(index, term uint64, command []byte) any {
	before := c.state.Load()
	after, err := before.applyEncoded(index, command)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.pos = raft.Position{Index: index, Term: term, Configuration: c.mu.members, ConfigurationIndex: c.mu.membersIndex}
	if c.mu.unsaved += len(command) + entryBytes; c.mu.unsaved >= c.cfg.SaveBytes {
		poke(c.kick)
	}
	if err != nil {
		level := slog.LevelDebug // whoever proposed it hears
		if errors.Is(err, ErrCommand) {
			level = slog.LevelError
		}
		c.cfg.Logger.Log(context.Background(), level, "a command of the catalogue changes nothing", "index", index, "error", err)
		return outcome{err: err}
	}
	c.state.Store(after)
	c.notify()
	return outcome{state: after}
}

func (s *State) applyEncoded(index uint64, encoded []byte) (*State, error) {
	command, err := Decode(encoded)
	if err != nil {
		return nil, err
	}
	return s.Apply(index, command)
}

// Configured implements raft.StateMachine.
func (c *Catalogue) Configured(index uint64, configuration []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.members, c.mu.membersIndex = slices.Clone(configuration), index
}

// Snapshot implements raft.StateMachine: what the Store has is the snapshot.
func (c *Catalogue) Snapshot() (raft.Position, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.durable, c.mu.durable.Index > 0
}

// OpenSnapshot implements raft.StateMachine.
func (c *Catalogue) OpenSnapshot() (io.ReadCloser, error) {
	c.saving.Lock()
	defer c.saving.Unlock()
	data, err := c.cfg.Store.Load()
	if err == nil && data == nil {
		err = errors.New("nothing is saved")
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot of the catalogue: %w", err)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Restore implements raft.StateMachine.
func (c *Catalogue) Restore(pos raft.Position, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, SavedMax+1))
	if err != nil {
		return fmt.Errorf("read snapshot of the catalogue: %w", err)
	}
	state, at, err := decodeSaved(data)
	if err != nil {
		return fmt.Errorf("read snapshot of the catalogue: %w", err)
	}
	if at.Index != pos.Index || at.Term != pos.Term {
		return fmt.Errorf("read snapshot of the catalogue: index %d of term %d, want %d of %d", at.Index, at.Term, pos.Index, pos.Term)
	}
	pos.Configuration = slices.Clone(pos.Configuration)
	if data, err = encodeSaved(state, pos); err != nil {
		return err
	}
	c.saving.Lock()
	defer c.saving.Unlock()
	if err := c.cfg.Store.Save(data); err != nil {
		return fmt.Errorf("save snapshot of the catalogue: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.take(state, pos)
	c.mu.durable = pos
	c.notify()
	return nil
}

// turn is a lock that is held while a disk is waited for. Who waits for a mutex keeps the
// time of a simulation from going on, and so the disk of who has it.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// Run saves the state and cuts the log whenever enough has come, until ctx
// ends. A save that fails is tried again.
func (c *Catalogue) Run(ctx context.Context) error {
	retry := time.NewTimer(saveRetry)
	defer retry.Stop()
	for {
		retry.Stop()
		if err := c.save(c.cfg.SaveBytes); err != nil {
			c.cfg.Logger.Error("the catalogue could not be saved, its log grows", "error", err)
			retry.Reset(saveRetry)
		}
		select {
		case <-c.kick:
		case <-retry.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Save makes the state durable if anything of it is not, then cuts the log. Run
// does it when enough has come; a node whose log others fill wants it sooner,
// since old files of the log go only when nobody needs anything in them.
func (c *Catalogue) Save() error { return c.save(1) }

// Cut is Save that keeps no entry for members that are behind, and lets the files of the
// log go in which the entries were.
func (c *Catalogue) Cut() error {
	if err := c.save(1); err != nil {
		return err
	}
	c.mu.Lock()
	pos, log := c.mu.durable, c.mu.log
	c.mu.Unlock()
	if log == nil || pos.Index == 0 {
		return nil
	}
	if err := log.Cut(pos.Index); err != nil {
		return fmt.Errorf("cut the log of the catalogue: %w", err)
	}
	return nil
}

// save is Save if so many bytes of log are not saved.
func (c *Catalogue) save(least int) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	state, pos, unsaved, log := c.state.Load(), c.mu.pos, c.mu.unsaved, c.mu.log
	c.mu.Unlock()
	if unsaved < least || len(pos.Configuration) == 0 {
		return nil
	}
	data, err := encodeSaved(state, pos)
	if err != nil {
		return err
	}
	if err := c.cfg.Store.Save(data); err != nil {
		return fmt.Errorf("save catalogue: %w", err)
	}
	c.mu.Lock()
	c.mu.durable = pos
	c.mu.unsaved -= unsaved
	c.mu.Unlock()
	if log == nil {
		return nil
	}
	if err := log.Truncate(pos.Index); err != nil {
		return fmt.Errorf("cut the log of the catalogue: %w", err)
	}
	return nil
}

package gossip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Gossip is this node among the members.
type Gossip struct {
	config   Config
	list     *memberlist.Memberlist
	address  string
	notes    notes
	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	running  sync.WaitGroup
	updated  chan struct{}
	disputed chan dispute
	patient  time.Time // until when it is no fault that no seed answers

	mu struct {
		sync.Mutex
		closed    bool
		own       Meta
		members   map[string]*member
		conflicts map[Conflict]time.Time // when it was seen last
		watchers  map[chan struct{}]struct{}
		joinError error
	}
}

// Open starts to gossip, and to look for the seeds. The caller closes it.
func Open(config Config) (*Gossip, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	g := &Gossip{config: config.withDefaults(), updated: make(chan struct{}, 1), disputed: make(chan dispute, conflictsMax)}
	g.notes = notes{logger: g.config.Logger, now: g.config.Now}
	g.patient = time.Now().Add(seedPatience)
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.mu.own = config.Meta
	g.mu.members = map[string]*member{}
	g.mu.conflicts = map[Conflict]time.Time{}
	g.mu.watchers = map[chan struct{}]struct{}{}
	if len(config.Seeds) > 0 {
		g.mu.joinError = ErrNoAnswer
	}
	library, err := g.library()
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	if g.list, err = memberlist.Create(library); err != nil {
		g.stop()
		if strings.Contains(err.Error(), "no private IP address") {
			err = fmt.Errorf("%w; say with Advertise where other nodes reach this one", err)
		}
		return nil, fmt.Errorf("gossip: listen on %s: %w", config.Bind, err)
	}
	g.address = g.list.LocalNode().Address()
	g.running.Go(g.join)
	g.running.Go(g.publish)
	g.running.Go(g.settle)
	return g, nil
}

// Addr returns the host:port that others reach this node's gossip at.
func (g *Gossip) Addr() string { return g.address }

// Update changes what the node says of itself. Others hear it within a second.
func (g *Gossip) Update(meta Meta) error {
	if err := meta.Validate(); err != nil {
		return fmt.Errorf("update gossip: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	meta.leaving = g.mu.own.leaving
	g.mu.own = meta
	g.wakePublisher()
	return nil
}

func (g *Gossip) wakePublisher() {
	select {
	case g.updated <- struct{}{}:
	default:
	}
}

// publish tells others when the node's own description changes.
func (g *Gossip) publish() {
	for {
		select {
		case <-g.updated:
			// It waits until the change is on its way, which needs members that
			// answer; without them it goes with the next exchange.
			if err := g.list.UpdateNode(updateTimeout); err != nil {
				g.config.Logger.Debug("gossip", "message", err)
			}
		case <-g.ctx.Done():
			return
		}
	}
}

// Leave tells the others that this node goes on purpose. After it only Close
// makes sense.
func (g *Gossip) Leave(ctx context.Context) error {
	g.mu.Lock()
	if g.mu.closed {
		g.mu.Unlock()
		return fmt.Errorf("leave gossip: %w", ErrClosed)
	}
	if g.mu.own.leaving {
		g.mu.Unlock()
		return nil
	}
	g.mu.own.leaving = true
	others := g.others()
	g.mu.Unlock()
	g.stop() // joins nobody any more
	g.running.Wait()
	until := time.Now().Add(2 * streamTimeout)
	if deadline, ok := ctx.Deadline(); ok {
		until = deadline
	}
	// The library does not tell others whether a node has left or died: the
	// description does, and has to be first.
	err := g.list.UpdateNode(max(time.Until(until)/2, time.Millisecond))
	if err = errors.Join(err, g.list.Leave(max(time.Until(until), time.Millisecond))); err != nil {
		return fmt.Errorf("leave gossip: %w", err)
	}
	if others == 0 {
		return nil
	}
	// Messages are passed on by others, and lost ones repeated, for a while.
	select {
	case <-time.After(leaveLinger):
	case <-ctx.Done():
	}
	return nil
}

// Close ends gossip. Without Leave before, others notice a death.
func (g *Gossip) Close() error {
	g.mu.Lock()
	g.mu.closed = true
	g.mu.Unlock()
	g.stop()
	g.running.Wait()
	return g.list.Shutdown()
}

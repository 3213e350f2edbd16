package heal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/placement"
)

// Config says how a Controller works. Cluster must be given; zero means the
// default of the rest.
type Config struct {
	Cluster Cluster
	// Interval is the time between two observations. Default 2 s.
	Interval time.Duration
	// Limits bound what goes on at once, and say how long a node is dead before
	// it is replaced.
	Limits placement.Limits
	// RaiseAfter is how long three nodes must have been alive before three
	// replicas are wanted. Default 1 min.
	RaiseAfter time.Duration
	// Cooldowns replace those of Kinds, by name. What the catalogue says of a
	// name goes before them.
	Cooldowns map[string]time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger receives what was done. Default: none.
	Logger *slog.Logger
}

// Defaults of Config, and limits that are not for tuning.
const (
	intervalDefault   = 2 * time.Second
	raiseAfterDefault = time.Minute
	// startsMax is how many moves begin after one observation.
	startsMax = 32
	// recordsMax is how many entries of the history are written after one
	// observation, apart from those of what begins.
	recordsMax = 64
	// actTimeout bounds one change of catalogue or group.
	actTimeout = 10 * time.Second
	// reportsTimeout bounds one round of reports.
	reportsTimeout = 5 * time.Second
	// retryMin and retryMax bound the pause after an action that failed.
	retryMin = 10 * time.Second
	retryMax = 5 * time.Minute
	// retriesMax is how many failed actions are remembered.
	retriesMax = 4096
)

// Validate names all that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.Cluster == nil {
		errs = append(errs, errors.New("no cluster"))
	}
	if c.Interval < 0 || c.RaiseAfter < 0 {
		errs = append(errs, fmt.Errorf("interval %s or time before more replicas are wanted %s is negative", c.Interval, c.RaiseAfter))
	}
	for name, d := range c.Cooldowns {
		if !isKind(name) || d < 0 {
			errs = append(errs, fmt.Errorf("cooldown %s of %q", d, name))
		}
	}
	return errors.Join(errs...)
}

// Controller heals a cluster. Every node has one, and the one on the node that
// leads the catalogue acts.
type Controller struct {
	cfg     Config
	cluster Cluster
	log     *slog.Logger

	// looking is held by whoever observes, and guards watch and what follows.
	looking chan struct{}
	watch   watch

	mu struct {
		sync.Mutex
		newest  *picture // nil: none
		seen    map[string]int
		retries map[string]retry
		started map[string]time.Time // when an action last began here, by name
	}

	// Only Run uses what follows.
	leading   bool           // as of the last round
	unclaimed map[uint64]int // rounds for which a running action has had no move, by number
	rotten    map[string]int // damaged segments that were written down, by replica
}

// retry says when to try again what has failed.
type retry struct {
	at    time.Time
	pause time.Duration
}

// New returns a controller that does nothing before Run.
func New(cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("healing: %w", err)
	}
	if cfg.Interval == 0 {
		cfg.Interval = intervalDefault
	}
	if cfg.RaiseAfter == 0 {
		cfg.RaiseAfter = raiseAfterDefault
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Controller{
		cfg: cfg, cluster: cfg.Cluster, log: cfg.Logger, looking: make(chan struct{}, 1),
		watch: watch{nodes: map[string]*watched{}}, unclaimed: map[uint64]int{}, rotten: map[string]int{},
	}
	c.mu.seen, c.mu.retries, c.mu.started = map[string]int{}, map[string]retry{}, map[string]time.Time{}
	return c, nil
}

// Run observes and acts until the context ends.
func (c *Controller) Run(ctx context.Context) {
	ticker := time.NewTicker(c.cfg.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if err := c.round(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("healing goes on after the next observation", "error", err)
		}
	}
}

// round observes once, and acts if that is for this node.
func (c *Controller) round(ctx context.Context) error {
	if !c.cluster.Leads() {
		c.leading = false
		return nil
	}
	if !c.leading {
		// What was seen twice and how long something was unclaimed was seen by
		// the leader before.
		c.leading = true
		clear(c.unclaimed)
		clear(c.rotten)
		c.mu.Lock()
		clear(c.mu.seen)
		c.mu.Unlock()
	}
	p, err := c.look(ctx)
	if err != nil || p == nil || !c.cluster.Leads() {
		return err
	}
	return c.act(ctx, &acting{picture: p, by: Itself})
}

// look observes the cluster; nil if there is none yet.
func (c *Controller) look(ctx context.Context) (*picture, error) {
	select {
	case c.looking <- struct{}{}:
		defer func() { <-c.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// The state comes first: what it says of replicas must not be newer than
	// what nodes say of their disks.
	state := c.cluster.State()
	if state == nil || state.Cluster == "" {
		return nil, nil
	}
	members := map[string]gossip.Member{}
	for _, m := range c.cluster.Members() {
		members[m.ID] = m
	}
	asking, cancel := context.WithTimeout(ctx, reportsTimeout)
	reports := c.cluster.Reports(asking)
	cancel()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	now := c.cfg.Now()
	c.watch.hear(now, state, members, reports)
	p := c.watch.observe(now, state, members, c.cluster.CatalogueMembers())
	c.watch.translate(p)
	p.plan = placement.Plan(p.given, c.cfg.Limits)
	c.mu.Lock()
	c.mu.newest = p
	c.mu.Unlock()
	return p, nil
}

// recent is a picture that is not old: the newest, or one that is made now.
func (c *Controller) recent(ctx context.Context) (*picture, error) {
	c.mu.Lock()
	newest := c.mu.newest
	c.mu.Unlock()
	if newest != nil && newest.known && c.cfg.Now().Sub(newest.at).Abs() < c.cfg.Interval+c.cfg.Interval/2 && newest.state.Index == c.cluster.State().Index {
		return newest, nil
	}
	p, err := c.look(ctx)
	if err == nil && p == nil {
		err = ErrNoCluster
	}
	return p, err
}

// propose changes the catalogue within the time that an action has.
func (c *Controller) propose(ctx context.Context, command catalogue.Command) (*catalogue.State, error) {
	ctx, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	return c.cluster.Propose(ctx, command)
}

// failed remembers when to try something again.
func (c *Controller) failed(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	r, ok := c.mu.retries[key]
	if !ok && len(c.mu.retries) >= retriesMax {
		maps.DeleteFunc(c.mu.retries, func(_ string, r retry) bool { return r.at.Before(now) })
		if len(c.mu.retries) >= retriesMax {
			return
		}
	}
	r.pause = min(max(2*r.pause, retryMin), retryMax)
	r.at = now.Add(r.pause)
	c.mu.retries[key] = r
}

func (c *Controller) succeeded(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.retries, key)
}

// pause is how long something that has failed is not tried; what was long ago
// is forgotten.
func (c *Controller) pause(key string, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.mu.retries[key]
	if !ok {
		return 0
	}
	if now.Sub(r.at) > retryMax {
		delete(c.mu.retries, key)
	}
	return max(r.at.Sub(now), 0)
}

// cooldown is how long an action of a name must wait.
func (c *Controller) cooldown(state *catalogue.State, name string, now time.Time) time.Duration {
	h := state.HealingOf(name)
	wait := time.Duration(h.Cooldown)
	if wait == 0 {
		wait = c.defaultCooldown(name)
	}
	// The clock of who wrote it may be ahead.
	since := now.Sub(time.Unix(0, h.LastAt)).Abs()
	if h.LastAt == 0 {
		since = wait
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ok := c.mu.started[name]; ok {
		since = min(since, now.Sub(last))
	}
	return max(wait-since, 0)
}

func (c *Controller) defaultCooldown(name string) time.Duration {
	if d, ok := c.cfg.Cooldowns[name]; ok {
		return d
	}
	for _, k := range Kinds() {
		if k.Name == name {
			return k.Cooldown
		}
	}
	return 0
}

// Enabled reports whether actions of a name are taken without being asked for.
func Enabled(state *catalogue.State, name string) bool {
	return state.HealingOf(All).Enabled && state.HealingOf(name).Enabled
}

// hinders says what keeps a move from being made now, "" if nothing does.
func (c *Controller) hinders(p *acting, m placement.Move) string {
	name := nameOf(m)
	switch {
	case p.hand && m.Wait == placement.Ready:
		return ""
	case !p.state.HealingOf(All).Enabled:
		return "self-healing is switched off"
	case !Enabled(p.state, name):
		return name + " is switched off"
	case p.state.Settings.Paused && (m.Priority == placement.Balance || m.Priority == placement.Leaders):
		return "rebalancing is paused"
	case m.Wait != placement.Ready:
		return m.Wait.String()
	case p.undiscarded[replicaTarget(uint32(m.Shard), m.To)]:
		return "what is left of the damaged one there is not deleted yet"
	}
	if wait := c.pause(name+" "+targetOf(m).String(), p.at); wait > 0 {
		return "has failed, is tried again in " + wait.Round(time.Second).String()
	}
	if wait := c.cooldown(p.state, name, p.at); wait > 0 {
		return "cools down for " + wait.Round(time.Second).String()
	}
	return ""
}

package heal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/raft"
)

// acting is what acts on a picture: the controller by itself, or a hand.
type acting struct {
	*picture
	after *catalogue.State // after what was done since; nil: nothing
	by    string
	// What follows is set by hand: what was asked for is done whether it is
	// switched on, has cooled down or was seen twice or not. only and target
	// say what, "" for all of it; a reason takes the place of the plan's.
	hand         bool
	only, target string
	reason       string
	made         []catalogue.Action // what has begun
}

// newest is the newest state that is known, for what depends on no plan.
func (p *acting) newest() *catalogue.State {
	if p.after != nil {
		return p.after
	}
	return p.state
}

func (p *acting) advance(after *catalogue.State) {
	if after != nil && after.Index > p.newest().Index {
		p.after = after
	}
}

// wants reports whether an action is one that was asked for, if any was.
func (p *acting) wants(name, target string) bool {
	return (p.only == "" || p.only == name) && (p.target == "" || p.target == target)
}

// because is the reason for an action.
func (p *acting) because(format string, args ...any) string {
	if p.reason != "" {
		return clean("%s", p.reason)
	}
	return clean(format, args...)
}

// act does what a picture calls for. What it does is written down before it is
// done: an action that is not in the history has not happened.
func (c *Controller) act(ctx context.Context, p *acting) error {
	if err := c.settle(ctx, p); err != nil {
		return fmt.Errorf("settle the history: %w", err)
	}
	c.notice(p.picture)
	if !p.known {
		return nil // not before everybody was heard
	}
	for _, do := range []func(context.Context, *acting) error{c.giveUp, c.rebuild, c.raiseReplicas, c.electorate, c.openShards, c.spreadTenants, c.start} {
		if err := do(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// notice counts in how many pictures in a row a move was planned. Where to may
// change from one to the next.
func (c *Controller) notice(p *picture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[string]int, len(p.plan.Moves)+len(p.plan.Cancel))
	for _, moves := range [][]placement.Move{p.plan.Moves, p.plan.Cancel} {
		for _, m := range moves {
			key := need(m)
			seen[key] = c.mu.seen[key] + 1
		}
	}
	for _, g := range p.plan.Growths {
		seen[tenantTarget(g.Tenant)] = c.mu.seen[tenantTarget(g.Tenant)] + 1
	}
	for _, change := range p.voting() {
		seen[change.key()] = c.mu.seen[change.key()] + 1
	}
	c.mu.seen = seen
}

// need is what a move is for.
func need(m placement.Move) string {
	return fmt.Sprintf("%s of shard %d from %s", m.Kind, m.Shard, m.From)
}

// seenMin is in how many pictures in a row something must have been planned
// before it is done.
const seenMin = 2

func (c *Controller) ripe(p *acting, key string) bool {
	if p.hand {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.seen[key] >= seenMin
}

// begin writes down that an action starts.
func (c *Controller) begin(ctx context.Context, p *acting, a catalogue.Action) (catalogue.Action, error) {
	now := c.cfg.Now()
	state := p.newest()
	for _, other := range state.Actions {
		// The same that was begun, and of which it is not known what came. Of a single
		// step it must not be so old that it is ended while this one is made.
		if other.Outcome == catalogue.ActionRunning && other.Name == a.Name && other.Target == a.Target && other.By == a.By && !other.DryRun && (!oneStep(a) || c.age(other) <= actTimeout) {
			p.made = append(p.made, other)
			return other, nil
		}
	}
	a.Number, a.Outcome = state.Next, catalogue.ActionRunning
	a.Planned, a.Started = now.UnixNano(), now.UnixNano()
	after, err := c.propose(ctx, catalogue.PutAction{Action: a})
	if err != nil {
		return a, fmt.Errorf("write down %s of %s: %w", a.Name, a.Target, err)
	}
	p.advance(after)
	p.made = append(p.made, a)
	c.mu.Lock()
	if isKind(a.Name) {
		c.mu.started[a.Name] = now
	}
	c.mu.Unlock()
	return a, nil
}

// end writes down what has become of an action.
func (c *Controller) end(ctx context.Context, p *acting, a catalogue.Action, outcome, format string, args ...any) error {
	a.Ended, a.Outcome = c.cfg.Now().UnixNano(), outcome
	if format != "" {
		a.Detail = clean(format, args...)
	}
	after, err := c.propose(ctx, catalogue.PutAction{Action: a})
	if err != nil {
		return fmt.Errorf("write down that %s of %s is %s: %w", a.Name, a.Target, outcome, err)
	}
	p.advance(after)
	c.log.Info("healing", "action", a.Name, "target", a.Target, "outcome", outcome, "reason", a.Reason, "detail", a.Detail, "by", a.By)
	return nil
}

// once is an action that is done when do returns. What do returns is did, and
// stands in the history; err says that this could not be written.
func (c *Controller) once(ctx context.Context, p *acting, a catalogue.Action, do func(context.Context) error) (did, err error) {
	a, err = c.begin(ctx, p, a)
	if err != nil {
		return nil, err
	}
	did = c.tried(ctx, a, do)
	return did, c.finish(ctx, p, a, did)
}

// tried does it and remembers whether it failed.
func (c *Controller) tried(ctx context.Context, a catalogue.Action, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	err := do(ctx)
	if key := a.Name + " " + a.Target; err != nil {
		c.failed(key)
	} else {
		c.succeeded(key)
	}
	return err
}

// finish writes down what a single step has come to.
func (c *Controller) finish(ctx context.Context, p *acting, a catalogue.Action, did error) error {
	switch {
	case did == nil:
		return c.end(ctx, p, a, catalogue.ActionDone, "")
	case errors.Is(did, raft.ErrUncertain):
		return c.end(ctx, p, a, catalogue.ActionFailed, "it is not known what became of it: %v", did)
	}
	return c.end(ctx, p, a, catalogue.ActionFailed, "%v", did)
}

// passing reports whether an error is about one action alone, so that the next
// one can be tried.
func passing(err error) bool {
	for _, kind := range []error{catalogue.ErrConflict, catalogue.ErrRefused, catalogue.ErrUnknownNode, catalogue.ErrUnknownShard} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return err == nil
}

// giveUp cancels moves that cannot come to an end.
func (c *Controller) giveUp(ctx context.Context, p *acting) error {
	for i, m := range p.plan.Cancel {
		if i == startsMax {
			break
		}
		shard, ok := p.state.Shards[uint32(m.Shard)]
		if !ok || !c.ripe(p, need(m)) || !Enabled(p.state, All) || !p.dispensable(m) {
			continue
		}
		after, err := c.propose(ctx, catalogue.SetReplicas{Shard: shard.Number, If: p.state.Index, Replicas: cancelled(shard, m)})
		if err == nil {
			p.advance(after)
			err = c.endRunning(ctx, p, targetOf(m).String(), catalogue.ActionCancelled, m.Reason)
		}
		if !passing(err) {
			return fmt.Errorf("give up a move of shard %d: %w", m.Shard, err)
		}
	}
	return nil
}

// dispensable reports whether a replica that was to come may be given up. The group gives it
// the vote before the catalogue says so: only its leader knows, and without a leader
// nothing can be given up that may be needed to have one again.
func (p *picture) dispensable(m placement.Move) bool {
	if node, ok := p.state.Nodes[m.To]; !ok || node.State == catalogue.Gone {
		return true
	}
	shard, ok := p.shard(uint32(m.Shard))
	return ok && len(shard.members) > 0 && !slices.ContainsFunc(shard.members, func(one Member) bool { return one.Node == m.To && one.Voter })
}

// endRunning ends the running actions with a target.
func (c *Controller) endRunning(ctx context.Context, p *acting, target, outcome, detail string) error {
	for _, a := range p.newest().Actions {
		if a.Outcome == catalogue.ActionRunning && a.Target == target && !a.DryRun {
			if err := c.end(ctx, p, a, outcome, "%s", detail); err != nil {
				return err
			}
		}
	}
	return nil
}

// start begins the moves that may begin.
func (c *Controller) start(ctx context.Context, p *acting) error {
	var copies [][]placement.Move
	var transfers []placement.Move
	slots := newSlots(p.given, c.cfg.Limits)
	for _, m := range p.plan.Moves {
		if len(copies)+len(transfers) >= startsMax {
			break
		}
		if !p.wants(nameOf(m), targetOf(m).String()) || c.hinders(p, m) != "" || !c.ripe(p, need(m)) {
			continue
		}
		if m.Kind == placement.TransferLeadership {
			transfers = append(transfers, m)
		} else if moves := p.together(m); slots.take(moves) {
			copies = append(copies, moves)
		}
	}
	for _, moves := range copies {
		if err := c.move(ctx, p, moves...); !passing(err) {
			return err
		}
	}
	_, err := c.transfer(ctx, p, transfers)
	return pass(err)
}

// together are the moves that begin with one. A shard with one replica that is
// to have three gets both at once: with two voters it would take no writes when
// either of them is away, for as long as the third copy takes.
func (p *acting) together(m placement.Move) []placement.Move {
	moves := []placement.Move{m}
	if m.Kind != placement.AddReplica || len(p.state.Shards[uint32(m.Shard)].Replicas) != 1 {
		return moves
	}
	for _, other := range p.plan.Moves {
		if other.Kind == m.Kind && other.Shard == m.Shard && other.To != m.To {
			other.Source = m.Source
			return append(moves, other)
		}
	}
	return moves
}

// action is the entry of the history for a move.
func (p *acting) action(m placement.Move) catalogue.Action {
	return catalogue.Action{Name: nameOf(m), Target: targetOf(m).String(), Reason: p.because("%s", m.Reason), By: p.by, Bytes: m.Bytes}
}

// move begins moves of replicas of one shard: the catalogue says what is to be,
// and the leader of the shard follows.
func (c *Controller) move(ctx context.Context, p *acting, moves ...placement.Move) error {
	shard := p.state.Shards[uint32(moves[0].Shard)]
	actions := make([]catalogue.Action, len(moves))
	for i, m := range moves {
		a, err := c.begin(ctx, p, p.action(m))
		if err != nil {
			return err // what has begun is seen not to have
		}
		actions[i] = a
		shard.Replicas = began(shard, m, a.Reason)
	}
	after, err := c.propose(ctx, catalogue.SetReplicas{Shard: shard.Number, If: p.state.Index, Replicas: shard.Replicas})
	if err == nil {
		p.advance(after)
	}
	if errors.Is(err, raft.ErrUncertain) {
		return err // it may come yet; whether it did is seen soon
	}
	for _, a := range actions {
		if err == nil {
			c.succeeded(a.Name + " " + a.Target)
			continue
		}
		c.failed(a.Name + " " + a.Target)
		if err := c.end(ctx, p, a, catalogue.ActionCancelled, "%v", err); err != nil {
			return err
		}
	}
	return err
}

// transfer lets others lead, all at once: each takes a moment. What has become
// of each is did.
func (c *Controller) transfer(ctx context.Context, p *acting, moves []placement.Move) (did, err error) {
	var actions []catalogue.Action
	for _, m := range moves {
		a, err := c.begin(ctx, p, p.action(m))
		if err != nil {
			break // those that have begun come first
		}
		actions = append(actions, a)
	}
	errs := make([]error, len(actions))
	var wg sync.WaitGroup
	for i := range actions {
		wg.Go(func() {
			errs[i] = c.tried(ctx, actions[i], func(ctx context.Context) error {
				return c.cluster.Transfer(ctx, uint32(moves[i].Shard), moves[i].To)
			})
		})
	}
	wg.Wait()
	for i, a := range actions {
		err = errors.Join(err, c.finish(ctx, p, a, errs[i]))
	}
	return errors.Join(errs...), err
}

// settled is for how many pictures in a row a running action has to be without
// what it is about before it is said to have ended: whoever began it may be on
// the way.
const settled = 5

// since is when an action began, or was written down.
func since(a catalogue.Action) time.Time { return time.Unix(0, max(a.Started, a.Planned)) }

// age is for how long an action has been under way, by clocks that may differ.
func (c *Controller) age(a catalogue.Action) time.Duration { return c.cfg.Now().Sub(since(a)).Abs() }

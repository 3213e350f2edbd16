package heal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/model"
)

// Request asks for what the plan has, now: whether the action is switched on,
// has cooled down, or is due, does not matter. What is not safe is refused all
// the same. Maintenance is in no plan, and must be switched on and have cooled down.
type Request struct {
	// Action is a name of Kinds. A dry run may leave it out, and so may a Move.
	Action string `json:"action"`
	// Target is that of one move of the plan. Default: all of the action.
	Target string `json:"target,omitempty"`
	// Move is one that is not in the plan: of leadership if the action is
	// TransferLeader, else of a replica.
	Move *Places `json:"move,omitempty"`
	// DryRun writes down what would be done, and does nothing.
	DryRun bool `json:"dry_run,omitempty"`
	// By is who asks, and Reason why; it goes before the reason of the plan.
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
}

// Places are where something moves from and to, as ids of nodes. With no node to
// move from a replica is added, with none to move to it is removed; leadership
// then goes to any other.
type Places struct {
	Shard uint32 `json:"shard"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

// dryRunMax is how many moves a dry run writes into the history.
const dryRunMax = 20

// Execute does what a request asks for, or writes down what it would do, and
// returns the entries of the history. It does not wait for copies.
func (c *Controller) Execute(ctx context.Context, r Request) ([]catalogue.Action, error) {
	if !isKind(r.Action) && !((r.DryRun || r.Move != nil) && r.Action == "") {
		return nil, fmt.Errorf("action %q: %w", r.Action, ErrUnknown)
	}
	if r.Action == CatalogueVoter && !r.DryRun && !c.cluster.Leads() {
		return nil, fmt.Errorf("%s: %w", r.Action, catalogue.NotLeaderError{})
	}
	p, err := c.asked(ctx, r.By, r.Reason)
	if err != nil {
		return nil, err
	}
	if IsMaintenance(r.Action) {
		return c.maintain(ctx, p, r)
	}
	if r.Move != nil {
		return c.executeMove(ctx, p, r)
	}
	p.only, p.target = r.Action, r.Target
	if r.DryRun {
		return c.dryRun(ctx, p, p.plan.Moves)
	}
	for _, do := range []func(context.Context, *acting) error{c.rebuild, c.raiseReplicas, c.electorate, c.spreadTenants, c.start} {
		if err := do(ctx, p); err != nil {
			return p.history(), err
		}
	}
	if len(p.made) > 0 {
		return p.history(), nil
	}
	for _, m := range p.plan.Moves {
		if p.wants(nameOf(m), targetOf(m).String()) {
			return nil, fmt.Errorf("%w now: %s of %s %s", ErrNothing, nameOf(m), targetOf(m), m.Wait)
		}
	}
	return nil, fmt.Errorf("%s: %w", r.Action, ErrNothing)
}

// asked is a fresh picture to act on by hand.
func (c *Controller) asked(ctx context.Context, by, reason string) (*acting, error) {
	p, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, ErrNoCluster
	}
	return &acting{picture: p, by: clean("%s", by), reason: clean("%s", reason), hand: true}, nil
}

// history are the entries of what was made, as they are now.
func (p *acting) history() []catalogue.Action {
	actions := slices.Clone(p.made)
	for i, a := range actions {
		for _, newer := range p.newest().Actions {
			if newer.Number == a.Number {
				actions[i] = newer
			}
		}
	}
	return actions
}

// executeMove makes a move that is not in the plan, if that is safe.
func (c *Controller) executeMove(ctx context.Context, p *acting, r Request) ([]catalogue.Action, error) {
	check := p.check
	if r.Action == TransferLeader {
		check = p.checkTransfer
	}
	m, err := check(*r.Move)
	if err != nil {
		return nil, fmt.Errorf("move of shard %d: %w", r.Move.Shard, err)
	}
	switch {
	case r.DryRun:
		return c.dryRun(ctx, p, []placement.Move{m})
	case m.Kind == placement.TransferLeadership:
		did, err := c.transfer(ctx, p, []placement.Move{m})
		return p.history(), errors.Join(did, err)
	}
	err = c.move(ctx, p, m)
	return p.history(), err
}

// dryRun writes down what of some moves would be made.
func (c *Controller) dryRun(ctx context.Context, p *acting, moves []placement.Move) ([]catalogue.Action, error) {
	for _, m := range moves {
		if !p.wants(nameOf(m), targetOf(m).String()) || len(p.made) == dryRunMax {
			continue
		}
		a := p.action(m)
		if a.Detail = "would begin now"; m.Wait != placement.Ready {
			a.Detail = m.Wait.String()
		}
		if err := c.dry(ctx, p, a); err != nil {
			return p.made, err
		}
	}
	return p.made, nil
}

// dry writes down one action of a dry run.
func (c *Controller) dry(ctx context.Context, p *acting, a catalogue.Action) error {
	now := c.cfg.Now().UnixNano()
	a.Number, a.DryRun, a.Planned, a.Ended, a.Outcome = p.newest().Next, true, now, now, catalogue.ActionDone
	after, err := c.propose(ctx, catalogue.PutAction{Action: a})
	if err != nil {
		return fmt.Errorf("write down a dry run: %w", err)
	}
	p.advance(after)
	p.made = append(p.made, a)
	return nil
}

// maintenanceTimeout bounds maintenance, and maintenanceLook is how often it is looked
// whether a replica that was opened anew is complete.
const (
	maintenanceTimeout = 40 * time.Second
	maintenanceLook    = 200 * time.Millisecond
)

// maintain does maintenance, if that is safe, and looks whether it has come to what was wanted.
func (c *Controller) maintain(ctx context.Context, p *acting, r Request) ([]catalogue.Action, error) {
	t, err := c.checkMaintenance(p, r)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", r.Action, r.Target, err)
	}
	a := catalogue.Action{Name: r.Action, Target: t.String(), By: p.by, Reason: p.because("asked for")}
	if r.DryRun {
		a.Detail = "would begin now"
		err := c.dry(ctx, p, a)
		return p.made, err
	}
	if a, err = c.begin(ctx, p, a); err != nil {
		return nil, err
	}
	doing, cancel := context.WithTimeout(ctx, maintenanceTimeout)
	defer cancel()
	done, did := c.cluster.Maintain(doing, t.to, Maintenance{Name: r.Action, Shard: t.shard})
	if did == nil && r.Action == RestartComponent {
		did = c.awaitReplica(doing, t)
	}
	if did != nil {
		return p.history(), errors.Join(did, c.finish(context.WithoutCancel(ctx), p, a, did))
	}
	err = c.end(ctx, p, a, catalogue.ActionDone, "%s", done)
	return p.history(), err
}

// checkMaintenance returns what maintenance is done to, or says why it must not be.
func (c *Controller) checkMaintenance(p *acting, r Request) (target, error) {
	t, ok := parseTarget(r.Target)
	what, example := targetNode, "node NODE"
	if r.Action == RestartComponent {
		what, example = targetReplica, "replica of shard 3 on NODE"
	}
	if !ok || t.what != what || t.to == "" {
		return t, fmt.Errorf("%w: the target %.80q, want %q", ErrUnknown, r.Target, example)
	}
	if !p.state.HealingOf(r.Action).Enabled {
		return t, fmt.Errorf("%w: it is switched off", ErrUnsafe)
	}
	if wait := c.cooldown(p.state, r.Action, p.at); wait > 0 {
		return t, fmt.Errorf("%w: it cools down for %s", ErrUnsafe, wait.Round(time.Second))
	}
	n, known := p.node(t.to)
	if !known {
		return t, fmt.Errorf("node %s: %w", t.to, ErrUnknown)
	}
	if n.Life != LifeAlive {
		return t, fmt.Errorf("%w: node %s is %s", ErrUnsafe, t.to, n.Life)
	}
	if !p.answers(t.to) {
		return t, fmt.Errorf("%w: node %s does not answer", ErrUnsafe, t.to)
	}
	if r.Action == RestartComponent {
		return t, p.checkRestart(t)
	}
	return t, nil
}

// checkRestart says why a replica must not be closed for a moment: the others would have
// no majority. A shard of one replica waits for it.
func (p *acting) checkRestart(t target) error {
	s, ok := p.shard(t.shard)
	if !ok {
		return fmt.Errorf("shard %d: %w", t.shard, ErrUnknown)
	}
	here, voters, others := false, 0, 0
	for _, r := range s.Replicas {
		here = here || r.Node == t.to
		if r.Role == catalogue.Joining {
			continue
		}
		voters++
		if r.Node != t.to && r.Complete && p.answers(r.Node) {
			others++
		}
	}
	switch {
	case !here:
		return fmt.Errorf("%w: the shard has no replica on node %s", ErrUnknown, t.to)
	case len(under(p.state.Shards[t.shard])) > 0:
		return fmt.Errorf("%w: a move of the shard is in progress", ErrUnsafe)
	case voters > 1 && others <= voters/2:
		return fmt.Errorf("%w: without it %d of %d replicas are healthy, which is no majority", ErrUnsafe, others, voters)
	}
	return nil
}

// awaitReplica waits until a replica is complete again.
func (c *Controller) awaitReplica(ctx context.Context, t target) error {
	for {
		p, err := c.asked(ctx, "", "")
		if err != nil {
			return fmt.Errorf("it was opened anew, and is not known to be complete again: %w", err)
		}
		s, _ := p.shard(t.shard)
		if slices.ContainsFunc(s.Replicas, func(r ObservedReplica) bool { return r.Node == t.to && r.Reported && r.Complete }) && p.answers(t.to) && s.Leader != "" {
			return nil
		}
		if err := pause.For(ctx, maintenanceLook); err != nil {
			return fmt.Errorf("it was opened anew, and is not complete again: %w", err)
		}
	}
}

// MoveReplica moves a replica from one node to another, if that is safe. With
// no node to move from it adds one, with none to move to it removes one.
func (c *Controller) MoveReplica(ctx context.Context, shard uint32, from, to, by string) ([]catalogue.Action, error) {
	return c.Execute(ctx, Request{Move: &Places{shard, from, to}, By: by})
}

// TransferLeader lets another replica of a shard lead; "" means any.
func (c *Controller) TransferLeader(ctx context.Context, shard uint32, to, by string) ([]catalogue.Action, error) {
	return c.Execute(ctx, Request{Action: TransferLeader, Move: &Places{Shard: shard, To: to}, By: by})
}

func (p *acting) checkTransfer(places Places) (placement.Move, error) {
	s, ok := p.shard(places.Shard)
	if !ok {
		return placement.Move{}, fmt.Errorf("shard %d: %w", places.Shard, ErrUnknown)
	}
	return placement.Move{Kind: placement.TransferLeadership, Shard: model.ShardID(places.Shard), From: s.Leader, To: places.To, Priority: placement.Leaders, Reason: "asked for"}, nil
}

// check makes the move that a hand wants, or says why it is not safe.
func (p *acting) check(places Places) (placement.Move, error) {
	number, from, to := places.Shard, places.From, places.To
	s, ok := p.shard(number)
	m := placement.Move{Kind: placement.MoveReplica, Shard: model.ShardID(number), From: from, To: to, Bytes: s.Bytes, Priority: placement.Balance, Reason: "asked for"}
	shard := p.state.Shards[number]
	switch {
	case !ok:
		return m, fmt.Errorf("shard %d: %w", number, ErrUnknown)
	case len(under(shard)) > 0:
		return m, fmt.Errorf("%w: a move of the shard is in progress", ErrUnsafe)
	case from == "" && to == "":
		return m, fmt.Errorf("%w: neither a node to move from nor one to move to", ErrUnknown)
	case s.Healthy <= len(shard.Replicas)/2:
		return m, fmt.Errorf("%w: %d of %d replicas are healthy", ErrUnsafe, s.Healthy, len(shard.Replicas))
	}
	if from != "" {
		if _, ok := shard.On(from); !ok {
			return m, fmt.Errorf("%w: the shard has no replica on node %s", ErrUnknown, from)
		}
	}
	if to == "" {
		m.Kind, m.Bytes = placement.RemoveReplica, 0
		return m, p.checkRemoval(s, from)
	}
	if from == "" {
		m.Kind = placement.AddReplica
	} else if n, _ := p.node(from); !n.Life.Up() {
		m.Kind = placement.ReplaceReplica
	}
	if err := p.checkTaker(s, to); err != nil {
		return m, err
	}
	for _, r := range s.Replicas {
		if n, _ := p.node(r.Node); r.Complete && n.Life.Up() && (m.Source == "" || m.Source == s.Leader) {
			m.Source = r.Node
		}
	}
	return m, nil
}

func (p *acting) checkRemoval(s ObservedShard, from string) error {
	left := s.Healthy
	for _, r := range s.Replicas {
		if n, _ := p.node(r.Node); r.Node == from && r.Complete && n.Life.Up() {
			left--
		}
	}
	if left < s.Wanted {
		return fmt.Errorf("%w: %d healthy replicas would be left, %d are wanted", ErrUnsafe, left, s.Wanted)
	}
	return nil
}

// checkTaker says why a node cannot take a replica.
func (p *acting) checkTaker(s ObservedShard, to string) error {
	n, ok := p.node(to)
	switch {
	case !ok:
		return fmt.Errorf("node %s: %w", to, ErrUnknown)
	case n.State != catalogue.Active || n.Life != LifeAlive:
		return fmt.Errorf("%w: node %s is %s and %s", ErrUnsafe, to, n.State, n.Life)
	case slices.ContainsFunc(s.Replicas, func(r ObservedReplica) bool { return r.Node == to }):
		return fmt.Errorf("%w: node %s has a replica of the shard", ErrUnsafe, to)
	case len(s.Replicas) >= placement.ReplicasMax+1:
		return fmt.Errorf("%w: the shard has %d replicas", ErrUnsafe, len(s.Replicas))
	case n.Disk.Total > 0 && float64(n.Disk.Total-n.Disk.Free+s.Bytes) > placement.DiskRefuse*float64(n.Disk.Total):
		return fmt.Errorf("%w: node %s has no room for %d bytes", ErrUnsafe, to, s.Bytes)
	}
	return nil
}

// byHand writes a change that was asked for into the history and makes it.
func (c *Controller) byHand(ctx context.Context, name, target, by, reason string, command func(*catalogue.State) (catalogue.Command, error)) error {
	p, err := c.asked(ctx, by, reason)
	if err != nil {
		return err
	}
	change, err := command(p.state)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", name, target, err)
	}
	did, err := c.once(ctx, p, catalogue.Action{Name: name, Target: target, By: p.by, Reason: p.reason}, func(ctx context.Context) error {
		_, err := c.cluster.Propose(ctx, change)
		return err
	})
	return errors.Join(did, err)
}

// Drain moves everything off a node. It returns at once; the action ends when
// nothing is left.
func (c *Controller) Drain(ctx context.Context, node, by string) error {
	p, err := c.asked(ctx, by, "")
	if err != nil {
		return err
	}
	if n, ok := p.state.Nodes[node]; !ok || n.State != catalogue.Active {
		return fmt.Errorf("drain node %s, which is %q: %w", node, n.State, ErrNothing)
	}
	a, err := c.begin(ctx, p, catalogue.Action{Name: DrainNode, Target: nodeTarget(node), By: p.by, Reason: "asked for"})
	if err != nil {
		return err
	}
	if _, err = c.propose(ctx, catalogue.SetNodeState{ID: node, State: catalogue.Draining}); err != nil {
		return errors.Join(err, c.finish(ctx, p, a, err))
	}
	return nil
}

// Undrain lets a node that is draining take replicas again.
func (c *Controller) Undrain(ctx context.Context, node, by string) error {
	return c.byHand(ctx, UndrainNode, nodeTarget(node), by, "asked for", func(s *catalogue.State) (catalogue.Command, error) {
		if n, ok := s.Nodes[node]; !ok || n.State != catalogue.Draining {
			return nil, fmt.Errorf("the node is %q: %w", n.State, ErrNothing)
		}
		return catalogue.SetNodeState{ID: node, State: catalogue.Active}, nil
	})
}

// RemoveNode says that a node will never come back. With force also if it holds
// replicas, which then count as lost; but not if it is up and has the only
// healthy one of a shard, or votes in the catalogue: of two that vote, one that
// went away would take the catalogue with it.
func (c *Controller) RemoveNode(ctx context.Context, node string, force bool, by string) error {
	p, err := c.asked(ctx, by, "asked for")
	if err != nil {
		return err
	}
	n, ok := p.node(node)
	switch {
	case !ok:
		return fmt.Errorf("node %s: %w", node, ErrUnknown)
	case n.Life == LifeGone:
		return fmt.Errorf("node %s is gone already: %w", node, ErrNothing)
	case len(p.observed.Nodes) == 1:
		return fmt.Errorf("%w: node %s is the only one", ErrUnsafe, node)
	case n.Life.Up() && p.votes(node):
		return fmt.Errorf("%w: node %s votes in the catalogue; drain it, others get its vote within seconds", ErrUnsafe, node)
	}
	for _, s := range p.observed.Shards {
		for _, r := range s.Replicas {
			if r.Node == node && r.Complete && n.Life.Up() && s.Healthy <= 1 {
				return fmt.Errorf("%w: node %s has the only healthy replica of shard %d", ErrUnsafe, node, s.Number)
			}
		}
	}
	did, err := c.once(ctx, p, catalogue.Action{Name: RemoveNode, Target: nodeTarget(node), By: p.by, Reason: p.reason}, func(ctx context.Context) error {
		_, err := c.cluster.Propose(ctx, catalogue.SetNodeState{ID: node, State: catalogue.Gone, Force: force})
		return err
	})
	return errors.Join(did, err)
}

// SetReplicas chooses how many replicas of a shard are wanted.
func (c *Controller) SetReplicas(ctx context.Context, factor int, by string) error {
	return c.byHand(ctx, SetReplicas, targetCluster, by, fmt.Sprintf("%d replicas were asked for", factor), func(s *catalogue.State) (catalogue.Command, error) {
		settings := s.Settings
		settings.Replicas, settings.ReplicasChosen = factor, true
		return catalogue.SetSettings{Settings: settings, If: s.Settings.Version}, nil
	})
}

// SetTenantReplicas chooses how many replicas a tenant's records have at least; 0
// is as many as those of others.
func (c *Controller) SetTenantReplicas(ctx context.Context, id model.TenantID, factor int, by string) error {
	reason := fmt.Sprintf("%d replicas were asked for", factor)
	if factor == 0 {
		reason = "as many replicas as others have were asked for"
	}
	return c.byHand(ctx, SetReplicas, tenantTarget(id), by, reason, func(s *catalogue.State) (catalogue.Command, error) {
		tenant := s.Tenants[id]
		tenant.Replicas = factor
		return catalogue.SetTenant{ID: id, Tenant: tenant, Part: s.PartOf(catalogue.TenantReplicas)}, nil
	})
}

// Pause stops balancing: bytes and leaders stay where they are. Repairs, drains
// and relief of full disks go on.
func (c *Controller) Pause(ctx context.Context, by string) error {
	return c.pauses(ctx, Pause, true, by)
}

// Resume takes up balancing again.
func (c *Controller) Resume(ctx context.Context, by string) error {
	return c.pauses(ctx, Resume, false, by)
}

func (c *Controller) pauses(ctx context.Context, name string, paused bool, by string) error {
	return c.byHand(ctx, name, targetCluster, by, "asked for", func(s *catalogue.State) (catalogue.Command, error) {
		settings := s.Settings
		settings.Paused = paused
		return catalogue.SetSettings{Settings: settings, If: s.Settings.Version}, nil
	})
}

// Toggle switches actions of a name on or off, All at once with All. A cooldown
// of 0 is that of Kinds.
func (c *Controller) Toggle(ctx context.Context, name string, on bool, cooldown time.Duration, by string) error {
	if name != All && !isKind(name) {
		return fmt.Errorf("action %q: %w", name, ErrUnknown)
	}
	word := map[bool]string{true: "on", false: "off"}[on]
	return c.byHand(ctx, Toggle, name, by, "switched "+word, func(*catalogue.State) (catalogue.Command, error) {
		return catalogue.SetHealing{Name: name, Enabled: on, Cooldown: int64(cooldown)}, nil
	})
}

// Plan returns the moves that are planned now, with what each waits for, and
// what no move can mend.
func (c *Controller) Plan(ctx context.Context) ([]Move, []Problem, error) {
	p, err := c.recent(ctx)
	if err != nil {
		return nil, nil, err
	}
	return c.planned(p), p.problems(), nil
}

package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/raft"
)

// Operator is a cluster as an operator has it.
type Operator struct {
	Cluster    heal.Cluster
	Controller *heal.Controller
	// Leader is the node that leads the catalogue, "" if none is known.
	Leader func() string
}

var _ api.Cluster = Operator{}

// Known implements api.Cluster.
func (o Operator) Known() api.Known {
	state := o.Cluster.State()
	known := api.Known{Shards: state.Numbers()}
	for id, node := range state.Nodes {
		if node.State != catalogue.Gone {
			known.Nodes = append(known.Nodes, api.KnownNode{ID: id, Name: node.Name})
		}
	}
	for _, kind := range heal.Kinds() {
		known.Actions = append(known.Actions, kind.Name)
	}
	return known
}

// Drain implements api.Cluster.
func (o Operator) Drain(ctx context.Context, node, by string) error {
	if o.Cluster.State().Nodes[node].State == catalogue.Draining {
		return nil
	}
	return meaning(o.Controller.Drain(ctx, node, by))
}

// Undrain implements api.Cluster.
func (o Operator) Undrain(ctx context.Context, node, by string) error {
	if o.Cluster.State().Nodes[node].State == catalogue.Active {
		return nil
	}
	return meaning(o.Controller.Undrain(ctx, node, by))
}

// Remove implements api.Cluster.
func (o Operator) Remove(ctx context.Context, node string, force bool, by string) error {
	return meaning(o.Controller.RemoveNode(ctx, node, force, by))
}

// Move implements api.Cluster.
func (o Operator) Move(ctx context.Context, shard uint32, from, to, by string) error {
	_, err := o.Controller.MoveReplica(ctx, shard, from, to, by)
	return meaning(err)
}

// SetPaused implements api.Cluster.
func (o Operator) SetPaused(ctx context.Context, paused bool, by string) error {
	if paused {
		return meaning(o.Controller.Pause(ctx, by))
	}
	return meaning(o.Controller.Resume(ctx, by))
}

// SetReplicas implements api.Cluster.
func (o Operator) SetReplicas(ctx context.Context, tenant model.TenantID, replicas int, by string) error {
	if tenant != "" {
		if o.Cluster.State().Tenants[tenant].Replicas == replicas {
			return nil
		}
		return meaning(o.Controller.SetTenantReplicas(ctx, tenant, replicas, by))
	}
	if replicas != 0 {
		return meaning(o.Controller.SetReplicas(ctx, replicas, by))
	}
	settings := o.Cluster.State().Settings
	if !settings.ReplicasChosen {
		return nil
	}
	settings.ReplicasChosen = false
	_, err := o.Cluster.Propose(ctx, catalogue.SetSettings{Settings: settings, If: settings.Version})
	return meaning(err)
}

// SetShards implements api.Cluster.
func (o Operator) SetShards(ctx context.Context, shards int, by string) error {
	return meaning(o.Controller.AddShards(ctx, shards, by))
}

// Heal implements api.Cluster.
func (o Operator) Heal(ctx context.Context, r v1.HealingRequest, by string) (v1.HealingResult, error) {
	result := v1.HealingResult{ActionID: r.ActionID, DryRun: r.DryRun}
	if r.Action == v1.HealingToggle {
		on, cooldown := true, time.Duration(0)
		if r.Enabled != nil {
			on = *r.Enabled
		}
		if r.Cooldown != nil {
			cooldown = time.Duration(*r.Cooldown * float64(time.Second))
		}
		if err := o.Controller.Toggle(ctx, r.ActionID, on, cooldown, by); err != nil {
			return result, meaning(err)
		}
		result.Success, result.Enabled = true, &on
		return result, nil
	}
	done, err := o.Controller.Execute(ctx, heal.Request{Action: r.ActionID, Target: r.Target, DryRun: r.DryRun, By: by, Reason: r.Reason})
	if errors.Is(err, heal.ErrNothing) {
		result.Success, result.Detail = true, err.Error()
		return result, nil
	}
	if err != nil {
		return result, meaning(err)
	}
	result.Success = true
	for _, action := range done {
		result.Number = action.Number
		if result.Detail = action.Target + ": " + action.Detail; !heal.IsMaintenance(action.Name) {
			result.Plan = append(result.Plan, moveOf(action))
		}
	}
	if len(result.Plan) > 0 {
		result.Detail = fmt.Sprintf("%d actions", len(done))
	}
	return result, nil
}

// moveOf shows an action as a move, as far as it is one.
func moveOf(action catalogue.Action) v1.ClusterMove {
	move := v1.ClusterMove{Kind: action.Name, State: v1.MovePlanned, Bytes: action.Bytes, Reason: action.Target + ": " + action.Reason, By: action.By}
	if places, ok := heal.PlacesOf(action.Target); ok {
		move.Shard, move.From, move.To, move.Reason = places.Shard, places.From, places.To, action.Reason
	}
	return move
}

// meaning gives an error one of the meanings of package api.
func meaning(err error) error {
	if err == nil {
		return nil
	}
	for _, row := range []struct{ from, to error }{
		{raft.ErrUncertain, api.ErrUncertain}, {heal.ErrUnknown, api.ErrUnknown},
		{catalogue.ErrUnknownNode, api.ErrUnknown}, {catalogue.ErrUnknownShard, api.ErrUnknown},
		{raft.ErrNotLeader, api.ErrLeaderless}, {heal.ErrNoCluster, api.ErrLeaderless},
		{heal.ErrUnsafe, api.ErrRefused}, {heal.ErrNothing, api.ErrRefused}, {catalogue.ErrConflict, api.ErrRefused},
		{catalogue.ErrRefused, api.ErrRefused}, {catalogue.ErrInvalid, api.ErrRefused},
	} {
		if errors.Is(err, row.from) {
			return fmt.Errorf("%w: %w", row.to, err)
		}
	}
	return err
}

// Healing implements api.Cluster.
func (o Operator) Healing(ctx context.Context) (v1.SelfHealing, error) {
	status, err := o.Controller.Status(ctx)
	if err != nil {
		return v1.SelfHealing{}, meaning(err)
	}
	healing := v1.SelfHealing{Status: v1.HealingActive, Plan: moves(status), Observed: o.observed(status), Problems: problems(status)}
	switch {
	case !status.Enabled:
		healing.Status = v1.HealingOff
	case status.Paused:
		healing.Status = v1.HealingPaused
	}
	for _, a := range status.Actions {
		action := v1.HealingAction{
			ID: a.Name, Name: a.Name, Description: a.About, Enabled: a.Enabled, Cooldown: a.Cooldown.Seconds(),
			Executions: a.Count, InCooldown: a.Wait > 0, LastAt: a.Last,
		}
		if !a.Maintenance { // those have no condition
			action.TriggersCount = 1
		}
		if a.Wait > 0 {
			action.NextPossible = status.Observed.Time.Add(a.Wait)
		}
		healing.Actions = append(healing.Actions, action)
	}
	for _, a := range status.History {
		healing.TotalExecutions++
		if a.Outcome == catalogue.ActionDone {
			healing.SuccessfulExecutions++
		}
		healing.RecentHistory = append(healing.RecentHistory, event(a))
	}
	return healing, nil
}

func event(a catalogue.Action) v1.HealingEvent {
	e := v1.HealingEvent{
		Number: a.Number, ActionID: a.Name, ActionName: a.Name, Reason: a.Reason, By: a.By,
		ExecutedAt: at(max(a.Started, a.Planned)), Success: a.Outcome == catalogue.ActionDone,
		Result: v1.HealingOutcome{Outcome: a.Outcome, Target: a.Target, Detail: a.Detail, Bytes: a.Bytes, DryRun: a.DryRun, Ended: at(a.Ended)},
	}
	if a.By == heal.Itself {
		e.By = ""
	}
	if a.Outcome == catalogue.ActionFailed {
		e.Error = a.Detail
	}
	return e
}

func at(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// observed sums up what was seen.
func (o Operator) observed(status heal.Status) v1.HealingObserved {
	seen := v1.HealingObserved{
		At: status.Observed.Time, Leader: o.Leader(), Shards: len(status.Observed.Shards),
		NodesWanted: status.NodesWanted, WantedReason: status.WantedWhy,
	}
	for _, n := range status.Observed.Nodes {
		switch {
		case n.State == catalogue.Gone:
			continue
		case n.Life == heal.LifeAlive:
			seen.NodesAlive++
		case n.Life.Up():
			seen.NodesSuspect++
		default:
			seen.NodesDead++
		}
		if n.State == catalogue.Draining {
			seen.NodesDraining++
		}
		if n.Disk.Full {
			seen.DisksFull++
		}
	}
	for _, s := range status.Observed.Shards {
		if s.Leader == "" {
			seen.ShardsLeaderless++
		}
		if s.Healthy < s.Wanted {
			seen.ShardsShort++
		}
		for _, r := range s.Replicas {
			if r.Reported && !r.Complete {
				seen.ReplicasIncomplete++
			}
			seen.SegmentsRotten += r.Rotten
		}
	}
	return seen
}

func problems(status heal.Status) []string {
	var out []string
	for _, p := range status.Problems {
		text := p.Reason
		if p.Shard != nil {
			if shard := fmt.Sprintf("shard %d", *p.Shard); !strings.HasPrefix(text, shard+" ") {
				text = shard + ": " + text
			}
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

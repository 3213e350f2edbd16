package operator

import (
	"cmp"
	"context"
	"slices"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/heal"
)

// Status implements api.Cluster.
func (o Operator) Status(ctx context.Context) (v1.ClusterStatus, error) {
	seen, err := o.Controller.Status(ctx)
	if err != nil {
		return v1.ClusterStatus{}, meaning(err)
	}
	state := o.Cluster.State()
	members := map[string]gossip.Member{}
	for _, m := range o.Cluster.Members() {
		members[m.ID] = m
	}
	status := v1.ClusterStatus{
		ClusterID: state.Cluster, Node: o.Cluster.Self(), Catalogue: v1.ClusterCatalogue{Leader: o.Leader()},
		Settings: v1.ClusterSettings{Replicas: seen.Settings.Replicas, ReplicasByHand: seen.Settings.ReplicasChosen, Paused: seen.Settings.Paused},
		Moves:    moves(seen), Problems: problems(seen),
	}
	for _, m := range o.Cluster.CatalogueMembers() {
		if m.Voter {
			status.Catalogue.Voters = append(status.Catalogue.Voters, m.Node)
		}
	}
	for _, n := range seen.Observed.Nodes {
		status.Nodes = append(status.Nodes, node(n, state.Nodes[n.ID], members[n.ID]))
	}
	slices.SortFunc(status.Nodes, func(a, b v1.ClusterNode) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	for _, s := range seen.Observed.Shards {
		status.Shards = append(status.Shards, shard(s))
	}
	for _, t := range seen.Tenants {
		status.Tenants = append(status.Tenants, v1.ClusterTenant{
			Tenant: string(t.Tenant), Shards: t.Shards, Keyed: t.Keyed, BytesPerDay: t.BytesPerDay, Replicas: t.Replicas, Announced: t.Announced, WaitsFor: t.Waits,
		})
	}
	return status, nil
}

func node(n heal.ObservedNode, known catalogue.Node, member gossip.Member) v1.ClusterNode {
	out := v1.ClusterNode{
		ID: n.ID, Name: n.Name, Zone: n.Zone, State: string(n.State), Life: life(n.Life, member.State),
		Address: known.Address, APIAddress: known.API, Version: n.Version,
		Formats: v1.ClusterFormats{Min: int(known.Formats.Min), Max: int(known.Formats.Max)},
		Disk:    v1.ClusterDisk{Total: n.Disk.Total, Free: n.Disk.Free, Reserve: n.Disk.Reserve, Full: n.Disk.Full},
		Load:    member.Load, Leaders: n.Leaders, Replicas: n.Replicas, Bytes: n.Bytes,
		ClockSkew: float64(n.ClockSkew.Microseconds()) / 1000, Problems: n.Problems,
	}
	if out.Since = at(known.Since); member.Since.After(out.Since) {
		out.Since = member.Since.UTC()
	}
	return out
}

// life says in the words of the interface whether a node is there.
func life(seen heal.Life, told gossip.State) string {
	switch {
	case seen == heal.LifeAlive:
		return v1.LifeAlive
	case told == gossip.Left:
		return v1.LifeLeft
	case seen == heal.LifeSuspect || seen == heal.LifeSilent:
		return v1.LifeSuspect
	}
	return v1.LifeDead
}

func shard(s heal.ObservedShard) v1.ClusterShard {
	out := v1.ClusterShard{Number: s.Number, Leader: s.Leader, Term: s.Term, Bytes: s.Bytes, WriteRate: s.WriteRate}
	var newest uint64
	for _, r := range s.Replicas {
		newest = max(newest, r.Applied)
	}
	for _, r := range s.Replicas {
		replica := v1.ClusterReplica{
			Node: r.Node, Role: string(r.Role), Complete: r.Complete, MissingSegments: r.Missing, MissingBytes: r.MissingBytes,
			Lag: v1.LagUnknown, Bytes: r.Bytes, Rotten: r.Rotten,
		}
		if r.Reported {
			replica.Lag = int64(newest - r.Applied)
		}
		if r.Node == s.Leader {
			out.Records = r.Records
		}
		if r.Problem != "" {
			out.Problem = r.Problem
		}
		out.Replicas = append(out.Replicas, replica)
	}
	if s.Leader == "" {
		out.Problem = cmp.Or(out.Problem, "nobody leads it")
	}
	return out
}

// moves are those in progress, then those planned.
func moves(status heal.Status) []v1.ClusterMove {
	var out []v1.ClusterMove
	for _, p := range status.Running {
		m := move(p.Move, v1.MoveRunning)
		m.Done, m.ETA, m.Started, m.By = max(p.Bytes-p.Left, 0), p.ETA.Seconds(), p.Started.UTC(), p.By
		out = append(out, m)
	}
	for _, p := range status.Planned {
		out = append(out, move(p, v1.MovePlanned))
	}
	return out
}

func move(m heal.Move, state string) v1.ClusterMove {
	return v1.ClusterMove{
		Kind: m.Kind, State: state, Shard: m.Shard, From: m.From, To: m.To, Bytes: m.Bytes, Reason: m.Reason,
		WaitsFor: m.Waits, ETA: m.Takes.Seconds(),
	}
}

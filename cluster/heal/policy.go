package heal

import (
	"context"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/model"
)

// raised is how many replicas are wanted once there are as many nodes.
const raised = 3

// may reports whether an action of a name is taken now.
func (c *Controller) may(p *acting, name, target string) bool {
	if !p.wants(name, target) {
		return false
	}
	return p.hand || Enabled(p.state, name) && c.cooldown(p.state, name, p.at) == 0 && c.pause(name+" "+target, p.at) == 0
}

// raiseReplicas wants three replicas of every shard when three nodes have been
// alive for a while and nobody has chosen a number: a cluster begun with one
// node has one replica only because it could have no more.
func (c *Controller) raiseReplicas(ctx context.Context, p *acting) error {
	settings := p.newest().Settings
	if settings.ReplicasChosen || settings.Replicas >= raised || !c.may(p, RaiseReplicas, targetCluster) {
		return nil
	}
	steady := 0
	for _, n := range p.observed.Nodes {
		if n.Life == LifeAlive && n.State == catalogue.Active && n.For >= c.cfg.RaiseAfter {
			steady++
		}
	}
	if steady < raised {
		return nil
	}
	version, before := settings.Version, settings.Replicas
	settings.Replicas = raised
	_, err := c.once(ctx, p, catalogue.Action{
		Name: RaiseReplicas, Target: targetCluster, By: p.by,
		Reason: p.because("%d nodes have been alive for %s, shards had %d replica each and nobody chose that number", steady, c.cfg.RaiseAfter, before),
	}, func(ctx context.Context) error {
		after, err := c.cluster.Propose(ctx, catalogue.SetSettings{Settings: settings, If: version})
		p.advance(after)
		return err
	})
	return pass(err)
}

// pass leaves out an error that is about one action alone.
func pass(err error) error {
	if passing(err) {
		return nil
	}
	return err
}

// spreadTenants gives tenants that have grown more shards.
func (c *Controller) spreadTenants(ctx context.Context, p *acting) error {
	// The cooldown is that between two pictures with growths.
	if len(p.plan.Growths) == 0 || !c.may(p, SpreadTenant, p.target) {
		return nil
	}
	all := ids(p.state.Numbers())
	for i, g := range p.plan.Growths {
		target := clean("%s %s", targetTenant, g.Tenant)
		tenant, ok := p.state.Tenants[g.Tenant]
		if i >= startsMax {
			break
		}
		if !ok || !p.wants(SpreadTenant, target) || c.pause(SpreadTenant+" "+target, p.at) > 0 && !p.hand {
			continue
		}
		shards := placement.Grow(g.Tenant, ids(tenant.Shards), all, g.To)
		tenant.Shards = make([]uint32, len(shards))
		for i, id := range shards {
			tenant.Shards[i] = uint32(id)
		}
		_, err := c.once(ctx, p, catalogue.Action{
			Name: SpreadTenant, Target: target, By: p.by,
			Reason: p.because("it sends more a day than %d shards should take, %d are to share it", g.From, g.To),
		}, func(ctx context.Context) error {
			after, err := c.cluster.Propose(ctx, catalogue.SetTenant{ID: g.Tenant, Tenant: tenant})
			p.advance(after)
			return err
		})
		if !passing(err) {
			return err
		}
	}
	return nil
}

func ids(numbers []uint32) []model.ShardID {
	out := make([]model.ShardID, len(numbers))
	for i, n := range numbers {
		out[i] = model.ShardID(n)
	}
	return out
}

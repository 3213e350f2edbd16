package heal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/model"
)

const (
	// raised is how many replicas are wanted once there are as many nodes.
	raised = 3
	// ShardsAtOnce is how many shards are added by one order.
	ShardsAtOnce = 1024
	// ReplicasPerNode is to how many replicas a node shards may be added by hand:
	// each costs heartbeats and memory also while nothing is written, and none can
	// be taken away again.
	ReplicasPerNode = 256
	// tenantsShown is how many tenants a status lists.
	tenantsShown = 100
)

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

// AddShards brings the number of shards to n. They are empty, with one replica
// each until healing has made the others, and nobody writes to them before a
// tenant is given them. Fewer shards than there are is refused.
func (c *Controller) AddShards(ctx context.Context, n int, by string) error {
	p, err := c.asked(ctx, by, fmt.Sprintf("%d shards were asked for", n))
	if err != nil {
		return err
	}
	have := len(p.state.Shards)
	if n == have {
		return nil
	}
	if err := p.checkShards(n); err != nil {
		return fmt.Errorf("%d shards: %w", n, err)
	}
	nodes := placement.Place(p.given, n-have)
	if len(nodes) == 0 {
		return fmt.Errorf("%d shards: %w: no node can take a replica", n, ErrUnsafe)
	}
	numbers := p.state.Numbers()
	command := catalogue.AddShards{Count: n - have, First: numbers[have-1] + 1}
	for _, node := range nodes {
		command.Replicas = append(command.Replicas, []catalogue.Replica{{Node: node, Role: catalogue.Voter}})
	}
	did, err := c.once(ctx, p, catalogue.Action{Name: AddShards, Target: targetCluster, By: p.by, Reason: p.reason}, func(ctx context.Context) error {
		_, err := c.cluster.Propose(ctx, command)
		return err
	})
	return errors.Join(did, err)
}

// checkShards says why there cannot be so many shards.
func (p *acting) checkShards(n int) error {
	have, nodes := len(p.state.Shards), 0
	for _, node := range p.observed.Nodes {
		if node.State == catalogue.Active && node.Life.Up() {
			nodes++
		}
	}
	switch most := ReplicasPerNode * nodes; {
	case n < have:
		return fmt.Errorf("%w: there are %d, and shards cannot be taken away: what they hold would have to move", ErrUnsafe, have)
	case n-have > ShardsAtOnce:
		return fmt.Errorf("%w: there are %d, at most %d are added at once", ErrUnsafe, have, ShardsAtOnce)
	case n*p.state.Settings.Replicas > most:
		return fmt.Errorf("%w: with %d replicas each that is more than %d replicas on each of %d nodes", ErrUnsafe, p.state.Settings.Replicas, ReplicasPerNode, nodes)
	}
	if old := p.readsNot(); old != "" {
		return fmt.Errorf("%w: %s", ErrUnsafe, old)
	}
	return nil
}

// readsNot says which node does not know tenants that are given shards, "" if
// all do.
func (p *picture) readsNot() string {
	for _, id := range slices.Sorted(maps.Keys(p.state.Nodes)) {
		if n := p.state.Nodes[id]; n.State != catalogue.Gone && n.Formats.Max < catalogue.FormatTenants {
			return fmt.Sprintf("node %s (%s) runs a version that knows formats up to %d, adding shards needs %d", id, n.Name, n.Formats.Max, catalogue.FormatTenants)
		}
	}
	return ""
}

func tenantTarget(id model.TenantID) string { return clean("%s %s", targetTenant, id) }

// spreadTenants gives tenants that have grown more shards. They are announced
// first: a node that asked fewer than another has written to would leave out
// what was acknowledged.
func (c *Controller) spreadTenants(ctx context.Context, p *acting) error {
	growths := p.growths()
	// The cooldown is that between two pictures with growths.
	if len(growths) == 0 || !c.may(p, SpreadTenant, p.target) || p.readsNot() != "" {
		return nil
	}
	all := ids(p.state.Numbers())
	for i, g := range growths {
		if i >= startsMax {
			break
		}
		target, tenant := tenantTarget(g.Tenant), p.state.Spread(g.Tenant)
		if tenant.Writes != 0 || !p.wants(SpreadTenant, target) || !c.ripe(p, target) || c.pause(SpreadTenant+" "+target, p.at) > 0 && !p.hand {
			continue
		}
		tenant.Writes = len(tenant.Shards)
		for _, id := range placement.Grow(g.Tenant, ids(tenant.Shards), all, g.To)[tenant.Writes:] {
			tenant.Shards = append(tenant.Shards, uint32(id))
		}
		if len(tenant.Shards) == tenant.Writes {
			continue
		}
		_, err := c.once(ctx, p, catalogue.Action{
			Name: SpreadTenant, Target: target, By: p.by,
			Reason: p.because("it sends more a day than %d shards should take, %d are to share it", g.From, len(tenant.Shards)),
		}, c.setTenant(p, g.Tenant, tenant))
		if !passing(err) {
			return err
		}
	}
	return nil
}

func (c *Controller) setTenant(p *acting, id model.TenantID, tenant catalogue.Tenant) func(context.Context) error {
	return func(ctx context.Context) error {
		after, err := c.cluster.Propose(ctx, catalogue.SetTenant{ID: id, Tenant: tenant, Part: p.state.PartOf(catalogue.TenantShards)})
		p.advance(after)
		return err
	}
}

// growths are those of the plan; by hand, of a tenant that is named and need not
// grow, twice as many shards as it has.
func (p *acting) growths() []placement.Growth {
	growths := slices.Clone(p.plan.Growths)
	name, named := strings.CutPrefix(p.target, targetTenant+" ")
	id := model.TenantID(name)
	if p.hand && named && id.Validate() == nil && !slices.ContainsFunc(growths, func(g placement.Growth) bool { return g.Tenant == id }) {
		have := len(p.state.TenantShards(id))
		growths = append(growths, placement.Growth{Tenant: id, From: have, To: 2 * have})
	}
	for i := range growths {
		growths[i].To = min(growths[i].To, catalogue.TenantShardsMax)
	}
	return growths
}

// openShards lets tenants write to shards that were announced, when that is
// safe. What was announced has begun, so that it goes on while nothing new may.
func (c *Controller) openShards(ctx context.Context, p *acting) error {
	opened := 0
	for _, id := range p.announced() {
		target := tenantTarget(id)
		if opened >= startsMax || p.opensNot(id) != "" || c.pause(SpreadTenant+" "+target, p.at) > 0 {
			continue
		}
		opened++
		tenant := p.state.Tenants[id]
		added := len(tenant.Shards) - tenant.Writes
		tenant.Writes = 0
		_, err := c.once(ctx, p, catalogue.Action{
			Name: SpreadTenant, Target: target, By: p.by,
			Reason: p.because("all nodes ask the %d shards that were announced, and these have their replicas: it writes to %d now", added, len(tenant.Shards)),
		}, c.setTenant(p, id, tenant))
		if !passing(err) {
			return err
		}
	}
	return nil
}

// announced are the tenants with shards that they do not write to yet.
func (p *picture) announced() []model.TenantID {
	var waiting []model.TenantID
	for id, t := range p.state.Tenants {
		if t.Writes != 0 {
			waiting = append(waiting, id)
		}
	}
	slices.Sort(waiting)
	return waiting
}

// opensNot says why a tenant must not write yet to the shards that were
// announced, "" if nothing speaks against it.
func (p *picture) opensNot(id model.TenantID) string {
	if old := p.readsNot(); old != "" {
		return old
	}
	tenant := p.state.Tenants[id]
	for _, n := range p.observed.Nodes {
		if n.Life != LifeGone && n.Catalogue < tenant.Announced {
			return fmt.Sprintf("node %s (%s) has not heard of them; if it will not come back, remove it", n.ID, n.Name)
		}
	}
	least := func(numbers []uint32) (number uint32, healthy int) {
		for i, n := range numbers {
			if s, _ := p.shard(n); i == 0 || s.Healthy < healthy {
				number, healthy = n, s.Healthy
			}
		}
		return number, healthy
	}
	_, before := least(tenant.Shards[:tenant.Writes])
	number, now := least(tenant.Shards[tenant.Writes:])
	if s, _ := p.shard(number); now == 0 || now < min(before, s.Wanted) {
		return fmt.Sprintf("shard %d has %d healthy replicas of %d", number, now, s.Wanted)
	}
	return ""
}

// TenantSpread is how a tenant lies that has been given shards or replicas, or sends much.
type TenantSpread struct {
	Tenant      model.TenantID `json:"tenant"`
	Shards      int            `json:"shards"` // that it writes to
	Keyed       int            `json:"keyed"`  // of them for records with a key
	BytesPerDay int64          `json:"bytes_per_day"`
	Replicas    int            `json:"replicas,omitempty"` // that were chosen for it, 0: none were
	// Announced are shards that it is to write to, and Waits for what it waits.
	Announced int    `json:"announced,omitempty"`
	Waits     string `json:"waits,omitempty"`
}

// tenants are those that have been given shards, or a number of replicas, and those that send most, what
// sends more first.
func (p *picture) tenants() []TenantSpread {
	sent := map[model.TenantID]int64{}
	for _, t := range p.given.Tenants {
		sent[t.ID] = t.BytesPerDay
	}
	for id, t := range p.state.Tenants {
		if len(t.Shards) > 0 || t.Replicas != 0 {
			sent[id] += 0
		}
	}
	all := make([]TenantSpread, 0, len(sent))
	for id, bytes := range sent {
		t := p.state.Spread(id)
		one := TenantSpread{Tenant: id, Shards: len(p.state.WriteShards(id)), Keyed: t.Keys, BytesPerDay: bytes, Replicas: t.Replicas}
		if t.Writes != 0 {
			one.Announced, one.Waits = len(t.Shards)-t.Writes, p.opensNot(id)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b TenantSpread) int {
		return cmp.Or(cmp.Compare(b.BytesPerDay, a.BytesPerDay), cmp.Compare(a.Tenant, b.Tenant))
	})
	return all[:min(len(all), tenantsShown)]
}

func ids(numbers []uint32) []model.ShardID {
	out := make([]model.ShardID, len(numbers))
	for i, n := range numbers {
		out[i] = model.ShardID(n)
	}
	return out
}

package scale

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/machine"
	"github.com/stere-log/stere/cluster/placement"
	"github.com/stere-log/stere/model"
)

// Config says what to measure.
type Config struct {
	// Nodes are the sizes. Empty means 10, 30, 100, 300 and 1,000.
	Nodes []int
	// Seed draws where shards lie at the beginning.
	Seed uint64
	// Commit stands in the report.
	Commit string
	// Progress receives a line for each step. Nil discards them.
	Progress io.Writer
}

// nodesLeast is the smallest cluster: two nodes in each zone, so that a zone can
// be lost without a shard losing its majority.
const nodesLeast = 2 * zones

// Validate lists all faults.
func (c Config) Validate() error {
	for _, n := range c.Nodes {
		if n < nodesLeast {
			return fmt.Errorf("a cluster has %d nodes, want at least %d", n, nodesLeast)
		}
	}
	return nil
}

// Run measures all sizes.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(cfg.Nodes) == 0 {
		cfg.Nodes = []int{10, 30, 100, 300, 1000}
	}
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	report := &Report{Time: time.Now().UTC().Truncate(time.Second), Commit: cfg.Commit, Machine: machine.Describe(), Seed: cfg.Seed}
	for _, nodes := range cfg.Nodes {
		size, err := measure(ctx, nodes, cfg)
		if err != nil {
			return nil, err
		}
		report.Sizes = append(report.Sizes, size)
	}
	report.Estimates = Arithmetic()
	return report, nil
}

// roundsMax ends a run that does not come to rest.
const roundsMax = 10000

func measure(ctx context.Context, nodes int, cfg Config) (Size, error) {
	c := newCluster(nodes, rand.New(rand.NewPCG(cfg.Seed, uint64(nodes))))
	c.addTenants()
	size := Size{Nodes: nodes, Zones: zones, Shards: len(c.state.Shards), Replicas: len(c.state.Shards) * wanted, Tenants: len(c.state.Tenants)}
	size.TenantShardsMicros = tenantMicros(c)
	joining := max(1, nodes/100)
	for _, event := range []struct {
		name string
		// happen returns the bytes that have to be moved at least.
		happen func() int64
	}{
		{unbalancedEvent, c.unbalanced},
		{"a node dies", func() int64 {
			id := c.state.Nodes[nodes/2].ID
			c.die(id)
			return c.held(id)
		}},
		{joinEvent(joining), func() int64 {
			for range joining {
				c.join()
			}
			return c.unbalanced()
		}},
		{"a zone is lost", func() int64 {
			var lost []string
			for i := range c.state.Nodes {
				if n := &c.state.Nodes[i]; n.Zone == "zone-1" && n.State == placement.Alive {
					lost = append(lost, n.ID)
				}
			}
			c.die(lost...)
			return c.held(lost...)
		}},
	} {
		bound := event.happen()
		step, err := c.settle(ctx)
		if err != nil {
			return Size{}, fmt.Errorf("%d nodes, %s: %w", nodes, event.name, err)
		}
		step.Event, step.BoundBytes = event.name, bound
		fmt.Fprintf(cfg.Progress, "%d nodes, %s: first plan %.1f ms, %d rounds, %.3f of the bound\n", nodes, event.name, step.FirstPlanMS, step.Rounds, step.Ratio())
		size.Steps = append(size.Steps, step)
	}
	return size, nil
}

// unbalancedEvent is how a cluster begins. More than the bound is moved then:
// the bound takes every node to the edge of the band, a plan takes it well
// inside, and with all nodes near an edge that is about twice as far.
const unbalancedEvent = "never balanced"

func joinEvent(n int) string {
	if n == 1 {
		return "a node joins"
	}
	return fmt.Sprintf("%d nodes join", n)
}

// unbalanced is how much has to be moved at least to bring every node into the
// band around the mean. With more zones than replicas of a shard, and zones of
// nearly the same size, nothing but the mean limits a node.
func (c *cluster) unbalanced() int64 {
	bytes := map[string]int64{}
	var sum, above, below int64
	alive := 0
	for _, n := range c.state.Nodes {
		if n.State == placement.Alive {
			alive++
			bytes[n.ID] = 0
		}
	}
	for _, s := range c.state.Shards {
		for _, r := range s.Replicas {
			if c.up(r.Node) {
				bytes[r.Node] += s.Bytes
				sum += s.Bytes
			}
		}
	}
	mean := float64(sum) / float64(alive)
	for _, n := range bytes {
		above += max(0, n-int64((1+placement.BalanceBand)*mean))
		below += max(0, int64((1-placement.BalanceBand)*mean)-n)
	}
	return max(above, below)
}

// settle plans and moves until there is nothing to do. In a round all copies
// that the limits allow begin, and all of them end.
func (c *cluster) settle(ctx context.Context) (Step, error) {
	var step Step
	c.worse, c.fewer = 0, 0
	for ; ; step.Rounds++ {
		if err := ctx.Err(); err != nil {
			return step, err
		}
		if step.Rounds == roundsMax {
			return step, fmt.Errorf("no rest after %d rounds", roundsMax)
		}
		result, ms, megabytes := c.plan(step.Rounds == 0)
		step.PlanMSMax = max(step.PlanMSMax, ms)
		if step.Rounds == 0 {
			step.FirstPlanMS, step.FirstPlanMoves, step.FirstPlanAllocMB = ms, len(result.Moves), megabytes
		}
		// What tenants grow to is said once.
		for _, g := range result.Growths {
			c.grow(g)
		}
		ready := result.Ready()
		if len(ready) == 0 {
			step.Left = len(result.Moves)
			break
		}
		for _, m := range ready {
			c.begin(m)
			step.MovedBytes += m.Bytes
			if m.Kind == placement.TransferLeadership {
				step.Transfers++
			} else {
				step.Copies++
			}
		}
		c.end()
	}
	step.ZonesWorse, step.FewerHealthy = c.worse, c.fewer
	step.LoadLeast, step.LoadMost = c.load()
	step.LeadersLeast, step.LeadersMost = c.lead()
	return step, nil
}

// firstPlans is how often the first plan is made; the fastest counts, because
// what else the machine does only slows it down.
const firstPlans = 5

func (c *cluster) plan(first bool) (result placement.Result, ms, megabytes float64) {
	repeats := 1
	if first {
		repeats = firstPlans
	}
	var before, after runtime.MemStats
	for i := range repeats {
		runtime.ReadMemStats(&before)
		began := time.Now()
		result = placement.Plan(c.state, placement.Limits{})
		took := float64(time.Since(began)) / float64(time.Millisecond)
		runtime.ReadMemStats(&after)
		if i == 0 || took < ms {
			ms = took
		}
	}
	return result, ms, float64(after.TotalAlloc-before.TotalAlloc) / 1e6
}

func (c *cluster) grow(g placement.Growth) {
	var at int
	if _, err := fmt.Sscanf(strings.TrimPrefix(string(g.Tenant), "tenant-"), "%d", &at); err == nil && at < len(c.state.Tenants) {
		c.state.Tenants[at].Shards = g.To
	}
}

// tenantsAsked is over how many tenants the cost of choosing shards is averaged.
const tenantsAsked = 1000

// tenantMicros is how long it takes to choose the shards of a tenant.
func tenantMicros(c *cluster) float64 {
	all := make([]model.ShardID, len(c.state.Shards))
	for i, s := range c.state.Shards {
		all[i] = s.ID
	}
	began := time.Now()
	for i := range tenantsAsked {
		placement.Grow(c.state.Tenants[i].ID, nil, all, 1)
	}
	return float64(time.Since(began)) / float64(time.Microsecond) / tenantsAsked
}

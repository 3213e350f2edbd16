package placement

import (
	"cmp"
	"slices"
	"time"
)

// voterReplaceAfter is how long a voter of the catalogue may be dead before
// another takes its place. It is shorter than for a shard, because the
// catalogue is small and everything waits for it.
const voterReplaceAfter = time.Minute

// Voters picks the nodes that vote in the catalogue: as many as are wanted of 1,
// 3 or 5, fewer if there are fewer nodes, in as many zones as possible. Who
// votes already stays unless the zones speak against it; then those who have
// been alive longest come first. The ids are in order.
func Voters(nodes []Node, want int) []string {
	zones := map[string][]Node{}
	candidates := 0
	for _, n := range nodes {
		if mayVote(n) {
			zones[n.Zone] = append(zones[n.Zone], n)
			candidates++
		}
	}
	if candidates == 0 {
		return nil
	}
	queues := make([][]Node, 0, len(zones))
	for _, queue := range zones {
		slices.SortFunc(queue, func(a, b Node) int {
			return cmp.Or(compareBool(b.Voter, a.Voter), cmp.Compare(b.For, a.For), cmp.Compare(a.ID, b.ID))
		})
		queues = append(queues, queue)
	}
	chosen := make([]string, 0, ReplicasMax)
	for n := odd(min(want, candidates)); len(chosen) < n; {
		// Every round takes one of each zone that has any left: zones with a
		// voter first, then those with the steadiest node.
		slices.SortFunc(queues, func(a, b []Node) int {
			return cmp.Or(compareBool(b[0].Voter, a[0].Voter), cmp.Compare(b[0].For, a[0].For), cmp.Compare(a[0].ID, b[0].ID))
		})
		left := queues[:0]
		for _, queue := range queues {
			if len(chosen) < n {
				chosen = append(chosen, queue[0].ID)
			}
			if len(queue) > 1 {
				left = append(left, queue[1:])
			}
		}
		queues = left
	}
	slices.Sort(chosen)
	return chosen
}

// mayVote reports whether a node can vote. A voter that has just died keeps its
// place for a while.
func mayVote(n Node) bool {
	switch n.State {
	case Alive:
		return n.Voter || n.Capacity <= 0 || float64(n.Used) <= DiskRefuse*float64(n.Capacity)
	case Dead:
		return n.Voter && n.For < voterReplaceAfter
	}
	return false
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

package placement

import "cmp"

// Place returns a node for the first replica of each of n new shards, which are
// empty: one after the other that with the fewest replicas, of equal ones the
// emptiest. Disks that should take nothing get none; nil if there is no other.
func Place(state State, n int) []string {
	type candidate struct {
		id       string
		used     float64
		replicas int
	}
	count := map[string]int{}
	for _, s := range state.Shards {
		for _, r := range s.Replicas {
			count[r.Node]++
		}
	}
	var candidates []candidate
	for _, node := range state.Nodes {
		used := 0.0
		if node.Capacity > 0 {
			used = float64(node.Used) / float64(node.Capacity)
		}
		if node.State == Alive && used <= DiskShedLeaders {
			candidates = append(candidates, candidate{node.ID, used, count[node.ID]})
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	placed := make([]string, n)
	for i := range placed {
		// As many candidates as nodes, and few new shards: no heap is needed.
		at := 0
		for j := range candidates {
			a, b := candidates[j], candidates[at]
			if cmp.Or(cmp.Compare(a.replicas, b.replicas), cmp.Compare(a.used, b.used), cmp.Compare(a.id, b.id)) < 0 {
				at = j
			}
		}
		candidates[at].replicas++
		placed[i] = candidates[at].id
	}
	return placed
}

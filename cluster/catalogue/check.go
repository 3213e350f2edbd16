package catalogue

import "fmt"

// check finds what no sequence of commands makes, so that a state from outside
// can be trusted afterwards.
func (s *State) check() error {
	if s.Cluster == "" {
		if s.Index != 0 || len(s.Nodes)+len(s.Shards)+len(s.Tenants)+len(s.Actions)+len(s.Healing)+s.extended() > 0 || s.Next != 1 {
			return fmt.Errorf("state without a cluster at index %d", s.Index)
		}
		return nil
	}
	if err := first(checkID("cluster id", s.Cluster), s.Settings.check(), s.checkNodes(), s.checkShards()); err != nil {
		return err
	}
	if err := first(s.checkTenants(), s.checkPatterns(), s.checkHistory(), s.checkAccess(), s.checkQueries(), s.checkDeletions(), s.checkAllDocuments()); err != nil {
		return err
	}
	if s.Index == 0 || s.Index > indexMax || s.Settings.Version == 0 || s.Settings.Version > s.Index {
		return fmt.Errorf("settings of index %d at index %d", s.Settings.Version, s.Index)
	}
	if s.bytes > contentMax {
		return fmt.Errorf("state of %d bytes", s.bytes)
	}
	return nil
}

func (s *State) checkNodes() error {
	names, gone := map[string]bool{}, 0
	for id, n := range s.Nodes {
		if err := first(n.check(), n.State.check()); err != nil {
			return err
		}
		if n.ID != id {
			return fmt.Errorf("node %s at the place of %s", n.ID, id)
		}
		if n.State == Gone {
			gone++
			continue
		}
		if names[n.Name] {
			return fmt.Errorf("two nodes have the name %q", n.Name)
		}
		names[n.Name] = true
	}
	if len(names) > NodesMax || gone > GoneMax {
		return fmt.Errorf("%d nodes, %d more that are gone", len(names), gone)
	}
	return nil
}

func (s *State) checkShards() error {
	if len(s.Shards) == 0 || len(s.Shards) > ShardsMax {
		return fmt.Errorf("%d shards", len(s.Shards))
	}
	for number, shard := range s.Shards {
		if shard.Number != number || number >= ShardsMax || shard.Version == 0 || shard.Version > s.Index {
			return fmt.Errorf("shard %d of version %d at the place of %d in a state of index %d", shard.Number, shard.Version, number, s.Index)
		}
		if err := first(checkWanted(shard.Wanted), checkTime("time", shard.Created), checkReplicas(shard.Replicas)); err != nil {
			return fmt.Errorf("shard %d: %w", number, err)
		}
		for _, r := range shard.Replicas {
			if _, ok := s.Nodes[r.Node]; !ok {
				return fmt.Errorf("shard %d has a replica on the unknown node %s", number, r.Node)
			}
		}
	}
	return nil
}

func (s *State) checkTenants() error {
	if len(s.Tenants) > TenantsMax {
		return fmt.Errorf("%d tenants", len(s.Tenants))
	}
	for id, t := range s.Tenants {
		if err := first(id.Validate(), t.check()); err != nil {
			return err
		}
		if len(t.Shards) == 0 && t.Replicas == 0 {
			return fmt.Errorf("tenant %s does not differ from the default", id)
		}
		if t.Announced > s.Index || (t.Announced == 0) != (t.Writes == 0) {
			return fmt.Errorf("shards of tenant %s were announced at index %d", id, t.Announced)
		}
		for _, number := range t.Shards {
			if _, ok := s.Shards[number]; !ok {
				return fmt.Errorf("tenant %s is in the unknown shard %d", id, number)
			}
		}
	}
	return nil
}

func (s *State) checkPatterns() error {
	if len(s.Patterns) > TenantsMax {
		return fmt.Errorf("%d tenants with patterns", len(s.Patterns))
	}
	for id, p := range s.Patterns {
		if err := id.Validate(); err != nil {
			return err
		}
		if len(p.Set) == 0 || len(p.Set) > PatternsMax || p.Version == 0 || p.Version > s.Index {
			return fmt.Errorf("tenant %s has %d bytes of patterns of version %d", id, len(p.Set), p.Version)
		}
	}
	return nil
}

func (s *State) checkHistory() error {
	if len(s.Actions) > ActionsMax || len(s.Healing) > HealingMax {
		return fmt.Errorf("%d actions of %d names", len(s.Actions), len(s.Healing))
	}
	last := uint64(0)
	for _, a := range s.Actions {
		if err := a.check(); err != nil {
			return err
		}
		if a.Number <= last {
			return fmt.Errorf("action %d after %d", a.Number, last)
		}
		last = a.Number
	}
	if s.Next <= last || s.Next > indexMax {
		return fmt.Errorf("next action %d after %d", s.Next, last)
	}
	for name, healing := range s.Healing {
		if err := first(checkLabel("action", name), healing.check()); err != nil {
			return err
		}
	}
	return nil
}

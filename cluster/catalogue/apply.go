package catalogue

import (
	"cmp"
	"maps"
	"slices"

	"github.com/stere-log/stere/model"
)

// Apply returns the state after a command at a place in the log. It is a pure
// function; the receiver stays as it is. An error says why nothing changed.
func (s *State) Apply(index uint64, c Command) (*State, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if s.Cluster == "" && c.kind() != kindInit {
		return nil, refuse(ErrRefused, "there is no cluster yet")
	}
	next := *s
	next.Index = index
	if err := c.apply(&next); err != nil {
		return nil, err
	}
	most := contentMax
	if ofTenant(c) {
		most = ofTenantsMax
	}
	if next.bytes > most && next.bytes > s.bytes {
		return nil, refuse(ErrRefused, "the catalogue would have %d bytes, at most %d are allowed", next.bytes, most)
	}
	return &next, nil
}

// ofTenant reports whether a command adds what a tenant has as much of as it likes.
func ofTenant(c Command) bool {
	switch c := c.(type) {
	case PutKey:
		return c.If == 0
	case PutQuery, SetPatterns, ChangeDocuments:
		return true
	}
	return false
}

func (c Init) check() error {
	if c.Node.State != "" && c.Node.State != Active {
		return refuse(ErrInvalid, "state %q of the first node, want active", shown(string(c.Node.State)))
	}
	if c.Shards < 1 || c.Shards > ShardsMax {
		return refuse(ErrInvalid, "%d shards, want 1 to %d", c.Shards, ShardsMax)
	}
	return first(checkID("cluster id", c.Cluster), c.Node.check(), c.settings().check(), checkTime("time", c.Time))
}

func (c Init) settings() Settings {
	settings, usual := c.Settings, DefaultSettings()
	if settings.Replicas == 0 {
		settings.Replicas = usual.Replicas
	}
	if settings.CatalogueVoters == 0 {
		settings.CatalogueVoters = usual.CatalogueVoters
	}
	return settings
}

func (c Init) apply(s *State) error {
	if s.Cluster != "" {
		return refuse(ErrConflict, "there is a cluster already, %s", s.Cluster)
	}
	s.Cluster, s.Settings = c.Cluster, c.settings()
	s.Settings.Version = s.Index
	node := c.Node
	node.State, node.Since = Active, c.Time
	s.Nodes = map[string]Node{node.ID: node}
	s.Shards = make(map[uint32]Shard, c.Shards)
	for number := range uint32(c.Shards) {
		s.putShard(Shard{Number: number, Created: c.Time, Replicas: []Replica{{Node: node.ID, Role: Voter, Since: c.Time}}})
	}
	return nil
}

// putShard puts a shard into the map, which must be the state's own.
func (s *State) putShard(shard Shard) {
	if old, ok := s.Shards[shard.Number]; ok {
		s.bytes -= old.size()
	}
	shard.Version = s.Index
	s.Shards[shard.Number] = shard
	s.bytes += shard.size()
}

func (c PutNode) check() error { return first(c.Node.check(), checkTime("time", c.Time)) }

func (c PutNode) apply(s *State) error {
	node := c.Node
	node.State, node.Since = Active, c.Time
	known, ok := s.Nodes[node.ID]
	switch {
	case ok && known.State == Gone:
		return refuse(ErrRefused, "node %s (%s) is gone for good; a node that is to come back needs a new id, that is an empty data folder", known.ID, known.Name)
	case ok:
		node.State, node.Since = known.State, known.Since
	}
	present := 0
	for _, other := range s.Nodes {
		if other.State == Gone || other.ID == node.ID {
			continue
		}
		if present++; other.Name == node.Name {
			return refuse(ErrRefused, "node %s has the name %q already", other.ID, other.Name)
		}
	}
	if present >= NodesMax {
		return refuse(ErrRefused, "the cluster has %d nodes, the most there can be", present)
	}
	s.Nodes = maps.Clone(s.Nodes)
	s.Nodes[node.ID] = node
	return nil
}

func (c SetNodeState) check() error {
	return first(checkID("node id", c.ID), c.State.check(), checkTime("time", c.Time))
}

func (c SetNodeState) apply(s *State) error {
	node, ok := s.Nodes[c.ID]
	switch {
	case !ok:
		return refuse(ErrUnknownNode, "%s", c.ID)
	case node.State == c.State:
		return nil
	case node.State == Gone:
		return refuse(ErrRefused, "node %s (%s) is gone for good", node.ID, node.Name)
	case c.State == Gone && !c.Force:
		if on := s.ReplicasOn(node.ID); len(on) > 0 {
			return refuse(ErrRefused, "node %s (%s) has replicas of %d shards; drain it first, or force this", node.ID, node.Name, len(on))
		}
	}
	node.State, node.Since = c.State, c.Time
	s.Nodes = maps.Clone(s.Nodes)
	s.Nodes[node.ID] = node
	if c.State == Gone {
		return s.forgetGone()
	}
	return nil
}

// forgetGone forgets the nodes that went first, where there are too many of
// them and no shard names them.
func (s *State) forgetGone() error {
	var gone []Node
	for _, n := range s.Nodes {
		if n.State == Gone {
			gone = append(gone, n)
		}
	}
	excess := len(gone) - GoneMax
	if excess <= 0 {
		return nil
	}
	named := map[string]bool{}
	for _, shard := range s.Shards {
		for _, r := range shard.Replicas {
			named[r.Node] = true
		}
	}
	slices.SortFunc(gone, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.ID, b.ID)) })
	for _, n := range gone {
		if excess > 0 && !named[n.ID] {
			delete(s.Nodes, n.ID)
			excess--
		}
	}
	if excess > 0 {
		return refuse(ErrRefused, "%d nodes that are gone have replicas that no other node has taken over", GoneMax)
	}
	return nil
}

func (c SetReplicas) check() error {
	return first(checkReplicas(c.Replicas), checkTime("time", c.Time))
}

func (c SetReplicas) apply(s *State) error {
	shard, ok := s.Shards[c.Shard]
	if !ok {
		return refuse(ErrUnknownShard, "%d", c.Shard)
	}
	if c.If != 0 && shard.Version > c.If {
		return refuse(ErrConflict, "shard %d changed at index %d, the plan is of index %d", c.Shard, shard.Version, c.If)
	}
	replicas := slices.Clone(c.Replicas)
	for i := range replicas {
		r := &replicas[i]
		r.Since = c.Time
		before, had := shard.On(r.Node)
		if !had {
			if err := s.takes(r.Node); err != nil {
				return err
			}
			if r.Role != Joining {
				return refuse(ErrRefused, "the replica on node %s is new to shard %d and must be joining first", r.Node, c.Shard)
			}
		} else if before.Role == r.Role {
			r.Since = before.Since
		}
	}
	shard.Replicas = replicas
	s.Shards = maps.Clone(s.Shards)
	s.putShard(shard)
	return nil
}

// takes reports whether a node can get a replica.
func (s *State) takes(id string) error {
	node, ok := s.Nodes[id]
	if !ok {
		return refuse(ErrUnknownNode, "%s", id)
	}
	if node.State == Gone {
		return refuse(ErrRefused, "node %s (%s) is gone and takes no replica", node.ID, node.Name)
	}
	return nil
}

func (c SetWanted) check() error { return first(checkWanted(c.Wanted), checkTime("time", c.Time)) }

func (c SetWanted) apply(s *State) error {
	shard, ok := s.Shards[c.Shard]
	if !ok {
		return refuse(ErrUnknownShard, "%d", c.Shard)
	}
	shard.Wanted = c.Wanted
	s.Shards = maps.Clone(s.Shards)
	s.putShard(shard)
	return nil
}

func (c AddShards) check() error {
	if c.Count < 1 || c.Count > ShardsMax || len(c.Replicas) != c.Count {
		return refuse(ErrInvalid, "%d shards with %d lists of replicas", c.Count, len(c.Replicas))
	}
	for _, replicas := range c.Replicas {
		if err := checkReplicas(voters(replicas, c.Time)); err != nil {
			return err
		}
		for _, r := range replicas {
			if r.Role != "" && r.Role != Voter {
				return refuse(ErrInvalid, "role %q in a new shard, want voter", r.Role)
			}
		}
	}
	return first(checkWanted(c.Wanted), checkTime("time", c.Time))
}

// voters returns the replicas of a new shard.
func voters(replicas []Replica, now int64) []Replica {
	replicas = slices.Clone(replicas)
	for i := range replicas {
		replicas[i].Role, replicas[i].Since = Voter, now
	}
	return replicas
}

func (c AddShards) apply(s *State) error {
	number := uint32(0)
	for n := range s.Shards {
		number = max(number, n+1)
	}
	if c.First != 0 && c.First != number {
		return refuse(ErrConflict, "the next shard is %d, not %d", number, c.First)
	}
	if len(s.Shards)+c.Count > ShardsMax {
		return refuse(ErrRefused, "%d and %d shards, %d are the most there can be", len(s.Shards), c.Count, ShardsMax)
	}
	if c.Time == s.Shards[0].Created {
		c.Time++ // by its time a shard of the beginning is known, see State.KeyShards
	}
	s.Shards = maps.Clone(s.Shards)
	for _, replicas := range c.Replicas {
		for _, r := range replicas {
			if err := s.takes(r.Node); err != nil {
				return err
			}
		}
		s.putShard(Shard{Number: number, Wanted: c.Wanted, Created: c.Time, Replicas: voters(replicas, c.Time)})
		number++
	}
	return nil
}

func (c SetSettings) check() error { return first(c.Settings.check(), checkTime("time", c.Time)) }

func (c SetSettings) apply(s *State) error {
	if c.If != 0 && s.Settings.Version > c.If {
		return refuse(ErrConflict, "the settings changed at index %d, these are made of those at index %d", s.Settings.Version, c.If)
	}
	s.Settings = c.Settings
	s.Settings.Version = s.Index
	s.settleWanted()
	return nil
}

func (c SetTenant) check() error {
	if err := c.ID.Validate(); err != nil {
		return refuse(ErrInvalid, "%v", err)
	}
	switch c.Part {
	case "", TenantReplicas, TenantShards:
	default:
		return refuse(ErrInvalid, "part %.40q of a tenant, want %s or %s", c.Part, TenantReplicas, TenantShards)
	}
	return first(c.Tenant.check(), checkTime("time", c.Time))
}

// whole returns all of a tenant of which a part is changed.
func (c SetTenant) whole(old Tenant) Tenant {
	switch c.Part {
	case TenantReplicas:
		old.Replicas = c.Tenant.Replicas
		return old
	case TenantShards:
		c.Tenant.Replicas = old.Replicas
	}
	return c.Tenant
}

func (c SetTenant) apply(s *State) error {
	if c.Part != "" {
		if err := s.Readable(FormatTenantParts, "changes of a part of a tenant"); err != nil {
			return err
		}
	}
	old, ok := s.Tenants[c.ID]
	c.Tenant = c.whole(old)
	for _, number := range c.Tenant.Shards {
		if _, ok := s.Shards[number]; !ok {
			return refuse(ErrUnknownShard, "%d", number)
		}
	}
	if c.Tenant.Keys != 0 || old.Keys != 0 { // who was given shards keeps them
		if err := first(s.Readable(FormatTenants, "shards that tenants are given"), s.spreads(c.ID, c.Tenant)); err != nil {
			return err
		}
	}
	if c.Part != TenantReplicas {
		if c.Tenant.Announced = 0; c.Tenant.Writes != 0 {
			c.Tenant.Announced = s.Index
		}
	}
	s.Tenants = maps.Clone(s.Tenants)
	if ok {
		s.bytes -= old.size(c.ID)
		delete(s.Tenants, c.ID)
	}
	if len(c.Tenant.Shards) > 0 || c.Tenant.Replicas != 0 {
		if len(s.Tenants) >= TenantsMax {
			return refuse(ErrRefused, "%d tenants differ from the default, the most there can be", len(s.Tenants))
		}
		s.putTenant(c.ID, c.Tenant)
	}
	s.settleWanted()
	return nil
}

// spreads reports whether a tenant may lie so from now on.
func (s *State) spreads(id model.TenantID, t Tenant) error {
	have, writes, keys := s.TenantShards(id), len(s.WriteShards(id)), s.KeyShards(id)
	switch {
	case len(t.Shards) < len(have) || !slices.Equal(t.Shards[:len(have)], have) || !slices.Equal(t.Shards[:t.Keys], keys):
		return refuse(ErrConflict, "tenant %s lies in shards %v and has the keys in the first %d", id, have, len(keys))
	case t.writes(len(t.Shards)) < writes:
		return refuse(ErrConflict, "tenant %s writes to %d shards already", id, writes)
	case t.writes(len(t.Shards)) > len(have):
		return refuse(ErrRefused, "tenant %s would write to shards that were not announced, it has %d", id, len(have))
	}
	return nil
}

func (c SetPatterns) check() error {
	if err := c.Tenant.Validate(); err != nil {
		return refuse(ErrInvalid, "%v", err)
	}
	if len(c.Patterns) > PatternsMax {
		return refuse(ErrInvalid, "%d bytes of patterns, want at most %d", len(c.Patterns), PatternsMax)
	}
	return checkTime("time", c.Time)
}

func (c SetPatterns) apply(s *State) error {
	if err := s.Readable(FormatTenants, "patterns"); err != nil {
		return err
	}
	old, ok := s.Patterns[c.Tenant]
	if c.If != 0 && old.Version > c.If {
		return refuse(ErrConflict, "the patterns of tenant %s changed at index %d, these are learned on index %d", c.Tenant, old.Version, c.If)
	}
	patterns := maps.Clone(s.Patterns)
	if ok {
		s.bytes -= old.size(c.Tenant)
		delete(patterns, c.Tenant)
	}
	if len(c.Patterns) > 0 {
		if len(patterns) >= TenantsMax {
			return refuse(ErrRefused, "%d tenants have patterns, the most there can be", len(patterns))
		}
		if patterns == nil {
			patterns = map[model.TenantID]Patterns{}
		}
		learned := Patterns{Set: c.Patterns, Version: s.Index}
		patterns[c.Tenant] = learned
		s.bytes += learned.size(c.Tenant)
	}
	if len(patterns) == 0 {
		patterns = nil
	}
	s.Patterns = patterns
	return nil
}

// putTenant puts a tenant into the map, which must be the state's own and have
// no such tenant.
func (s *State) putTenant(id model.TenantID, tenant Tenant) {
	if tenant.Shards = slices.Clone(tenant.Shards); len(tenant.Shards) == 0 {
		tenant.Shards = nil
	}
	s.Tenants[id] = tenant
	s.bytes += tenant.size(id)
}

func (c SetHealing) check() error {
	if c.Name == "" {
		return refuse(ErrInvalid, "no name of an action")
	}
	return first(checkLabel("action", c.Name), checkTime("cooldown or time", c.Cooldown, c.Time))
}

func (c SetHealing) apply(s *State) error {
	healing, ok := s.Healing[c.Name]
	if !ok && len(s.Healing) >= HealingMax {
		return refuse(ErrRefused, "%d names of actions, the most there can be", len(s.Healing))
	}
	healing.Enabled, healing.Cooldown = c.Enabled, c.Cooldown
	s.Healing = maps.Clone(s.Healing)
	s.Healing[c.Name] = healing
	return nil
}

func (c PutAction) check() error { return c.Action.check() }

func (c PutAction) apply(s *State) error {
	action, started := c.Action, c.Action.Started != 0
	switch {
	case action.Number > s.Next:
		return refuse(ErrInvalid, "action %d, the next one is %d", action.Number, s.Next)
	case action.Number == 0 || action.Number == s.Next:
		action.Number = s.Next
		s.Next++
		s.Actions = append(slices.Clone(s.Actions), action)
		if len(s.Actions) > ActionsMax {
			oldest := max(0, slices.IndexFunc(s.Actions, Action.ended))
			s.Actions = slices.Delete(s.Actions, oldest, oldest+1)
		}
	default:
		at, ok := slices.BinarySearchFunc(s.Actions, action.Number, func(a Action, number uint64) int { return cmp.Compare(a.Number, number) })
		if !ok {
			return refuse(ErrRefused, "action %d is not in the history any more", action.Number)
		}
		old := s.Actions[at]
		if old == action {
			return nil
		}
		if old.Name != action.Name || old.Target != action.Target || old.DryRun != action.DryRun {
			return refuse(ErrConflict, "action %d is %s of %q", old.Number, old.Name, old.Target)
		}
		if old.ended() {
			return refuse(ErrConflict, "action %d has ended: %s", old.Number, old.Outcome)
		}
		started = started && old.Started == 0
		s.Actions = slices.Clone(s.Actions)
		s.Actions[at] = action
	}
	if started && !action.DryRun {
		s.count(action)
	}
	return nil
}

// count remembers that an action has started. Where there are too many names
// the name has no cooldown.
func (s *State) count(action Action) {
	healing, ok := s.Healing[action.Name]
	if !ok && len(s.Healing) >= HealingMax {
		return
	}
	if !ok {
		healing = s.HealingOf(action.Name)
	}
	healing.LastAt = max(healing.LastAt, action.Started)
	healing.Count++
	s.Healing = maps.Clone(s.Healing)
	s.Healing[action.Name] = healing
}

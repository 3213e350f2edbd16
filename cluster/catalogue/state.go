package catalogue

import (
	"maps"
	"math"
	"slices"

	"github.com/stere-log/stere/model"
)

// State is what the cluster agrees on. It never changes: a command makes a new
// one, which shares with the old one what stayed.
type State struct {
	Index    uint64                    `json:"index"`             // log index of the newest command that changed it
	Cluster  string                    `json:"cluster,omitempty"` // 16 hex digits, "" before Init
	Settings Settings                  `json:"settings"`
	Nodes    map[string]Node           `json:"nodes"` // by id
	Shards   map[uint32]Shard          `json:"shards"`
	Tenants  map[model.TenantID]Tenant `json:"tenants"`           // only those that differ from the default: all shards, Settings.Replicas
	Actions  []Action                  `json:"actions,omitempty"` // what was done by itself or by hand, newest last, at most ActionsMax
	Healing  map[string]Healing        `json:"healing"`           // by action name; absent: on, with the default cooldown
	Next     uint64                    `json:"next"`              // number of the next action

	bytes int // upper bound of the saved form of shards and tenants
}

// Settings are what an operator decides for the whole cluster.
type Settings struct {
	Replicas        int    `json:"replicas"`                  // wanted replicas of a shard: 1, 3 or 5
	ReplicasChosen  bool   `json:"replicas_chosen,omitempty"` // by hand: the number is not raised with that of the nodes
	Paused          bool   `json:"paused,omitempty"`          // no rebalancing
	CatalogueVoters int    `json:"catalogue_voters"`          // how many nodes vote in the catalogue: 1, 3 or 5
	Version         uint64 `json:"version"`                   // index of the last change; set by Apply
}

// DefaultSettings are those of a new cluster of which nothing else is said.
func DefaultSettings() Settings { return Settings{Replicas: 1, CatalogueVoters: 5} }

// NodeState is what the cluster wants of a node.
type NodeState string

// The states of a node.
const (
	Active   NodeState = "active"   // takes replicas
	Draining NodeState = "draining" // everything is to leave it
	Gone     NodeState = "gone"     // will never come back
)

// Node is a member of the cluster.
type Node struct {
	ID      string    `json:"id"` // 16 hex digits
	Name    string    `json:"name"`
	Zone    string    `json:"zone,omitempty"`    // what fails together
	Address string    `json:"address,omitempty"` // host:port of the cluster port
	API     string    `json:"api,omitempty"`     // host:port of the HTTP interface
	State   NodeState `json:"state"`
	Since   int64     `json:"since"` // when the state began, Unix ns; set by Apply
	Formats Formats   `json:"formats,omitzero"`
	Version string    `json:"version,omitempty"` // of the program
}

// Formats is a range of versions of the formats on disk and wire that a node
// reads, both included.
type Formats struct {
	Min uint16 `json:"min"`
	Max uint16 `json:"max"`
}

// Shard is a shard with its replicas as they are to be.
type Shard struct {
	Number   uint32    `json:"number"`
	Wanted   int       `json:"wanted,omitempty"` // replicas: 1, 3 or 5; 0: Settings.Replicas
	Replicas []Replica `json:"replicas"`
	Created  int64     `json:"created"` // Unix ns
	Version  uint64    `json:"version"` // index of the last change
}

// Role is what a replica is to its shard.
type Role string

// The roles of a replica.
const (
	Joining Role = "joining" // a learner that is to become a voter when it is complete
	Voter   Role = "voter"
	Leaving Role = "leaving" // to be removed when the others are complete
)

// Replica is one node's copy of a shard.
type Replica struct {
	Node   string `json:"node"`
	Role   Role   `json:"role"`
	Since  int64  `json:"since"`            // when the role began, Unix ns; set by Apply
	Source string `json:"source,omitempty"` // id of the node it fetches from first
	// Successor, of a leaving one, is the node whose replica takes its place: it
	// goes when that one votes. "": it is one too many.
	Successor string `json:"successor,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// Tenant is a tenant that differs from the default.
type Tenant struct {
	Shards   []uint32 `json:"shards,omitempty"`   // none: all
	Replicas int      `json:"replicas,omitempty"` // 1, 3 or 5; 0: Settings.Replicas
}

// What has become of an action.
const (
	ActionPlanned   = "planned"
	ActionRunning   = "running"
	ActionDone      = "done"
	ActionFailed    = "failed"
	ActionCancelled = "cancelled"
)

// Action is something that was done, is being done or is to be done, by the
// cluster itself or by hand. Times are Unix ns, 0 for what has not happened.
type Action struct {
	Number  uint64 `json:"number"`
	Name    string `json:"name"`             // what kind, the key of State.Healing
	Target  string `json:"target,omitempty"` // to what it is done
	Reason  string `json:"reason,omitempty"`
	By      string `json:"by,omitempty"` // who wanted it
	Planned int64  `json:"planned,omitempty"`
	Started int64  `json:"started,omitempty"`
	Ended   int64  `json:"ended,omitempty"`
	Outcome string `json:"outcome"` // planned, running, done, failed, cancelled
	Detail  string `json:"detail,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
}

func (a Action) ended() bool { return a.Outcome != ActionPlanned && a.Outcome != ActionRunning }

// Healing is whether actions of a name are taken, and when one was last.
type Healing struct {
	Enabled  bool   `json:"enabled"`
	Cooldown int64  `json:"cooldown,omitempty"` // ns between two; 0: the default of the action
	LastAt   int64  `json:"last_at,omitempty"`  // when one last started, Unix ns; set by Apply
	Count    uint64 `json:"count,omitempty"`    // how many have started; set by Apply
}

// newState returns the state before the first command.
func newState() *State {
	return &State{
		Nodes: map[string]Node{}, Shards: map[uint32]Shard{}, Tenants: map[model.TenantID]Tenant{},
		Healing: map[string]Healing{}, Next: 1,
	}
}

// Numbers returns the numbers of all shards, ascending.
func (s *State) Numbers() []uint32 { return slices.Sorted(maps.Keys(s.Shards)) }

// Wanted returns how many replicas a shard is to have.
func (s *State) Wanted(shard Shard) int {
	if shard.Wanted != 0 {
		return shard.Wanted
	}
	return s.Settings.Replicas
}

// TenantShards returns the numbers of the shards that take a tenant's records.
func (s *State) TenantShards(id model.TenantID) []uint32 {
	if t := s.Tenants[id]; len(t.Shards) > 0 {
		return slices.Clone(t.Shards)
	}
	return s.Numbers()
}

// KeyShards returns the numbers of the shards that take a tenant's records which
// come with an idempotency key: those that the cluster began with, of a tenant
// that is kept to some the first. Where a key belongs follows from these, so that
// they must be the same for ever, and on a node that has not heard the newest:
// a repeat that went elsewhere would be stored twice. Shards that are added, and
// shards that a tenant is given, take what has no key.
func (s *State) KeyShards(id model.TenantID) []uint32 {
	if t := s.Tenants[id]; len(t.Shards) > 0 {
		return t.Shards[:1:1] // the others are behind it, and come later
	}
	first := s.Shards[0].Created // no other shard has the time of these, see AddShards
	numbers := make([]uint32, 0, len(s.Shards))
	for number, shard := range s.Shards {
		if shard.Created == first {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// ReplicasOn returns the numbers of the shards that have a replica on a node,
// ascending.
func (s *State) ReplicasOn(node string) []uint32 {
	var numbers []uint32
	for number, shard := range s.Shards {
		if _, ok := shard.On(node); ok {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// Resolve returns the address of a node's cluster port, not that of a node
// that is gone.
func (s *State) Resolve(node string) (address string, ok bool) {
	n := s.Nodes[node]
	return n.Address, n.Address != "" && n.State != Gone
}

// Format returns the newest version of the formats on disk and wire that all
// nodes read that are not gone: what is written must not be newer.
func (s *State) Format() uint16 {
	format, any := uint16(math.MaxUint16), false
	for _, n := range s.Nodes {
		if n.State != Gone {
			format, any = min(format, n.Formats.Max), true
		}
	}
	if !any {
		return 0
	}
	return format
}

// HealingOf returns whether actions of a name are taken, also if nothing was
// said of it.
func (s *State) HealingOf(name string) Healing {
	if h, ok := s.Healing[name]; ok {
		return h
	}
	return Healing{Enabled: true}
}

// On returns the replica that the shard has on a node.
func (s Shard) On(node string) (Replica, bool) {
	for _, r := range s.Replicas {
		if r.Node == node {
			return r, true
		}
	}
	return Replica{}, false
}

// size bounds the saved form of the shard: figures and names in full length,
// and every byte of a text as two, which is what JSON may make of it.
func (s Shard) size() int {
	n := 160
	for _, r := range s.Replicas {
		n += 192 + 2*len(r.Reason)
	}
	return n
}

func (t Tenant) size(id model.TenantID) int { return 64 + len(id) + 11*len(t.Shards) }

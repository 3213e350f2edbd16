package catalogue

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/model/erasure"
)

// State is what the cluster agrees on. It never changes: a command makes a new
// one, which shares with the old one what stayed.
type State struct {
	Index    uint64                    `json:"index"`             // log index of the newest command that changed it
	Cluster  string                    `json:"cluster,omitempty"` // 16 hex digits, "" before Init
	Settings Settings                  `json:"settings"`
	Nodes    map[string]Node           `json:"nodes"` // by id
	Shards   map[uint32]Shard          `json:"shards"`
	Tenants  map[model.TenantID]Tenant `json:"tenants"` // only those that differ from the default: the shards of the beginning, Settings.Replicas
	// Patterns are what was learned of tenants' messages.
	Patterns map[model.TenantID]Patterns `json:"patterns,omitempty"`
	Actions  []Action                    `json:"actions,omitempty"` // what was done by itself or by hand, newest last, at most ActionsMax
	Healing  map[string]Healing          `json:"healing"`           // by action name; absent: on, with the default cooldown
	Next     uint64                      `json:"next"`              // number of the next action

	Keys     map[string]access.Key             `json:"keys,omitempty"`     // by id; also revoked and expired ones
	Accounts map[model.TenantID]access.Account `json:"accounts,omitempty"` // of tenants with which something is agreed
	Domains  map[string]access.Domain          `json:"domains,omitempty"`  // by host name
	// Queries are those that were saved, by name; nil if there are none.
	Queries map[model.TenantID]map[string]SavedQuery `json:"queries,omitempty"`

	Deletions    map[uint64]erasure.Deletion          `json:"deletions,omitempty"`     // by number; open ones, and the newest that have ended
	NextDeletion uint64                               `json:"next_deletion,omitempty"` // the highest number that was given
	Holds        map[string]erasure.Hold              `json:"holds,omitempty"`         // by id
	Retention    map[model.TenantID]erasure.Retention `json:"retention,omitempty"`     // of tenants whose records are not kept for ever

	Documents map[string]map[model.TenantID]Documents `json:"documents,omitempty"` // by kind

	bytes  int            // upper bound of the saved form of shards, tenants and all that tenants have
	wanted map[uint32]int // replicas of shards that tenants want to have another number of than Settings; nil if there are none
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

// Format is the version of the formats that this program reads. Since 3 a tenant
// can be given shards beyond those that it began with, and has the fields for it,
// and there are patterns, keys, accounts, domains and saved queries. Since 4 there
// are deletions, legal holds and rules of retention, here and in the logs of shards:
// a replica that does not read a deletion would leave it out. Since 5 there are
// documents, here only. Since 6 a command changes a part of a tenant, blocks have version 3 and
// segments version 5, rules have the condition node, and patterns names of several words.
// Since 7 segments have version 6, since 8 version 7, and patterns reasons.
const Format = 8

// The first formats that have something.
const (
	FormatTenants     = 3
	FormatDeletions   = 4
	FormatDocuments   = 5
	FormatTenantParts = 6
	FormatBlocks      = 6 // of version 3; segments of version 5
	FormatNodeRules   = 6
	FormatWideSets    = 6 // of patterns, of version 2
	FormatRareLevels  = 7 // segments of version 6
	FormatPieces      = 8 // segments of version 7
	FormatReasons     = 8 // in patterns: sets of version 3
)

// Tenant is a tenant that differs from the default.
type Tenant struct {
	// Shards may have its records, in the order in which it was given them. None:
	// those that the cluster began with.
	Shards []uint32 `json:"shards,omitempty"`
	// Replicas is how many it wants at least: 1, 3 or 5; 0: Settings.Replicas.
	Replicas int `json:"replicas,omitempty"`
	// Writes is how many of the first shards take its records, 0: all of them. The
	// others are announced: they are asked already, and written to when every
	// node asks them.
	Writes int `json:"writes,omitempty"`
	// Keys is how many of the first shards take records that come with an
	// idempotency key. 0: one.
	Keys int `json:"keys,omitempty"`
	// Announced is the index of the command that announced shards, 0 if there are
	// none to be written to; set by Apply.
	Announced uint64 `json:"announced,omitempty"`
}

// Patterns are what was learned of a tenant's messages: bytes that package pattern
// reads.
type Patterns struct {
	Set     []byte `json:"set"`
	Version uint64 `json:"version"` // index of the last change; set by Apply
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
		Keys: map[string]access.Key{}, Accounts: map[model.TenantID]access.Account{}, Domains: map[string]access.Domain{},
	}
}

// Numbers returns the numbers of all shards, ascending.
func (s *State) Numbers() []uint32 { return slices.Sorted(maps.Keys(s.Shards)) }

// Wanted returns how many replicas a shard is to have: as many as the tenant
// wants that wants most of those whose records it may have.
func (s *State) Wanted(shard Shard) int {
	if shard.Wanted != 0 {
		return shard.Wanted
	}
	return cmp.Or(s.wanted[shard.Number], s.Settings.Replicas)
}

// settleWanted finds out which shards are to have another number of replicas
// than most. Those that the cluster began with are of every tenant that nothing
// is said of, others of those alone that were given them.
func (s *State) settleWanted() {
	s.wanted = nil
	if s.ownReplicas() == 0 {
		return
	}
	s.wanted = map[uint32]int{}
	first := s.firstShards()
	for _, number := range first {
		s.wanted[number] = s.Settings.Replicas
	}
	for _, t := range s.Tenants {
		shards := t.Shards
		if len(shards) == 0 {
			shards = first
		}
		for _, number := range shards {
			s.wanted[number] = max(s.wanted[number], cmp.Or(t.Replicas, s.Settings.Replicas))
		}
	}
	maps.DeleteFunc(s.wanted, func(_ uint32, n int) bool { return n == s.Settings.Replicas })
	if len(s.wanted) == 0 {
		s.wanted = nil
	}
}

// ownReplicas counts the tenants that want a number of replicas of their own.
func (s *State) ownReplicas() (n int) {
	for _, t := range s.Tenants {
		if t.Replicas != 0 {
			n++
		}
	}
	return n
}

// TenantShards returns the numbers of the shards that may have a tenant's records.
func (s *State) TenantShards(id model.TenantID) []uint32 {
	if t := s.Tenants[id]; len(t.Shards) > 0 {
		return slices.Clone(t.Shards)
	}
	return s.firstShards()
}

// WriteShards returns the numbers of the shards that take a tenant's records:
// the first of TenantShards, or all of them.
func (s *State) WriteShards(id model.TenantID) []uint32 {
	shards := s.TenantShards(id)
	return shards[:s.Tenants[id].writes(len(shards))]
}

// KeyShards returns the numbers of the shards that take a tenant's records which
// come with an idempotency key: those that it began with. Where a key belongs
// follows from these, so that they must be the same for ever, and on a node that
// has not heard the newest: a repeat that went elsewhere would be stored twice.
// Shards that a tenant is given take what has no key.
func (s *State) KeyShards(id model.TenantID) []uint32 {
	t := s.Spread(id)
	return t.Shards[:t.Keys:t.Keys]
}

// Spread returns how a tenant lies, also one that does not differ from the
// default.
func (s *State) Spread(id model.TenantID) Tenant {
	t := s.Tenants[id]
	if len(t.Shards) == 0 {
		t.Shards = s.firstShards()
		t.Keys = len(t.Shards)
	}
	t.Keys = min(max(t.Keys, 1), len(t.Shards))
	return t
}

// writes is how many of so many shards take records.
func (t Tenant) writes(shards int) int {
	if t.Writes == 0 {
		return shards
	}
	return t.Writes
}

// firstShards returns the numbers of the shards that the cluster began with.
func (s *State) firstShards() []uint32 {
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

// size bounds the saved form: base64 takes four bytes for three.
func (p Patterns) size(id model.TenantID) int { return 96 + len(id) + (len(p.Set)+2)/3*4 }

func (t Tenant) size(id model.TenantID) int {
	n := 64 + len(id) + 11*len(t.Shards)
	if t.Keys != 0 {
		n += 64
	}
	return n
}

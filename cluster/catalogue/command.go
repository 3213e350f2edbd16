package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/stere-log/stere/model"
)

// Command is one change of the catalogue: one of the structs below, or of those of
// access.go, queries.go, deletions.go and documents.go. A Time of
// 0 is the clock of the node that proposes.
type Command interface {
	kind() byte
	// stamped returns the command with its time.
	stamped(now int64) Command
	// check finds what can be wrong with it in any state.
	check() error
	// apply changes a copy of the state; what it shares with the original it
	// must replace, not change.
	apply(s *State) error
}

// Init begins a cluster with one node, active, and so many shards that it is
// the only voter of. Zero Settings are DefaultSettings. It is refused if there
// is a cluster already.
type Init struct {
	Cluster  string   `json:"cluster"`
	Node     Node     `json:"node"`
	Shards   int      `json:"shards"`
	Settings Settings `json:"settings"`
	Time     int64    `json:"time"`
}

// PutNode makes a node a member, active, or changes what is known of it; its
// state stays. A name that another node has is refused, and a node that is gone.
type PutNode struct {
	Node Node  `json:"node"`
	Time int64 `json:"time"`
}

// SetNodeState makes a node drain, or active again, or gone: for good, and only
// if no shard names it, or with Force. What it held then counts as lost and
// stays named until other replicas have taken the place.
type SetNodeState struct {
	ID    string    `json:"id"`
	State NodeState `json:"state"`
	Force bool      `json:"force,omitempty"`
	Time  int64     `json:"time"`
}

// SetReplicas says which replicas a shard is to have. There are never two on a
// node; one stays and one is complete; a replica on a node that had none begins
// as Joining, on a node that is known and not gone. Only a leaving one has a
// successor.
type SetReplicas struct {
	Shard    uint32    `json:"shard"`
	If       uint64    `json:"if,omitempty"` // State.Index or Shard.Version it was planned on: a later change of the shard is a conflict; 0: any
	Replicas []Replica `json:"replicas"`
	Time     int64     `json:"time"`
}

// SetWanted says how many replicas a shard is wanted to have: 1, 3 or 5, or 0
// for Settings.Replicas.
type SetWanted struct {
	Shard  uint32 `json:"shard"`
	Wanted int    `json:"wanted"`
	Time   int64  `json:"time"`
}

// AddShards makes so many new shards, with the numbers after the highest there
// is. Each has its own replicas, all of them voters; an empty role is Voter.
type AddShards struct {
	Count    int         `json:"count"`
	Replicas [][]Replica `json:"replicas"`         // of each new shard
	Wanted   int         `json:"wanted,omitempty"` // of each; 0: Settings.Replicas
	First    uint32      `json:"first,omitempty"`  // number of the first, else a conflict; 0: any
	Time     int64       `json:"time"`
}

// SetSettings replaces the settings.
type SetSettings struct {
	Settings Settings `json:"settings"`
	If       uint64   `json:"if,omitempty"` // State.Index or Settings.Version it was made of; 0: any
	Time     int64    `json:"time"`
}

// SetTenant says how a tenant differs from the default; the zero Tenant does
// not. With Keys it gives the tenant shards: those it has stay, at their places;
// none is written to that was not announced before, and none that was is not.
//
// Two nodes may change a tenant at the same moment, one its shards and one its
// replicas: with a Part the rest stays as it is when the command is applied, not as
// it was when the command was made.
type SetTenant struct {
	ID     model.TenantID `json:"id"`
	Tenant Tenant         `json:"tenant"`
	Part   TenantPart     `json:"part,omitempty"` // that is changed; "": all, from before FormatTenantParts
	Time   int64          `json:"time"`
}

// TenantPart is what of a tenant a command changes.
type TenantPart string

// The parts of a tenant.
const (
	TenantReplicas TenantPart = "replicas" // Tenant.Replicas
	TenantShards   TenantPart = "shards"   // all others
)

// PartOf returns the part if every node knows parts, else all of the tenant: a node
// that does not could not apply the command.
func (s *State) PartOf(part TenantPart) TenantPart {
	if s.Format() < FormatTenantParts {
		return ""
	}
	return part
}

// SetHealing switches actions of a name on or off. When they were last taken
// stays.
type SetHealing struct {
	Name     string `json:"name"`
	Enabled  bool   `json:"enabled"`
	Cooldown int64  `json:"cooldown,omitempty"` // ns; 0: the default of the action
	Time     int64  `json:"time"`
}

// SetPatterns says what was learned of a tenant's messages, in a form that the
// catalogue does not look into; none forgets it.
type SetPatterns struct {
	Tenant   model.TenantID `json:"tenant"`
	Patterns []byte         `json:"patterns,omitempty"`
	If       uint64         `json:"if,omitempty"` // State.Index or Patterns.Version it was learned on; 0: any
	Time     int64          `json:"time"`
}

// PutAction writes to the history. Number 0 makes a new action, which is the
// last one of the state that Propose returns; State.Next does the same and can
// be repeated. A lower one changes an action that has not ended, whose name and
// target stay. When an action that is no dry run starts, its Healing counts it.
type PutAction struct {
	Action Action `json:"action"`
}

const commandVersion = 1

// The kinds of commands on disk and wire.
const (
	kindInit byte = iota + 1
	kindPutNode
	kindSetNodeState
	kindSetReplicas
	kindSetWanted
	kindAddShards
	kindSetSettings
	kindSetTenant
	kindSetHealing
	kindPutAction
	kindSetPatterns
	kindPutKey
	kindNoteUses
	kindPutAccount
	kindPutDomain
	kindDropDomain
)

func (Init) kind() byte         { return kindInit }
func (PutNode) kind() byte      { return kindPutNode }
func (SetNodeState) kind() byte { return kindSetNodeState }
func (SetReplicas) kind() byte  { return kindSetReplicas }
func (SetWanted) kind() byte    { return kindSetWanted }
func (AddShards) kind() byte    { return kindAddShards }
func (SetSettings) kind() byte  { return kindSetSettings }
func (SetTenant) kind() byte    { return kindSetTenant }
func (SetHealing) kind() byte   { return kindSetHealing }
func (PutAction) kind() byte    { return kindPutAction }
func (SetPatterns) kind() byte  { return kindSetPatterns }

func stamp(at *int64, now int64) {
	if *at == 0 {
		*at = now
	}
}

func (c Init) stamped(now int64) Command         { stamp(&c.Time, now); return c }
func (c PutNode) stamped(now int64) Command      { stamp(&c.Time, now); return c }
func (c SetNodeState) stamped(now int64) Command { stamp(&c.Time, now); return c }
func (c SetReplicas) stamped(now int64) Command  { stamp(&c.Time, now); return c }
func (c SetWanted) stamped(now int64) Command    { stamp(&c.Time, now); return c }
func (c AddShards) stamped(now int64) Command    { stamp(&c.Time, now); return c }
func (c SetSettings) stamped(now int64) Command  { stamp(&c.Time, now); return c }
func (c SetTenant) stamped(now int64) Command    { stamp(&c.Time, now); return c }
func (c SetHealing) stamped(now int64) Command   { stamp(&c.Time, now); return c }
func (c SetPatterns) stamped(now int64) Command  { stamp(&c.Time, now); return c }
func (c PutAction) stamped(int64) Command        { return c }

// Encode returns the command as it stands in the log: version, kind, JSON.
func Encode(c Command) []byte {
	body, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", c, err)) // no value of these types does that
	}
	return append([]byte{commandVersion, c.kind()}, body...)
}

// Decode is the inverse of Encode. What it does not know is ErrCommand.
func Decode(b []byte) (Command, error) {
	if len(b) < 2 || len(b) > CommandMax {
		return nil, refuse(ErrCommand, "%d bytes, want 2 to %d", len(b), CommandMax)
	}
	if b[0] != commandVersion {
		return nil, refuse(ErrCommand, "version %d", b[0])
	}
	body := b[2:]
	switch b[1] {
	case kindInit:
		return decodeAs[Init](body)
	case kindPutNode:
		return decodeAs[PutNode](body)
	case kindSetNodeState:
		return decodeAs[SetNodeState](body)
	case kindSetReplicas:
		return decodeAs[SetReplicas](body)
	case kindSetWanted:
		return decodeAs[SetWanted](body)
	case kindAddShards:
		return decodeAs[AddShards](body)
	case kindSetSettings:
		return decodeAs[SetSettings](body)
	case kindSetTenant:
		return decodeAs[SetTenant](body)
	case kindSetHealing:
		return decodeAs[SetHealing](body)
	case kindPutAction:
		return decodeAs[PutAction](body)
	case kindSetPatterns:
		return decodeAs[SetPatterns](body)
	case kindPutKey:
		return decodeAs[PutKey](body)
	case kindNoteUses:
		return decodeAs[NoteUses](body)
	case kindPutAccount:
		return decodeAs[PutAccount](body)
	case kindPutDomain:
		return decodeAs[PutDomain](body)
	case kindDropDomain:
		return decodeAs[DropDomain](body)
	case kindPutQuery:
		return decodeAs[PutQuery](body)
	case kindDropQuery:
		return decodeAs[DropQuery](body)
	case kindChangeDocuments:
		return decodeAs[ChangeDocuments](body)
	}
	return decodeDeletions(b[1], body)
}

// decodeAs refuses what it does not know: left aside, it would be applied
// differently by nodes of different versions.
func decodeAs[C Command](body []byte) (Command, error) {
	var c C
	if err := decodeStrictly(body, &c); err != nil {
		return nil, fmt.Errorf("%w: %T: %w", ErrCommand, c, err)
	}
	return c, nil
}

func decodeStrictly(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("bytes after the end")
	}
	return nil
}

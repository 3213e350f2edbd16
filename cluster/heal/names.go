package heal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
)

// The names of what the cluster does by itself: the keys of
// catalogue.State.Healing.
const (
	ReplaceReplica = "replace-replica"
	AddReplica     = "add-replica"
	RemoveReplica  = "remove-replica"
	MoveReplica    = "move-replica"
	DrainNode      = "drain-node"
	RelieveDisk    = "relieve-disk"
	TransferLeader = "transfer-leader"
	RaiseReplicas  = "raise-replicas"
	RepairReplica  = "repair-replica"
	RebuildReplica = "rebuild-replica"
	SpreadTenant   = "spread-tenant"
	CatalogueVoter = "catalogue-voter"
)

// The names of maintenance, which is done to one node, only by hand.
const (
	FlushNode        = "flush"
	DropCache        = "drop-cache"
	RestartComponent = "restart-component"
)

// The names of what is only done by hand.
const (
	UndrainNode = "undrain-node"
	RemoveNode  = "remove-node"
	SetReplicas = "set-replicas"
	AddShards   = "add-shards"
	Pause       = "pause"
	Resume      = "resume"
	Toggle      = "toggle"
)

// All is the name under which everything is switched off at once.
const All = "all"

// Itself is the author of what nobody asked for.
const Itself = "stere"

// Kind describes the actions of one name.
type Kind struct {
	Name     string        `json:"name"`
	About    string        `json:"about"`
	Cooldown time.Duration `json:"cooldown"` // between two starts, if nothing else is said
	// Maintenance: it is done to one node, only by hand, and then only if it is switched on
	// and has cooled down.
	Maintenance bool `json:"maintenance,omitempty"`
}

// Kinds are the actions that the cluster takes by itself, and maintenance, in the order
// in which they are shown.
func Kinds() []Kind {
	return []Kind{
		{ReplaceReplica, "make a lost replica anew on another node", 0, false},
		{AddReplica, "make one replica more of a shard that has too few", 0, false},
		{RemoveReplica, "remove a replica that is one too many", 0, false},
		{RepairReplica, "fetch damaged or missing segments of a replica from another", 0, false},
		{RebuildReplica, "discard a replica whose log is damaged, so that it is made anew", 0, false},
		{DrainNode, "move what a draining node holds", 0, false},
		{RelieveDisk, "move replicas and leaders off a disk that is too full", 10 * time.Second, false},
		{MoveReplica, "move a replica for the sake of zones or balance", 2 * time.Second, false},
		{TransferLeader, "let another replica lead, so that nodes lead as many shards", 5 * time.Second, false},
		{RaiseReplicas, "want three replicas once there are three nodes and nobody chose a number", time.Minute, false},
		{SpreadTenant, "let a tenant that has grown write to more shards", time.Minute, false},
		{CatalogueVoter, "choose the nodes that vote in the catalogue", 5 * time.Second, false},
		{FlushNode, "seal what a node's shards have in memory, and merge what can be merged", 10 * time.Second, true},
		{DropCache, "let a node forget what it keeps decoded, and give the memory back", 10 * time.Second, true},
		{RestartComponent, "close a replica of a shard on a node and open it anew from its disk", 30 * time.Second, true},
	}
}

// IsMaintenance reports whether a name is that of maintenance.
func IsMaintenance(name string) bool {
	return slices.ContainsFunc(Kinds(), func(k Kind) bool { return k.Maintenance && k.Name == name })
}

func isKind(name string) bool {
	return slices.ContainsFunc(Kinds(), func(k Kind) bool { return k.Name == name })
}

// nameOf is the name of the action that a move is.
func nameOf(m placement.Move) string {
	switch {
	case m.Priority == placement.Disk:
		return RelieveDisk
	case m.Priority == placement.Drain:
		return DrainNode
	}
	switch m.Kind {
	case placement.AddReplica:
		return AddReplica
	case placement.ReplaceReplica:
		return ReplaceReplica
	case placement.RemoveReplica:
		return RemoveReplica
	case placement.TransferLeadership:
		return TransferLeader
	}
	return MoveReplica
}

// target is what an action is done to, as its text in the history says.
type target struct {
	what     string // see the constants
	shard    uint32
	from, to string // nodes
}

// What the words of a target begin with.
const (
	targetShard   = "shard"
	targetLeader  = "leader of shard"
	targetReplica = "replica of shard"
	targetNode    = "node"
	targetTenant  = "tenant"
	targetCluster = "cluster"
)

// targetOf is the target of a move.
func targetOf(m placement.Move) target {
	t := target{what: targetShard, shard: uint32(m.Shard), from: m.From, to: m.To}
	if m.Kind == placement.TransferLeadership {
		t.what = targetLeader
	}
	return t
}

func nodeTarget(id string) string { return targetNode + " " + id }

// String writes "shard 3 from <node> to <node>", without what there is not;
// "replica of shard 3 on <node>".
func (t target) String() string {
	text := t.what + " " + strconv.FormatUint(uint64(t.shard), 10)
	switch {
	case t.what == targetNode:
		return nodeTarget(t.to)
	case t.what == targetReplica:
		return text + " on " + t.to
	}
	if t.from != "" {
		text += " from " + t.from
	}
	if t.to != "" {
		text += " to " + t.to
	}
	return text
}

// PlacesOf returns the shard and the nodes that the target of an action names.
func PlacesOf(text string) (places Places, ok bool) {
	t, ok := parseTarget(text)
	if !ok || t.what == targetNode {
		return Places{}, false
	}
	return Places{t.shard, t.from, t.to}, true
}

// parseTarget is the inverse of String; false for what is neither about a shard
// nor about a node.
func parseTarget(text string) (target, bool) {
	for _, what := range []string{targetShard, targetLeader, targetReplica, targetNode} {
		rest, ok := strings.CutPrefix(text, what+" ")
		if !ok {
			continue
		}
		words := strings.Fields(rest)
		if len(words) == 0 {
			return target{}, false
		}
		if what == targetNode {
			return target{what: what, to: strings.TrimSuffix(words[0], ":")}, true
		}
		number, err := strconv.ParseUint(words[0], 10, 32)
		if err != nil {
			return target{}, false
		}
		t := target{what: what, shard: uint32(number)}
		for i := 1; i+1 < len(words); i += 2 {
			switch words[i] {
			case "from":
				t.from = words[i+1]
			case "to", "on":
				t.to = words[i+1]
			}
		}
		return t, true
	}
	return target{}, false
}

// clean makes a text one that the catalogue takes.
func clean(format string, args ...any) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, fmt.Sprintf(format, args...))
	if len(text) > catalogue.TextMax {
		text = text[:catalogue.TextMax]
	}
	return strings.ToValidUTF8(text, "")
}

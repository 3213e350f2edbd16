package catalogue

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stere-log/stere/raft"
)

// Limits that are not for tuning.
const (
	// Group is the number of the catalogue's Raft group; shards have lower ones.
	Group = 0xFFFFFFF0
	// CommandMax is the largest encoded command in bytes.
	CommandMax = 1 << 20
	// SavedMax is the largest saved state in bytes.
	SavedMax = raft.SnapshotMax
	// NodesMax is the largest number of nodes that are not gone, and GoneMax of
	// those that are and are remembered; the oldest that no shard names go first.
	NodesMax = 4096
	GoneMax  = 1024
	// ShardsMax is the largest number of shards.
	ShardsMax = 65536
	// ReplicasMax is the largest number of replicas of a shard: five, and five
	// that are to take their places.
	ReplicasMax = 10
	// TenantsMax is the largest number of tenants that differ from the default,
	// and TenantShardsMax that of shards such a one may name.
	TenantsMax      = 65536
	TenantShardsMax = 4096
	// PatternsMax is how many bytes of patterns a tenant has at most.
	PatternsMax = 700 << 10
	// KeysMax is the largest number of keys, KeysOfTenantMax of those of one tenant,
	// DomainsMax that of domains; UsesMax is of how many keys one command tells the
	// use.
	KeysMax         = 32768
	KeysOfTenantMax = 1024
	DomainsMax      = 65536
	UsesMax         = 4096
	// ActionsMax is how many actions are remembered.
	ActionsMax = 1000
	// HealingMax is the largest number of action names.
	HealingMax = 64
	// NameMax is the longest name of a node, a zone or an action in bytes, and
	// of a version.
	NameMax = 64
	// TextMax is the longest reason, detail, target or author in bytes.
	TextMax = 512

	hostMax    = 253     // bytes of a host name
	indexMax   = 1 << 62 // of the log and of actions: no cluster lives so long
	idLength   = 16
	contentMax = SavedMax / 4 * 3 // of what State.bytes counts; the rest is for all else
	// ofTenantsMax is up to where keys, queries, patterns and documents of tenants may be added:
	// beyond it there is room for what the cluster needs to move shards, and to stop a
	// tenant.
	ofTenantsMax = contentMax / 4 * 3
)

// ValidID reports whether a text is the id of a node or a cluster: 16 hex
// digits in lower case.
func ValidID(id string) bool {
	return len(id) == idLength && consistsOf(id, "0123456789abcdef")
}

// ValidName reports whether a text can be the name of a node: 1 to NameMax
// bytes of a-z, 0-9, '.' and '-'.
func ValidName(name string) bool {
	return name != "" && len(name) <= NameMax && consistsOf(name, nameBytes)
}

const nameBytes = "abcdefghijklmnopqrstuvwxyz0123456789.-"

func consistsOf(text, bytes string) bool {
	for i := range len(text) {
		if strings.IndexByte(bytes, text[i]) < 0 {
			return false
		}
	}
	return true
}

func checkID(what, id string) error {
	if !ValidID(id) {
		return refuse(ErrInvalid, "%s %q, want 16 hex digits", what, shown(id))
	}
	return nil
}

// checkLabel checks a zone or the name of an action.
func checkLabel(what, label string) error {
	if len(label) > NameMax || !consistsOf(label, nameBytes+"_") {
		return refuse(ErrInvalid, "%s %q, want at most %d of a-z, 0-9, '.', '_' and '-'", what, shown(label), NameMax)
	}
	return nil
}

func checkText(what, text string, most int) error {
	if len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return refuse(ErrInvalid, "%s %q, want at most %d bytes without control characters", what, shown(text), most)
	}
	return nil
}

// checkAddress checks a host:port; there may be none.
func checkAddress(what, address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return refuse(ErrInvalid, "%s %q: %v", what, shown(address), err)
	}
	const hostBytes = nameBytes + "ABCDEFGHIJKLMNOPQRSTUVWXYZ_:%"
	if host == "" || len(host) > hostMax || !consistsOf(host, hostBytes) {
		return refuse(ErrInvalid, "%s %q has no usable host", what, shown(address))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' || port[0] == '+' {
		return refuse(ErrInvalid, "%s %q has no usable port", what, shown(address))
	}
	return nil
}

// checkFactor checks a number of replicas or voters.
func checkFactor(what string, n int) error {
	if n != 1 && n != 3 && n != 5 {
		return refuse(ErrInvalid, "%s is %d, want 1, 3 or 5", what, n)
	}
	return nil
}

func checkTime(what string, times ...int64) error {
	for _, t := range times {
		if t < 0 {
			return refuse(ErrInvalid, "%s %d is before 1970", what, t)
		}
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// shown cuts what was sent to what a message may repeat of it.
func shown(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", text[:most], len(text))
}

func (n Node) check() error {
	if !ValidName(n.Name) {
		return refuse(ErrInvalid, "name %q, want 1 to %d of a-z, 0-9, '.' and '-'", shown(n.Name), NameMax)
	}
	if n.Formats.Min > n.Formats.Max {
		return refuse(ErrInvalid, "formats %d to %d", n.Formats.Min, n.Formats.Max)
	}
	return first(
		checkID("node id", n.ID), checkLabel("zone", n.Zone), checkAddress("address", n.Address),
		checkAddress("API address", n.API), checkText("version", n.Version, NameMax), checkTime("time", n.Since),
	)
}

func (s NodeState) check() error {
	switch s {
	case Active, Draining, Gone:
		return nil
	}
	return refuse(ErrInvalid, "state %q of a node, want active, draining or gone", shown(string(s)))
}

func (s Settings) check() error {
	return first(checkFactor("number of replicas", s.Replicas), checkFactor("number of voters", s.CatalogueVoters))
}

// checkReplicas checks what holds of the replicas of any shard.
func checkReplicas(replicas []Replica) error {
	if len(replicas) == 0 || len(replicas) > ReplicasMax {
		return refuse(ErrInvalid, "%d replicas, want 1 to %d", len(replicas), ReplicasMax)
	}
	staying, complete := false, false
	for i, r := range replicas {
		switch r.Role {
		case Joining, Voter, Leaving:
		default:
			return refuse(ErrInvalid, "role %q of a replica, want joining, voter or leaving", shown(string(r.Role)))
		}
		staying = staying || r.Role != Leaving
		complete = complete || r.Role != Joining
		if err := first(checkID("node id", r.Node), checkText("reason", r.Reason, TextMax), checkTime("time", r.Since)); err != nil {
			return err
		}
		if r.Source != "" {
			if err := checkID("source", r.Source); err != nil {
				return err
			}
		}
		if r.Successor != "" {
			if r.Role != Leaving || r.Successor == r.Node {
				return refuse(ErrInvalid, "successor of the %s replica on node %s", r.Role, r.Node)
			}
			if err := checkID("successor", r.Successor); err != nil {
				return err
			}
		}
		for _, other := range replicas[:i] {
			if other.Node == r.Node {
				return refuse(ErrRefused, "two replicas on node %s", r.Node)
			}
		}
	}
	if !staying || !complete {
		return refuse(ErrRefused, "a shard needs a replica that stays and one that is complete")
	}
	return nil
}

func checkWanted(wanted int) error {
	if wanted == 0 {
		return nil
	}
	return checkFactor("wanted number of replicas", wanted)
}

func (t Tenant) check() error {
	if len(t.Shards) > TenantShardsMax {
		return refuse(ErrInvalid, "%d shards of a tenant, want at most %d", len(t.Shards), TenantShardsMax)
	}
	seen := make(map[uint32]bool, len(t.Shards))
	for _, number := range t.Shards {
		if seen[number] {
			return refuse(ErrInvalid, "shard %d twice", number)
		}
		seen[number] = true
	}
	if t.Writes < 0 || t.Writes > len(t.Shards) || t.Keys < 0 || t.Keys > t.writes(len(t.Shards)) || t.Writes != 0 && t.Keys == 0 {
		return refuse(ErrInvalid, "%d of %d shards of a tenant are written to, %d with keys", t.Writes, len(t.Shards), t.Keys)
	}
	return checkWanted(t.Replicas)
}

func (a Action) check() error {
	switch a.Outcome {
	case ActionPlanned, ActionRunning, ActionDone, ActionFailed, ActionCancelled:
	default:
		return refuse(ErrInvalid, "outcome %q of an action, want planned, running, done, failed or cancelled", shown(a.Outcome))
	}
	if a.Name == "" || a.Bytes < 0 {
		return refuse(ErrInvalid, "action %q of %d bytes", shown(a.Name), a.Bytes)
	}
	return first(
		checkLabel("action", a.Name), checkText("target", a.Target, TextMax), checkText("reason", a.Reason, TextMax),
		checkText("author", a.By, TextMax), checkText("detail", a.Detail, TextMax),
		checkTime("time", a.Planned, a.Started, a.Ended),
	)
}

func (h Healing) check() error { return checkTime("cooldown or time", h.Cooldown, h.LastAt) }

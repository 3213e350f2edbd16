package gossip

import (
	"cmp"
	"net"
	"slices"
	"strings"

	"github.com/hashicorp/memberlist"
)

// Conflict is something that two nodes share and must not.
type Conflict struct {
	// Kind is "id" or "name".
	Kind string
	// Value is the id or the name.
	Value string
	// A and B are the gossip addresses of nodes with one id, or the ids of
	// nodes with one name.
	A, B string
}

// dispute is an id that was claimed from two addresses.
type dispute struct {
	id   string
	a, b *net.UDPAddr
}

// Conflicts returns what nodes share and must not, as far as it was seen lately.
func (g *Gossip) Conflicts() []Conflict {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.config.Now()
	var conflicts []Conflict
	for c, seen := range g.mu.conflicts {
		if now.Sub(seen) < conflictKept && (c.Kind != "name" || g.sharesName(c)) {
			conflicts = append(conflicts, c)
		} else {
			delete(g.mu.conflicts, c)
		}
	}
	slices.SortFunc(conflicts, func(a, b Conflict) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Value, b.Value), strings.Compare(a.A, b.A), strings.Compare(a.B, b.B))
	})
	return conflicts
}

// NotifyConflict takes note that an id was claimed from another address than
// that which is known. It may be the same node that has moved.
func (g *Gossip) NotifyConflict(existing, other *memberlist.Node) {
	d := dispute{id: existing.Name, a: udp(existing), b: udp(other)}
	select {
	case g.disputed <- d:
	default: // it will be claimed again
	}
}

func udp(n *memberlist.Node) *net.UDPAddr {
	return &net.UDPAddr{IP: slices.Clone(n.Addr), Port: int(n.Port)}
}

// settle asks both addresses of a dispute who is there: if both answer, there
// are two nodes.
func (g *Gossip) settle() {
	for {
		select {
		case d := <-g.disputed:
			if g.answers(d.id, d.a) && g.answers(d.id, d.b) {
				a, b := d.a.String(), d.b.String()
				g.conflict(Conflict{Kind: "id", Value: d.id, A: min(a, b), B: max(a, b)})
			}
		case <-g.ctx.Done():
			return
		}
	}
}

// answers reports whether the node that answers at an address has an id.
func (g *Gossip) answers(id string, address *net.UDPAddr) bool {
	if id == g.config.NodeID && address.String() == g.Addr() {
		return true
	}
	for range 2 {
		if _, err := g.list.Ping(id, address); err == nil {
			return true
		}
		if g.ctx.Err() != nil {
			return false
		}
	}
	return false
}

func (g *Gossip) conflict(c Conflict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noteConflict(c)
}

// noteConflict keeps a conflict and logs it. The lock is held.
func (g *Gossip) noteConflict(c Conflict) {
	if _, known := g.mu.conflicts[c]; !known && len(g.mu.conflicts) >= conflictsMax {
		return
	}
	g.mu.conflicts[c] = g.config.Now()
	if c.Kind == "id" {
		g.notes.warn("conflict "+c.Value, "two nodes have the same id; one has a copy of the other's data folder: stop one and give it an empty folder",
			"id", c.Value, "address", c.A, "other address", c.B)
	} else {
		g.notes.warn("conflict "+c.Value, "two nodes have the same name; give one another", "name", c.Value, "id", c.A, "other id", c.B)
	}
	g.changed()
}

// compareNames looks for another member with a member's name. The lock is held.
func (g *Gossip) compareNames(id string, m *member) {
	if m.meta.Name == "" {
		return
	}
	for otherID, other := range g.mu.members {
		if otherID != id && other.state == Alive && other.meta.Name == m.meta.Name {
			g.noteConflict(Conflict{Kind: "name", Value: m.meta.Name, A: min(id, otherID), B: max(id, otherID)})
		}
	}
}

// sharesName reports whether a conflict of names is still there; if so it goes
// on. The lock is held.
func (g *Gossip) sharesName(c Conflict) bool {
	a, b := g.mu.members[c.A], g.mu.members[c.B]
	if a == nil || b == nil || a.state != Alive || b.state != Alive || a.meta.Name != c.Value || b.meta.Name != c.Value {
		return false
	}
	g.mu.conflicts[c] = g.config.Now()
	return true
}

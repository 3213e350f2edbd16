package gossip

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
)

// State is what is known of a member's life.
type State string

// What is known of a member's life.
const (
	Alive   State = "alive"
	Suspect State = "suspect" // this node's own questions are not answered; it may still be alive
	Dead    State = "dead"
	Left    State = "left" // on purpose
)

// Up reports whether a member of the state seems to be there: it may be suspected.
func (s State) Up() bool { return s == Alive || s == Suspect }

// Member is a node as gossip knows it.
type Member struct {
	// ID is the node's id.
	ID string
	Meta
	// GossipAddress is where its gossip is reached.
	GossipAddress string
	// ClockSkew is how much its clock is ahead of ours, as the median of the
	// last few measurements.
	ClockSkew time.Duration
	// State holds since Since, on this node's clock.
	State State
	Since time.Time
	// Self marks this node.
	Self bool
}

// member is what is kept of a member.
type member struct {
	address   string
	meta      Meta
	state     State
	since     time.Time
	suspected time.Time // zero, or when this node last suspected it
	skews     []time.Duration
	next      int // of skews, to be replaced
}

// Members returns all members, this node included, in the order of their ids.
func (g *Gossip) Members() []Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.config.Now()
	members := make([]Member, 0, len(g.mu.members))
	for id, m := range g.mu.members {
		members = append(members, m.public(id, id == g.config.NodeID, now))
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return members
}

// Member returns one member.
func (g *Gossip) Member(id string) (Member, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, ok := g.mu.members[id]
	if !ok {
		return Member{}, false
	}
	return m.public(id, id == g.config.NodeID, g.config.Now()), true
}

func (m *member) public(id string, self bool, now time.Time) Member {
	p := Member{ID: id, Meta: m.meta, GossipAddress: m.address, State: m.state, Since: m.since, Self: self}
	p.leaving = false
	if m.state == Alive && !m.suspected.IsZero() && now.Sub(m.suspected) < suspicionKept {
		p.State, p.Since = Suspect, m.suspected
	}
	if n := len(m.skews); n > 0 {
		sorted := slices.Sorted(slices.Values(m.skews))
		p.ClockSkew = sorted[n/2]
	}
	return p
}

// Watch returns a channel that gets a value when Members may have changed since
// the last one; changes in quick succession are one. The caller stops it.
func (g *Gossip) Watch() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.watchers[c] = struct{}{}
	return c, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.mu.watchers, c)
	}
}

// changed tells the watchers. The lock is held.
func (g *Gossip) changed() {
	for c := range g.mu.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// others returns how many other members are alive. The lock is held.
func (g *Gossip) others() int {
	n := 0
	for id, m := range g.mu.members {
		if id != g.config.NodeID && m.state == Alive {
			n++
		}
	}
	return n
}

// Skews returns how far the clock of each member that seems to be there is ahead of the
// one in their middle, so that everybody finds the same clock wrong, also who has it. Of
// two clocks nobody can tell which is wrong: they are compared with that of this node.
func Skews(members []Member) map[string]time.Duration {
	skews := map[string]time.Duration{}
	for _, m := range members {
		if m.Self || m.State.Up() {
			skews[m.ID] = m.ClockSkew
		}
	}
	if len(skews) < 3 {
		return skews
	}
	sorted := slices.Sorted(maps.Values(skews))
	middle := sorted[(len(sorted)-1)/2]
	for id := range skews {
		skews[id] -= middle
	}
	return skews
}

// see takes note of what a member says. The lock is held.
func (g *Gossip) see(n *memberlist.Node) *member {
	m := g.mu.members[n.Name]
	if m == nil {
		if len(g.mu.members) >= MembersMax {
			g.forgetOldest()
		}
		m = &member{}
		g.mu.members[n.Name] = m
	}
	m.address = n.Address()
	meta, err := parseMeta(n.Meta)
	if err != nil {
		g.notes.warn("meta", "what a node says of itself cannot be read", "node", n.Name, "error", err)
	}
	m.meta = meta
	return m
}

// forgetOldest makes room among those that are gone. The lock is held.
func (g *Gossip) forgetOldest() {
	oldest := ""
	for id, m := range g.mu.members {
		if gone := m.state == Dead || m.state == Left; gone && (oldest == "" || m.since.Before(g.mu.members[oldest].since)) {
			oldest = id
		}
	}
	delete(g.mu.members, oldest)
}

// The library calls what follows, holding its own lock.

// NotifyJoin takes note of a new member, or one that is back.
func (g *Gossip) NotifyJoin(n *memberlist.Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.see(n)
	m.state, m.since, m.suspected = Alive, g.config.Now(), time.Time{}
	m.skews, m.next = nil, 0
	g.compareNames(n.Name, m)
	g.changed()
}

// NotifyUpdate takes note of what a member now says.
func (g *Gossip) NotifyUpdate(n *memberlist.Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.compareNames(n.Name, g.see(n))
	g.changed()
}

// NotifyLeave takes note of a member's end.
func (g *Gossip) NotifyLeave(n *memberlist.Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.see(n)
	m.state, m.since, m.suspected = Dead, g.config.Now(), time.Time{}
	if m.meta.leaving {
		m.state = Left
	}
	g.changed()
}

// NotifyAlive refuses members of other clusters.
func (g *Gossip) NotifyAlive(n *memberlist.Node) error {
	meta, err := parseMeta(n.Meta)
	if err != nil || meta.Cluster == "" {
		return nil // what cannot be read is said elsewhere
	}
	g.mu.Lock()
	own := g.mu.own.Cluster
	g.mu.Unlock()
	if own != "" && own != meta.Cluster {
		g.notes.warn("cluster", "a node of another cluster gossips with this one; look at its seeds", "node", n.Name, "its cluster", meta.Cluster, "this cluster", own)
		return fmt.Errorf("it belongs to cluster %s", meta.Cluster)
	}
	return nil
}

// suspect takes note that a member does not answer this node.
func (g *Gossip) suspect(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.mu.members[id]; m != nil && m.state == Alive {
		m.suspected = g.config.Now()
		g.changed()
	}
}

// AckPayload returns this node's clock, for an answer to a ping.
func (g *Gossip) AckPayload() []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(g.config.Now().UnixNano()))
}

// NotifyPingComplete compares a member's clock, as it was half way, with ours.
func (g *Gossip) NotifyPingComplete(n *memberlist.Node, roundTrip time.Duration, payload []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.mu.members[n.Name]
	if m == nil {
		return
	}
	if !m.suspected.IsZero() {
		m.suspected = time.Time{}
		g.changed()
	}
	if len(payload) < 8 {
		return
	}
	theirs := time.Unix(0, int64(binary.BigEndian.Uint64(payload)))
	skew := theirs.Sub(g.config.Now().Add(-roundTrip / 2))
	if len(m.skews) < skewSamples {
		m.skews = append(m.skews, skew)
		return
	}
	m.skews[m.next] = skew
	m.next = (m.next + 1) % skewSamples
}

// NodeMeta returns what this node says of itself.
func (g *Gossip) NodeMeta(int) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.own.append(nil)
}

// NotifyMsg has no messages to take.
func (g *Gossip) NotifyMsg([]byte) {}

// GetBroadcasts has none to give.
func (g *Gossip) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState has none to exchange.
func (g *Gossip) LocalState(bool) []byte { return nil }

// MergeRemoteState has none to exchange.
func (g *Gossip) MergeRemoteState([]byte, bool) {}

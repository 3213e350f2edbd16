package membership

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/raft"
)

const (
	answerMax      = 160 << 20 // bytes of an answer of another node
	retryMin       = 20 * time.Millisecond
	retryMax       = 500 * time.Millisecond
	proposeTimeout = 10 * time.Second
)

// Self is the id of this node.
func (m *Membership) Self() string { return m.cfg.NodeID }

// State is what the cluster agrees on, as far as this node knows.
func (m *Membership) State() *catalogue.State { return m.cat.State() }

// Watch is that of the catalogue.
func (m *Membership) Watch() (changed <-chan struct{}, stop func()) { return m.cat.Watch() }

// Fresh is closed when the state is at least as new as all that was agreed on
// before the start.
func (m *Membership) Fresh() <-chan struct{} { return m.fresh }

// Leads reports whether this node leads the catalogue.
func (m *Membership) Leads() bool {
	group := m.group.Load()
	if group == nil {
		return false
	}
	_, self := group.Leader()
	return self
}

// Leader is the node that leads the catalogue, "" if none is known.
func (m *Membership) Leader() string {
	group := m.group.Load()
	if group == nil {
		return ""
	}
	id, _ := group.Leader()
	return id
}

// Members are the nodes as gossip knows them; without a port this one.
func (m *Membership) Members() []gossip.Member {
	if m.gossip != nil {
		return m.gossip.Members()
	}
	return []gossip.Member{{ID: m.cfg.NodeID, Meta: m.meta(), State: gossip.Alive, Self: true}}
}

// Alive reports whether a node seems to be there.
func (m *Membership) Alive(node string) bool {
	if node == m.cfg.NodeID {
		return true
	}
	if m.gossip == nil {
		return false
	}
	member, ok := m.gossip.Member(node)
	return ok && member.State.Up()
}

// Left reports whether a node has said that it goes, and has not come back.
func (m *Membership) Left(node string) bool {
	if m.gossip == nil {
		return false
	}
	member, ok := m.gossip.Member(node)
	return ok && member.State == gossip.Left
}

// resolve returns the address of a node's cluster port: what gossip heard last,
// else what the catalogue says.
func (m *Membership) resolve(node string) (string, bool) {
	if m.gossip != nil {
		if member, ok := m.gossip.Member(node); ok && member.ClusterAddress != "" {
			return member.ClusterAddress, true
		}
	}
	return m.cat.State().Resolve(node)
}

// ReadIndex is raft.Group.ReadIndex of the catalogue.
func (m *Membership) ReadIndex(ctx context.Context) (uint64, error) {
	group := m.group.Load()
	if group == nil {
		return 0, peer.NotLeaderError{}
	}
	index, err := group.ReadIndex(ctx)
	if errors.Is(err, raft.ErrNotLeader) {
		return 0, peer.NotLeaderError{Leader: m.Leader()}
	}
	return index, err
}

// Current returns when this node's catalogue has all that was agreed on before the
// call. It changes nothing, so it is tried again whatever the error is.
func (m *Membership) Current(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	for delay := retryMin; ; delay = min(2*delay, retryMax) {
		err := m.current(ctx)
		if err == nil {
			return nil
		}
		if pause.For(ctx, delay) != nil {
			return fmt.Errorf("read the catalogue: %w: %w", raft.ErrNotLeader, err)
		}
	}
}

// current tries once.
func (m *Membership) current(ctx context.Context) error {
	group := m.group.Load()
	if group == nil {
		return peer.NotLeaderError{}
	}
	index, err := uint64(0), error(nil)
	switch leader := m.Leader(); {
	case leader == m.cfg.NodeID:
		index, err = m.ReadIndex(ctx)
	case leader == "" || m.caller == nil:
		err = peer.NotLeaderError{}
	default:
		var indexes []uint64
		if indexes, err = m.Peers().ReadIndexes(ctx, leader, []uint32{catalogue.Group}); err == nil {
			index = indexes[0]
		}
	}
	if err != nil {
		return err
	}
	return group.WaitApplied(ctx, index)
}

// ProposeHere is the catalogue's ProposeEncoded for other nodes: errors are in
// the result.
func (m *Membership) ProposeHere(ctx context.Context, command []byte) []byte {
	result, _ := m.cat.ProposeEncoded(ctx, command)
	return result
}

// Propose changes the catalogue, wherever it is led, and returns a state that
// has the change.
func (m *Membership) Propose(ctx context.Context, command catalogue.Command) (*catalogue.State, error) {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	encoded := catalogue.Encode(command)
	for delay := retryMin; ; delay = min(2*delay, retryMax) {
		state, err := m.propose(ctx, command, encoded)
		var elsewhere catalogue.NotLeaderError
		if err == nil || !errors.As(err, &elsewhere) && !errors.Is(err, peer.ErrUnavailable) {
			return state, err
		}
		if pause.For(ctx, delay) != nil {
			return nil, fmt.Errorf("change the catalogue: %w", err)
		}
	}
}

// propose tries once.
func (m *Membership) propose(ctx context.Context, command catalogue.Command, encoded []byte) (*catalogue.State, error) {
	leader := m.Leader()
	switch {
	case leader == m.cfg.NodeID:
		return m.cat.Propose(ctx, command)
	case leader == "" || m.caller == nil:
		return nil, catalogue.NotLeaderError{}
	}
	result, err := m.Peers().ProposeCatalogue(ctx, leader, encoded)
	if err != nil {
		if errors.Is(err, peer.ErrUncertain) {
			err = fmt.Errorf("%w: %w", raft.ErrUncertain, err)
		}
		return nil, err
	}
	index, err := catalogue.ResultIndex(result)
	if err != nil {
		return nil, err
	}
	return m.cat.Wait(ctx, index)
}

// Cut is Save that keeps nothing of the catalogue's part of the log for members that are
// behind.
func (m *Membership) Cut() error {
	if m.group.Load() == nil {
		return nil
	}
	return m.cat.Cut()
}

// Save makes the catalogue durable, so that the log does not need its part.
func (m *Membership) Save() error {
	if m.group.Load() == nil {
		return nil
	}
	return m.cat.Save()
}

// CatalogueMembers are the members of the catalogue's group.
func (m *Membership) CatalogueMembers() []heal.Member {
	group := m.group.Load()
	if group == nil {
		return nil
	}
	return MembersOf(group)
}

// MembersOf says in the words of reports who is in a group. How long ago a member
// answered is measured by the clock by which that was noted, which nobody sets.
func MembersOf(group *raft.Group) []heal.Member {
	var out []heal.Member
	for _, one := range group.Members() {
		contact := time.Duration(-1)
		if !one.Contact.IsZero() {
			contact = max(time.Since(one.Contact), 0)
		}
		out = append(out, heal.Member{Node: one.ID, Voter: one.Voter, Match: one.Match, Contact: contact})
	}
	return out
}

// ChangeCatalogue changes the members of the catalogue's group; only its leader
// can.
func (m *Membership) ChangeCatalogue(ctx context.Context, change heal.Change, node string) error {
	group := m.group.Load()
	if group == nil {
		return raft.ErrNotLeader
	}
	return ChangeMembers(ctx, group, change, node)
}

// TransferCatalogue lets another voter lead the catalogue; only its leader
// can.
func (m *Membership) TransferCatalogue(ctx context.Context, to string) error {
	group := m.group.Load()
	if group == nil {
		return raft.ErrNotLeader
	}
	return group.Transfer(ctx, to)
}

// ChangeMembers carries a change of a group's members out.
func ChangeMembers(ctx context.Context, group *raft.Group, change heal.Change, node string) error {
	switch change {
	case heal.AddLearner:
		return group.AddLearner(ctx, node)
	case heal.AddVoter:
		return group.AddVoter(ctx, node)
	case heal.Remove:
		return group.Remove(ctx, node)
	}
	return fmt.Errorf("change members of group %d: unknown change %q", group.ID(), change)
}

// GossipAddr is the host:port at which others join, "" without a port.
func (m *Membership) GossipAddr() string {
	if m.gossip == nil {
		return ""
	}
	return m.gossip.Addr()
}

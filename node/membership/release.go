package membership

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/storage/engine"
)

// A node whose copy of the catalogue is damaged, its log or what is saved, may have
// forgotten how it voted. It must not vote again before the others have taken it out
// of the group: it asks for that (release), deletes what is left, and follows the
// catalogue anew, like a node that joins. Each step may be repeated after a crash.

// errNobodyElse says that no other node has the catalogue.
var errNobodyElse = errors.New("the catalogue of this node is damaged and no other node has it: bring the data folder back from a copy, or start with an empty one; the damaged files are kept")

// errNothing says that a node has been in a cluster and has nothing of the catalogue: it
// died while it followed anew, or its log is gone, with its votes.
var errNothing = errors.New("the node knows its cluster and has nothing of the catalogue: if the disk of its log is not mounted, stop it and mount that")

// damaged sets the copy aside, if others can have it.
func (m *Membership) damaged(why error) error {
	others := 0
	for id, node := range m.cat.State().Nodes {
		if id != m.cfg.NodeID && node.State != catalogue.Gone {
			others++
		}
	}
	if m.link == nil || m.cat.State().Cluster != "" && others == 0 {
		return fmt.Errorf("%w: %w", errNobodyElse, why)
	}
	m.cfg.Logger.Error("the catalogue of this node is damaged: it is fetched again from the other nodes", "error", why)
	m.lost.Store(&why)
	return nil
}

// Damaged returns why the node is without the catalogue, nil if it is not.
func (m *Membership) Damaged() error {
	if why := m.lost.Load(); why != nil {
		return *why
	}
	return nil
}

// recover returns when nothing is left of a damaged copy.
func (m *Membership) recover(ctx context.Context) error {
	for m.Damaged() != nil {
		err := m.release(ctx)
		if err == nil {
			return m.startGroup(nil)
		}
		if errors.Is(err, peer.ErrGone) {
			return ErrGone
		}
		m.tell(err)
		if err := pause.For(ctx, lookInterval); err != nil {
			return err
		}
	}
	return nil
}

// release asks the others to take this node out of the catalogue's group, and deletes
// what it has of the catalogue when they have.
func (m *Membership) release(ctx context.Context) error {
	asked := errors.Join(errors.New("no member of the cluster has been heard of yet"), m.gossip.JoinError())
	for _, member := range m.gossip.Members() {
		if member.Self || member.State != gossip.Alive || member.Cluster == "" || member.Cluster != m.cluster {
			continue
		}
		if asked = m.askRelease(ctx, member.ID); asked == nil || errors.Is(asked, peer.ErrGone) {
			break
		}
	}
	if asked != nil {
		return fmt.Errorf("leave the catalogue's group: %w", asked)
	}
	if err := m.host.Destroy(catalogue.Group); err != nil {
		return err
	}
	path := m.cfg.FS.PathJoin(m.cfg.Dir, catalogueName)
	if err := m.cfg.FS.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", path, err)
	}
	if err := engine.SyncDir(m.cfg.FS, m.cfg.Dir); err != nil {
		return err
	}
	m.cat.Forget()
	m.lost.Store(nil)
	m.cfg.Logger.Info("the others have taken this node out of the catalogue's group: it follows anew")
	return nil
}

func (m *Membership) askRelease(ctx context.Context, member string) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	return atLeader(member, func(node string) error { return m.Peers().Release(ctx, node) })
}

// Release takes a node that has forgotten the catalogue's log out of its group; only
// the leader of the catalogue can. The node stays a member of the cluster.
func (m *Membership) Release(ctx context.Context, node string) error {
	state := m.cat.State()
	switch {
	case !m.Leads() || state.Cluster == "":
		return peer.NotLeaderError{Leader: m.Leader()}
	case node == m.cfg.NodeID:
		return fmt.Errorf("%w: it leads the catalogue", peer.ErrRefused)
	case state.Nodes[node].State == catalogue.Gone:
		return peer.ErrGone
	}
	members := m.CatalogueMembers()
	if !heal.Spares(members, node, m.cfg.NodeID) {
		return fmt.Errorf("%w: without node %s too few voters of the catalogue answer", peer.ErrUnavailable, node)
	}
	for _, member := range members {
		if member.Node != node {
			continue
		}
		if err := m.group.Load().Remove(ctx, node); err != nil {
			if errors.Is(err, raft.ErrNotLeader) {
				return peer.NotLeaderError{}
			}
			return fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
		}
	}
	return nil
}

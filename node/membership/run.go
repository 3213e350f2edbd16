package membership

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/raft"
)

const (
	lookInterval     = 250 * time.Millisecond // between looks for a cluster
	publishInterval  = 20 * time.Second       // docs/scale.md says why not more often
	announceInterval = 5 * time.Second        // between attempts to tell the catalogue of this node
	joinTimeout      = 5 * time.Second
	promiseTimeout   = 2 * time.Second
	// foundPatience is how long a node that is to begin a cluster and has seeds
	// looks for a cluster at these: its disk may have been replaced.
	foundPatience = 10 * time.Second
	// startPatience is how long it is no fault that a node that starts is not in its cluster.
	startPatience = 15 * time.Second
)

// ErrGone says that the cluster does not count on this node any more.
var ErrGone = errors.New("this node was removed from its cluster; to join again, start it with an empty data folder")

// ErrAlone says that a node that is to join a cluster has begun one of its own.
var ErrAlone = errors.New("this data folder is that of a cluster of its own, which no other node has ever joined, so --join is not done: to join the cluster at these addresses, start with an empty data folder (the records of this one stay in it); to make this node, with its records, the first of a cluster, start it with --bootstrap in place of --join and let the others join it")

// Run finds the cluster, and tells of this node, until the context ends.
func (m *Membership) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops sync.WaitGroup
	loops.Go(func() {
		select {
		case <-m.started:
			_ = m.cat.Run(ctx) // ends with the context
		case <-ctx.Done():
		}
	})
	if m.gossip != nil {
		loops.Go(func() { m.publish(ctx) })
	}
	err := m.enter(ctx)
	if err == nil {
		err = m.announce(ctx)
	}
	cancel()
	loops.Wait()
	if ctx.Err() != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrAlone) {
		return nil
	}
	return err
}

// enter returns when this node knows its cluster and how it is now.
func (m *Membership) enter(ctx context.Context) error {
	if err := m.recover(ctx); err != nil {
		return err
	}
	for m.cat.State().Cluster == "" || !m.hasKey() {
		m.awaitLeader(ctx)
		m.tell(m.look(ctx))
		if m.cat.State().Cluster != "" && m.hasKey() {
			break
		}
		if err := pause.For(ctx, lookInterval); err != nil {
			return err
		}
	}
	cluster := m.cat.State().Cluster
	if err := m.keepCluster(cluster); err != nil {
		return err
	}
	if m.link != nil {
		if err := m.link.SetCluster(cluster); err != nil {
			return err
		}
		m.tell(m.gossip.Update(m.meta()))
	}
	for {
		err := m.catchUp(ctx)
		if err == nil {
			break
		}
		if m.gossip != nil {
			err = errors.Join(err, m.look(ctx)) // who was removed meanwhile is told so there
		}
		if errors.Is(err, peer.ErrGone) {
			return ErrGone
		}
		m.tell(err)
		if err := pause.For(ctx, lookInterval); err != nil {
			return err
		}
	}
	nodes := m.cat.State().Nodes
	switch own, known := nodes[m.cfg.NodeID]; {
	case own.State == catalogue.Gone:
		return ErrGone
	case m.cfg.Begin == Join && known && len(nodes) == 1: // who is gone stays known
		return ErrAlone
	}
	m.freshen.Do(func() { close(m.fresh) })
	m.cfg.Logger.Info("the node is in its cluster", "cluster", cluster, "name", m.cfg.Name, "nodes", len(m.cat.State().Nodes))
	return nil
}

// awaitLeader waits a moment for a leader of the catalogue: a node that is alone
// leads at once.
func (m *Membership) awaitLeader(ctx context.Context) {
	if group := m.group.Load(); group != nil {
		ctx, cancel := context.WithTimeout(ctx, lookInterval)
		defer cancel()
		_ = group.WaitLeader(ctx)
	}
}

func (m *Membership) hasKey() bool { return m.cfg.Key == nil || m.cfg.Key.Key() != "" }

// look does the next thing on the way to a cluster.
func (m *Membership) look(ctx context.Context) error {
	if m.Leads() {
		// Who leads has not applied all of its log yet: there may be a cluster in it.
		if err := m.current(ctx); err != nil {
			return err
		}
		if m.cat.State().Cluster == "" {
			return m.begin(ctx)
		}
		return m.makeKey()
	}
	if m.gossip == nil {
		return nil // alone: the election is under way
	}
	found := errors.New("no member of a cluster has been heard of yet; check the addresses to join")
	if len(m.cfg.Port.Seeds) == 0 {
		found = errors.New("no member of a cluster has been heard of yet, and no address to join is given; start one of the nodes with --join and the address of another")
	}
	for _, member := range m.gossip.Members() {
		if member.Self || member.Cluster == "" || member.State != gossip.Alive || m.cluster != "" && member.Cluster != m.cluster {
			continue
		}
		if found = m.join(ctx, member.ID); found == nil {
			return nil
		}
	}
	switch {
	case m.group.Load() != nil:
	case m.cfg.Begin == Found:
		return m.tryFound()
	default:
		return m.tryBegin(ctx)
	}
	return errors.Join(found, m.gossip.JoinError())
}

// tell logs an error when it is another one than the last. It is a fault when the node is
// refused, or when it has gone on for longer than nodes take that are started together.
func (m *Membership) tell(err error) {
	m.told.Lock()
	defer m.told.Unlock()
	text, level := "", slog.LevelWarn
	if err != nil {
		text = err.Error()
	}
	if early := m.cfg.Now().Sub(m.told.began); early >= 0 && early < startPatience && !errors.Is(err, peer.ErrRefused) {
		level = slog.LevelInfo
	}
	if text != "" && (text != m.told.text || level > m.told.level) {
		m.cfg.Logger.Log(context.Background(), level, "the node is not in its cluster yet", "error", text)
	}
	m.told.text, m.told.level = text, level
}

// begin makes a cluster of this node.
func (m *Membership) begin(ctx context.Context) error {
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("choose the cluster's id: %w", err)
	}
	if m.cfg.Key != nil {
		if err := m.cfg.Key.Make(); err != nil {
			return err
		}
	}
	if m.cfg.Begin == Alone && m.cfg.Port != nil {
		m.cfg.Logger.Warn("this node begins a cluster of its own, since neither --join nor --bootstrap was given; if it was to join one, stop it, empty its data folder and start it with --join HOST")
	}
	settings := catalogue.Settings{Replicas: m.cfg.Replicas, ReplicasChosen: m.cfg.Replicas != 0}
	_, err := m.cat.Propose(ctx, catalogue.Init{Cluster: hex.EncodeToString(id), Node: m.node(), Shards: m.cfg.Shards, Settings: settings})
	return err
}

// makeKey makes the admin key where the file was lost.
func (m *Membership) makeKey() error {
	if m.cfg.Key == nil {
		return nil
	}
	return m.cfg.Key.Make()
}

// join asks a member to be let in.
func (m *Membership) join(ctx context.Context, member string) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	if m.group.Load() == nil {
		if err := m.startGroup(nil); err != nil {
			return err
		}
	}
	var joined peer.Joined
	err := atLeader(member, func(node string) (err error) {
		joined, err = m.Peers().Join(ctx, node, m.node())
		return err
	})
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if m.cfg.Key == nil {
		return nil
	}
	if own := m.cfg.Key.Key(); own != "" {
		if joined.AdminKey != "" && joined.AdminKey != own {
			m.cfg.Logger.Warn("this node has another admin key than its cluster; delete its file admin-key and start it again to get that of the cluster")
		}
		return nil
	}
	if joined.AdminKey != "" {
		return m.cfg.Key.Take(joined.AdminKey)
	}
	m.cfg.Logger.Warn("the cluster has no secret, so its admin key is not passed on; this node made one of its own")
	return m.cfg.Key.Make()
}

// atLeader asks a member what only the leader of the catalogue does, and then the leader
// that it names.
func atLeader(member string, ask func(node string) error) error {
	err := ask(member)
	var elsewhere peer.NotLeaderError
	if errors.As(err, &elsewhere) && elsewhere.Leader != "" && elsewhere.Leader != member {
		err = ask(elsewhere.Leader)
	}
	return err
}

// Admit makes another node a member; only the leader of the catalogue can.
func (m *Membership) Admit(ctx context.Context, who catalogue.Node) (peer.Joined, error) {
	state := m.cat.State()
	if !m.Leads() || state.Cluster == "" {
		return peer.Joined{}, peer.NotLeaderError{Leader: m.Leader()}
	}
	if state.Nodes[who.ID].State == catalogue.Gone {
		return peer.Joined{}, peer.ErrGone
	}
	if err := compatible(m.cfg.Formats, who.Formats, state.Format()); err != nil {
		return peer.Joined{}, fmt.Errorf("%w: %w", peer.ErrRefused, err)
	}
	if !same(state.Nodes[who.ID], who) {
		_, err := m.cat.Propose(ctx, catalogue.PutNode{Node: who})
		if errors.Is(err, raft.ErrUncertain) || errors.Is(err, raft.ErrNotLeader) {
			return peer.Joined{}, fmt.Errorf("%w: %w", peer.ErrUncertain, err)
		}
		if err != nil {
			return peer.Joined{}, fmt.Errorf("%w: %w", peer.ErrRefused, err)
		}
	}
	if err := m.group.Load().AddLearner(ctx, who.ID); err != nil {
		return peer.Joined{}, fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	joined := peer.Joined{Cluster: state.Cluster}
	if m.cfg.Key != nil && m.link.Secured() {
		joined.AdminKey = m.cfg.Key.Key()
	}
	return joined, nil
}

// compatible reports why a node cannot be with the others: its range of formats
// has nothing in common with this one's, or it does not read what the others
// write by now.
func compatible(a, b catalogue.Formats, written uint16) error {
	switch {
	case b.Max < a.Min || a.Max < b.Min:
		return fmt.Errorf("the cluster reads formats %d to %d, the node %d to %d: install a version between", a.Min, a.Max, b.Min, b.Max)
	case b.Max < written:
		return fmt.Errorf("the cluster writes format %d, the node reads %d to %d: install a newer version", written, b.Min, b.Max)
	}
	return nil
}

// same reports whether the catalogue says of a node what the node says.
func same(known, said catalogue.Node) bool {
	said.State, said.Since = known.State, known.Since
	return known == said
}

// tryFound begins a cluster when none has answered at the seeds for long enough.
func (m *Membership) tryFound() error {
	if left := m.until.Sub(m.cfg.Now()); left > 0 {
		return fmt.Errorf("it is looked for %v whether a cluster answers at the addresses to join, before a new one is begun", foundPatience)
	}
	m.cfg.Logger.Warn("no cluster has answered at the addresses to join, so this node begins a new one; if there is one, stop this node, empty its data folder and start it with --join alone", "unanswered", m.gossip.JoinError())
	return m.startGroup([]string{m.cfg.NodeID})
}

// waiting are the nodes that wait to begin a cluster together, this one included: those
// that expect fewest first, then in the order of their ids. The first is who begins it.
func (m *Membership) waiting() []gossip.Member {
	var all []gossip.Member
	for _, member := range m.gossip.Members() {
		if member.Self || member.State == gossip.Alive && member.Expects {
			if member.Expected == 0 { // it does not say
				member.Expected = uint32(m.cfg.Expected)
			}
			all = append(all, member)
		}
	}
	slices.SortStableFunc(all, func(a, b gossip.Member) int { return cmp.Compare(a.Expected, b.Expected) })
	return all
}

// tryBegin begins a cluster if this node is the first of all that wait for one and all
// of them promise to follow it.
func (m *Membership) tryBegin(ctx context.Context) error {
	waiting := m.waiting()
	first := waiting[0]
	if first.Expected != waiting[len(waiting)-1].Expected {
		// Not a reason to wait: whoever expects fewest is the first to have them, and the
		// others follow. It may be a slip of which somebody wants to know.
		var wants []string
		for _, member := range waiting {
			wants = append(wants, fmt.Sprintf("%s expects %d", member.Name, member.Expected))
		}
		m.odd.Do(func() {
			m.cfg.Logger.Warn("nodes that are to begin a cluster together were started with different --bootstrap-expect; the smallest counts", "nodes", strings.Join(wants, ", "))
		})
	}
	if there := len(waiting); there < int(first.Expected) {
		var names []string
		for _, member := range waiting {
			names = append(names, member.Name)
		}
		err := fmt.Errorf("%d of %d expected nodes are there (%s)", there, first.Expected, strings.Join(names, ", "))
		if there > 1 {
			return err // somebody has answered
		}
		return errors.Join(err, m.gossip.JoinError())
	}
	if !first.Self {
		return fmt.Errorf("all %d expected nodes are there, %s is to begin the cluster", first.Expected, first.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, promiseTimeout)
	defer cancel()
	if err := m.Promise(m.cfg.NodeID); err != nil {
		return err
	}
	for _, member := range waiting[1:] {
		if err := m.Peers().Promise(ctx, member.ID, m.cfg.NodeID); err != nil {
			return fmt.Errorf("begin a cluster: %w", err)
		}
	}
	return m.startGroup([]string{m.cfg.NodeID})
}

// Promise binds this node to the cluster that a candidate begins. It is
// forgotten at the next start, when the candidate has begun or has gone.
func (m *Membership) Promise(candidate string) error {
	m.promise.Lock()
	defer m.promise.Unlock()
	switch {
	case m.cat.State().Cluster != "":
		return fmt.Errorf("%w: there is a cluster already", peer.ErrRefused)
	case m.promise.to != "" && m.promise.to != candidate && m.Alive(m.promise.to):
		return fmt.Errorf("%w: node %s was promised to be followed", peer.ErrRefused, m.promise.to)
	}
	m.promise.to = candidate
	return nil
}

// catchUp is Current for a node that starts: it knows of no leader yet.
func (m *Membership) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	if err := m.group.Load().WaitLeader(ctx); err != nil {
		return err
	}
	return m.current(ctx)
}

// announce keeps what the catalogue says of this node up to date.
func (m *Membership) announce(ctx context.Context) error {
	changed, stop := m.cat.Watch()
	defer stop()
	ticker := time.NewTicker(announceInterval)
	defer ticker.Stop()
	for {
		known := m.cat.State().Nodes[m.cfg.NodeID]
		if known.State == catalogue.Gone {
			return ErrGone
		}
		if m.Leader() == "" && m.gossip != nil {
			// Who was removed while it was away hears of it from the others.
			if err := m.look(ctx); errors.Is(err, peer.ErrGone) {
				return ErrGone
			}
		}
		if said := m.node(); !same(known, said) {
			_, err := m.Propose(ctx, catalogue.PutNode{Node: said})
			m.tell(err)
		}
		select {
		case <-ticker.C:
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// publish tells others of this node's load, and its log of its clock.
func (m *Membership) publish(ctx context.Context) {
	strays := false
	for pause.For(ctx, publishInterval) == nil {
		if err := m.gossip.Update(m.meta()); err != nil {
			m.cfg.Logger.Debug("gossip does not take what is new of this node", "error", err)
		}
		off := gossip.Skews(m.gossip.Members())[m.cfg.NodeID]
		if wrong := off.Abs() > heal.ClockSkewMax; wrong != strays {
			if strays = wrong; wrong {
				m.cfg.Logger.Warn("the clock of this node is not that of the other nodes; set it: records that come without a time get the time of the node that takes them", "ahead", off.Round(time.Millisecond))
			} else {
				m.cfg.Logger.Info("the clock of this node is that of the other nodes again")
			}
		}
	}
}

// node is what this node says of itself to the catalogue.
func (m *Membership) node() catalogue.Node {
	return catalogue.Node{
		ID: m.cfg.NodeID, Name: m.cfg.Name, Zone: m.cfg.Zone, Address: m.address(), API: m.reachable(m.cfg.API),
		State: catalogue.Active, Formats: m.cfg.Formats, Version: m.cfg.Version,
	}
}

// meta is what this node says of itself to gossip.
func (m *Membership) meta() gossip.Meta {
	meta := m.cfg.Load()
	meta.Cluster, meta.Name, meta.Zone, meta.Version = cmp.Or(m.cat.State().Cluster, m.cluster), m.cfg.Name, m.cfg.Zone, m.cfg.Version
	meta.Formats = gossip.Formats(m.cfg.Formats)
	meta.ClusterAddress, meta.APIAddress = m.address(), m.reachable(m.cfg.API)
	if m.cfg.Begin == Expect && meta.Cluster == "" {
		meta.Expects, meta.Expected = true, uint32(m.cfg.Expected)
	}
	return meta
}

// address is the host:port of the cluster port for others, "" without one.
func (m *Membership) address() string {
	if m.link == nil {
		return ""
	}
	return m.reachable(m.link.Addr())
}

// reachable returns the host:port at which others find a listener.
func (m *Membership) reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String() // of a test's network
	}
	if m.cfg.Port != nil && m.cfg.Port.Advertise != "" {
		return net.JoinHostPort(m.cfg.Port.Advertise, port)
	}
	ip := net.ParseIP(host)
	if host != "" && (ip == nil || !ip.IsUnspecified()) {
		return addr.String()
	}
	if m.gossip != nil {
		if found, _, err := net.SplitHostPort(m.gossip.Addr()); err == nil {
			host = found
		}
	}
	return net.JoinHostPort(host, port)
}

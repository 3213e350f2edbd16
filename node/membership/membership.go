package membership

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/raft"
	"github.com/stere-log/stere/raft/wal"
	"github.com/stere-log/stere/storage/engine"
)

// catalogueName is the file in the data folder in which the catalogue is saved.
const catalogueName = "catalogue"

// Membership is a node's place in its cluster.
type Membership struct {
	cfg    Config
	link   *link.Link     // nil without a port
	gossip *gossip.Gossip // nil without a port
	caller *link.Caller   // nil without a port
	bulk   *link.Caller   // for what may take long, beside the rest
	long   *link.Caller   // for what waits for something to happen
	// cluster is the id of the node's cluster as it was known at the start, ""
	// if it was not.
	cluster string
	cat     *catalogue.Catalogue
	host    *raft.Host
	group   atomic.Pointer[raft.Group] // nil until it is known how to begin
	lost    atomic.Pointer[error]      // why the catalogue here is damaged, nil if it is not

	closing chan struct{} // closed when calls are not heard any more
	close   sync.Once
	fresh   chan struct{} // closed when the catalogue is as new as anybody's
	freshen sync.Once
	until   time.Time     // with Found: when it has waited long enough for a cluster at its seeds
	started chan struct{} // closed when group is set
	starts  sync.Once
	odd     sync.Once // it was said that nodes expect different numbers
	promise struct {
		sync.Mutex
		to string // node whose cluster this node will join
	}
	told struct { // errors that were logged last, so that each is logged once
		sync.Mutex
		text  string
		level slog.Level
		began time.Time // when the membership was opened
	}
}

// Open takes the ports and reads the saved catalogue. The caller closes it.
func Open(cfg Config) (*Membership, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure membership: %w", err)
	}
	m := &Membership{cfg: cfg.withDefaults(), closing: make(chan struct{}), fresh: make(chan struct{}), started: make(chan struct{})}
	m.told.began = m.cfg.Now()
	var err error
	saved := catalogue.Config{
		Store: store{fs: m.cfg.FS, path: m.cfg.FS.PathJoin(m.cfg.Dir, catalogueName)}, Logger: m.cfg.Logger,
		SaveBytes: m.cfg.SaveBytes, Now: func() int64 { return m.cfg.Now().UnixNano() },
	}
	m.cat, err = catalogue.Open(saved)
	if corrupt := err; errors.Is(err, catalogue.ErrCorrupt) && m.cfg.Port != nil {
		saved.Store = &unread{Store: saved.Store}
		if m.cat, err = catalogue.Open(saved); err == nil {
			m.lost.Store(&corrupt)
		}
	}
	if err != nil {
		return nil, err
	}
	if m.cluster, err = m.loadCluster(); err != nil {
		return nil, err
	}
	if m.cfg.Port != nil {
		if err := m.openPort(m.cfg.Port); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, nil
}

func (m *Membership) openPort(port *Port) (err error) {
	m.link, err = link.Open(link.Config{
		NodeID: m.cfg.NodeID, Cluster: m.cluster, Listen: port.Listen, Listener: port.Listener, Dial: port.Dial,
		Resolve: m.resolve, Secret: port.Secret, TLS: m.named(port.TLS), Logger: m.cfg.Logger, Now: m.cfg.Now,
	})
	if err != nil {
		return err
	}
	m.caller = link.NewCaller(link.CallerConfig{Dial: m.link.DialHTTP, AnswerMax: answerMax})
	m.bulk = link.NewCaller(link.CallerConfig{Dial: m.link.DialHTTP, AnswerMax: answerMax})
	m.long = link.NewCaller(link.CallerConfig{Dial: m.link.DialHTTP, AnswerMax: answerMax, CallsPerNode: longCalls})
	var key []byte
	if len(port.Secret) > 0 {
		if key, err = gossip.Key(port.Secret); err != nil {
			return err
		}
	}
	advertise := ""
	if port.Advertise != "" && port.Transport == nil {
		_, gossipPort, err := net.SplitHostPort(port.Gossip)
		if err != nil {
			return fmt.Errorf("gossip address %q: %w", port.Gossip, err)
		}
		if gossipPort != "0" {
			advertise = net.JoinHostPort(port.Advertise, gossipPort)
		}
	}
	m.gossip, err = gossip.Open(gossip.Config{
		NodeID: m.cfg.NodeID, Bind: port.Gossip, Transport: port.Transport, Advertise: advertise, Seeds: port.Seeds, SecretKey: key,
		Meta: m.meta(), Logger: m.cfg.Logger, Now: m.cfg.Now,
	})
	return err
}

// named has certificates of nodes compared with their names, unless they may have any.
func (m *Membership) named(t *link.TLS) *link.TLS {
	if t == nil || t.AnyName {
		return t
	}
	own := *t
	own.Name = func(node string) string {
		if node == m.cfg.NodeID {
			return m.cfg.Name
		}
		return m.cat.State().Nodes[node].Name
	}
	return &own
}

// longCalls is how many calls to a node may wait for something to happen there.
const longCalls = 1024

// store keeps the catalogue in a file.
type store struct {
	fs   engine.FS
	path string
}

func (s store) Load() ([]byte, error) {
	data, err := engine.ReadFile(s.fs, s.path, catalogue.SavedMax)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// unread is a store of which nothing is read that was there before.
type unread struct {
	catalogue.Store
	saved bool
}

func (u *unread) Load() ([]byte, error) {
	if !u.saved {
		return nil, nil
	}
	return u.Store.Load()
}

func (u *unread) Save(data []byte) error {
	err := u.Store.Save(data)
	u.saved = u.saved || err == nil
	return err
}

func (s store) Save(data []byte) error { return engine.WriteFile(s.fs, s.path, data) }

// Files are the names of what a membership keeps in the data folder.
func Files() []string { return []string{catalogueName, clusterName} }

// clusterName is the file in the data folder with the id of the cluster that
// the node belongs to: it is known before the catalogue is.
const clusterName = "cluster"

func (m *Membership) loadCluster() (string, error) {
	text, err := engine.ReadFile(m.cfg.FS, m.cfg.FS.PathJoin(m.cfg.Dir, clusterName), 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return m.cat.State().Cluster, nil
	}
	id := strings.TrimSpace(string(text))
	if err == nil && !catalogue.ValidID(id) {
		err = fmt.Errorf("the file %s of the data folder holds no cluster's id", clusterName)
	}
	return id, err
}

// keepCluster makes the cluster's id durable.
func (m *Membership) keepCluster(id string) error {
	if m.cluster == id {
		return nil
	}
	return engine.WriteFile(m.cfg.FS, m.cfg.FS.PathJoin(m.cfg.Dir, clusterName), []byte(id+"\n"))
}

// Streams connects Raft groups with their members on other nodes; nil without
// a port.
func (m *Membership) Streams() func(group uint32) (raft.Streams, error) {
	if m.link == nil {
		return nil
	}
	return func(group uint32) (raft.Streams, error) { return m.link.Group(group) }
}

// Serve answers node calls, if there is a port, until StopServing.
func (m *Membership) Serve(node peer.Node) error {
	if m.link == nil {
		<-m.closing
		return nil
	}
	return m.link.Serve(link.ServeConfig{Handler: peer.Serve(node), BodyMax: answerMax})
}

// StopServing closes the cluster port: calls and groups of other nodes are not
// heard any more.
func (m *Membership) StopServing() error {
	m.close.Do(func() { close(m.closing) })
	if m.link == nil {
		return nil
	}
	return m.link.Close()
}

// Peers asks other nodes; without a port it must not be used.
func (m *Membership) Peers() peer.Client {
	return peer.Client{Caller: m.caller, Bulk: m.bulk, Long: m.long}
}

// Clustered reports whether the node has a cluster port.
func (m *Membership) Clustered() bool { return m.link != nil }

// Start begins the catalogue's group, if it is known how: later otherwise.
func (m *Membership) Start(host *raft.Host) error {
	m.host = host
	why := cmp.Or(m.Damaged(), host.Lost()[catalogue.Group])
	switch {
	case why != nil:
	case m.stored():
		if why = m.startGroup(nil); !errors.Is(why, raft.ErrLogLost) && !errors.Is(why, wal.ErrLost) {
			return why
		}
	case m.cluster != "":
		why = errNothing
	}
	if why != nil {
		return m.damaged(why)
	}
	if m.cfg.Begin == Alone || m.cfg.Begin == Found && (len(m.cfg.Port.Seeds) == 0 || len(host.Groups()) > 0) {
		return m.startGroup([]string{m.cfg.NodeID})
	}
	if len(host.Groups()) > 0 {
		return errors.New("the data folder has shards of a node that ran alone, and joining a cluster would delete them: start it with --bootstrap as the first node of a cluster, or with an empty data folder")
	}
	if m.cfg.Begin == Join {
		return m.startGroup(nil)
	}
	m.until = m.cfg.Now().Add(foundPatience)
	return nil // it is not known yet who begins
}

// stored reports whether this node was a member of a catalogue's group before.
func (m *Membership) stored() bool {
	if _, sealed := m.cat.Snapshot(); sealed {
		return true
	}
	for _, id := range m.host.Groups() {
		if id == catalogue.Group {
			return true
		}
	}
	return false
}

func (m *Membership) startGroup(voters []string) error {
	group, err := m.host.StartWith(catalogue.Group, m.cat, voters)
	if err != nil {
		return fmt.Errorf("start the catalogue: %w", err)
	}
	m.cat.Attach(group)
	m.group.Store(group)
	m.starts.Do(func() { close(m.started) })
	return nil
}

// Close gives the ports back. The group is closed by the host.
func (m *Membership) Close() error {
	var errs []error
	if m.gossip != nil {
		errs = append(errs, m.gossip.Close())
	}
	for _, caller := range []*link.Caller{m.caller, m.bulk, m.long} {
		if caller != nil {
			errs = append(errs, caller.Close())
		}
	}
	return errors.Join(append(errs, m.StopServing())...)
}

// Leave tells the others that this node goes on purpose.
func (m *Membership) Leave(ctx context.Context) error {
	if m.gossip == nil {
		return nil
	}
	return m.gossip.Leave(ctx)
}

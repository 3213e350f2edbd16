package link

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Link is the cluster port of a node.
type Link struct {
	config   Config
	trust    atomic.Pointer[trust]
	files    files
	listener net.Listener
	notes    notes
	cluster  atomic.Pointer[string]
	http     *queue
	closing  chan struct{}
	running  sync.WaitGroup

	mu struct {
		sync.Mutex
		closed  bool
		groups  map[uint32]*queue
		serving bool // HTTP was called
		// open is how many connections were handed over and not closed yet.
		open int
		// proving holds the connections whose peers have not proven anything,
		// provingOf how many of them an address has.
		proving   map[net.Conn]struct{}
		provingOf map[string]int
	}
}

// Open listens on the cluster port. The caller closes the Link.
func Open(config Config) (*Link, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("cluster port: %w", err)
	}
	config = config.withDefaults()
	believed, err := newTrust(config)
	if err != nil {
		return nil, fmt.Errorf("cluster port: %w", err)
	}
	listener := config.Listener
	if listener == nil {
		if listener, err = net.Listen("tcp", config.Listen); err != nil {
			return nil, fmt.Errorf("cluster port: %w", err)
		}
	}
	l := &Link{config: config, listener: listener, closing: make(chan struct{})}
	l.trust.Store(believed)
	if config.TLS != nil && config.TLS.Certificate == nil {
		l.files.stamp, _ = config.TLS.look() // what cannot be looked at is read again
	}
	l.notes = notes{logger: config.Logger, now: config.Now}
	l.cluster.Store(&config.Cluster)
	l.http = l.newQueue(nil)
	l.mu.groups = map[uint32]*queue{}
	l.mu.proving = map[net.Conn]struct{}{}
	l.mu.provingOf = map[string]int{}
	l.running.Go(l.accept)
	return l, nil
}

// Addr returns the address that the link listens on.
func (l *Link) Addr() net.Addr { return l.listener.Addr() }

// Secured reports whether peers prove who they are.
func (l *Link) Secured() bool { return !l.trust.Load().plain() }

// SetCluster says which cluster the node belongs to, once that is known.
func (l *Link) SetCluster(id string) error {
	if !validID(id) {
		return fmt.Errorf("set cluster: %q is not an id", id)
	}
	l.cluster.Store(&id)
	return nil
}

// Group opens a Raft group: connections of peers for it are accepted until it
// is closed. It can then be opened again.
func (l *Link) Group(number uint32) (*Group, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return nil, fmt.Errorf("open group %d: %w", number, ErrClosed)
	}
	if l.mu.groups[number] != nil {
		return nil, fmt.Errorf("open group %d: %w", number, ErrGroupOpen)
	}
	g := &Group{number: number}
	g.queue = l.newQueue(func() { l.forget(number, g.queue) })
	l.mu.groups[number] = g.queue
	return g, nil
}

func (l *Link) forget(number uint32, q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.groups[number] == q {
		delete(l.mu.groups, number)
	}
}

// HTTP returns the listener of node calls, e.g. for Serve of a fasthttp.Server.
// It is the same every time; before the first time calls are refused. NodeID
// tells who is on the other side of an accepted connection.
func (l *Link) HTTP() net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.serving = true
	return l.http
}

// Close closes the port, all groups and every connection that was accepted.
// Connections that were dialled stay with who dialled them.
func (l *Link) Close() error {
	l.mu.Lock()
	if l.mu.closed {
		l.mu.Unlock()
		return nil
	}
	l.mu.closed = true
	queues := []*queue{l.http}
	for _, q := range l.mu.groups {
		queues = append(queues, q)
	}
	for conn := range l.mu.proving {
		conn.Close()
	}
	l.mu.Unlock()
	close(l.closing)
	err := l.listener.Close()
	for _, q := range queues {
		q.Close()
	}
	l.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept takes connections until the link closes. It never waits for a peer.
func (l *Link) accept() {
	wait := time.Duration(0)
	for {
		conn, err := l.listener.Accept()
		if err == nil {
			wait = 0
			l.admit(conn)
			continue
		}
		select {
		case <-l.closing:
			return
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			l.config.Logger.Error("the cluster port was closed by somebody else", "error", err)
			return
		}
		// Too many open files, as a rule: others may close some.
		wait = min(max(2*wait, 5*time.Millisecond), acceptRetryMax)
		l.notes.warn("accept", "", "the cluster port cannot accept connections", "error", err)
		select {
		case <-time.After(wait):
		case <-l.closing:
			return
		}
	}
}

// admit starts to find out who is there, unless too many are about to.
func (l *Link) admit(conn net.Conn) {
	host := hostOf(conn)
	l.mu.Lock()
	refused := ""
	switch {
	case l.mu.closed:
		refused = "closed"
	case len(l.mu.proving) >= l.config.Handshakes:
		refused = "too many connections that have not said who they are"
	case l.mu.provingOf[host] >= l.config.HandshakesOfOne:
		refused = "too many connections of this address that have not said who they are"
	default:
		l.mu.proving[conn] = struct{}{}
		l.mu.provingOf[host]++
	}
	l.mu.Unlock()
	if refused != "" {
		conn.Close()
		l.notes.warn(refused, host, "a connection to the cluster port was closed", "from", host, "reason", refused)
		return
	}
	l.running.Go(func() {
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.mu.proving, conn)
			if l.mu.provingOf[host]--; l.mu.provingOf[host] == 0 {
				delete(l.mu.provingOf, host)
			}
		}()
		if err := l.receive(conn, host); err != nil {
			conn.Close()
			select {
			case <-l.closing:
				return
			default:
			}
			if r := (refusal{}); errors.As(err, &r) && r.passes {
				l.config.Logger.Debug("a connection to the cluster port came too early or too late", "from", host, "reason", err)
				return
			}
			l.notes.warn(reasonOf(err), host, "a connection to the cluster port was refused", "from", host, "reason", err)
		}
	})
}

func hostOf(conn net.Conn) string {
	address := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

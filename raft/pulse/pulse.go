package pulse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Group is the group number whose connections carry the messages.
const Group = 0xFFFFFFFE

const (
	// retryMin and retryMax bound the pause after a node was not reached, in
	// intervals.
	retryMin = 10
	retryMax = 150
	// idleMax is for how many intervals a node is remembered that follows
	// nothing here.
	idleMax = 600
	// silence is how many times Timeout a connection is kept on which nothing
	// comes.
	silence = 120
)

// Streams are the connections with the same package on other nodes.
type Streams interface {
	Accept() (net.Conn, error)
	Close() error
	Dial(nodeID string, timeout time.Duration) (net.Conn, error)
}

// Batch is the beats for one node.
type Batch struct {
	// Made is when the first of it was put together.
	Made  time.Time
	Beats []Beat
	// Answered takes in the answers, in the order of the beats.
	Answered func(answers []Answer)
}

// Config says what a Pulse carries. All but Logger must be given.
type Config struct {
	NodeID  string
	Streams Streams
	// Interval is the time between two messages to a node, Timeout how long one
	// may take.
	Interval, Timeout time.Duration
	// Led returns what this node leads, by the node that is to follow.
	Led func() map[string]Batch
	// Follow takes in that a node leads groups, and says which of them this node
	// follows.
	Follow func(from string, beats []Beat) []Answer
	// Logger receives details.
	Logger *slog.Logger
}

// Pulse sends and receives the heartbeats of a node.
type Pulse struct {
	cfg     Config
	closing context.Context
	close   context.CancelFunc
	running sync.WaitGroup

	mu struct {
		sync.Mutex
		conns map[net.Conn]struct{} // to be closed
	}
}

// Start starts to send and to receive.
func Start(cfg Config) *Pulse {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pulse{cfg: cfg}
	p.closing, p.close = context.WithCancel(context.Background())
	p.mu.conns = map[net.Conn]struct{}{}
	p.running.Go(p.send)
	p.running.Go(p.accept)
	return p
}

// Close ends all connections and waits for all goroutines.
func (p *Pulse) Close() error {
	p.mu.Lock()
	p.close()
	for conn := range p.mu.conns {
		conn.Close()
	}
	p.mu.Unlock()
	err := p.cfg.Streams.Close()
	p.running.Wait()
	if err != nil {
		return fmt.Errorf("stop heartbeats: %w", err)
	}
	return nil
}

// adopt remembers a connection for Close; false after it.
func (p *Pulse) adopt(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing.Err() != nil {
		conn.Close()
		return false
	}
	p.mu.conns[conn] = struct{}{}
	return true
}

func (p *Pulse) drop(conn net.Conn) {
	p.mu.Lock()
	delete(p.mu.conns, conn)
	p.mu.Unlock()
	conn.Close()
}

// sender sends to one node.
type sender struct {
	node string
	work chan Batch // one that is not taken yet is replaced by a newer one
	idle int        // intervals without beats
}

// send offers what this node leads to the senders, at every interval.
func (p *Pulse) send() {
	ticker := time.NewTicker(p.cfg.Interval)
	defer ticker.Stop()
	senders := map[string]*sender{}
	defer func() {
		for _, s := range senders {
			close(s.work)
		}
	}()
	for {
		select {
		case <-ticker.C:
		case <-p.closing.Done():
			return
		}
		led := p.cfg.Led()
		for node := range led {
			if senders[node] == nil {
				s := &sender{node: node, work: make(chan Batch, 1)}
				senders[node] = s
				p.running.Go(func() { p.serve(s) })
			}
		}
		for node, s := range senders {
			batch, ok := led[node]
			if !ok {
				if s.idle++; s.idle > idleMax {
					close(s.work)
					delete(senders, node)
				}
				continue
			}
			s.idle = 0
			select {
			case <-s.work: // nobody has taken it
			default:
			}
			s.work <- batch
		}
	}
}

// serve sends the batches for one node.
func (p *Pulse) serve(s *sender) {
	var c *client
	defer func() {
		if c != nil {
			p.drop(c.conn)
		}
	}()
	failures, until := 0, time.Time{}
	for batch := range s.work {
		if c == nil && time.Now().Before(until) {
			continue
		}
		err := p.exchange(s.node, &c, batch)
		if err == nil {
			failures = 0
			continue
		}
		if c != nil {
			p.drop(c.conn)
			c = nil
		}
		pause := min(retryMin<<min(failures, 8), retryMax)
		failures++
		until = time.Now().Add(time.Duration(pause) * p.cfg.Interval)
		if failures == 1 && p.closing.Err() == nil {
			p.cfg.Logger.Debug("heartbeats go one by one", "node", s.node, "error", err)
		}
	}
}

// client is a connection for sending.
type client struct {
	conn    net.Conn
	out, in []byte
	scratch []byte
}

// exchange sends a batch and takes in the answers.
func (p *Pulse) exchange(node string, c **client, batch Batch) error {
	if *c == nil {
		conn, err := p.cfg.Streams.Dial(node, p.cfg.Timeout)
		if err != nil {
			return err
		}
		if !p.adopt(conn) {
			return net.ErrClosed
		}
		*c = &client{conn: conn}
	}
	one := *c
	if err := one.conn.SetDeadline(time.Now().Add(p.cfg.Timeout)); err != nil {
		return err
	}
	beats := batch.Beats[:min(len(batch.Beats), BeatsMax)]
	one.scratch = appendBeats(one.scratch[:0], p.cfg.NodeID, beats)
	one.out = frame(one.out[:0], beatsMagic, one.scratch)
	if _, err := one.conn.Write(one.out); err != nil {
		return err
	}
	body, reuse, err := readFrame(one.conn, answersMagic, one.in)
	one.in = reuse
	if err != nil {
		return err
	}
	answers, err := parseAnswers(body, len(beats))
	if err != nil {
		return err
	}
	batch.Answered(answers)
	return nil
}

// accept takes connections until the streams are closed.
func (p *Pulse) accept() {
	for {
		conn, err := p.cfg.Streams.Accept()
		if err != nil {
			if p.closing.Err() == nil && !errors.Is(err, net.ErrClosed) {
				p.cfg.Logger.Debug("heartbeats of others are not heard", "error", err)
			}
			return
		}
		if p.adopt(conn) {
			p.running.Go(func() { p.receive(conn) })
		}
	}
}

// receive answers what one node sends.
func (p *Pulse) receive(conn net.Conn) {
	defer p.drop(conn)
	var in, out, scratch []byte
	for {
		now := time.Now()
		if conn.SetReadDeadline(now.Add(silence*p.cfg.Timeout)) != nil {
			return
		}
		body, reuse, err := readFrame(conn, beatsMagic, in)
		in = reuse
		if err != nil {
			return
		}
		from, beats, err := parseBeats(body)
		if err != nil {
			p.cfg.Logger.Debug("heartbeats are not understood", "error", err)
			return
		}
		scratch = appendAnswers(scratch[:0], p.cfg.Follow(from, beats))
		out = frame(out[:0], answersMagic, scratch)
		if conn.SetWriteDeadline(time.Now().Add(p.cfg.Timeout)) != nil {
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

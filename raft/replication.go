package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
)

const (
	// extendMax is how many messages one call of the library may become.
	extendMax = 64
	// entriesMax is how many entries one message has.
	entriesMax = 256
	// farewell as the sender's address of a message without entries tells a
	// member that it is none any more.
	farewell = "\x00farewell"
)

// entries is what the replication reads of the log.
type entries interface {
	GetLog(index uint64, out *hraft.Log) error
	LastIndex() (uint64, error)
}

// peer is what a leader knows of another member. It is of one term.
type peer struct {
	match      uint64    // it has the entries up to here, or is close to it
	installing uint64    // index of the snapshot that is on its way, 0: none
	asked      uint64    // ticket of the newest request that it agreed to
	contact    time.Time // when it last answered
	beat       time.Time // when the newest heartbeat was sent that it agreed to
	committed  uint64    // what it said last that it knows to be committed
}

// peers is what the messages of this member as a leader tell of the others.
// The library knows it too, and keeps it to itself.
type peers struct {
	tickets atomic.Uint64
	reading atomic.Uint64 // newest ticket of who wants to know whether this member leads

	mu   sync.Mutex
	term uint64
	byID map[string]*peer
}

// ticket numbers a request before it is sent.
func (p *peers) ticket() uint64 { return p.tickets.Add(1) }

// ask draws a ticket for one who waits until the others have agreed to requests
// that come after it.
func (p *peers) ask() uint64 {
	ticket := p.ticket()
	for {
		newest := p.reading.Load()
		if newest >= ticket || p.reading.CompareAndSwap(newest, ticket) {
			return ticket
		}
	}
}

// update changes what is known of a member, unless it is of an older term.
func (p *peers) update(id string, term uint64, change func(*peer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if term < p.term {
		return
	}
	if term > p.term || p.byID == nil {
		p.term, p.byID = term, map[string]*peer{}
	}
	one := p.byID[id]
	if one == nil {
		one = &peer{}
		p.byID[id] = one
	}
	change(one)
}

// forget forgets a member: one that comes back under the same id in the same term
// has nothing of what it had.
func (p *peers) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byID, id)
}

// get returns what is known of a member in a term.
func (p *peers) get(id string, term uint64) peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one := p.byID[id]; one != nil && p.term == term {
		return *one
	}
	return peer{}
}

// answered takes in the answer to a message with entries or a heartbeat.
func (p *peers) answered(id string, ticket uint64, req *hraft.AppendEntriesRequest, resp *hraft.AppendEntriesResponse) {
	if resp.Term > req.Term {
		return
	}
	p.update(id, req.Term, func(one *peer) {
		one.contact = time.Now()
		if !resp.Success {
			one.match = max(one.match, min(resp.LastLog, max(req.PrevLogEntry, 1)-1))
			return
		}
		one.asked = max(one.asked, ticket)
		one.match = max(one.match, req.PrevLogEntry)
		if n := len(req.Entries); n > 0 {
			one.match = max(one.match, req.Entries[n-1].Index)
		}
	})
}

// leads reports whether this member leads in a term.
func (f *facade) leads(term uint64) bool {
	r := f.raft.Load()
	return r != nil && r.State() == hraft.Leader && r.CurrentTerm() == term
}

// errDeposed ends a message whose entries were read of a log that may have
// changed under it. A leader's log only grows; one that leads no more stores
// what the next one sends, and the two together would be a history that nobody
// had. So a message goes out if this member leads after all of it was read.
var errDeposed = errors.New("does not lead in the message's term any more")

// fit makes the entries of a request those of one message: it takes out what is
// too much, and adds what the log has after them. The library knows only a
// number of entries, which is too many large ones and too few small ones; it
// looks into the request for what was sent.
func (f *facade) fit(req *hraft.AppendEntriesRequest) {
	bytes, next := 0, req.PrevLogEntry+1
	for i, e := range req.Entries {
		bytes += len(e.Data) + len(e.Extensions)
		next = e.Index + 1
		if bytes > messageMax && i > 0 {
			req.Entries = req.Entries[:i]
			return
		}
	}
	last, err := f.log.LastIndex()
	for err == nil && next <= last && len(req.Entries) < entriesMax && bytes < messageMax {
		e := new(hraft.Log)
		if err = f.log.GetLog(next, e); err != nil || e.Term > req.Term {
			return // truncated, or another member leads by now
		}
		req.Entries = append(req.Entries, e)
		bytes += len(e.Data) + len(e.Extensions)
		next++
	}
}

// The library's decoder takes large bytes in steps of fragmentMax and copies
// what it has at each, so that its work grows with the square of the size.
// Hence large entries travel as several: all but the last are of a type of
// their own. Only messages have them, the log never.
const (
	fragmentMax                = 256 << 10
	fragmentType hraft.LogType = 200
)

var errFragment = errors.New("fragments of an entry do not fit")

// split returns entries as they travel. The bytes are shared.
func split(entries []*hraft.Log) []*hraft.Log {
	large := 0
	for _, e := range entries {
		large += len(e.Data) / fragmentMax
	}
	if large == 0 {
		return entries
	}
	out := make([]*hraft.Log, 0, len(entries)+large)
	for _, e := range entries {
		if len(e.Data) <= fragmentMax {
			out = append(out, e)
			continue
		}
		rest := e.Data
		for len(rest) > fragmentMax {
			out = append(out, &hraft.Log{Index: e.Index, Term: e.Term, Type: fragmentType, Data: rest[:fragmentMax]})
			rest = rest[fragmentMax:]
		}
		last := *e
		last.Data = rest
		out = append(out, &last)
	}
	return out
}

// join is the inverse of split.
func join(entries []*hraft.Log) ([]*hraft.Log, error) {
	out := entries[:0]
	from, bytes := -1, 0 // the fragments of the entry that is not complete
	for i, e := range entries {
		if e == nil || from >= 0 && e.Index != entries[from].Index {
			return nil, fmt.Errorf("entry %d of a message: %w", i, errFragment)
		}
		if e.Type == fragmentType {
			if from < 0 {
				from = i
			}
			bytes += len(e.Data)
			continue
		}
		if from >= 0 {
			data := make([]byte, 0, bytes+len(e.Data))
			for _, f := range entries[from : i+1] {
				data = append(data, f.Data...)
			}
			e.Data, from, bytes = data, -1, 0
		}
		out = append(out, e)
	}
	if from >= 0 {
		return nil, errFragment
	}
	return out, nil
}

// AppendEntries sends entries or a heartbeat.
func (f *facade) AppendEntries(id hraft.ServerID, to hraft.ServerAddress, req *hraft.AppendEntriesRequest, resp *hraft.AppendEntriesResponse) error {
	if f.hangs() {
		return errStalled // without heartbeats the others choose another leader
	}
	heartbeat := req.LeaderCommitIndex == 0 && req.PrevLogEntry == 0 && len(req.Entries) == 0
	if heartbeat && f.peers.spared(string(id), req.Term, f.beat/beatShare) {
		*resp = hraft.AppendEntriesResponse{RPCHeader: f.header(), Term: req.Term, Success: true}
		return nil
	}
	if len(req.Entries) > 0 {
		f.fit(req)
	}
	if !heartbeat && !f.leads(req.Term) {
		return errDeposed
	}
	sent := *req
	sent.Entries = split(req.Entries)
	ticket, began := f.peers.ticket(), time.Now()
	err := f.inner.AppendEntries(id, to, &sent, resp)
	if err == nil {
		f.peers.answered(string(id), ticket, req, resp)
		if heartbeat && resp.Success && resp.Term <= req.Term {
			f.peers.update(string(id), req.Term, func(one *peer) { one.beat = began })
		}
		return nil
	}
	if !heartbeat {
		f.outage(string(id), req.Term)
	}
	return err
}

// outage waits, after entries did not reach a member, until a heartbeat does.
// The library would wait by itself, twice as long after every failure: up to
// ten seconds after the member can be reached again.
func (f *facade) outage(id string, term uint64) {
	since := time.Now()
	t := time.NewTicker(max(f.beat/10, time.Millisecond))
	defer t.Stop()
	for {
		if _, member := f.server(id); !member || !f.leads(term) || f.peers.get(id, term).contact.After(since) {
			return
		}
		select {
		case <-t.C:
		case <-f.closing:
			return
		}
	}
}

// InstallSnapshot sends a snapshot.
func (f *facade) InstallSnapshot(id hraft.ServerID, to hraft.ServerAddress, req *hraft.InstallSnapshotRequest, resp *hraft.InstallSnapshotResponse, data io.Reader) error {
	f.peers.update(string(id), req.Term, func(p *peer) { p.installing = req.LastLogIndex })
	err := f.inner.InstallSnapshot(id, to, req, resp, data)
	f.peers.update(string(id), req.Term, func(p *peer) {
		p.installing = 0
		if err == nil && resp.Success {
			p.match, p.contact = max(p.match, req.LastLogIndex), time.Now()
		}
	})
	if err != nil {
		f.outage(string(id), req.Term)
	}
	return err
}

// RequestVote asks for a vote.
func (f *facade) RequestVote(id hraft.ServerID, to hraft.ServerAddress, req *hraft.RequestVoteRequest, resp *hraft.RequestVoteResponse) error {
	return f.again(to, func() error { return f.inner.RequestVote(id, to, req, resp) })
}

// RequestPreVote asks whether there would be a vote.
func (f *facade) RequestPreVote(id hraft.ServerID, to hraft.ServerAddress, req *hraft.RequestPreVoteRequest, resp *hraft.RequestPreVoteResponse) error {
	return f.again(to, func() error { return f.inner.RequestPreVote(id, to, req, resp) })
}

// TimeoutNow asks a member to stand for election. While it waits the library
// takes no command, so it does not wait for long.
func (f *facade) TimeoutNow(id hraft.ServerID, to hraft.ServerAddress, req *hraft.TimeoutNowRequest, _ *hraft.TimeoutNowResponse) error {
	return f.briefly(func() error {
		return f.again(to, func() error { return f.inner.TimeoutNow(id, to, req, &hraft.TimeoutNowResponse{}) })
	})
}

// farewell tells a member that it is none any more since an index.
func (f *facade) farewell(id string, term, index uint64) error {
	header := f.header()
	header.Addr = []byte(farewell)
	req := &hraft.AppendEntriesRequest{RPCHeader: header, Term: term, PrevLogEntry: index}
	return f.briefly(func() error {
		return f.inner.AppendEntries(hraft.ServerID(id), hraft.ServerAddress(id), req, &hraft.AppendEntriesResponse{})
	})
}

// briefly calls a function and does not wait for it longer than for an
// election.
func (f *facade) briefly(call func() error) error {
	if f.layer == nil || !f.layer.enter() {
		return ErrShutdown
	}
	done := make(chan error, 1)
	go func() {
		defer f.layer.users.Done()
		done <- call()
	}()
	t := time.NewTimer(f.beat)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return context.DeadlineExceeded
	case <-f.closing:
		return ErrShutdown
	}
}

// again repeats a call that failed on a pooled connection, which is likely to
// be older than the peer's process. The library asks once in an election, and
// an election more is an outage more.
func (f *facade) again(to hraft.ServerAddress, call func() error) error {
	for try := 0; ; try++ {
		before := uint64(0)
		if f.layer != nil {
			before = f.layer.dialled(string(to))
		}
		err := call()
		if err == nil || try == poolMax || f.layer == nil || errors.Is(err, os.ErrDeadlineExceeded) || f.layer.dialled(string(to)) != before {
			return err
		}
		select {
		case <-f.closing:
			return err
		default:
		}
	}
}

// AppendEntriesPipeline opens a pipeline to a member that is up to date.
func (f *facade) AppendEntriesPipeline(id hraft.ServerID, to hraft.ServerAddress) (hraft.AppendPipeline, error) {
	inner, err := f.inner.AppendEntriesPipeline(id, to)
	if err != nil {
		return nil, err
	}
	p := &pipeline{
		inner: inner, facade: f, id: string(id),
		sent: make(chan uint64, inFlightMax+1), done: make(chan hraft.AppendFuture),
		broken: make(chan struct{}), closed: make(chan struct{}),
	}
	p.decoder.Go(p.decode)
	return p, nil
}

// pipeline bounds the messages of a pipeline and sends what the library leaves
// for later: it sends once for each time it is told of new entries, so that
// what is more than one message would wait until it is told again. It also ends
// what would never end: after a bad answer the library looks at no more, and if
// it then sends once more, before it sees that, it waits for answers to be
// looked at.
type pipeline struct {
	inner  hraft.AppendPipeline
	facade *facade
	id     string

	sent    chan uint64 // tickets of the messages under way, in order
	done    chan hraft.AppendFuture
	broken  chan struct{} // closed after a bad answer
	closed  chan struct{}
	decoder sync.WaitGroup
	once    sync.Once
}

// AppendEntries sends entries and what the log has after them. The request
// then ends with the last one sent, where the library looks for it.
func (p *pipeline) AppendEntries(req *hraft.AppendEntriesRequest, resp *hraft.AppendEntriesResponse) (hraft.AppendFuture, error) {
	next := *req
	var future hraft.AppendFuture
	for range extendMax {
		part := next
		p.facade.fit(&part)
		if len(p.sent) == 0 && p.facade.peers.settled(p.id, &part, p.facade.beat/beatShare) {
			return nil, nil // the library has no use for it
		}
		if !p.facade.leads(part.Term) {
			return nil, errDeposed
		}
		n := len(part.Entries)
		sent := part
		sent.Entries = split(part.Entries)
		var err error
		if future, err = p.send(&sent, resp); err != nil || n == 0 {
			return future, err
		}
		req.Entries = part.Entries
		next.PrevLogEntry, next.PrevLogTerm = part.Entries[n-1].Index, part.Entries[n-1].Term
		// What is sent is looked at until it is answered: nothing may be
		// appended in its place.
		next.Entries = slices.Clip(next.Entries[min(n, len(next.Entries)):])
		if last, err := p.facade.log.LastIndex(); err != nil || next.PrevLogEntry >= last {
			return future, nil
		}
		resp = new(hraft.AppendEntriesResponse)
	}
	return future, nil
}

func (p *pipeline) send(req *hraft.AppendEntriesRequest, resp *hraft.AppendEntriesResponse) (hraft.AppendFuture, error) {
	select {
	case <-p.broken:
		return nil, net.ErrClosed
	default:
	}
	if p.facade.hangs() {
		return nil, errStalled
	}
	select {
	case p.sent <- p.facade.peers.ticket():
	case <-p.broken:
		return nil, net.ErrClosed
	}
	return p.inner.AppendEntries(req, resp)
}

// decode looks at the answers on their way to the library.
func (p *pipeline) decode() {
	good := true
	for {
		select {
		case a := <-p.inner.Consumer():
			if !good {
				continue
			}
			ticket := <-p.sent
			req, resp := a.Request(), a.Response()
			good = a.Error() == nil && resp.Success && resp.Term <= req.Term
			if a.Error() == nil {
				p.facade.peers.answered(p.id, ticket, req, resp)
			}
			select {
			case p.done <- a:
			case <-p.closed:
				return
			}
			if !good {
				close(p.broken)
			}
		case <-p.closed:
			return
		}
	}
}

// Consumer returns the answers, in order.
func (p *pipeline) Consumer() <-chan hraft.AppendFuture { return p.done }

// Close ends the pipeline.
func (p *pipeline) Close() error {
	err := p.inner.Close()
	p.once.Do(func() { close(p.closed) })
	p.decoder.Wait()
	return err
}

package raft

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
)

var errNoPeers = errors.New("node has no transport to other nodes")

// transport is what the library sends with.
type transport interface {
	hraft.Transport
	hraft.WithPreVote
}

// solo is the transport of a node that has no peers.
type solo struct{ address hraft.ServerAddress }

var _ transport = solo{}

// Consumer returns no channel: nobody sends anything.
func (s solo) Consumer() <-chan hraft.RPC { return nil }

// LocalAddr returns the node id.
func (s solo) LocalAddr() hraft.ServerAddress { return s.address }

// AppendEntriesPipeline is refused.
func (s solo) AppendEntriesPipeline(hraft.ServerID, hraft.ServerAddress) (hraft.AppendPipeline, error) {
	return nil, errNoPeers
}

// AppendEntries is refused.
func (s solo) AppendEntries(hraft.ServerID, hraft.ServerAddress, *hraft.AppendEntriesRequest, *hraft.AppendEntriesResponse) error {
	return errNoPeers
}

// RequestVote is refused.
func (s solo) RequestVote(hraft.ServerID, hraft.ServerAddress, *hraft.RequestVoteRequest, *hraft.RequestVoteResponse) error {
	return errNoPeers
}

// RequestPreVote is refused.
func (s solo) RequestPreVote(hraft.ServerID, hraft.ServerAddress, *hraft.RequestPreVoteRequest, *hraft.RequestPreVoteResponse) error {
	return errNoPeers
}

// InstallSnapshot is refused.
func (s solo) InstallSnapshot(hraft.ServerID, hraft.ServerAddress, *hraft.InstallSnapshotRequest, *hraft.InstallSnapshotResponse, io.Reader) error {
	return errNoPeers
}

// EncodePeer returns the address's bytes.
func (s solo) EncodePeer(_ hraft.ServerID, a hraft.ServerAddress) []byte { return []byte(a) }

// DecodePeer is the inverse of EncodePeer.
func (s solo) DecodePeer(b []byte) hraft.ServerAddress { return hraft.ServerAddress(b) }

// SetHeartbeatHandler has nothing to call.
func (s solo) SetHeartbeatHandler(func(hraft.RPC)) {}

// TimeoutNow is refused.
func (s solo) TimeoutNow(hraft.ServerID, hraft.ServerAddress, *hraft.TimeoutNowRequest, *hraft.TimeoutNowResponse) error {
	return errNoPeers
}

// facade stands between the library and a transport. On the way in it puts
// requests of the group itself beside those of peers and keeps from the
// library what it must not see (forward). On the way out it bounds messages,
// learns how far the members are (peers) and takes the edge off failures
// (replication.go).
type facade struct {
	inner   transport
	layer   *layer // nil for solo
	self    string
	beat    time.Duration // the group's election timeout
	log     entries
	base    *atomic.Pointer[Position] // of the durable manifest
	closing <-chan struct{}
	rpc     chan hraft.RPC
	hangs   func() bool // the disk does
	peers   peers
	raft    atomic.Pointer[hraft.Raft]      // nil until it has started
	fast    atomic.Pointer[func(hraft.RPC)] // of the library: answers heartbeats
	// parted is called when a leader says that the members of an index, which
	// are committed, are without this node.
	parted func(index uint64)

	closeOnce sync.Once
	closeErr  error
}

var (
	_ transport       = (*facade)(nil)
	_ hraft.WithClose = (*facade)(nil)
)

// Consumer returns the requests of peers and our own.
func (f *facade) Consumer() <-chan hraft.RPC { return f.rpc }

// LocalAddr returns the node id.
func (f *facade) LocalAddr() hraft.ServerAddress { return hraft.ServerAddress(f.self) }

// EncodePeer returns the address's bytes.
func (f *facade) EncodePeer(_ hraft.ServerID, a hraft.ServerAddress) []byte { return []byte(a) }

// DecodePeer is the inverse of EncodePeer.
func (f *facade) DecodePeer(b []byte) hraft.ServerAddress { return hraft.ServerAddress(b) }

// Close ends all connections, and waits for those who serve them.
func (f *facade) Close() error {
	f.closeOnce.Do(func() {
		if c, ok := f.inner.(hraft.WithClose); ok {
			f.closeErr = c.Close()
		}
		if f.layer != nil {
			f.layer.users.Wait()
		}
	})
	return f.closeErr
}

// SetHeartbeatHandler takes the function that answers heartbeats without
// waiting for the disk. It runs beside the library's main goroutine, so it is
// given only those that change nothing; the others go the way of all requests.
func (f *facade) SetHeartbeatHandler(fast func(hraft.RPC)) {
	f.fast.Store(&fast)
	f.inner.SetHeartbeatHandler(func(rpc hraft.RPC) {
		request, ok := rpc.Command.(*hraft.AppendEntriesRequest)
		r := f.raft.Load()
		if ok && r != nil && r.State() == hraft.Follower && r.CurrentTerm() == request.Term {
			fast(rpc)
			return
		}
		f.pass(rpc)
	})
}

func (f *facade) pass(rpc hraft.RPC) {
	select {
	case f.rpc <- rpc:
	case <-f.closing:
	}
}

// forward passes on the requests of peers until closing is closed.
func (f *facade) forward() {
	from := f.inner.Consumer()
	for {
		select {
		case rpc := <-from:
			if !f.intercept(rpc) {
				f.pass(rpc)
			}
		case <-f.closing:
			return
		}
	}
}

// intercept answers what the library must not see: what it would panic of, and
// elections in which this node has no say. The library lets a member without
// configuration vote; here such a one may have been destroyed and forgotten
// whom it voted for.
func (f *facade) intercept(rpc hraft.RPC) bool {
	if err := sane(rpc.Command); err != nil {
		if rpc.Reader != nil {
			_, _ = io.Copy(io.Discard, rpc.Reader)
		}
		rpc.Respond(nil, err)
		return true
	}
	switch rpc.Command.(type) {
	case *hraft.RequestVoteRequest, *hraft.RequestPreVoteRequest, *hraft.TimeoutNowRequest:
		if f.hangs() {
			rpc.Respond(nil, errStalled)
			return true
		}
	}
	switch c := rpc.Command.(type) {
	case *hraft.AppendEntriesRequest:
		if string(c.Addr) == farewell {
			f.parted(c.PrevLogEntry)
			rpc.Respond(&hraft.AppendEntriesResponse{RPCHeader: f.header(), Term: c.Term, Success: true}, nil)
			return true
		}
		f.skipSealed(c)
		bound(c)
	case *hraft.InstallSnapshotRequest:
		if f.hasSealed(c) {
			_, _ = io.Copy(io.Discard, rpc.Reader)
			rpc.Respond(&hraft.InstallSnapshotResponse{RPCHeader: f.header(), Term: c.Term, Success: true}, nil)
			return true
		}
	case *hraft.RequestVoteRequest, *hraft.RequestPreVoteRequest:
		if len(f.servers()) == 0 {
			rpc.Respond(nil, errNoMember)
			return true
		}
	case *hraft.TimeoutNowRequest:
		if s, ok := f.server(f.self); !ok || s.Suffrage != hraft.Voter {
			rpc.Respond(nil, errNoMember)
			return true
		}
	}
	return false
}

var errNoMember = errors.New("node does not vote in the group")

// sane puts entries together again and reports what in a request would make
// the library panic.
func sane(command any) error {
	switch c := command.(type) {
	case *hraft.InstallSnapshotRequest:
		if c.Size < 0 || c.Size > SnapshotMax {
			return fmt.Errorf("snapshot has %d bytes, the largest %d", c.Size, SnapshotMax)
		}
		_, err := decodeConfiguration(c.Configuration)
		return err
	case *hraft.AppendEntriesRequest:
		var err error
		if c.Entries, err = join(c.Entries); err != nil {
			return err
		}
		for i, e := range c.Entries {
			if e.Index != c.PrevLogEntry+1+uint64(i) {
				return fmt.Errorf("entry %d of a message does not adjoin the one before", i)
			}
			switch e.Type {
			case hraft.LogCommand, hraft.LogNoop, hraft.LogBarrier:
			case hraft.LogConfiguration:
				if _, err := decodeConfiguration(e.Data); err != nil {
					return fmt.Errorf("entry %d: %w", e.Index, err)
				}
			default:
				return fmt.Errorf("entry %d is of unknown type %d", e.Index, e.Type)
			}
		}
	}
	return nil
}

// skipSealed leaves out of a message what the manifest here covers. All of that
// is committed, so a leader has the same; but the log may not have it any more,
// and the library could not tell that it fits.
func (f *facade) skipSealed(c *hraft.AppendEntriesRequest) {
	base := f.base.Load()
	if base == nil || c.PrevLogEntry >= base.Index || c.PrevLogEntry == 0 && len(c.Entries) == 0 {
		return // a heartbeat has neither
	}
	c.Entries = c.Entries[min(base.Index-c.PrevLogEntry, uint64(len(c.Entries))):]
	c.PrevLogEntry, c.PrevLogTerm = base.Index, base.Term
}

// bound lowers a message's commit index to the last entry that it speaks for.
// What this member has beyond may be of a leader that lost, which the message
// does not tell: the library would commit and apply it. Its leaders do send
// such messages: they look at the log first and at their commit index later,
// send a part of what a member lacks, and fit and skipSealed take entries out.
func bound(c *hraft.AppendEntriesRequest) {
	c.LeaderCommitIndex = min(c.LeaderCommitIndex, c.PrevLogEntry+uint64(len(c.Entries)))
}

// hasSealed reports whether the manifest here covers a snapshot that a leader
// sends, perhaps long ago. Taking it would lead back to before entries that the
// log does not have any more. One of an older leader is for the library to
// refuse.
func (f *facade) hasSealed(c *hraft.InstallSnapshotRequest) bool {
	base, r := f.base.Load(), f.raft.Load()
	return base != nil && r != nil && c.LastLogIndex <= base.Index && c.Term >= r.CurrentTerm()
}

// servers returns the newest members known here, committed or not.
func (f *facade) servers() []hraft.Server {
	r := f.raft.Load()
	if r == nil {
		return nil
	}
	c := r.GetConfiguration()
	if c.Error() != nil {
		return nil
	}
	return slices.Clone(c.Configuration().Servers) // the library gives out its own
}

func (f *facade) server(id string) (hraft.Server, bool) {
	for _, s := range f.servers() {
		if string(s.ID) == id {
			return s, true
		}
	}
	return hraft.Server{}, false
}

// header is what every message begins with. Without a version the library
// would reject it as from an older node.
func (f *facade) header() hraft.RPCHeader {
	return hraft.RPCHeader{ProtocolVersion: hraft.ProtocolVersionMax, ID: []byte(f.self), Addr: []byte(f.self)}
}

// elect asks the member to stand for election.
func (f *facade) elect() {
	f.pass(hraft.RPC{Command: &hraft.TimeoutNowRequest{RPCHeader: f.header()}, RespChan: make(chan hraft.RPCResponse, 1)})
}

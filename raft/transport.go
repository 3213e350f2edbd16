package raft

import (
	"errors"
	"io"

	hraft "github.com/hashicorp/raft"
)

var errNoPeers = errors.New("node has no transport to other nodes")

// solo is the transport of a node that has no peers.
type solo struct{ address hraft.ServerAddress }

var (
	_ hraft.Transport   = solo{}
	_ hraft.WithPreVote = solo{}
)

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

// facade is a transport into which the group itself can put a request: that
// it should stand for election at once.
type facade struct {
	hraft.Transport
	rpc chan hraft.RPC
}

// votingFacade is a facade of a transport that knows pre-votes.
type votingFacade struct {
	*facade
	hraft.WithPreVote
}

func newFacade(inner hraft.Transport) (hraft.Transport, *facade) {
	f := &facade{Transport: inner, rpc: make(chan hraft.RPC)}
	if v, ok := inner.(hraft.WithPreVote); ok {
		return votingFacade{f, v}, f
	}
	return f, f
}

// Consumer returns the requests of peers and our own.
func (f *facade) Consumer() <-chan hraft.RPC { return f.rpc }

// Close closes the transport behind.
func (f *facade) Close() error {
	if c, ok := f.Transport.(hraft.WithClose); ok {
		return c.Close()
	}
	return nil
}

// forward passes on the requests of peers until closing is closed.
func (f *facade) forward(closing <-chan struct{}) {
	from := f.Transport.Consumer()
	for {
		select {
		case r := <-from:
			select {
			case f.rpc <- r:
			case <-closing:
				return
			}
		case <-closing:
			return
		}
	}
}

// elect asks the member to stand for election.
func (f *facade) elect(closing <-chan struct{}) {
	// Without a version the library would reject it as from an older node.
	request := &hraft.TimeoutNowRequest{RPCHeader: hraft.RPCHeader{ProtocolVersion: hraft.ProtocolVersionMax}}
	r := hraft.RPC{Command: request, RespChan: make(chan hraft.RPCResponse, 1)}
	select {
	case f.rpc <- r:
	case <-closing:
	}
}

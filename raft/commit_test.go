package raft

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	hraft "github.com/hashicorp/raft"
)

// A member whose log ends with entries of a leader that lost commits none of
// them, however far the new leader says that it has committed: a message speaks
// for the entries up to its own last one. The leader sends such a message when
// something is committed between its look at the log and at the commit index.
func TestMessageCommitsNoMoreThanItShows(t *testing.T) {
	for _, test := range []struct {
		name string
		back uint64 // entries before the lost ones at which the message begins
		with uint64 // entries that it has
		seal bool   // the manifest covers all before the lost ones
	}{
		{name: "no entries"},
		{name: "entries that are there", back: 2, with: 2},
		{name: "fewer entries than are there", back: 2, with: 1},
		{name: "entries that the manifest covers", back: 4, with: 2, seal: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3)
				want := c.fill(nil, 5)
				c.agree(want)
				old := c.leader()
				n := c.nodes[old]
				common, _ := n.group.log.LastIndex()
				if test.seal {
					n.seal(t)
					if pos, _ := n.ledger.Snapshot(); pos.Index <= common-test.back+test.with {
						t.Fatalf("the manifest is at %d, both have %d: the test is too mild", pos.Index, common)
					}
				}
				c.isolate(old)
				for range 2 {
					if _, _, err := n.group.Propose(t.Context(), []byte("lost")); !errors.Is(err, ErrUncertain) && !errors.Is(err, ErrNotLeader) {
						t.Fatalf("acknowledged without a quorum: %v", err)
					}
				}
				more := c.fill(want, 5)
				leader := c.nodes[c.leader()].group
				message := &hraft.AppendEntriesRequest{
					RPCHeader: leader.facade.header(), Term: leader.raft.CurrentTerm(),
					PrevLogEntry: common - test.back, LeaderCommitIndex: leader.raft.CommitIndex(),
				}
				var prev, lost hraft.Log
				if err := errors.Join(n.group.log.GetLog(common+1, &lost), leader.log.GetLog(message.PrevLogEntry, &prev)); err != nil {
					t.Fatal(err)
				}
				if string(lost.Data) != "lost" || message.LeaderCommitIndex <= common {
					t.Fatalf("%q comes after what both have, %d, and the commit index is %d: the test is too mild", lost.Data, common, message.LeaderCommitIndex)
				}
				message.PrevLogTerm = prev.Term
				for i := range test.with {
					e := new(hraft.Log)
					if err := leader.log.GetLog(message.PrevLogEntry+1+i, e); err != nil {
						t.Fatal(err)
					}
					message.Entries = append(message.Entries, e)
				}
				answer := make(chan hraft.RPCResponse, 1)
				rpc := hraft.RPC{Command: message, RespChan: answer}
				if !n.group.facade.intercept(rpc) {
					n.group.facade.pass(rpc)
				}
				if r := <-answer; r.Error != nil || !r.Response.(*hraft.AppendEntriesResponse).Success {
					t.Fatalf("the message is refused: %+v", r)
				}
				synctest.Wait()
				if at := n.group.raft.CommitIndex(); at > common {
					t.Errorf("committed up to %d, the leader showed entries up to %d", at, message.PrevLogEntry+test.with)
				}
				if got := n.ledger.data(); !slices.Equal(got, want) {
					t.Errorf("applied %q, want %q", got, want)
				}
				c.heal()
				c.agree(more)
			})
		})
	}
}

// deposing is the log of a leader that is deposed while it is read.
type deposing struct {
	entries
	depose func()
}

func (d *deposing) GetLog(index uint64, out *hraft.Log) error {
	d.depose()
	return d.entries.GetLog(index, out)
}

// sent counts the entries of messages that left.
type sent struct {
	transport
	entries int
}

func (s *sent) AppendEntriesPipeline(hraft.ServerID, hraft.ServerAddress) (hraft.AppendPipeline, error) {
	return &sentPipeline{s}, nil
}

func (s *sent) AppendEntries(_ hraft.ServerID, _ hraft.ServerAddress, req *hraft.AppendEntriesRequest, _ *hraft.AppendEntriesResponse) error {
	s.entries += len(req.Entries)
	return nil
}

type sentPipeline struct{ *sent }

func (s *sentPipeline) AppendEntries(req *hraft.AppendEntriesRequest, _ *hraft.AppendEntriesResponse) (hraft.AppendFuture, error) {
	s.entries += len(req.Entries)
	return nil, nil
}

func (s *sentPipeline) Consumer() <-chan hraft.AppendFuture { return nil }

func (s *sentPipeline) Close() error { return nil }

// What a member read of its log while it was deposed is not sent: a part may be
// from before and a part from after the next leader changed it.
func TestMessageIsOfOneLog(t *testing.T) {
	for _, deposed := range []bool{false, true} {
		for _, pipelined := range []bool{false, true} {
			t.Run(fmt.Sprintf("deposed=%v pipelined=%v", deposed, pipelined), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, 3)
					c.agree(c.fill(nil, 4))
					old := c.leader()
					g := c.nodes[old].group
					last, _ := g.log.LastIndex()
					out := &sent{}
					log := &deposing{entries: g.log, depose: func() {
						if deposed {
							c.isolate(old)
							c.until("it leads no more", func() bool { return g.raft.State() != hraft.Leader })
						}
					}}
					f := &facade{inner: out, self: old, beat: g.facade.beat, log: log, closing: g.closing, hangs: func() bool { return false }}
					f.raft.Store(g.raft)

					first := new(hraft.Log)
					if err := g.log.GetLog(last-2, first); err != nil {
						t.Fatal(err)
					}
					req := &hraft.AppendEntriesRequest{
						RPCHeader: f.header(), Term: g.raft.CurrentTerm(),
						PrevLogEntry: last - 3, PrevLogTerm: first.Term, Entries: []*hraft.Log{first},
					}
					var err error
					if pipelined {
						var p hraft.AppendPipeline
						if p, err = f.AppendEntriesPipeline("other", "other"); err != nil {
							t.Fatal(err)
						}
						_, err = p.AppendEntries(req, &hraft.AppendEntriesResponse{})
						if err := p.Close(); err != nil {
							t.Fatal(err)
						}
					} else {
						err = f.AppendEntries("other", "other", req, &hraft.AppendEntriesResponse{})
					}
					want := 3
					if deposed {
						want = 0
					}
					if out.entries != want || errors.Is(err, errDeposed) != deposed {
						t.Errorf("sent %d entries, want %d: %v", out.entries, want, err)
					}
				})
			})
		}
	}
}

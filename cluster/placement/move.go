package placement

import (
	"slices"

	"github.com/stere-log/stere/model"
)

// Kind is what a move does.
type Kind uint8

// The kinds of moves.
const (
	// AddReplica makes a replica on To.
	AddReplica Kind = iota + 1
	// ReplaceReplica makes a replica on To for the one lost on From.
	ReplaceReplica
	// RemoveReplica removes the one on From.
	RemoveReplica
	// MoveReplica makes a replica on To, then removes the one on From.
	MoveReplica
	// TransferLeadership makes To the leader in place of From.
	TransferLeadership
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case AddReplica:
		return "add replica"
	case ReplaceReplica:
		return "replace replica"
	case RemoveReplica:
		return "remove replica"
	case MoveReplica:
		return "move replica"
	case TransferLeadership:
		return "transfer leadership"
	}
	return "unknown"
}

// Copies reports whether moves of the kind send a shard's bytes.
func (k Kind) Copies() bool {
	return k == AddReplica || k == ReplaceReplica || k == MoveReplica
}

// Priority is why a move is made; the lower, the sooner.
type Priority uint8

// The priorities, in their order.
const (
	Repair  Priority = iota + 1 // a shard has fewer healthy replicas than it should
	Surplus                     // a shard has more than are wanted
	Zone                        // its replicas lie in fewer zones than they could
	Drain                       // a node is to become empty
	Disk                        // a disk is too full
	Raise                       // three healthy replicas are there, five are wanted
	Balance                     // a node has more or less than its share
	Leaders                     // a node leads more shards than others
)

// String returns the priority in a word.
func (p Priority) String() string {
	names := [...]string{"", "repair", "surplus", "zone", "drain", "disk", "raise", "balance", "leaders"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// Wait is what a move waits for.
type Wait uint8

// What a move may wait for.
const (
	Ready      Wait = iota // it can start now
	ForShard               // another move of the shard comes first
	ForSource              // every node that has the bytes sends enough already
	ForTarget              // the target receives enough already
	ForCluster             // enough is going on in the cluster
	ForDisk                // the target has no room until other moves are done
)

// String returns what a move waits for, in words.
func (w Wait) String() string {
	switch w {
	case Ready:
		return "ready"
	case ForShard:
		return "waits for another move of the shard"
	case ForSource:
		return "waits for its source"
	case ForTarget:
		return "waits for its target"
	case ForCluster:
		return "waits for other moves"
	case ForDisk:
		return "waits for room on its target"
	}
	return "unknown"
}

// Move is one step of a plan.
type Move struct {
	Kind     Kind
	Shard    model.ShardID
	From, To string // nodes; which of them are set depends on the kind
	// Source is the node that sends the bytes: of those that can the one that
	// sends least. It is set in moves that are ready.
	Source   string
	Bytes    int64 // that are sent
	Quiet    bool  // nobody writes to the shard whose leader changes
	Priority Priority
	Reason   string // in plain words
	Wait     Wait   // why it cannot start now
}

// Finish changes a shard as the move does once it is done: the shard that was
// planned for becomes the shard that the next plan sees.
func (s *Shard) Finish(m Move) {
	if m.Kind == TransferLeadership {
		s.Leader = m.To
		return
	}
	s.Replicas = slices.DeleteFunc(slices.Clone(s.Replicas), func(r Replica) bool { return r.Node == m.From || r.Node == m.To })
	if m.Kind.Copies() {
		s.Replicas = append(s.Replicas, Replica{Node: m.To, Complete: true})
	}
	if s.Leader != "" && s.Leader == m.From {
		s.Leader = m.To
	}
}

// ProblemKind is what no move can mend.
type ProblemKind uint8

// What no move can mend.
const (
	// NoReplica: no healthy replica is left. A node has to come back.
	NoReplica ProblemKind = iota + 1
	// NoQuorum: so few voters answer that the shard cannot change its members.
	NoQuorum
	// NoTarget: no node may take a replica that should be elsewhere.
	NoTarget
	// FewNodes: more replicas are wanted than there are nodes.
	FewNodes
)

// String returns the kind in words.
func (k ProblemKind) String() string {
	names := [...]string{"", "no replica", "no quorum", "no target", "few nodes"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Problem is what a plan cannot mend, and why.
type Problem struct {
	Kind   ProblemKind
	Shard  model.ShardID
	Reason string
}

// ProblemsMax is how many problems of a kind a Result names.
const ProblemsMax = 100

// Growth is a tenant that is to spread over more shards.
type Growth struct {
	Tenant   model.TenantID
	From, To int
}

// Result is a plan.
type Result struct {
	// Moves are all there is to do, in the order of their priority. Those that
	// are Ready can start together; the others show what will follow.
	Moves []Move
	// Cancel are moves in progress that cannot come to an end, with the reason.
	// Their shards are planned for when they have been given up.
	Cancel []Move
	// Problems are the first of each kind, Counts how many there are.
	Problems []Problem
	Counts   map[ProblemKind]int
	// Growths are in the order of the tenants' ids.
	Growths []Growth
}

// Ready are the moves that can start now.
func (r Result) Ready() []Move {
	var ready []Move
	for _, m := range r.Moves {
		if m.Wait == Ready {
			ready = append(ready, m)
		}
	}
	return ready
}

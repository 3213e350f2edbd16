package heal

import (
	"slices"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
)

// StepKind is what a step towards the catalogue does.
type StepKind string

// The kinds of steps.
const (
	StepLearner  StepKind = StepKind(AddLearner) // Step.Node gets a replica without a vote
	StepVoter    StepKind = StepKind(AddVoter)   // the learner Step.Node votes
	StepRemove   StepKind = StepKind(Remove)     // Step.Node is no member any more
	StepTransfer StepKind = "transfer"           // this node is to go: Step.Node leads, or with "" any other
	StepRecord   StepKind = "record"             // Step.Record tells the catalogue what has become so
)

// Step is what brings a shard's group one step nearer to the catalogue.
type Step struct {
	Kind   StepKind
	Node   string
	Record catalogue.SetReplicas
	Reason string
}

// Sight is what the leader of a shard's group sees.
type Sight struct {
	Self   string
	Shard  catalogue.Shard // what is to be
	Wanted int             // replicas of the shard
	Nodes  map[string]catalogue.Node
	// Members are those of the group, this node among them.
	Members []Member
	// Complete is what nodes have said within the last seconds: whether they
	// have all segments and are close behind. Of a node that is not in it
	// nothing is known; this node counts anyway.
	Complete map[string]bool
}

// contactMax is how long a member that has not answered still counts as one
// that can take part.
const contactMax = 5 * time.Second

// Follow returns the next step by which a shard's group becomes what the
// catalogue says, false if there is none to do now. It remembers nothing:
// whatever step was the last one done, and by whom, the next follows from the
// catalogue and the members.
//
// A replica with a successor is removed when that one votes and is complete,
// one that is too many when so many healthy ones stay as are wanted, or when it
// is of no use itself. No member goes if the voters
// that answer would not be a majority then.
func Follow(s Sight) (Step, bool) {
	f := newFollowing(s)
	for _, next := range []func() (Step, bool){f.record, f.dismissUseless, f.vote, f.learn, f.dismiss} {
		if step, ok := next(); ok {
			return step, true
		}
	}
	return Step{}, false
}

type following struct {
	Sight
	members map[string]Member
	answers map[string]bool // members that do
	healthy map[string]bool // complete voters that answer
	useless map[string]bool // learners, voters that do not answer or are known not to be complete
	staying int             // replicas that are to stay
}

func newFollowing(s Sight) *following {
	f := &following{Sight: s, members: map[string]Member{}, answers: map[string]bool{}, healthy: map[string]bool{}, useless: map[string]bool{}}
	for _, m := range s.Members {
		f.members[m.Node] = m
		self := m.Node == s.Self
		f.answers[m.Node] = self || m.Contact >= 0 && m.Contact <= contactMax
		complete, known := s.Complete[m.Node]
		f.healthy[m.Node] = m.Voter && (self || f.answers[m.Node] && complete)
		f.useless[m.Node] = !self && (!m.Voter || !f.answers[m.Node] || known && !complete)
	}
	for _, r := range s.Shard.Replicas {
		if r.Role != catalogue.Leaving {
			f.staying++
		}
	}
	return f
}

func (f *following) gone(node string) bool {
	n, ok := f.Nodes[node]
	return !ok || n.State == catalogue.Gone
}

func (f *following) votes(node string) bool { return f.members[node].Voter }

// record tells the catalogue which replicas vote by now, which are out, and
// which never will be because their node is gone.
func (f *following) record() (Step, bool) {
	var after []catalogue.Replica
	reason := ""
	for _, r := range f.Shard.Replicas {
		_, member := f.members[r.Node]
		switch {
		case r.Role == catalogue.Joining && f.votes(r.Node):
			r.Role, reason = catalogue.Voter, "node "+r.Node+" votes"
		case r.Role == catalogue.Joining && f.gone(r.Node):
			reason = "node " + r.Node + " is gone before it could vote"
			continue
		case r.Role == catalogue.Leaving && !member:
			reason = "node " + r.Node + " is out"
			continue
		case r.Role == catalogue.Voter && !member && f.gone(r.Node):
			reason = "node " + r.Node + " is gone and out"
			continue
		}
		after = append(after, r)
	}
	if reason == "" {
		return Step{}, false
	}
	keepUnsucceeded(after)
	if !lasting(after) {
		return Step{}, false
	}
	return Step{Kind: StepRecord, Reason: reason, Record: catalogue.SetReplicas{Shard: f.Shard.Number, If: f.Shard.Version, Replicas: after}}, true
}

// keepUnsucceeded lets those stay whose successor is not among the replicas.
func keepUnsucceeded(replicas []catalogue.Replica) {
	for i := range replicas {
		r := &replicas[i]
		if r.Successor == "" || slices.ContainsFunc(replicas, func(other catalogue.Replica) bool { return other.Node == r.Successor }) {
			continue
		}
		r.Role, r.Successor = catalogue.Voter, ""
	}
}

// lasting reports whether one of the replicas stays and one is complete, as
// the catalogue demands.
func lasting(replicas []catalogue.Replica) bool {
	return slices.ContainsFunc(replicas, func(r catalogue.Replica) bool { return r.Role != catalogue.Leaving }) &&
		slices.ContainsFunc(replicas, func(r catalogue.Replica) bool { return r.Role != catalogue.Joining })
}

// vote gives learners that are complete the vote that they are to have.
func (f *following) vote() (Step, bool) {
	for _, r := range f.Shard.Replicas {
		m, ok := f.members[r.Node]
		if ok && !m.Voter && r.Role != catalogue.Leaving && f.ready(r.Node) && !f.awaits(r) {
			return Step{Kind: StepVoter, Node: r.Node, Reason: "it is complete"}, true
		}
	}
	return Step{}, false
}

// ready reports whether a learner could vote at once.
func (f *following) ready(node string) bool {
	return f.answers[node] && f.Complete[node] && !f.gone(node)
}

// awaits reports whether a learner waits for another one that is to vote as
// well: with the vote of one of them the number of voters would be even, and
// no more of them could be away than before.
func (f *following) awaits(r catalogue.Replica) bool {
	voters := 0
	for _, m := range f.members {
		if m.Voter {
			voters++
		}
	}
	return voters%2 == 1 && f.added(r) && slices.ContainsFunc(f.Shard.Replicas, func(other catalogue.Replica) bool {
		return other.Node != r.Node && f.added(other) && !f.gone(other.Node) && !f.ready(other.Node)
	})
}

// added reports whether a replica joins without taking another's place.
func (f *following) added(r catalogue.Replica) bool {
	return r.Role == catalogue.Joining && !slices.ContainsFunc(f.Shard.Replicas, func(other catalogue.Replica) bool { return other.Successor == r.Node })
}

// learn lets those follow that are no members yet.
func (f *following) learn() (Step, bool) {
	for _, r := range f.Shard.Replicas {
		if _, ok := f.members[r.Node]; !ok && r.Role != catalogue.Leaving && !f.gone(r.Node) {
			return Step{Kind: StepLearner, Node: r.Node, Reason: "the catalogue wants a replica there"}, true
		}
	}
	return Step{}, false
}

// dismissUseless removes what is to go and helps nobody.
func (f *following) dismissUseless() (Step, bool) {
	return f.remove(func(_ catalogue.Replica, m Member) bool { return f.useless[m.Node] })
}

// dismiss removes what is to go, or if that is this node lets another lead.
func (f *following) dismiss() (Step, bool) {
	return f.remove(func(r catalogue.Replica, m Member) bool {
		enough := f.Wanted
		if r.Node == "" { // a stray: the catalogue may be content with less
			enough = min(enough, f.staying)
		}
		return r.Successor != "" || f.healthyBut(m.Node) >= enough
	})
}

// remove finds a member that is to go and may: one that the catalogue does not
// name, or one that leaves.
func (f *following) remove(may func(r catalogue.Replica, m Member) bool) (Step, bool) {
	for _, m := range f.Members {
		r, named := f.Shard.On(m.Node)
		if named && r.Role != catalogue.Leaving || !may(r, m) {
			continue
		}
		if r.Successor != "" && !f.healthy[r.Successor] {
			continue
		}
		if m.Voter && !f.majorityBut(m.Node) {
			continue
		}
		reason := "the catalogue does not name it"
		if named {
			reason = "the catalogue lets it go"
		}
		if m.Node != f.Self {
			return Step{Kind: StepRemove, Node: m.Node, Reason: reason}, true
		}
		if f.healthyBut(m.Node) > 0 {
			return Step{Kind: StepTransfer, Node: r.Successor, Reason: reason}, true
		}
	}
	return Step{}, false
}

func (f *following) healthyBut(node string) (n int) {
	for other, healthy := range f.healthy {
		if healthy && other != node {
			n++
		}
	}
	return n
}

// majorityBut reports whether without a voter those that answer are a majority
// of the others, and one of them has everything.
func (f *following) majorityBut(node string) bool {
	voters, answer := 0, 0
	for _, m := range f.Members {
		if !m.Voter || m.Node == node {
			continue
		}
		if voters++; f.answers[m.Node] {
			answer++
		}
	}
	return answer > voters/2 && f.healthyBut(node) > 0
}

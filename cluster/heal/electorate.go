package heal

import (
	"context"
	"slices"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/placement"
)

// ballot is a change of the catalogue's group.
type ballot struct {
	node   string
	change Change
	demote bool // Remove, then AddLearner
	// must: the node has joined or is gone, by hand; this is no choice.
	must   bool
	reason string
}

// key is the target of the action, and by which it is known from picture to
// picture.
func (b ballot) key() string {
	what := string(b.change)
	if b.demote {
		what = "take the vote"
	}
	return nodeTarget(b.node) + ": " + what
}

// voting says how the catalogue's group is to change: every node that is not
// gone follows it, and those vote that placement chooses. Who is to vote gets
// the vote before another loses it. Two that are to vote get the vote one right
// after the other: a number of voters that is even makes nothing safer.
func (p *picture) voting() []ballot {
	var joins, promotions, demotions []ballot
	voters, wanted := 0, 0
	in := make(map[string]Member, len(p.voters))
	for _, m := range p.voters {
		in[m.Node] = m
	}
	chosen := placement.Voters(p.given.Nodes, p.state.Settings.CatalogueVoters)
	for _, n := range p.observed.Nodes {
		m, member := in[n.ID]
		vote := slices.Contains(chosen, n.ID)
		if m.Voter {
			voters++
		}
		switch {
		case n.State == catalogue.Gone && member:
			joins = append(joins, ballot{node: n.ID, change: Remove, must: true, reason: "the node is gone"})
		case n.State == catalogue.Gone:
		case !member && n.Life.Up():
			joins = append(joins, ballot{node: n.ID, change: AddLearner, must: true, reason: "the node has joined"})
		case member && vote && !m.Voter && n.Life.Up():
			wanted++
			if answers(m) && m.Match > 0 {
				promotions = append(promotions, ballot{node: n.ID, change: AddVoter, reason: "it is to vote in the catalogue"})
			}
		case member && !vote && m.Voter:
			demotions = append(demotions, ballot{node: n.ID, change: Remove, demote: true, reason: "node is " + p.why(n) + ", others are to vote in the catalogue"})
		}
	}
	switch {
	case wanted > 1 && len(promotions) == 1 && voters%2 == 1, len(chosen) == 0:
		return joins // another one is not ready yet
	case wanted > 0:
		return append(joins, promotions...)
	}
	return append(joins, demotions...)
}

// votes reports whether a node votes in the catalogue.
func (p *picture) votes(node string) bool {
	return slices.ContainsFunc(p.voters, func(m Member) bool { return m.Node == node && m.Voter })
}

// answers reports whether a member of the catalogue's group could take part at
// once.
func answers(m Member) bool { return m.Contact >= 0 && m.Contact <= contactMax }

// why says what a node is like that loses its vote.
func (p *picture) why(n ObservedNode) string {
	if n.State == catalogue.Draining {
		return string(n.State)
	}
	return string(n.Life)
}

// electorate changes the members of the catalogue's group. Who has joined
// follows the catalogue, and who is gone does not, also while nothing else is
// done: that is a part of what was asked for by hand.
func (c *Controller) electorate(ctx context.Context, p *acting) error {
	// The cooldown is that between two pictures with changes.
	may := c.may(p, CatalogueVoter, p.target)
	for i, b := range p.voting() {
		if i == startsMax || !c.cluster.Leads() {
			return nil
		}
		key := b.key()
		if !p.wants(CatalogueVoter, key) || !b.must && (!may || !c.ripe(p, key)) || !p.hand && c.pause(CatalogueVoter+" "+key, p.at) > 0 {
			continue
		}
		if !safe(c.cluster.CatalogueMembers(), b, c.cluster.Self()) {
			continue
		}
		_, err := c.once(ctx, p, catalogue.Action{Name: CatalogueVoter, Target: key, By: p.by, Reason: p.because("%s", b.reason)}, func(ctx context.Context) error {
			return c.cast(ctx, b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cast makes a change of the catalogue's group.
func (c *Controller) cast(ctx context.Context, b ballot) error {
	if b.change == Remove && b.node == c.cluster.Self() {
		// Whoever leads then takes this node's vote.
		return c.cluster.Transfer(ctx, catalogue.Group, "")
	}
	if err := c.cluster.ChangeCatalogue(ctx, b.change, b.node); err != nil {
		return err
	}
	if b.demote {
		return c.cluster.ChangeCatalogue(ctx, AddLearner, b.node)
	}
	return nil
}

// Spares reports whether the catalogue's group can do without one of its members:
// the voters that answer are a majority of those that are left.
func Spares(members []Member, node, self string) bool {
	return safe(members, ballot{node: node, change: Remove}, self)
}

// safe reports whether the voters that answer are a majority after a change.
func safe(members []Member, b ballot, self string) bool {
	voters, answer := 0, 0
	for _, m := range members {
		if m.Node == b.node {
			m.Voter = b.change == AddVoter
		}
		if !m.Voter {
			continue
		}
		if voters++; m.Node == self || answers(m) {
			answer++
		}
	}
	return b.change == AddLearner || answer > voters/2
}

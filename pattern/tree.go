package pattern

import (
	"slices"
	"strings"
)

// node is a place in the tree of patterns of one length.
type node struct {
	exact   map[string]*node
	between []edge // in order
	pattern *Pattern
}

// edge is a token that was learned to vary.
type edge struct {
	lead, trail string // what is around it
	to          *node
}

func (n *node) add(tokens []string, p *Pattern) {
	for _, token := range tokens {
		n = n.child(token)
	}
	n.pattern = p
}

// child returns the node behind a token, and makes it if there is none.
func (n *node) child(token string) *node {
	if lead, trail, varies := strings.Cut(token, wild); varies {
		e := edge{lead: lead, trail: trail}
		at, known := slices.BinarySearchFunc(n.between, e, edge.compare)
		if !known {
			e.to = &node{}
			n.between = slices.Insert(n.between, at, e)
		}
		return n.between[at].to
	}
	if n.exact == nil {
		n.exact = map[string]*node{}
	}
	to := n.exact[token]
	if to == nil {
		to = &node{}
		n.exact[token] = to
	}
	return to
}

// find returns the pattern that covers tokens, of several one with the same words as far
// to the left as possible. After so many looks there is none: of many patterns in which
// much varies there are more ways through the tree than anyone can go.
func (n *node) find(tokens []string, looks *int) *Pattern {
	if *looks--; *looks < 0 {
		return nil
	}
	if len(tokens) == 0 {
		return n.pattern
	}
	if to := n.exact[tokens[0]]; to != nil {
		if p := to.find(tokens[1:], looks); p != nil {
			return p
		}
	}
	for i := range n.between {
		if *looks--; *looks < 0 {
			return nil
		}
		if e := &n.between[i]; e.covers(tokens[0]) {
			if p := e.to.find(tokens[1:], looks); p != nil {
				return p
			}
		}
	}
	return nil
}

// compare puts edges in order: those first that say most of a token.
func (e edge) compare(other edge) int {
	if d := len(other.lead) + len(other.trail) - len(e.lead) - len(e.trail); d != 0 {
		return d
	}
	return strings.Compare(e.lead+wild+e.trail, other.lead+wild+other.trail)
}

// covers reports whether a token is one of those that the edge stands for.
func (e *edge) covers(token string) bool {
	return len(token) >= len(e.lead)+len(e.trail) && strings.HasPrefix(token, e.lead) && strings.HasSuffix(token, e.trail)
}
